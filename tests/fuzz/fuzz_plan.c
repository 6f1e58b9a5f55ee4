#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/plan.h"
#include "core/reply.h"

/* What a front does with whatever stands in the plan file: a verdict and a reply come out, and
 * never a 5xx. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan shared = { 0 }, plan = { 0 };
	struct plan_request request = { 0 };
	struct plan_bucket bucket = { 0 };
	static const struct reply_style style = { .hostname = "mx.example.org" };
	char line[REPLY_MAX + 1];
	struct verdict v;
	uint32_t tokens;
	size_t n;

	memcpy(&shared, data, size < sizeof(shared) ? size : sizeof(shared));
	if (size && data[size - 1] & 1) { /* past the first checks */
		shared.magic = PLAN_MAGIC;
		shared.version = PLAN_VERSION;
		shared.sequence &= ~UINT64_C(1);
	}
	if (plan_read(&shared, &plan) < 0)
		return 0;
	if (size > sizeof(shared))
		memcpy(&request, data + sizeof(shared),
		       size - sizeof(shared) < sizeof(request) ? size - sizeof(shared)
							       : sizeof(request));
	if (size && data[size - 1] & 2)
		request.now_us = plan.heartbeat_us;
	request.service %= PLAN_SERVICES;
	tokens = plan_bucket_refill(&bucket, &plan.service[request.service], request.now_us);
	plan_bucket_take(&bucket);
	(void)tokens;
	v = plan_decide(&plan, &request);
	if (v.admit > 1)
		abort();
	n = reply_line(line, sizeof(line), plan.service[request.service].reply_code, &style,
		       (enum reason)v.reason, plan.order_until_us);
	if (n < 5 || n > REPLY_MAX || line[0] != '4' || memcmp(line + n - 2, "\r\n", 2) != 0)
		abort();
	reason_name((enum reason)v.reason);
	return 0;
}
