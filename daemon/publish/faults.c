#include "publish/faults.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/text.h"
#include "publish/words.h"

#define RECENT_S 900

static double age_s(const struct status *s, int fault)
{
	uint64_t last_us = s->faults.last_us[fault];

	return s->now_us > last_us ? (double)(s->now_us - last_us) / US_PER_S : 0;
}

bool faults_lately(const struct status *s, enum fault fault, double *ret_age_s)
{
	*ret_age_s = age_s(s, fault);
	return s->faults.count[fault] && *ret_age_s <= RECENT_S;
}

/* "127.9.9.9", or NULL: the fault is about no address, or the reader may not know it. */
static const char *address_of(const struct status *s, enum fault fault, char *buf)
{
	struct in6_addr address;

	if (fault != FAULT_SHARED_ADDRESS || !s->shared_last.known)
		return NULL;
	memcpy(&address, s->shared_last.address, sizeof(address));
	return address_print(&address, buf);
}

json_t *faults_json(const struct status *s)
{
	json_t *object = json_object();

	for (int i = 0; i < FAULT__COUNT; i++) {
		enum fault fault = (enum fault)i;
		char buf[INET6_ADDRSTRLEN];

		if (!s->faults.count[i])
			continue;
		json_object_set_new(object, fault_name(fault),
				    json_pack("{s:I, s:f, s:s, s:s, s:s, s:s*}", "count",
					      (json_int_t)s->faults.count[i], "last_s", age_s(s, i),
					      "what", fault_what(fault), "consequence",
					      fault_consequence(fault), "remedy",
					      fault_remedy(fault), "address",
					      address_of(s, fault, buf)));
	}
	return object;
}

void faults_explain(const struct status *s, struct text *out)
{
	for (int i = 0; i < FAULT__COUNT; i++) {
		enum fault fault = (enum fault)i;
		char since[DURATION_PRINTED];
		double age;

		if (!faults_lately(s, fault, &age))
			continue;
		text_append(out, "!! %s: %llu times, the last %s ago. %s. %s. %s.\n",
			    fault_name(fault), (unsigned long long)s->faults.count[i],
			    duration_print(age, since), fault_what(fault), fault_consequence(fault),
			    fault_remedy(fault));
	}
}
