/* Learns from logind that the machine is about to shut down (org.freedesktop.login1,
 * PrepareForShutdown), and delays that for a moment (a delay inhibitor, taken at start). So senders
 * are told "server shutdown in progress" while the mail server finishes its sessions. All calls are
 * asynchronous: if the bus is slow, hung or gone, only this notice is lost. SIGTERM alone is no
 * shutdown and is not handled here. */
#ifndef PENSTOCK_HOST_LOGIND_H
#define PENSTOCK_HOST_LOGIND_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct logind;

struct logind_ops {
	/* The machine shuts down. Called once, until the shutdown is cancelled. */
	void (*going_down)(void *context);
	/* The shutdown was cancelled. */
	void (*stays_up)(void *context);
};

/* 0 or -ENOMEM. Any other failure is reported by logind_why(), and tried again. `address`: of the
 * bus; NULL: the system's. */
int logind_open(struct event_base *base, const char *address, const struct logind_ops *ops,
		void *context, struct logind **ret_logind);
/* Call it once a tick; it acts at most once a second. Connects again, and lets the shutdown go on
 * when no session is left (`in_flight` is 0; below 0: unknown) or it was delayed long enough. */
void logind_tick(struct logind *logind, uint64_t now_us, double in_flight);
/* NULL: an inhibitor is held, and shutdowns are noticed. Otherwise a sentence that says why not. */
const char *logind_why(const struct logind *logind);
void logind_close(struct logind *logind);

#endif
