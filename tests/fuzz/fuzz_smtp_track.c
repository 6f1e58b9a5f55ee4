#include <stdlib.h>

#include "core/smtp_track.h"
#include "smtp/reference.h"

#define STUCK_US 2000000

struct gauges {
	int busy, stuck;
	unsigned jobs;
	uint64_t unseen_us;
};

static void add(struct gauges *g, struct smtp_track_change c)
{
	g->busy += c.busy;
	g->stuck += c.stuck;
	g->jobs += c.jobs;
	g->unseen_us += c.unseen_busy_us;
	if (g->busy < 0 || g->busy > 1 || g->stuck < 0 || g->stuck > 1 || g->busy + g->stuck > 1)
		abort();
}

static void compare(const struct smtp_track *t, const struct gauges *g, const struct reference *r)
{
	if (t->busy != r->busy || t->stuck != r->stuck || g->busy != t->busy ||
	    g->stuck != t->stuck || t->jobs != r->jobs || g->jobs != r->jobs ||
	    t->server_turns != r->turns || t->server_us != r->server_us || t->greeted != r->greeted)
		abort();
}

/* A dialogue in any pieces: first octet: bit 0: implicit TLS. Then pieces: two octets (who and how
 * many; after how long), and the octets. The tracker gets them whole and, beside it, one by one;
 * the reference one by one. All three agree after each piece. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_track whole, single;
	struct gauges whole_is = { 0 }, single_is = { 0 };
	struct reference r;
	uint64_t now_us = 1000;
	bool tls = size && data[0] & 1;

	add(&whole_is, smtp_track_begin(&whole, now_us, tls));
	add(&single_is, smtp_track_begin(&single, now_us, tls));
	reference_begin(&r, now_us, tls);
	for (size_t at = 1; at + 2 <= size;) {
		unsigned who = data[at] & 3;
		size_t length = data[at] >> 2;
		const char *bytes = (const char *)data + at + 2;

		now_us += UINT64_C(1000) * data[at + 1] * (data[at + 1] & 1 ? 1 : 20);
		at += 2;
		if (length > size - at)
			length = size - at;
		at += length;
		if (who == 2 || who == 3) {
			add(&whole_is, smtp_track_tick(&whole, now_us, STUCK_US));
			add(&single_is, smtp_track_tick(&single, now_us, STUCK_US));
			reference_tick(&r, now_us, STUCK_US);
			at -= length; /* a silence has no octets */
		} else if (who == 0) {
			add(&whole_is, smtp_track_client(&whole, now_us, bytes, length));
		} else {
			add(&whole_is, smtp_track_server(&whole, now_us, bytes, length));
		}
		for (size_t i = 0; i < length && who < 2; i++) {
			if (who == 0) {
				add(&single_is, smtp_track_client(&single, now_us, bytes + i, 1));
				reference_client(&r, bytes[i], now_us);
			} else {
				add(&single_is, smtp_track_server(&single, now_us, bytes + i, 1));
				reference_server(&r, bytes[i], now_us);
			}
		}
		compare(&whole, &whole_is, &r);
		compare(&single, &single_is, &r);
	}
	add(&whole_is, smtp_track_end(&whole, now_us, true));
	add(&single_is, smtp_track_end(&single, now_us, true));
	reference_end(&r, now_us, true);
	compare(&whole, &whole_is, &r);
	compare(&single, &single_is, &r);
	if (whole_is.unseen_us != single_is.unseen_us)
		abort();
	reference_free(&r);
	return 0;
}
