/* A process without privilege that talks with clients, as penstockd sees it: it is started with its
 * descriptors, asks over a channel (publish/answers.h), and is started again if it has ended or no
 * longer answers. It may crash, hang or be taken over by an attacker: no tick and no mail waits for
 * it. */
#ifndef PENSTOCK_PUBLISH_TELLER_H
#define PENSTOCK_PUBLISH_TELLER_H

#include "publish/answers.h"

struct teller;

/* Of one kind of process; stays the caller's. */
struct teller_kind {
	const char *process; /* its name in the list of processes, at most 15 characters */
	const char *argument; /* of penstockd, for it: not for people */
	const char *what; /* what it answers, for the log: "HTTP" */
	const struct answers_kind *answers;
};

/* Starts it. It gets the channel and then `fds`, `count` of them, which stay the caller's and open:
 * the next process gets them, too. `context` is for the kind. 0 or -errno. */
int teller_open(struct event_base *base, const struct teller_kind *kind, void *context,
		const int *fds, unsigned count, uint64_t now_us, struct teller **ret_teller);
/* NULL is fine. */
void teller_close(struct teller *teller);
/* Once a tick. True: the process ended since the last call (which is logged). */
bool teller_step(struct teller *teller, uint64_t now_us);
/* It is there and ready. */
bool teller_is_up(const struct teller *teller);
/* In how many microseconds a missing process is started; 0: it is there, or is started with the
 * next step. */
uint64_t teller_pause_us(const struct teller *teller, uint64_t now_us);
/* How often it was started again. */
uint64_t teller_restarts(const struct teller *teller);
/* As answers_tell(); nothing while there is no process. */
void teller_tell(struct teller *teller, uint32_t what, struct evbuffer *text);

#endif
