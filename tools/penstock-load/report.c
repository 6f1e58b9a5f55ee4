#include "penstock-load/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REPLIES 16

struct values {
	float *data;
	size_t count, size;
	int sorted;
};

struct second {
	unsigned offered, count[OUTCOME__COUNT], in_time;
};

struct report {
	struct values accepted, accepted_first, refused, greeted;
	uint64_t offered, retries, given_up, count[OUTCOME__COUNT], accepted_1s, accepted_5s;
	struct {
		char text[128];
		uint64_t count;
	} replies[REPLIES];
	struct second *seconds;
	size_t seconds_count;
	FILE *trace;
};

static const char *outcome_name(enum outcome outcome)
{
	static const char *const names[OUTCOME__COUNT] = { "accepted",	"refused", "rejected",
							   "timeout",	"reset",   "unreachable",
							   "unfinished" };

	return names[outcome];
}

static void values_add(struct values *v, double value)
{
	if (v->count == v->size) {
		size_t size = v->size ? v->size * 2 : 4096;
		float *data = realloc(v->data, size * sizeof(*data));

		if (!data)
			return;
		v->data = data;
		v->size = size;
	}
	v->data[v->count++] = (float)value;
	v->sorted = 0;
}

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static double quantile(struct values *v, double q)
{
	if (!v->count)
		return -1;
	if (!v->sorted)
		qsort(v->data, v->count, sizeof(*v->data), compare);
	v->sorted = 1;
	return v->data[(size_t)fmin((double)v->count - 1, floor(q * (double)v->count))];
}

struct report *report_new(double seconds, FILE *trace)
{
	struct report *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->seconds_count = (size_t)seconds + 2;
	r->seconds = calloc(r->seconds_count, sizeof(*r->seconds));
	r->trace = trace;
	if (trace)
		fprintf(trace,
			"scheduled_s,started_s,greeted_s,ended_s,first_s,attempt,outcome,code,source,reply\n");
	return r;
}

void report_free(struct report *r)
{
	if (!r)
		return;
	free(r->accepted.data);
	free(r->accepted_first.data);
	free(r->refused.data);
	free(r->greeted.data);
	free(r->seconds);
	free(r);
}

static struct second *second_of(struct report *r, double at_s)
{
	size_t i = at_s > 0 ? (size_t)at_s : 0;

	return &r->seconds[i < r->seconds_count ? i : r->seconds_count - 1];
}

void report_offered(struct report *r, double at_s)
{
	r->offered++;
	second_of(r, at_s)->offered++;
}

void report_given_up(struct report *r)
{
	r->given_up++;
}

static void count_reply(struct report *r, const char *text)
{
	for (int i = 0; i < REPLIES; i++) {
		if (r->replies[i].count && strcmp(r->replies[i].text, text) != 0)
			continue;
		snprintf(r->replies[i].text, sizeof(r->replies[i].text), "%s", text);
		r->replies[i].count++;
		return;
	}
}

void report_attempt(struct report *r, const struct attempt *a)
{
	double took = a->ended_s - a->scheduled_s;

	r->count[a->outcome]++;
	second_of(r, a->ended_s)->count[a->outcome]++;
	if (a->number)
		r->retries++;
	if (a->greeted_s >= 0)
		values_add(&r->greeted, a->greeted_s - a->started_s);
	if (a->outcome == OUTCOME_ACCEPTED) {
		values_add(&r->accepted, took);
		values_add(&r->accepted_first, a->ended_s - a->first_s);
		r->accepted_1s += took <= 1;
		r->accepted_5s += took <= 5;
		second_of(r, a->ended_s)->in_time += took <= 1;
	}
	if (a->outcome == OUTCOME_REFUSED || a->outcome == OUTCOME_REJECTED) {
		values_add(&r->refused, took);
		count_reply(r, a->text);
	}
	if (r->trace)
		fprintf(r->trace, "%.6f,%.6f,%.6f,%.6f,%.6f,%u,%s,%d,%s,\"%.40s\"\n",
			a->scheduled_s, a->started_s, a->greeted_s, a->ended_s, a->first_s,
			a->number, outcome_name(a->outcome), a->code, a->source, a->text);
}

