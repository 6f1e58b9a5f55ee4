#include "store/trace_bytes.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>

#include "base/array.h"

/* ---- frames --------------------------------------------------------------------------------- */

/* The next place from `at` on at which a frame could begin. */
static size_t find_magic(const struct trace_reader *r, size_t at)
{
	const void *found =
		at < r->size ? memmem(r->bytes + at, r->size - at, FRAME_MAGIC, 8) : NULL;

	return found ? (size_t)((const uint8_t *)found - r->bytes) : r->size;
}

int trace_next(struct trace_reader *r, const void **ret_payload, size_t *ret_length,
	       size_t *ret_skipped)
{
	size_t left = r->size - r->at, next;
	const void *payload;
	size_t length;
	int result;

	if (left == 0)
		return 0;
	result = frame_check(r->bytes + r->at, left, &trace_kind, &payload, &length);
	if (result == 0 && length <= TRACE_PAYLOAD_MAX) {
		r->at += sizeof(struct frame_head) + length;
		*ret_payload = payload;
		*ret_length = length;
		return 1;
	}
	next = find_magic(r, r->at + 1);
	*ret_skipped = next - r->at;
	r->at = next;
	/* A short frame at the very end: the writer was killed. */
	if (result == -ENODATA && next == r->size)
		return -ENODATA;
	return result == -EPROTONOSUPPORT ? -EPROTONOSUPPORT : -EBADMSG;
}

/* ---- payloads ------------------------------------------------------------------------------- */

static void get_text(struct trace_in *in, char *ret, size_t size)
{
	size_t length = TRACE_READ(in, uint8_t);
	const char *text = trace_take(in, length);
	size_t kept = length < size ? length : size - 1;

	memset(ret, 0, size);
	if (!text)
		return;
	for (size_t i = 0; i < kept; i++) /* it is printed on a terminal */
		ret[i] = text[i] >= ' ' && text[i] < 127 ? text[i] : '?';
}

static unsigned get_names(struct trace_in *in, const char *const *names, unsigned count,
			  uint8_t *place, bool *has)
{
	unsigned found = TRACE_READ(in, uint16_t);
	char name[64];

	if (found > TRACE_NAMES) {
		in->bad = true;
		return 0;
	}
	for (unsigned i = 0; i < found; i++) {
		get_text(in, name, sizeof(name));
		place[i] = TRACE_UNKNOWN;
		for (unsigned k = 0; k < count; k++)
			if (strcmp(name, names[k]) == 0) {
				place[i] = (uint8_t)k;
				has[k] = true;
			}
	}
	return found;
}

static void get_head(struct trace_in *in, struct trace_head *h)
{
	char name[64];

	get_text(in, h->version, sizeof(h->version));
	get_text(in, h->recorder, sizeof(h->recorder));
	h->now_us = TRACE_READ(in, uint64_t);
	h->realtime_us = TRACE_READ(in, uint64_t);
	h->cores = TRACE_READ(in, double);
	h->seed = TRACE_READ(in, uint64_t);
	h->signals = TRACE_READ(in, uint16_t);
	if (h->signals > 255 || !(h->cores > 0 && h->cores < 1e6))
		in->bad = true;
	for (unsigned i = 0; i < h->signals && !in->bad; i++) {
		get_text(in, name, sizeof(name));
		h->signal[i] = (uint8_t)signal_by_name(name);
	}
	h->answers.commons = get_names(in, trace_common_name, TRACE_COMMON, h->answers.common,
				       h->answers.has_common);
	h->answers.of_service = get_names(in, trace_service_name, TRACE_OF_SERVICE,
					  h->answers.service, h->answers.has_service);
}

static void get_config(struct trace_in *in, struct trace_config *c)
{
	c->cores = TRACE_READ(in, double);
	c->length = TRACE_READ(in, uint32_t);
	c->text = trace_take(in, c->length);
	if (!(c->cores > 0 && c->cores < 1e6))
		in->bad = true;
}

static void get_table(struct trace_in *in, struct trace_table *t)
{
	t->size = TRACE_READ(in, uint64_t);
	t->pages = (unsigned)(in->left / (sizeof(uint32_t) + TRACE_PAGE));
	if (t->size > TRACE_TABLE_LARGEST || in->left % (sizeof(uint32_t) + TRACE_PAGE))
		in->bad = true;
	t->page = trace_take(in, in->left);
}

static void get_engine(struct trace_in *in, struct trace_engine *e)
{
	e->layout = TRACE_READ(in, uint64_t);
	e->size = in->left;
	e->bytes = trace_take(in, in->left);
}

static void get_order(struct trace_in *in, struct trace_order *o)
{
	unsigned kind, most;

	o->now_us = TRACE_READ(in, uint64_t);
	kind = TRACE_READ(in, uint8_t);
	o->value = TRACE_READ(in, uint8_t);
	o->until_us = TRACE_READ(in, uint64_t);
	get_text(in, o->reason, sizeof(o->reason));
	most = kind == TRACE_ORDER_MODE ? PLAN_OBSERVE : STATE_MAINTENANCE;
	if (kind >= TRACE_ORDER__COUNT || o->value > most)
		in->bad = true;
	o->kind = (enum trace_order_kind)kind;
}

static void get_events(struct trace_in *in, struct trace_events *e)
{
	e->count = TRACE_READ(in, uint32_t);
	if (e->count > TRACE_EVENTS_MAX)
		in->bad = true;
	else
		trace_read(in, e->event, e->count * sizeof(e->event[0]));
}

