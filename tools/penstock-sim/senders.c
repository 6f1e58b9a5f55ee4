#include "penstock-sim/senders.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/splitmix.h"
#include "penstock-sim/grow.h"

#define FRESH UINT32_C(0x80000000) /* a sender never seen before: only a number */

void senders_init(struct senders *s, const struct sender_group *group, unsigned groups,
		  uint64_t seed)
{
	memset(s, 0, sizeof(*s));
	s->random = seed ^ UINT64_C(0x5e2de25);
	s->messages = 1;
	s->groups = groups;
	for (unsigned i = 0; i < groups; i++) {
		s->group[i] = group[i];
		s->base[i] = s->senders;
		s->zipf_span[i] = pow(group[i].count + 1, 1 - group[i].zipf) - 1;
		s->senders += (uint32_t)group[i].count;
	}
	s->sender = grow_zeroed(s->senders, sizeof(*s->sender));
	senders_weigh(s);
}

void senders_done(struct senders *s)
{
	free(s->sender);
	free(s->message);
}

void senders_weigh(struct senders *s)
{
	s->weight = 0;
	for (unsigned i = 0; i < s->groups; i++)
		s->weight += s->group[i].share;
}

static unsigned pick_group(struct senders *s)
{
	double x = splitmix_unit(&s->random) * s->weight;
	unsigned i = 0;

	while (i + 1 < s->groups && x >= s->group[i].share)
		x -= s->group[i++].share;
	return i;
}

/* The continuous power law, cut to whole numbers. */
static uint32_t pick_sender(struct senders *s, unsigned group)
{
	const struct sender_group *g = &s->group[group];
	double u = splitmix_unit(&s->random), n = g->count, k;

	if (g->zipf <= 0)
		k = u * n;
	else if (fabs(g->zipf - 1) < 1e-6)
		k = pow(n + 1, u) - 1;
	else
		k = pow(s->zipf_span[group] * u + 1, 1 / (1 - g->zipf)) - 1;
	return (uint32_t)fmin(k, n - 1);
}

static float pick_size(struct senders *s, const struct sender_group *g)
{
	double u, v;

	if (g->size_sigma <= 0)
		return 1;
	u = 1 - splitmix_unit(&s->random);
	v = splitmix_unit(&s->random);
	return (float)exp(g->size_sigma * sqrt(-2 * log(u)) * cos(2 * M_PI * v) -
			  g->size_sigma * g->size_sigma / 2);
}

uint32_t senders_message(struct senders *s, uint64_t now_us)
{
	unsigned g = s->groups ? pick_group(s) : 0;
	uint32_t id = s->free;

	if (id) {
		s->free = s->message[id].next_free;
	} else {
		id = s->messages++;
		s->message = grow(s->message, &s->room, s->messages, sizeof(*s->message));
	}
	s->waiting++;
	s->message[id] = (struct message){ .first_us = now_us, .group = (uint8_t)g, .size = 1 };
	if (!s->groups)
		return id;
	s->message[id].size = pick_size(s, &s->group[g]);
	if (s->group[g].fresh > 0 && splitmix_unit(&s->random) < s->group[g].fresh)
		s->message[id].sender = FRESH | s->fresh++;
	else
		s->message[id].sender = s->base[g] + pick_sender(s, g);
	return id;
}

void senders_forget(struct senders *s, uint32_t message)
{
	s->message[message].first_us = 0;
	s->message[message].next_free = s->free;
	s->free = message;
	s->waiting--;
}

uint64_t senders_oldest_us(const struct senders *s)
{
	uint64_t oldest = 0;

	for (uint32_t i = 1; i < s->messages; i++) {
		const struct message *m = &s->message[i];

		if (m->first_us && m->deferred && retry_is_mail(s->group[m->group].retry) &&
		    (!oldest || m->first_us < oldest))
			oldest = m->first_us;
	}
	return oldest;
}

struct sender *senders_of(struct senders *s, uint32_t message)
{
	uint32_t sender = s->message[message].sender;

	return sender & FRESH || sender >= s->senders ? NULL : &s->sender[sender];
}

uint32_t senders_network(const struct senders *s, unsigned group, uint32_t n)
{
	return UINT32_C(0x0b000000) + ((s->base[group] + n) << 8);
}

/* The first address of a sender is in a /24 of its own; its others are anywhere. */
uint32_t senders_address(struct senders *s, uint32_t message)
{
	const struct message *m = &s->message[message];
	double addresses = s->groups ? s->group[m->group].addresses : 1;
	uint64_t x = m->sender;

	if (addresses > 1) {
		uint64_t k = (uint64_t)(splitmix_unit(&s->random) * addresses);

		x ^= k << 40;
		if (k)
			return (uint32_t)splitmix_next(&x);
	}
	x = m->sender;
	if (m->sender & FRESH)
		return (uint32_t)splitmix_next(&x);
	return UINT32_C(0x0b000000) + (uint32_t)(x << 8) + 25;
}
