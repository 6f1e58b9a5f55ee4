#include "base/helper_life.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/log.h"

void helper_life_break(struct helper_life *l, const char *why)
{
	if (!helper_life_talks(l))
		return;
	snprintf(l->why, sizeof(l->why), "%s", why);
	l->broken = true;
}

int helper_life_start(struct helper_life *l, uint64_t now_us)
{
	const struct helper_kind *kind = l->kind;
	_cleanup_close_ int theirs = -1;
	int pair[2], r;

	if (socketpair(AF_UNIX, kind->channel | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	theirs = l->fds[0] = pair[1];
	r = helper_start(&l->helper, kind->name, kind->argument, l->fds, l->count + 1, now_us);
	if (r < 0) {
		close(pair[0]);
		return r;
	}
	l->up = true;
	l->broken = false;
	l->why[0] = 0;
	heartbeat_begin(&l->beat, now_us);
	r = l->events->up(l->context, pair[0], now_us);
	if (r < 0)
		helper_life_break(l, strerror(-r));
	return 0;
}

static void start_if_due(struct helper_life *l, uint64_t now_us)
{
	int r;

	if (l->up || !helper_due(&l->helper, now_us))
		return;
	r = helper_life_start(l, now_us);
	if (r == 0)
		return;
	l->events->down(l->context, strerror(-r));
	log_warning("Cannot start the process that %s: %s. %s It is tried again.", l->kind->does,
		    strerror(-r), l->kind->meanwhile);
}

/* Notes that the process is gone: it ended, or we ended it. */
static void take_note(struct helper_life *l, const char *how, uint64_t now_us)
{
	const char *why = l->why[0] ? l->why : how;
	char pause[DURATION_PRINTED];

	l->up = l->broken = false;
	l->events->down(l->context, why);
	log_warning("The process that %s ended: %s. %s It is started again in %s.", l->kind->does,
		    why, l->kind->meanwhile,
		    duration_print(helper_pause_s(&l->helper, now_us), pause));
}

static void watch(struct helper_life *l, uint64_t now_us)
{
	if (!helper_life_talks(l) || !l->kind->beats_max)
		return;
	switch (heartbeat_step(&l->beat, now_us, l->kind->beats_max)) {
	case HEARTBEAT_ASK:
		if (l->events->ask)
			l->events->ask(l->context);
		break;
	case HEARTBEAT_DEAD:
		helper_life_break(l, l->kind->silent);
		break;
	default:
		break;
	}
}

bool helper_life_step(struct helper_life *l, uint64_t now_us)
{
	char how[48];
	bool ended;

	watch(l, now_us);
	if (l->broken)
		helper_kill(&l->helper);
	ended = helper_ended(&l->helper, now_us, how);
	if (ended)
		take_note(l, how, now_us);
	start_if_due(l, now_us);
	return ended;
}

void helper_life_begun(struct helper_life *l, uint32_t missing_errno)
{
	helper_begun(&l->helper, l->kind->does, missing_errno);
}

void helper_life_stop(struct helper_life *l)
{
	helper_close(&l->helper);
	l->helper = (struct helper){ .told = l->helper.told };
	l->up = l->broken = false;
}
