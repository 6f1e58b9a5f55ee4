#include "publish/teller.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/helper.h"
#include "base/log.h"

struct teller {
	struct event_base *base;
	const struct teller_kind *kind;
	void *context;
	/* descriptors of the process while it is started; the first is its end of the channel */
	int fds[HELPER_FDS];
	unsigned count;
	struct helper helper;
	struct answers *answers; /* NULL: no process */
	bool broken; /* the channel to it */
	bool begun; /* it is ready */
	char why[64]; /* why the process ended */
};

static void on_begun(void *context, uint32_t missing_errno)
{
	struct teller *t = context;
	char does[64];

	snprintf(does, sizeof(does), "answers %s", t->kind->what);
	helper_begun(&t->helper, does, missing_errno);
	t->begun = true;
}

/* Not closed here, since the caller is using it: teller_step() closes it. */
static void on_broken(void *context, const char *why)
{
	struct teller *t = context;

	/* Keep the first reason: the process was killed because of it. */
	if (!t->broken)
		snprintf(t->why, sizeof(t->why), "%s", why);
	t->broken = true;
}

static int start(struct teller *t, uint64_t now_us)
{
	const struct answers_events events = { .begun = on_begun,
					       .broken = on_broken,
					       .context = t };
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	t->fds[0] = pair[1];
	r = helper_start(&t->helper, t->kind->process, t->kind->argument, t->fds, t->count, now_us);
	close(pair[1]);
	if (r < 0) {
		close(pair[0]);
		return r;
	}
	t->broken = t->begun = false;
	t->why[0] = 0;
	t->answers = answers_open(t->base, pair[0], t->kind->answers, t->context, &events);
	if (!t->answers)
		helper_kill(&t->helper);
	return 0;
}

int teller_open(struct event_base *base, const struct teller_kind *kind, void *context,
		const int *fds, unsigned count, uint64_t now_us, struct teller **ret_teller)
{
	struct teller *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->base = base;
	t->kind = kind;
	t->context = context;
	memcpy(t->fds + 1, fds, count * sizeof(*fds));
	t->count = count + 1;
	r = start(t, now_us);
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
	helper_close(&t->helper);
	answers_close(t->answers);
	free(t);
}

uint64_t teller_pause_us(const struct teller *t, uint64_t now_us)
{
	return !t->answers && t->helper.next_us > now_us ? t->helper.next_us - now_us : 0;
}

/* Notes that the process is gone: it ended, or we ended it. */
static void take_note(struct teller *t, const char *how, uint64_t now_us)
{
	answers_close(t->answers);
	t->answers = NULL;
	log_warning(
		"The process that answers %s ended: %s. It is started again in %.0f s; mail is not affected.",
		t->kind->what, t->why[0] ? t->why : how, helper_pause_s(&t->helper, now_us));
}

bool teller_step(struct teller *t, uint64_t now_us)
{
	char how[48];
	bool ended;
	int r;

	if (t->answers && !t->broken && !answers_step(t->answers, now_us))
		on_broken(t, "it did not answer for 8 s");
	if (t->broken)
		helper_kill(&t->helper);
	ended = helper_ended(&t->helper, now_us, how);
	if (ended)
		take_note(t, how, now_us);
	if (!helper_due(&t->helper, now_us))
		return ended;
	r = start(t, now_us);
	if (r < 0)
		log_warning(
			"Cannot start the process that answers %s: %s. It is tried again; mail is not affected.",
			t->kind->what, strerror(-r));
	return ended;
}

bool teller_is_up(const struct teller *t)
{
	return t->answers && t->begun;
}

uint64_t teller_restarts(const struct teller *t)
{
	return t->helper.starts - 1;
}

void teller_tell(struct teller *t, uint32_t what, struct evbuffer *text)
{
	if (t->answers)
		answers_tell(t->answers, what, text);
}
