#include "penstock-replay/show.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double seconds(const struct replay *r, uint64_t now_us)
{
	return ((double)now_us - (double)r->head.now_us) / 1e6;
}

/* ---- for people ----------------------------------------------------------------------------- */

void show_columns(FILE *out)
{
	fprintf(out, "%10s %-8s %-11s %-8s %8s %9s %8s %9s %8s %8s  %s\n", "s", "level", "state",
		"driver", "pressure", "in flight", "window", "capacity", "admitted", "deferred",
		"deferred for, and what the replay would have said");
}

/* `unlimited` of the window is a word. */
static const char *number(double value, const char *format, char *buf, size_t size)
{
	if (value < 0)
		return "-";
	snprintf(buf, size, format, value);
	return buf;
}

static void show_verdicts(FILE *out, const struct replay_tick *t)
{
	const struct replay_verdicts *v = &t->verdicts_recorded, *w = &t->verdicts_replayed;
	const char *separator = "  ";

	for (int i = 0; i < REASON__COUNT; i++) {
		if (!v->deferred_for[i])
			continue;
		fprintf(out, "%s%s %llu", separator, reason_name((enum reason)i),
			(unsigned long long)v->deferred_for[i]);
		separator = ", ";
	}
	if (v->admitted != w->admitted || v->deferred != w->deferred)
		fprintf(out, "  (replay: %llu, %llu)", (unsigned long long)w->admitted,
			(unsigned long long)w->deferred);
}

void show_tick(FILE *out, const struct replay *r, const struct replay_tick *t)
{
	const struct engine_view *v = &r->engine.view;
	const struct window_view *w = &v->window[0];
	char a[32], b[32], c[32];

	fprintf(out, "%10.3f %-8s %-11s %-8s %8.2f %9s %8s %9s %8llu %8llu",
		seconds(r, t->recorded->sample.now_us), level_name(v->level.number),
		engine_state_name(v->state),
		v->pressure.any_known ? resource_name(v->pressure.driver) : "-",
		v->pressure.combined, number(v->in_flight, "%.0f", a, sizeof(a)),
		w->law == LAW_OPEN ? "open" : number(w->window, "%.1f", b, sizeof(b)),
		number(w->capacity_per_s, "%.1f", c, sizeof(c)),
		(unsigned long long)t->verdicts_recorded.admitted,
		(unsigned long long)t->verdicts_recorded.deferred);
	show_verdicts(out, t);
	if (t->compared && t->differs)
		fputs("  differs", out);
	fputc('\n', out);
}

/* Some numbers are names. */
static const char *value_text(const char *name, double value, char *buf, size_t size)
{
	const char *dot = strrchr(name, '.');

	name = dot ? dot + 1 : name;
	if (strcmp(name, "level") == 0)
		return level_name((enum level_number)value);
	if (strcmp(name, "state") == 0)
		return engine_state_name((enum engine_state)value);
	if (strcmp(name, "driver") == 0)
		return resource_name((enum resource)value);
	if (strcmp(name, "law") == 0)
		return window_law_name((enum window_law)value);
	if (strcmp(name, "regime") == 0)
		return regime_name((enum regime)value);
	if (strcmp(name, "machine") == 0)
		return machine_name((enum machine)value);
	if (strcmp(name, "reason") == 0)
		return reason_name((enum reason)value);
	if (strcmp(name, "driver_signal") == 0 && value >= 0 && value < SIGNAL__COUNT)
		return signal_info[(unsigned)value].name;
	snprintf(buf, size, value == PLAN_UNLIMITED ? "unlimited" : "%.17g", value);
	return buf;
}

void show_differences(FILE *out, const struct replay *r, const struct replay_tick *t, unsigned most)
{
	const struct trace_answer *recorded = &t->recorded->answer;
	int n = t->first;
	unsigned shown = 0;

	fprintf(out, "tick %u, %.3f s:\n", t->plan.tick, seconds(r, t->recorded->sample.now_us));
	if (n < 0)
		fputs("    the plan, in what has no name here (salt, epoch, order)\n", out);
	while (n >= 0 && shown++ < most) {
		char name[80], a[40], b[40];
		const char *full =
			trace_answer_name(&r->engine.config, (unsigned)n, name, sizeof(name));

		fprintf(out, "    %-28s recorded %-24s replayed %s\n", full,
			value_text(full, trace_answer_value(recorded, (unsigned)n), a, sizeof(a)),
			value_text(full, trace_answer_value(&t->answer, (unsigned)n), b,
				   sizeof(b)));
		n = trace_answer_differs(recorded, &t->answer, &r->head.answers, t->ranked,
					 (unsigned)n + 1);
	}
	if (n >= 0)
		fputs("    and more\n", out);
}

/* ---- for programs --------------------------------------------------------------------------- */

/* A number that JSON cannot express is left out. */
static void put_number(json_t *object, const char *key, double value)
{
	if (isfinite(value))
		json_object_set_new(object, key, json_real(value));
}

static json_t *verdicts(const struct replay_verdicts *v)
{
	json_t *object = json_object(), *reasons = json_object();

	json_object_set_new(object, "admitted", json_integer((json_int_t)v->admitted));
	json_object_set_new(object, "deferred", json_integer((json_int_t)v->deferred));
	for (int i = 0; i < REASON__COUNT; i++)
		if (v->deferred_for[i])
			json_object_set_new(reasons, reason_name((enum reason)i),
					    json_integer((json_int_t)v->deferred_for[i]));
	json_object_set_new(object, "by_reason", reasons);
	return object;
}

