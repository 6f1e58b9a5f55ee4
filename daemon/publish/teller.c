#include "publish/teller.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct teller {
	struct event_base *base;
	const struct teller_kind *kind;
	void *context;
	struct helper_life life;
	struct answers *answers; /* NULL: no process */
	bool begun; /* it is ready */
};

static void on_begun(void *context, uint32_t missing_errno)
{
	struct teller *t = context;

	helper_life_begun(&t->life, missing_errno);
	t->begun = true;
}

/* The channel is not closed here, since the caller is using it. */
static void on_broken(void *context, const char *why)
{
	struct teller *t = context;

	helper_life_break(&t->life, why);
}

static int on_up(void *context, int channel, uint64_t now_us)
{
	struct teller *t = context;
	const struct answers_events events = { .begun = on_begun,
					       .broken = on_broken,
					       .context = t };

	t->begun = false;
	t->answers = answers_open(t->base, channel, t->kind->answers, t->context, &events);
	return t->answers ? 0 : -ENOMEM;
}

static void on_down(void *context, const char *why)
{
	struct teller *t = context;

	answers_close(t->answers);
	t->answers = NULL;
}

int teller_open(struct event_base *base, const struct teller_kind *kind, void *context,
		const int *fds, unsigned count, uint64_t now_us, struct teller **ret_teller)
{
	static const struct helper_events events = { .up = on_up, .down = on_down };
	struct teller *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->base = base;
	t->kind = kind;
	t->context = context;
	t->life = (struct helper_life){
		.kind = &kind->process, .events = &events, .context = t, .count = count
	};
	memcpy(t->life.fds + 1, fds, count * sizeof(*fds));
	r = helper_life_start(&t->life, now_us);
	if (r < 0) {
		teller_close(t);
		return r;
	}
	*ret_teller = t;
	return 0;
}

void teller_close(struct teller *t)
{
	if (!t)
		return;
	helper_life_stop(&t->life);
	answers_close(t->answers);
	free(t);
}

uint64_t teller_pause_us(const struct teller *t, uint64_t now_us)
{
	uint64_t next_us = t->life.helper.next_us;

	return !t->answers && next_us > now_us ? next_us - now_us : 0;
}

bool teller_step(struct teller *t, uint64_t now_us)
{
	if (helper_life_talks(&t->life) && !answers_step(t->answers, now_us))
		on_broken(t, "it did not answer for 8 s");
	return helper_life_step(&t->life, now_us);
}

bool teller_is_up(const struct teller *t)
{
	return t->answers && t->begun;
}

uint64_t teller_restarts(const struct teller *t)
{
	return helper_life_restarts(&t->life);
}

void teller_tell(struct teller *t, uint32_t what, struct evbuffer *text)
{
	if (t->answers)
		answers_tell(t->answers, what, text);
}
