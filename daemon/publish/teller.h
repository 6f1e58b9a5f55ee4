/* A process without privilege that talks with clients, as penstockd sees it. It is started with its
 * descriptors, asks over a channel (publish/answers.h), and is started again if it has ended or no
 * longer answers (base/helper_life.h). */
#ifndef PENSTOCK_PUBLISH_TELLER_H
#define PENSTOCK_PUBLISH_TELLER_H

#include <sys/socket.h>

#include "base/helper_life.h"
#include "publish/answers.h"

struct teller;

/* What distinguishes one kind of process; stays the caller's. */
struct teller_kind {
	struct helper_kind process;
	const struct answers_kind *answers;
};

/* `answers_whom` for the log: "HTTP". */
#define TELLER(process_name, process_argument, answers_whom) \
	{ \
		.name = (process_name), .argument = (process_argument), \
		.does = "answers " answers_whom, .meanwhile = "Mail is not affected.", \
		.channel = SOCK_STREAM | SOCK_NONBLOCK \
	}

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
