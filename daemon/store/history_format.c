#include "store/history_format.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <xxhash.h>

const struct frame_kind history_kind = { "HIST", HISTORY_VERSION };

uint64_t history_offset(enum history_tier tier, unsigned slot)
{
	uint64_t before = 0;

	for (int t = 0; t < (int)tier; t++)
		before += history_slots((enum history_tier)t);
	return sizeof(struct frame_head) + (before + slot) * sizeof(struct history_record);
}

static uint64_t sum_of(const struct history_record *r)
{
	uint64_t sum =
		XXH3_64bits((const uint8_t *)r + sizeof(r->sum), sizeof(*r) - sizeof(r->sum));

	return sum ? sum : 1; /* 0 is an empty slot */
}

void history_seal(struct history_record *r)
{
	r->sum = sum_of(r);
}

#define V2_USED offsetof(struct history_record, held)

_Static_assert(V2_USED + 4 == HISTORY_V2_RECORD, "a longer record: remove what reads version 2");

static struct history_record upgraded(const uint8_t *old)
{
	struct history_record r = { .sum = 0 };
	uint64_t sum;

	memcpy(&sum, old, sizeof(sum));
	if (sum == 0 || XXH3_64bits(old + sizeof(sum), HISTORY_V2_RECORD - sizeof(sum)) != sum)
		return r;
	memcpy(&r, old, V2_USED);
	r.held = -1;
	history_seal(&r);
	return r;
}

bool history_upgrade(uint8_t *bytes, size_t *size)
{
	const struct frame_kind second = { "HIST", 2 };
	uint8_t *slots = bytes + sizeof(struct frame_head);
	struct frame_head head;
	const void *payload;
	size_t length;

	if (frame_check(bytes, *size, &second, &payload, &length) < 0 ||
	    length != (size_t)HISTORY_SLOTS * HISTORY_V2_RECORD)
		return false;
	/* From the end, as records have become longer. */
	for (size_t i = HISTORY_SLOTS; i-- > 0;) {
		struct history_record r = upgraded(slots + i * HISTORY_V2_RECORD);

		memcpy(slots + i * sizeof(r), &r, sizeof(r));
	}
	frame_head(&head, &history_kind, 0, NULL, HISTORY_SLOTS * sizeof(struct history_record));
	memcpy(bytes, &head, sizeof(head));
	*size = HISTORY_BYTES;
	return true;
}

static bool is_text(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] == 0)
			return true;
		if (text[i] < ' ' || text[i] > '~')
			return false;
	}
	return false;
}

static bool is_figure(float value)
{
	return isfinite(value) && value >= -1;
}

static bool is_service(const struct history_service *s)
{
	return is_text(s->name, sizeof(s->name)) && is_figure(s->window) &&
	       is_figure(s->in_flight) && is_figure(s->server_time_s);
}

bool history_is_sound(const struct history_record *r, enum history_tier tier, unsigned slot)
{
	unsigned period = history_period(tier);

	if (r->sum == 0 || r->sum != sum_of(r) || r->period_s != period || r->at_s % period ||
	    r->seconds == 0 || r->seconds > period || history_slot(tier, r->at_s) != slot)
		return false;
	for (int i = 0; i < RESOURCE__COUNT; i++)
		if (!is_figure(r->pressure[i]))
			return false;
	for (int i = 0; i < HISTORY_SERVICES; i++)
		if (!is_service(&r->service[i]))
			return false;
	return is_figure(r->held) && is_figure(r->held_s) && is_figure(r->demand) &&
	       is_figure(r->driver_pressure) && is_figure(r->driver_value) &&
	       is_figure(r->window) && is_figure(r->in_flight) && is_figure(r->server_time_s) &&
	       is_figure(r->connect_220_s) && is_text(r->driver, sizeof(r->driver)) &&
	       is_text(r->signal, sizeof(r->signal)) && is_text(r->unit, sizeof(r->unit));
}

int history_pick(const void *bytes, size_t size, const struct history_span *span,
		 struct history_record *ret, size_t most, size_t *ret_count)
{
	enum history_tier tier = history_tier_for(span->now_s, span->since_s);
	unsigned period = history_period(tier), slots = history_slots(tier);
	const void *payload;
	size_t length, count = 0;
	uint64_t reach = (uint64_t)period * slots, first = span->since_s / period * period;
	int r = frame_check(bytes, size, &history_kind, &payload, &length);

	if (r < 0)
		return r;
	if (length != HISTORY_SLOTS * sizeof(*ret))
		return -EBADMSG;
	if (span->until_s > first && span->until_s - first > reach)
		first = (span->until_s - reach + period - 1) / period * period;
	for (uint64_t at_s = first; at_s < span->until_s && count < most; at_s += period) {
		unsigned slot = history_slot(tier, at_s);
		struct history_record one;

		memcpy(&one, (const uint8_t *)bytes + history_offset(tier, slot), sizeof(one));
		if (history_is_sound(&one, tier, slot) && one.at_s == at_s)
			ret[count++] = one;
	}
	*ret_count = count;
	return 0;
}
