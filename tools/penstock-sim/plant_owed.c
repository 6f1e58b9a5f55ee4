/* Which sessions the server owes a greeting or an answer, since when, and which clients leave
 * because of it. */
#include "penstock-sim/plant_parts.h"

void plant_settle(struct plant *p)
{
	uint64_t dt = p->now_us - p->busy_us_at;

	p->counts.busy_us += plant_busy(p) * dt;
	if (p->committing_count)
		p->io_stalled_s += (double)dt / 1e6;
	if (p->config.memory_bytes > 0 && plant_memory(p) > 0.97 * p->config.memory_bytes)
		p->mem_stalled_s += (double)dt / 1e6;
	p->busy_us_at = p->now_us;
}

void plant_owe(struct plant *p, uint32_t id, enum plant_owed owed)
{
	struct plant_session *s = &p->session[id];
	struct plant_list *list = &p->owed[owed];

	plant_settle(p);
	s->owed = (uint8_t)owed;
	s->owed_us = p->now_us;
	s->previous = list->last;
	s->next = 0;
	if (list->last)
		p->session[list->last].next = id;
	else
		list->first = id;
	list->last = id;
	list->count++;
}

void plant_answered(struct plant *p, uint32_t id, bool greeted)
{
	struct plant_session *s = &p->session[id];
	struct plant_list *list = &p->owed[s->owed];

	if (s->owed == OWED_NOTHING)
		return;
	plant_settle(p);
	if (s->owed == OWED_GREETING)
		greetings_end(&p->greetings, greeted);
	if (s->previous)
		p->session[s->previous].next = s->next;
	else
		list->first = s->next;
	if (s->next)
		p->session[s->next].previous = s->previous;
	else
		list->last = s->previous;
	list->count--;
	if (s->owed == OWED_GREETING || s->owed == OWED_ANSWER)
		s->server_s += (double)(p->now_us - s->owed_us) / 1e6;
	else
		s->stuck_us += p->now_us - s->owed_us;
	if (s->owed == OWED_STUCK)
		s->stuck_s += (double)(p->now_us - s->owed_us) / 1e6;
	s->owed = OWED_NOTHING;
}

void plant_tell(struct plant *p, struct plant_session *s, enum plant_end end)
{
	uint32_t message = s->message;

	s->message = PLANT_NO_MESSAGE;
	if (message != PLANT_NO_MESSAGE)
		p->ended(p->who, message, end, s->server_s);
}

static bool is_stuck(const struct plant *p, uint64_t since_us, const struct ask *ask)
{
	return answers_overtaken(&p->answers, ask) ||
	       p->now_us >= since_us + answers_long_us(&p->answers);
}

/* The session that waits longest for a greeting is first in the list. */
void plant_see_overtaken(struct plant *p)
{
	uint32_t id, next;

	p->stuck |= p->stalled > 0 && is_stuck(p, p->stalled_us, &p->stalled_ask);
	for (id = p->owed[OWED_ANSWER].first; id; id = next) {
		const struct plant_session *s = &p->session[id];

		next = s->next;
		if (!is_stuck(p, s->owed_us, &s->ask))
			continue;
		plant_answered(p, id, false);
		plant_owe(p, id, OWED_STUCK);
	}
	while ((id = p->owed[OWED_GREETING].first) &&
	       greetings_overtaken(&p->greetings, p->session[id].due)) {
		plant_answered(p, id, false);
		plant_owe(p, id, OWED_OVERTAKEN);
	}
}

static void leave(struct plant *p, uint32_t id, enum plant_end end)
{
	plant_answered(p, id, false);
	p->session[id].gone = true;
	p->session[id].left_us = p->now_us;
	plant_tell(p, &p->session[id], end);
}

void plant_lose_patience(struct plant *p, uint64_t greeting_timeout_us)
{
	uint64_t patience_us = (uint64_t)(p->config.greet_patience_s * 1e6);
	uint64_t greet_us = patience_us;
	uint64_t late_us = greeting_timeout_us + greeting_times_longer_us(&p->greeting_times);
	uint64_t done_us = (uint64_t)(p->config.done_patience_s * 1e6);
	bool late = greeting_timeout_us > 0 && late_us < greet_us;
	uint32_t id;

	if (late)
		greet_us = late_us;
	while ((id = p->owed[OWED_GREETING].first) &&
	       p->now_us - p->session[id].owed_us > greet_us) {
		if (late) {
			p->counts.deferred++;
			p->counts.deferred_by[REASON_LATE]++;
			plant_told(p, p->now_us - p->session[id].opened_us +
					      (uint64_t)(p->session[id].held_s * 1e6));
		}
		leave(p, id, late ? END_LATE : END_GAVE_UP);
	}
	while ((id = p->owed[OWED_OVERTAKEN].first) &&
	       p->now_us - p->session[id].opened_us > patience_us)
		leave(p, id, END_GAVE_UP);
	while ((id = p->owed[OWED_ANSWER].first) && p->now_us - p->session[id].asked_us > done_us)
		leave(p, id, END_GAVE_UP);
	while ((id = p->owed[OWED_STUCK].first) && p->now_us - p->session[id].asked_us > done_us)
		leave(p, id, END_GAVE_UP);
}
