/* The messages between penstockd and the process that is asked over sockets, over a pair of sockets
 * that keep the borders of messages (SOCK_SEQPACKET). Both are the same program.
 *
 * mail server --policy, SPOE, ...--> penstockd-asks --questions--> penstockd
 *                                    (no privilege) <--verdicts---
 *
 * A message is a struct asked_head and what stands behind it. Messages to penstockd have a fixed
 * size. Bytes of strangers stay in the process, except for the 64 octets of a complaint, which are
 * only shown. */
#ifndef PENSTOCK_FRONT_ASKED_WIRE_H
#define PENSTOCK_FRONT_ASKED_WIRE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/endpoint.h"
#include "config/config.h"
#include "core/reply.h"

#define ASKED_ARGUMENT "--asked-process" /* of penstockd: not for people */

/* The fronts that are asked. */
enum asked_kind {
#define X(kind, name) ASKED_##kind,
	ASKED_FRONT_TABLE(X)
#undef X
		ASKED__COUNT
};

enum asked_word {
	/* to the process */
	/* struct asked_opening and the listening sockets; without sockets: the settings changed */
	ASKED_OPEN,
	ASKED_CLOSE, /* `value`: enum asked_kind */
	ASKED_VERDICTS, /* `value` of them: struct asked_verdict, each with its text */
	/* to penstockd */
	ASKED_BEGUN, /* it is ready; `value`: errno of the missing filter */
	ASKED_QUESTIONS, /* `value` of them: struct asked_question */
	ASKED_TROUBLE, /* struct asked_trouble */
	/* sent by penstockd, and sent back by the process */
	ASKED_BEAT,
};

struct asked_head {
	uint32_t word, value;
};

#define ASKED_BATCH 64u /* questions of a message */
/* A question that is older was given up: its client was admitted. A plan may be as old as this,
 * too. */
#define ASKED_PATIENCE_US (2 * US_PER_S)

struct asked_question {
	uint64_t asked_us; /* CLOCK_MONOTONIC */
	uint32_t id; /* comes back with the verdict */
	uint16_t port; /* 0: not known */
	uint8_t kind; /* enum asked_kind */
	uint8_t address_known; /* 0 or 1 */
	struct in6_addr address; /* IPv4 mapped */
};

/* In the order of the questions. */
struct asked_verdict {
	uint32_t id;
	uint32_t length; /* of "451 4.3.2 SENTENCE" behind it, at most REPLY_MAX; 0: admitted */
};

#define ASKED_BEGAN_MAX 64u

/* What went wrong with a front since the last such message. */
struct asked_trouble {
	uint32_t kind; /* enum asked_kind */
	uint32_t malformed; /* requests */
	uint32_t full; /* connections over the bound */
	uint32_t descriptors; /* connections closed because no descriptor was left */
	uint32_t errors; /* memory and the like */
	uint32_t unasked; /* clients admitted because penstockd did not answer */
	int32_t error; /* errno of the last malformed request */
	uint32_t length; /* octets of it in `began` */
	char began[ASKED_BEGAN_MAX];
};

struct asked_opening {
	uint32_t kind; /* enum asked_kind */
	uint32_t connections_max;
	uint64_t idle_us;
	uint32_t loopback; /* decide on this host's own clients too, if the front has the option */
	uint32_t backend_port; /* of the mail server, if the front is told one */
	char backend[INET6_ADDRSTRLEN];
	char hostname[256]; /* of the service */
};

struct asked_message {
	struct asked_head head;
	union {
		struct asked_opening opening;
		struct asked_question question[ASKED_BATCH];
		struct asked_trouble trouble;
		char verdicts[ASKED_BATCH * (sizeof(struct asked_verdict) + REPLY_MAX + 4)];
	};
};

struct event_base;
struct asked_process;
struct asked_protocol;

/* The process, with its protocols (ASKED__COUNT of them, by kind). The channel is its own from now
 * on. 0 or -errno. */
int asked_process_open(struct event_base *base, int channel,
		       const struct asked_protocol *const *protocols,
		       struct asked_process **ret_process);
void asked_process_close(struct asked_process *process);
/* Tells penstockd that the process has begun (`confined`: what helper_confine() returned), and
 * serves until penstockd has ended. */
void asked_process_run(struct asked_process *process, uint32_t confined);
/* The whole of that process: argv of main(). Returns an exit status. */
int asked_process_main(int argc, char **argv);

#endif
