/* Why a connection was admitted or deferred: an enum, a name for metrics, a sentence for people.
 * The public text of a reply names no resource (see reply.h). */
#ifndef PENSTOCK_CORE_REASON_H
#define PENSTOCK_CORE_REASON_H

/* X(id, name, sentence) */
#define REASON_TABLE(X) \
	X(NONE, "none", "no limit was met") \
	X(CPU, "cpu", "the CPU limits what this machine can carry") \
	X(MEMORY, "memory", "memory limits what this machine can carry") \
	X(DISK, "disk", "disk I/O or spool space limits what this machine can carry") \
	X(NIC, "nic", "the network link limits what this machine can carry") \
	X(SMTP, "smtp", \
	  "the mail server itself does not keep up (slots, accept queue or server time)") \
	X(QUEUE, "queue", "mail leaves the queue behind the server more slowly than it arrives") \
	X(LATE, "late", "admitted, but the mail server did not greet in time") \
	X(SOURCE, "source", "places are short, and other sources come first") \
	X(RATE, "rate", "this source connects more often than the operator allows") \
	X(SESSIONS, "sessions", "this source has as many sessions open as the operator allows") \
	X(REFUSED, "refused", "the source is in a network that the operator defers") \
	X(LIMIT, "limit", "the front's own connection limit is reached") \
	X(BACKEND, "backend", "the mail server behind the front cannot be reached") \
	X(DRAIN, "drain", "the operator drains this machine") \
	X(MAINTENANCE, "maintenance", "a maintenance window is in force") \
	X(TRUSTED, "trusted", "the source is trusted") \
	X(UNSHED, "unshed", "this service is never shed") \
	X(STALE, "stale", "there is no current plan: mail flows") \
	X(BLIND, "blind", "no sensor works: mail flows")

enum reason {
#define X(id, ...) REASON_##id,
	REASON_TABLE(X)
#undef X
		REASON__COUNT
};

/* Which limit of the plan was met. REASON says which resource is behind it. */
enum limit {
	LIMIT_NONE,
	LIMIT_WINDOW, /* in flight reached the window */
	LIMIT_UNGREETED, /* too many sessions wait for their greeting */
	LIMIT_RATE, /* no token in the bucket */
	LIMIT_CUTOFF, /* other sources come first and take all places */
	LIMIT_ORDER, /* drain, maintenance */
	LIMIT_REFUSED, /* in a network of source.refused */
	LIMIT_HEAVY, /* more connections a minute than the operator allows */
	LIMIT_SESSIONS, /* more sessions of this source at once than the operator allows */
	LIMIT__COUNT
};

const char *reason_name(enum reason reason);
const char *reason_sentence(enum reason reason);

#endif