static json_t *answers(const struct replay *r, const struct trace_answer *a)
{
	json_t *object = json_object();
	char name[80], text[40];

	for (unsigned n = 0; n < TRACE_COMMON + a->services * TRACE_OF_SERVICE; n++) {
		const char *full = trace_answer_name(&r->engine.config, n, name, sizeof(name));
		double value = trace_answer_value(a, n);
		const char *word = value_text(full, value, text, sizeof(text));

		if (word != text)
			json_object_set_new(object, full, json_string(word));
		else
			put_number(object, full, value);
	}
	return object;
}

static json_t *loads(const struct replay *r, const struct load *load)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < r->engine.config.services; i++) {
		const struct load_service *l = &load->service[i];
		json_t *one = json_object();

		if (l->known & LOAD_IN_FLIGHT)
			put_number(one, "in_flight", l->in_flight);
		if (l->known & LOAD_BUSY)
			put_number(one, "busy", l->busy);
		if (l->known & LOAD_STUCK)
			put_number(one, "stuck", l->stuck);
		if (l->known & LOAD_UNGREETED)
			put_number(one, "ungreeted", l->ungreeted);
		if (l->known & LOAD_HELD) {
			put_number(one, "held", l->held);
			put_number(one, "held_longest_s", l->held_longest_s);
			put_number(one, "held_admitted", (double)l->held_admitted);
			put_number(one, "held_in_vain", (double)l->held_in_vain);
			put_number(one, "held_left", (double)l->held_left);
		}
		if (l->known & LOAD_OFFERED) {
			put_number(one, "offered", (double)l->offered);
			put_number(one, "admitted", (double)l->admitted);
			put_number(one, "deferred", (double)l->deferred);
		}
		if (l->known & LOAD_COMPLETED)
			put_number(one, "completed", (double)l->completed);
		json_object_set_new(object, r->engine.config.service[i].name, one);
	}
	return object;
}

static json_t *differences(const struct replay *r, const struct replay_tick *t)
{
	json_t *array = json_array();
	char name[80];

	for (int n = t->first; n >= 0;
	     n = trace_answer_differs(&t->recorded->answer, &t->answer, &r->head.answers, t->ranked,
				      (unsigned)n + 1))
		json_array_append_new(array,
				      json_string(trace_answer_name(&r->engine.config, (unsigned)n,
								    name, sizeof(name))));
	if (t->first < 0)
		json_array_append_new(array, json_string("plan"));
	return array;
}

static void print_line(FILE *out, json_t *object)
{
	json_dumpf(object, out, JSON_COMPACT | JSON_REAL_PRECISION(17));
	fputc('\n', out);
	json_decref(object);
}

void show_json(FILE *out, const struct replay *r, const struct replay_tick *t)
{
	json_t *object = json_object(), *signals = json_object(), *said = json_object();

	put_number(object, "s", seconds(r, t->recorded->sample.now_us));
	put_number(object, "realtime_s", (double)t->recorded->realtime_us / 1e6);
	json_object_set_new(object, "tick", json_integer(t->plan.tick));
	for (int i = 0; i < SIGNAL__COUNT; i++)
		if (sample_has(&t->sample, (enum signal)i))
			put_number(signals, signal_info[i].name, t->sample.value[i]);
	json_object_set_new(object, "signals", signals);
	json_object_set_new(object, "load", loads(r, &t->recorded->load));
	json_object_set_new(object, "answer", answers(r, &t->answer));
	json_object_set_new(said, "recorded", verdicts(&t->verdicts_recorded));
	json_object_set_new(said, "replayed", verdicts(&t->verdicts_replayed));
	json_object_set_new(object, "verdicts", said);
	json_object_set_new(object, "compared", json_boolean(t->compared));
	if (t->compared && t->differs) {
		json_object_set_new(object, "recorded", answers(r, &t->recorded->answer));
		json_object_set_new(object, "differs", differences(r, t));
	}
	print_line(out, object);
}

/* ---- what else happens ---------------------------------------------------------------------- */

void show_record(FILE *out, const struct replay *r, const struct trace_record *record, bool json)
{
	char text[256] = "";
	const char *kind = "note";

	if (record->type == TRACE_ORDER) {
		const struct trace_order *o = &record->order;
		const char *what = o->kind == TRACE_ORDER_STATE
					   ? engine_state_name((enum engine_state)o->value)
				   : o->value == PLAN_OBSERVE ? "observe"
							      : "enforce";

		kind = "order";
		snprintf(text, sizeof(text), "at %.3f s an operator's order: %s%s%s",
			 seconds(r, o->now_us), what, o->reason[0] ? ": " : "", o->reason);
	} else if (record->type == TRACE_CONFIG && r->last_us) {
		kind = "config";
		snprintf(text, sizeof(text), "the configuration is told (a reload)");
	} else if (record->type == TRACE_LOST) {
		kind = "lost";
		if (record->lost.ticks || record->lost.events)
			snprintf(
				text, sizeof(text),
				"the recorder could not keep up: %llu ticks and %llu events are missing here",
				(unsigned long long)record->lost.ticks,
				(unsigned long long)record->lost.events);
		else
			snprintf(text, sizeof(text), "the engine was reset");
	} else if (record->type == TRACE_END) {
		kind = "end";
		snprintf(text, sizeof(text), "recording ended here: %s",
			 record->end == TRACE_END_FULL ? "daemon.record_max was reached"
						       : "it was stopped");
	}
	if (!text[0])
		return;
	if (json)
		print_line(out, json_pack("{s:s}", kind, text));
	else
		fprintf(out, "---------- %s\n", text);
}
