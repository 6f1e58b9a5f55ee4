/* How many messages an MTA's queue directory holds, and for how long the oldest of them has been
 * due. It knows four layouts, by the directories in the queue. Messages that the MTA put back
 * for a later attempt (their destination is down) are counted, but are not "ready": only
 * messages that wait for this machine itself show that it does not keep up.
 *
 * Blocks on the disk and may take seconds: for a helper thread. The number of entries, of file
 * look-ups and the time are limited; `partial` says that a limit was reached. It follows no link
 * and opens no message body. Of the envelopes of Exim, Sendmail and OpenSMTPD it reads only the
 * beginning, for the line that says whether delivery was tried.
 *
 * Sources: Postfix QSHAPE_README and qmgr(8) (mtime is when a message is due); Exim specification,
 * "Format of spool files" and "Message identification" (base 62 seconds); Sendmail operations
 * guide, "Queue control files"; OpenSMTPD queue_fs. */
#ifndef PENSTOCK_SENSOR_QUEUE_WALK_H
#define PENSTOCK_SENSOR_QUEUE_WALK_H

#include <stdbool.h>
#include <stdint.h>

enum queue_layout {
	QUEUE_UNKNOWN,
	/* incoming, active, maildrop are ready; deferred is not; hold and corrupt are an
	 * operator's */
	QUEUE_POSTFIX,
	QUEUE_EXIM, /* input, flat or split into one-letter directories */
	/* qf and df files, flat or in qf/ and df/, in the directory or in those below it (several
	 * queues) */
	QUEUE_SENDMAIL,
	QUEUE_OPENSMTPD, /* queue/XX/MSGID, and incoming */
	QUEUE__COUNT
};

struct queue_bounds {
	unsigned entries, stat_calls; /* directory entries read; files whose times were asked for */
	uint64_t time_us;
	const volatile bool *stop; /* set by another thread to end the walk at once; may be NULL */
};

struct queue_figures {
	enum queue_layout layout;
	double count, ready; /* messages */
	double oldest_s; /* of those that are ready; 0: none */
	bool partial; /* a limit was reached: there are more */
	unsigned entries, stat_calls;
};

/* Which layout the directory has. Negative: it cannot be read (-errno); QUEUE_UNKNOWN: none of
 * those known. */
int queue_detect(const char *path);
/* Adds the queue in `path` to `figures` (zeroed by the caller; several directories can be added
 * up). `now_us` is CLOCK_REALTIME, as the files' times are. 0 or -errno: nothing could be read
 * (`figures` untouched), -EMEDIUMTYPE: no known layout. */
int queue_walk(const char *path, uint64_t now_us, const struct queue_bounds *bounds,
	       struct queue_figures *figures);

/* Pure functions on names and on the beginnings of control files; fuzzed
 * (tests/fuzz/fuzz_queue_names.c). */
/* Seconds since 1970 in an Exim message id ("1rXyzA-0003cQ-2B-H", also the long form of 4.97); -1:
 * it is not such an id. */
int64_t queue_exim_time(const char *name);
/* Whether this is the name of a Postfix queue file: a short (hex) or long (base 52, 'z', base 51)
 * queue id. */
bool queue_is_postfix_id(const char *name);
/* "qf" followed by a queue id. */
bool queue_is_sendmail_control(const char *name);
/* Whether delivery was tried, by the beginning of a control file: Exim's -H (no
 * "-deliver_firsttime"), Sendmail's qf ("N" attempts), OpenSMTPD's envelope ("last-try:"). */
bool queue_exim_tried(const char *head);
bool queue_sendmail_tried(const char *head);
bool queue_opensmtpd_tried(const char *head);
/* Eight hexadecimal digits: a message directory of OpenSMTPD. */
bool queue_is_opensmtpd_message(const char *name);

#endif
