/* Counts a session while the server has it: as in flight, as busy while the server owes an answer,
 * and in the reports to the daemon. */
#include <string.h>

#include "proxy/session_parts.h"

/* Brings the integral of `busy` up to date, and then changes `busy`. */
static void count_busy(struct tally *t, uint64_t now_us, int change)
{
	struct counts_service *c = tally_counts(t);

	if (now_us > t->busy_since_us) {
		c->busy_us += c->busy * (now_us - t->busy_since_us);
		t->busy_since_us = now_us;
	}
	c->busy += (uint64_t)(int64_t)change;
}

/* Notes whether the server has owed the session an answer for long. Only a limited number of such
 * sessions of one source count as load. */
static void is_slow(struct session *s, bool slow)
{
	if (s->slow == slow)
		return;
	s->slow = slow;
	peers_slow(&s->tally->peers, s->addresses.source.s6_addr, slow ? 1 : -1);
}

/* Removes it from the queue for greetings. */
static void leave_queue(struct session *s, bool greeted)
{
	if (!s->ungreeted || s->overtaken)
		return;
	tally_counts(s->tally)->ungreeted--;
	greetings_end(&s->tally->greetings, greeted);
}

/* Notes when the session began to wait for an answer. Further octets of its client do not begin
 * that again. */
static void note_ask(struct session *s, struct smtp_track_change change)
{
	struct answers *a = &s->tally->answers;

	for (unsigned i = 0; i < change.jobs; i++)
		answers_job(a);
	if (change.turns) {
		if (change.stuck < 0 && s->doubted && !change.shut)
			answers_late(a);
		s->asked = false;
	}
	if (s->asked || !s->track.busy || !s->track.greeted)
		return;
	s->ask = answers_ask(a, tally_counts(s->tally)->busy - 1);
	s->asked = true;
}

void flight_track(struct session *s, struct smtp_track_change change)
{
	struct counts_service *c = tally_counts(s->tally);

	count_busy(s->tally, s->moved_us, change.busy);
	c->stuck += (uint64_t)(int64_t)change.stuck;
	note_ask(s, change);
	if (change.busy < 0)
		is_slow(s, false);
	c->busy_us += change.unseen_busy_us;
	c->completed += change.jobs;
	if (!change.greeted)
		return;
	if (change.turned_away)
		tally_fault(s->tally,
			    change.turned_away == '4' ? FAULT_BACKEND_DEFERS
						      : FAULT_BACKEND_REJECTS,
			    s->moved_us, s->tally->config.proxy.backend.text);
	else
		c->greeted++;
	/* A server that refuses clients greets quickly, but that does not show that it keeps up. */
	if (s->ungreeted && !change.turned_away) {
		uint64_t us = s->moved_us - s->track.began_us;

		c->connect_220[counts_slot(us)]++;
		c->connect_220_sum_us += us;
		greeting_times_add(&s->tally->greeting_times, us);
	}
	leave_queue(s, !change.turned_away);
	s->ungreeted = s->overtaken = false;
}

static void tell(struct session *s, struct source_event event)
{
	memcpy(event.address, &s->addresses.source, sizeof(event.address));
	event.service = COUNTSFILE_BLOCK;
	eventsfile_put(&s->tally->events, &event);
}

void flight_tell_verdict(struct session *s, struct verdict v)
{
	tell(s, source_attempt(s->addresses.source.s6_addr, COUNTSFILE_BLOCK, v));
}

void flight_tell_late(struct session *s)
{
	tell(s, (struct source_event){ .kind = SOURCE_LATE });
}

static void tell_finished(struct session *s)
{
	tell(s, (struct source_event){
			.kind = SOURCE_FINISHED,
			.turns = s->track.server_turns < UINT8_MAX ? (uint8_t)s->track.server_turns
								   : UINT8_MAX,
			.server_us = s->track.server_us < UINT32_MAX ? (uint32_t)s->track.server_us
								     : UINT32_MAX });
}

/* The time taken by the client and by the server. The time in which the session was stuck counts
 * for neither. */
static uint64_t session_us(const struct session *s)
{
	uint64_t us = s->moved_us - s->opened_us;

	return us > s->track.stuck_us ? us - s->track.stuck_us : 0;
}

void flight_leave(struct session *s, bool in_order)
{
	struct counts_service *c = tally_counts(s->tally);

	if (!s->in_flight)
		return;
	flight_track(s, smtp_track_end(&s->track, s->moved_us, in_order));
	s->in_flight = false;
	c->in_flight--;
	peers_remove(&s->tally->peers, s->addresses.source.s6_addr);
	tell_finished(s);
	c->finished++;
	c->session_us += session_us(s);
	c->server_us += s->track.server_us;
	if (s->shadow)
		c->shadow_in_flight--;
	s->shadow = false;
	leave_queue(s, false);
	s->ungreeted = s->overtaken = false;
	if (room_first(&s->tally->room))
		event_active(s->tally->held_event, 0, 0);
}

void flight_enter(struct session *s, bool shadow)
{
	struct counts_service *c = tally_counts(s->tally);

	s->in_flight = true;
	s->ungreeted = true;
	s->shadow = shadow;
	c->in_flight++;
	c->ungreeted++;
	s->overtaken_at = greetings_begin(&s->tally->greetings);
	peers_add(&s->tally->peers, s->addresses.source.s6_addr);
	if (shadow)
		c->shadow_in_flight++;
	flight_track(s, smtp_track_begin(&s->track, s->moved_us,
					 s->tally->config.service[s->tally->service].implicit_tls));
}

static bool is_over_its_share(struct session *s)
{
	struct tally *t = s->tally;
	const uint8_t *address = s->addresses.source.s6_addr;

	return answers_slow_is_no_load(peers_slow(&t->peers, address, 0),
				       peers_count(&t->peers, address), tally_counts(t)->in_flight);
}

void flight_tick(struct session *s, uint64_t now_us)
{
	uint64_t stuck_us = answers_long_us(&s->tally->answers),
		 slow_us = answers_slow_us(&s->tally->answers);
	struct smtp_track_change change;
	bool limited;

	is_slow(s, s->track.busy && now_us >= s->track.owed_since_us + slow_us);
	limited = s->slow && is_over_its_share(s);
	if (limited)
		stuck_us = slow_us;
	if (s->ungreeted && greetings_overtaken(&s->tally->greetings, s->overtaken_at)) {
		leave_queue(s, false);
		s->overtaken = true;
	}
	if (s->overtaken || (s->asked && answers_overtaken(&s->tally->answers, &s->ask)))
		stuck_us = 0;
	change = smtp_track_tick(&s->track, now_us, stuck_us);
	if (change.stuck > 0)
		s->doubted = !s->overtaken && !limited;
	flight_track(s, change);
}
