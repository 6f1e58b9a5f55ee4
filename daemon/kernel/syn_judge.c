#include "kernel/syn_judge.h"

#include <math.h>

#define FAST_US 500000.0
#define SLOW_US 10000000.0
#define FAILED_MIN 4.0 /* fewer failed ones prove nothing */
#define FAILED_SHARE 20 /* more than one failed in so many is a flood */

static void decay(double *sum, double dt_us, double over_us)
{
	*sum *= exp(-dt_us / over_us);
}

static bool fails(double used, double failed)
{
	return failed >= FAILED_MIN && failed * FAILED_SHARE > used + failed;
}

/* Adds the slots that have become old since the last step. */
static void take_old(struct syn_judge *j, const struct syn_reading *r, uint32_t old_turn)
{
	int32_t behind = (int32_t)(old_turn - j->judged_turn);

	if (behind <= 0)
		return;
	if (behind > GATE_SYNS)
		j->judged_turn = old_turn - GATE_SYNS;
	while (j->judged_turn != old_turn) {
		const struct gate_syns *s = &r->syns[++j->judged_turn & (GATE_SYNS - 1)];
		double failed;

		if (s->turn != j->judged_turn)
			continue;
		failed = s->made > s->used ? s->made - s->used : 0;
		j->used_fast += s->used;
		j->used_slow += s->used;
		j->failed_fast += failed;
		j->failed_slow += failed;
	}
}

static uint64_t count_young(const struct syn_reading *r, uint32_t old_turn, uint32_t turn)
{
	uint64_t young = 0;

	for (uint32_t at = old_turn + 1; (int32_t)(turn - at) >= 0; at++) {
		const struct gate_syns *s = &r->syns[at & (GATE_SYNS - 1)];

		if (s->turn == at && s->made > s->used)
			young += s->made - s->used;
	}
	return young;
}

struct syn_judgement syn_judge_step(struct syn_judge *j, const struct syn_reading *r)
{
	struct syn_judgement judgement = { .most = PLAN_UNLIMITED, .usual = PLAN_UNLIMITED };
	uint32_t turn = (uint32_t)(r->now_us * 1000 >> GATE_SYNS_SHIFT),
		 old_turn = turn - 1 - (uint32_t)(r->patience_us * 1000 >> GATE_SYNS_SHIFT);
	double dt_us = r->now_us > j->stepped_us ? (double)(r->now_us - j->stepped_us) : 0;
	uint64_t young, old;

	if (!j->stepped_us) {
		/* Earlier failures belong to another daemon. */
		j->judged_turn = old_turn;
		j->handshake_us = r->handshake_us;
		dt_us = 0;
	}
	decay(&j->used_fast, dt_us, FAST_US);
	decay(&j->failed_fast, dt_us, FAST_US);
	decay(&j->used_slow, dt_us, SLOW_US);
	decay(&j->failed_slow, dt_us, SLOW_US);
	take_old(j, r, old_turn);
	if (dt_us > 0)
		j->in_handshake +=
			((double)(r->handshake_us - j->handshake_us) / dt_us - j->in_handshake) *
			(1 - exp(-dt_us / FAST_US));
	j->handshake_us = r->handshake_us;
	j->stepped_us = r->now_us;
	j->flood = fails(j->used_fast, j->failed_fast) || fails(j->used_slow, j->failed_slow);
	young = count_young(r, old_turn, turn);
	if (young > r->pending)
		young = r->pending;
	old = r->pending - young;
	judgement.likely = (uint32_t)(young + (old < r->share ? old : r->share));
	if (r->share != PLAN_UNLIMITED)
		judgement.usual = (uint32_t)(2 * j->in_handshake) + r->share;
	if (j->flood)
		judgement.most = judgement.usual;
	return judgement;
}
