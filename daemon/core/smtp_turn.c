#include "core/smtp_track_parts.h"

void smtp_turn_start(struct smtp_track *t, uint64_t since_us, struct smtp_track_change *change)
{
	if (t->busy || t->stuck)
		return;
	t->busy = true;
	t->owed_since_us = since_us;
	change->busy++;
}

void smtp_turn_end(struct smtp_track *t, uint64_t now_us, struct smtp_track_change *change)
{
	uint64_t us = now_us > t->owed_since_us ? now_us - t->owed_since_us : 0;

	if (t->busy) {
		t->server_us += us;
		change->busy--;
	} else if (t->stuck) {
		t->stuck_us += now_us > t->stuck_since_us ? now_us - t->stuck_since_us : 0;
		change->stuck--;
	} else {
		return;
	}
	t->busy = t->stuck = false;
}

void smtp_turn_count(struct smtp_track *t, struct smtp_track_change *change)
{
	change->turns++;
	if (t->turned_away || ++t->server_turns % SMTP_TRACK_TURNS_PER_JOB)
		return;
	change->jobs++;
	t->jobs++;
}

void smtp_turn_owe(struct smtp_track *t, uint32_t answers, uint64_t now_us,
		   struct smtp_track_change *change)
{
	if (!answers || t->closing)
		return;
	t->spoke = true;
	t->owed = t->owed + answers < SMTP_OWED_MAX ? t->owed + answers : SMTP_OWED_MAX;
	if (t->greeted)
		smtp_turn_start(t, now_us, change);
}

void smtp_turn_settle(struct smtp_track *t, uint64_t now_us, struct smtp_track_change *change)
{
	smtp_turn_end(t, now_us, change);
	smtp_turn_count(t, change);
}