static json_t *quantiles(struct values *v)
{
	if (!v->count)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:f, s:f}", "p50", quantile(v, .5), "p90",
			 quantile(v, .9), "p99", quantile(v, .99), "p999", quantile(v, .999), "max",
			 quantile(v, 1));
}

static json_t *series(const struct report *r)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < r->seconds_count; i++) {
		const struct second *s = &r->seconds[i];
		unsigned failed = s->count[OUTCOME_TIMEOUT] + s->count[OUTCOME_RESET] +
				  s->count[OUTCOME_UNREACHABLE];

		json_array_append_new(
			rows,
			json_pack("{s:i, s:i, s:i, s:i, s:i, s:i}", "second", (int)i, "offered",
				  (int)s->offered, "accepted", (int)s->count[OUTCOME_ACCEPTED],
				  "accepted_in_1s", (int)s->in_time, "refused",
				  (int)(s->count[OUTCOME_REFUSED] + s->count[OUTCOME_REJECTED]),
				  "failed", (int)failed));
	}
	return rows;
}

json_t *report_json(struct report *r, double late_s, double cpu_s)
{
	json_t *outcomes = json_object(), *replies = json_object();

	for (int i = 0; i < OUTCOME__COUNT; i++)
		json_object_set_new(outcomes, outcome_name((enum outcome)i),
				    json_integer((json_int_t)r->count[i]));
	for (int i = 0; i < REPLIES && r->replies[i].count; i++)
		json_object_set_new(replies, r->replies[i].text,
				    json_integer((json_int_t)r->replies[i].count));
	return json_pack("{s:I, s:I, s:I, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:o}",
			 "offered", (json_int_t)r->offered, "retries", (json_int_t)r->retries,
			 "given_up", (json_int_t)r->given_up, "outcomes", outcomes,
			 "accepted_in_1s", (json_int_t)r->accepted_1s, "accepted_in_5s",
			 (json_int_t)r->accepted_5s, "accepted_s", quantiles(&r->accepted),
			 "accepted_from_first_try_s", quantiles(&r->accepted_first), "refused_s",
			 quantiles(&r->refused), "connect_to_220_s", quantiles(&r->greeted),
			 "replies", replies, "generator_late_s", late_s, "generator_cpu_s", cpu_s,
			 "series", series(r));
}

static void print_quantiles(FILE *out, const char *name, struct values *v)
{
	if (v->count)
		fprintf(out, "%-24s p50 %.3f s, p99 %.3f s, p99.9 %.3f s, worst %.3f s\n", name,
			quantile(v, .5), quantile(v, .99), quantile(v, .999), quantile(v, 1));
}

void report_text(struct report *r, double late_s, FILE *out)
{
	fprintf(out, "offered %llu, retried %llu", (unsigned long long)r->offered,
		(unsigned long long)r->retries);
	for (int i = 0; i < OUTCOME__COUNT; i++)
		if (r->count[i])
			fprintf(out, ", %s %llu", outcome_name((enum outcome)i),
				(unsigned long long)r->count[i]);
	fprintf(out, "\naccepted within 1 s: %llu\n", (unsigned long long)r->accepted_1s);
	print_quantiles(out, "accepted after", &r->accepted);
	print_quantiles(out, "refused after", &r->refused);
	print_quantiles(out, "connect to 220", &r->greeted);
	for (int i = 0; i < REPLIES && r->replies[i].count; i++)
		fprintf(out, "%8llu x %s\n", (unsigned long long)r->replies[i].count,
			r->replies[i].text);
	if (late_s > 0.01)
		fprintf(out,
			"the generator itself was up to %.3f s late: latencies hold that, give it a core of its own\n",
			late_s);
}