static void get_sample(struct trace_in *in, const struct trace_head *head, struct sample *s)
{
	unsigned present = TRACE_READ(in, uint16_t);

	for (unsigned i = 0; i < present && !in->bad; i++) {
		unsigned place = TRACE_READ(in, uint8_t), via = TRACE_READ(in, uint8_t);
		double value = TRACE_READ(in, double);

		if (in->bad || place >= head->signals || via == VIA_NONE || via >= VIA__COUNT)
			in->bad = true;
		else
			sample_put(s, (enum signal)head->signal[place], value, (enum via)via);
	}
}

static void get_gauges(struct trace_in *in, double *const *gauges, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		*gauges[i] = TRACE_READ(in, double);
		/* No front can have counted so many sessions. */
		if (!isfinite(*gauges[i]) || fabs(*gauges[i]) > 1e9)
			in->bad = true;
	}
}

static void get_load(struct trace_in *in, struct load_service *l)
{
	double *const gauges[] = { &l->in_flight, &l->shadow_in_flight, &l->busy, &l->ungreeted };
	double *const held[] = { &l->held, &l->held_longest_s }, *const stuck = &l->stuck;

	l->known = TRACE_READ(in, uint32_t);
	l->offered = TRACE_READ(in, uint64_t);
	l->admitted = TRACE_READ(in, uint64_t);
	l->deferred = TRACE_READ(in, uint64_t);
	l->would_defer = TRACE_READ(in, uint64_t);
	l->completed = TRACE_READ(in, uint64_t);
	l->finished = TRACE_READ(in, uint64_t);
	l->busy_us = TRACE_READ(in, uint64_t);
	l->server_us = TRACE_READ(in, uint64_t);
	l->session_us = TRACE_READ(in, uint64_t);
	get_gauges(in, gauges, ARRAY_SIZE(gauges));
	l->held_admitted = TRACE_READ(in, uint64_t);
	l->held_in_vain = TRACE_READ(in, uint64_t);
	l->held_left = TRACE_READ(in, uint64_t);
	get_gauges(in, held, ARRAY_SIZE(held));
	if (l->known & LOAD_STUCK) /* not in older traces */
		get_gauges(in, &stuck, 1);
}

/* A plan of another version is skipped: the answers contain the same figures by name. */
static void get_plan(struct trace_in *in, struct trace_tick *t, unsigned services)
{
	size_t want = offsetof(struct plan, service) + services * sizeof(t->plan.service[0]);
	size_t size = TRACE_READ(in, uint16_t);
	const void *bytes = trace_take(in, size);

	if (!t->plan_known || !bytes)
		return;
	if (size == want)
		memcpy(&t->plan, bytes, size);
	else
		in->bad = true;
}

static void get_answer(struct trace_in *in, const struct trace_head *head, struct trace_tick *t,
		       unsigned services)
{
	const struct trace_names *n = &head->answers;

	t->answer.services = services;
	for (unsigned i = 0; i < n->commons; i++) {
		double value = TRACE_READ(in, double);

		if (n->common[i] != TRACE_UNKNOWN)
			t->answer.common[n->common[i]] = value;
	}
	for (unsigned k = 0; k < services; k++)
		for (unsigned i = 0; i < n->of_service; i++) {
			double value = TRACE_READ(in, double);

			if (n->service[i] != TRACE_UNKNOWN)
				t->answer.service[k][n->service[i]] = value;
		}
}

static void get_tick(struct trace_in *in, const struct trace_head *head, struct trace_tick *t)
{
	unsigned services, planned;

	t->sample.now_us = TRACE_READ(in, uint64_t);
	t->realtime_us = TRACE_READ(in, uint64_t);
	get_sample(in, head, &t->sample);
	services = TRACE_READ(in, uint8_t);
	if (services > PLAN_SERVICES)
		in->bad = true;
	for (unsigned i = 0; i < services && !in->bad; i++)
		get_load(in, &t->load.service[i]);
	t->ranked = TRACE_READ(in, uint8_t);
	t->plan_known = TRACE_READ(in, uint32_t) == PLAN_VERSION;
	planned = TRACE_READ(in, uint8_t);
	if (planned > PLAN_SERVICES)
		in->bad = true;
	if (in->bad)
		return;
	get_plan(in, t, planned);
	get_answer(in, head, t, planned);
}

int trace_get(const void *payload, size_t length, const struct trace_head *head,
	      struct trace_record *ret)
{
	struct trace_in in = { .bytes = payload, .left = length };
	uint32_t type = TRACE_READ(&in, uint32_t);

	memset(ret, 0, sizeof(*ret));
	if (in.bad || type == 0 || type >= TRACE__COUNT || (type == TRACE_HEAD) != !head)
		return -EBADMSG;
	ret->type = (enum trace_type)type;
	if (type == TRACE_HEAD) {
		get_head(&in, &ret->head);
	} else if (type == TRACE_CONFIG) {
		get_config(&in, &ret->config);
	} else if (type == TRACE_TABLE) {
		get_table(&in, &ret->table);
	} else if (type == TRACE_ENGINE) {
		get_engine(&in, &ret->engine);
	} else if (type == TRACE_ORDER) {
		get_order(&in, &ret->order);
	} else if (type == TRACE_EVENTS) {
		get_events(&in, &ret->events);
	} else if (type == TRACE_TICK) {
		get_tick(&in, head, &ret->tick);
	} else if (type == TRACE_LOST) {
		ret->lost.ticks = TRACE_READ(&in, uint64_t);
		ret->lost.events = TRACE_READ(&in, uint64_t);
	} else {
		uint8_t end = TRACE_READ(&in, uint8_t);

		in.bad |= end >= TRACE_END__COUNT;
		ret->end = (enum trace_end)(end < TRACE_END__COUNT ? end : 0);
	}
	/* A frame must hold its record and nothing after it. */
	return in.bad || in.left ? -EBADMSG : 0;
}
