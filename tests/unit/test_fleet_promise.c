/* Three hosts under more load than they carry, in virtual time: senders come back to any of them.
 * With what they know together the third attempt gets in; alone each host counts for itself. */
#include "cmocka_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fleet_ledger.h"
#include "core/splitmix.h"
#include "source_world.h"

#define HOSTS 3
#define RUN_S 770
#define RETRY_S 130 /* every attempt counts: source_world.h has 120 s */
#define MAIL_PER_S 120 /* of all hosts, which carry 300 */
#define BOTS_PER_S 240 /* who never come back */
#define MAIL_MAX (RUN_S * MAIL_PER_S)
#define FROM_S 300 /* whose first attempt is between these is looked at */
#define TO_S 500
#define SLOTS (1u << 19) /* all senders of all hosts fit */
#define QUEUE 65536u

struct mail {
	uint32_t address, next; /* index + 1 of the next that is due in the same second */
	uint32_t first_s;
	uint8_t tries;
};

struct sim {
	struct world host[HOSTS];
	struct fleet_memory memory[HOSTS];
	struct mail *mail;
	uint32_t mails, due[RUN_S + RETRY_S + 1];
	uint64_t random;
	uint32_t bots;
	bool sticky; /* a sender comes back to the same host: as if there were only one */
	unsigned looked_at, in_time, worst;
};

/* Each ledger has room for the senders of all hosts. */
static void enlarge(struct world *w)
{
	const uint64_t seed[2] = { 0x1234567890abcdef, 42 };
	void *block = NULL;

	free(w->table);
	w->config.ledger_bytes = 16 << 20;
	assert_int_equal(posix_memalign(&block, 64, source_size(&w->config)), 0);
	w->table = source_init(block, &w->config, seed);
}

static void begin_sim(struct sim *s)
{
	memset(s, 0, sizeof(*s));
	s->random = 7;
	s->mail = calloc(MAIL_MAX, sizeof(*s->mail));
	assert_non_null(s->mail);
	for (int h = 0; h < HOSTS; h++) {
		struct fleet_memory *m = &s->memory[h];

		begin(&s->host[h]);
		enlarge(&s->host[h]);
		m->sets = SLOTS / FLEET_SET_SLOTS;
		m->slots = calloc(SLOTS, sizeof(*m->slots));
		m->queue_size = QUEUE;
		m->queue = calloc(QUEUE, sizeof(*m->queue));
		assert_true(m->slots && m->queue);
	}
}

static void end_sim(struct sim *s)
{
	for (int h = 0; h < HOSTS; h++) {
		end(&s->host[h]);
		free(s->memory[h].slots);
		free(s->memory[h].queue);
	}
	free(s->mail);
}

static uint32_t wall_s(const struct world *w)
{
	return (uint32_t)(EPOCH + w->now_us / SECOND);
}

/* One attempt at any of the hosts, and what daemon/fleet/fleet.c does after it. */
static bool attempt(struct sim *s, uint32_t address)
{
	unsigned h =
		s->sticky ? (address >> 8) % HOSTS : (unsigned)(splitmix_unit(&s->random) * HOSTS);
	struct source_event e = event_of(address, SOURCE_ATTEMPT);
	bool admit = ask(&s->host[h], address).admit;

	fleet_ledger_events(s->host[h].table, &s->memory[h], &e, 1, s->host[h].now_us,
			    wall_s(&s->host[h]));
	return admit;
}

/* Once a second: 512 records of each host at most reach the others. */
static void exchange(struct sim *s)
{
	static struct fleet_record said[FLEET_FRAME_RECORDS];

	for (int from = 0; from < HOSTS; from++) {
		unsigned n = fleet_changes(&s->memory[from], said, FLEET_FRAME_RECORDS);

		for (int to = 0; to < HOSTS; to++)
			for (unsigned i = 0; to != from && i < n; i++)
				fleet_ledger_take(s->host[to].table, &s->memory[to], &said[i],
						  s->host[to].now_us, wall_s(&s->host[to]));
	}
}

static void try_mail(struct sim *s, uint32_t index, uint32_t second)
{
	struct mail *m = &s->mail[index];
	bool counts = m->first_s >= FROM_S && m->first_s < TO_S;
	bool admit = attempt(s, m->address);

	m->tries++;
	if (counts && m->tries > s->worst)
		s->worst = m->tries;
	if (admit) {
		s->in_time += counts && m->tries <= 3;
		return;
	}
	if (second + RETRY_S >= RUN_S)
		return;
	m->next = s->due[second + RETRY_S];
	s->due[second + RETRY_S] = index + 1;
}

static void one_second(struct sim *s, uint32_t second)
{
	uint32_t retry = s->due[second];
	unsigned back = 0;

	for (uint32_t i = retry; i; i = s->mail[i - 1].next)
		back++;
	for (unsigned tenth = 0; tenth < 10; tenth++) {
		for (int h = 0; h < HOSTS; h++)
			step(&s->host[h], SECOND / 10);
		for (unsigned i = 0; i < BOTS_PER_S / 10; i++)
			attempt(s, 0x0a000000 + s->bots++ * 256);
		for (unsigned i = 0; i < MAIL_PER_S / 10; i++) {
			struct mail *m = &s->mail[s->mails];

			*m = (struct mail){ .address = 0x40000000 + s->mails * 256,
					    .first_s = second };
			s->looked_at += second >= FROM_S && second < TO_S;
			try_mail(s, s->mails++, second);
		}
		for (unsigned left = back / (10 - tenth); left; left--, back--) {
			uint32_t index = retry - 1;

			retry = s->mail[index].next;
			try_mail(s, index, second);
		}
	}
}

/* The share of mail that got in with its third attempt at the latest. The store answers until
 * `until_s`. */
static double in_time(uint32_t until_s, bool sticky, unsigned *ret_worst)
{
	static struct sim s;
	double share;

	begin_sim(&s);
	s.sticky = sticky;
	for (uint32_t second = 0; second < RUN_S; second++) {
		one_second(&s, second);
		if (second < until_s)
			exchange(&s);
	}
	share = (double)s.in_time / s.looked_at;
	*ret_worst = s.worst;
	end_sim(&s);
	return share;
}

static void the_third_attempt_gets_in_on_any_host(void **state)
{
	unsigned worst[4];
	double one = in_time(0, true, &worst[0]), together = in_time(RUN_S, false, &worst[1]);
	double alone = in_time(0, false, &worst[2]);
	double killed = in_time((FROM_S + TO_S) / 2 + RETRY_S, false, &worst[3]);

	print_message("by the third attempt: one host %.4f (worst %u), three together %.4f (%u), "
		      "alone %.4f (%u), store killed halfway %.4f (%u)\n",
		      one, worst[0], together, worst[1], alone, worst[2], killed, worst[3]);
	assert_true(one > 0.995);
	assert_true(together > 0.97); /* chance brings one host more than another */
	assert_true(alone < 0.8); /* what the store is for */
	assert_true(killed > alone); /* what is known stays known */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_third_attempt_gets_in_on_any_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
