#include "store/trace_answer.h"

#include <stdio.h>
#include <string.h>

const char *const trace_common_name[TRACE_COMMON] = {
#define X(name, ...) name,
	TRACE_COMMON_TABLE(X)
#undef X
};

const char *const trace_service_name[TRACE_OF_SERVICE] = {
#define X(name, ...) name,
	TRACE_SERVICE_TABLE(X)
#undef X
};

_Static_assert(TRACE_COMMON < TRACE_UNKNOWN && TRACE_OF_SERVICE < TRACE_UNKNOWN, "bytes");
_Static_assert(TRACE_COMMON <= TRACE_NAMES && TRACE_OF_SERVICE <= TRACE_NAMES, "in the head");

void trace_answer_from(const struct engine_view *v, const struct plan *plan,
		       struct trace_answer *ret)
{
	const double common[TRACE_COMMON] = {
#define X(name, value) (double)(value),
		TRACE_COMMON_TABLE(X)
#undef X
	};

	memset(ret, 0, sizeof(*ret));
	memcpy(ret->common, common, sizeof(common));
	ret->services = plan->services <= PLAN_SERVICES ? plan->services : PLAN_SERVICES;
	for (unsigned i = 0; i < ret->services; i++) {
		const struct window_view *w = &v->window[i];
		const struct plan_service *p = &plan->service[i];
		const double service[TRACE_OF_SERVICE] = {
#define X(name, value) (double)(value),
			TRACE_SERVICE_TABLE(X)
#undef X
		};

		memcpy(ret->service[i], service, sizeof(service));
	}
}

const char *trace_answer_name(const struct engine_config *config, unsigned number, char *buf,
			      size_t size)
{
	unsigned service;

	if (number < TRACE_COMMON)
		return trace_common_name[number];
	service = (number - TRACE_COMMON) / TRACE_OF_SERVICE;
	snprintf(buf, size, "%s.%s", service < PLAN_SERVICES ? config->service[service].name : "?",
		 trace_service_name[(number - TRACE_COMMON) % TRACE_OF_SERVICE]);
	return buf;
}

double trace_answer_value(const struct trace_answer *answer, unsigned number)
{
	unsigned n = number - TRACE_COMMON;

	if (number < TRACE_COMMON)
		return answer->common[number];
	return n / TRACE_OF_SERVICE < answer->services
		       ? answer->service[n / TRACE_OF_SERVICE][n % TRACE_OF_SERVICE]
		       : 0;
}

static bool is_compared(const struct trace_names *names, bool ranked, unsigned number)
{
	unsigned n = (number - TRACE_COMMON) % TRACE_OF_SERVICE;

	if (number < TRACE_COMMON)
		return names->has_common[number];
	return names->has_service[n] && (ranked || n < TRACE_OF_SERVICE - TRACE_OF_SOURCES);
}

int trace_answer_differs(const struct trace_answer *a, const struct trace_answer *b,
			 const struct trace_names *names, bool ranked, unsigned from)
{
	unsigned services = a->services > b->services ? a->services : b->services;

	for (unsigned n = from; n < TRACE_COMMON + services * TRACE_OF_SERVICE; n++) {
		double x = trace_answer_value(a, n), y = trace_answer_value(b, n);

		if (is_compared(names, ranked, n) && memcmp(&x, &y, sizeof(x)) != 0)
			return (int)n;
	}
	return -1;
}
