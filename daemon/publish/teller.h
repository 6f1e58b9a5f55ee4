/* A process without privilege that talks with clients, as penstockd sees it. It is started with its
 * descriptors, asks over a channel (publish/answers.h), and is started again if it has ended or no
 * longer answers. If it crashes, hangs or is taken over by an attacker, no tick and no mail waits
 * for it. */
#ifndef PENSTOCK_PUBLISH_TELLER_H
#define PENSTOCK_PUBLISH_TELLER_H

#include "publish/answers.h"

struct teller;

/* What distinguishes one kind of process; stays the caller's. */
struct teller_kind {
	const char *process; /* its name in the list of processes, at most 15 characters */
	const char *argument; /* the argument with which penstockd starts it: not for people */
	const char *what; /* what it answers, for the log: "HTTP" */
	const struct answers_kind *answers;
};

/* Starts the process. It gets the channel and then `fds`, `count` of them. They stay the caller's
 * and open: the next process gets them, too. `context` is for the kind. 0 or -errno. */
int teller_open(struct event_base *base, const struct teller_kind *kind, void *context,
		const int *fds, unsigned count, uint64_t now_us, struct teller **ret_teller);
/* NULL is fine. */
void teller_close(struct teller *teller);
/* Once a tick. True: the process ended since the last call (which is logged). */
bool teller_step(struct teller *teller, uint64_t now_us);
/* Whether the process runs and is ready. */
bool teller_is_up(const struct teller *teller);
/* Microseconds until a missing process is started; 0: it runs, or is started in the next step. */
uint64_t teller_pause_us(const struct teller *teller, uint64_t now_us);
/* How often the process was started again. */
uint64_t teller_restarts(const struct teller *teller);
/* Like answers_tell(); does nothing while there is no process. */
void teller_tell(struct teller *teller, uint32_t what, struct evbuffer *text);

#endif
