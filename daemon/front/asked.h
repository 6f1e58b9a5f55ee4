/* A front that a mail server asks over stream sockets, as penstockd sees it: it has the listening
 * sockets, gives verdicts and counts. A process without privilege parses the bytes from outside,
 * with a struct asked_protocol.
 *
 * The front's struct begins with a struct asked, so that the functions below that take `void
 * *front` can be used in its front_ops directly. */
#ifndef PENSTOCK_FRONT_ASKED_H
#define PENSTOCK_FRONT_ASKED_H

#include "front/asked_helper.h"
#include "front/front.h"
#include "refuse/faultlog.h"

/* What distinguishes one front from another. */
struct asked_row {
	enum asked_kind kind;
	const char *section; /* "front.policy" */
	size_t settings; /* where its struct config_asked is in struct config */
	/* The front asks before the mail server has the connection: front_client.ahead. */
	bool ahead;
	/* Logs, once a minute, that the bytes were no message of the protocol. `began` is
	 * printable. */
	void (*complain)(int error, const char *began);
	/* The protocol's own part of the process's settings. NULL: there is none. */
	void (*fill)(const struct config_asked *settings, struct asked_opening *opening);
};

static inline const struct config_asked *asked_settings(const struct asked_row *row,
							const struct config *config)
{
	return (const struct config_asked *)((const char *)config + row->settings);
}

struct asked {
	struct asked_served served;
	const struct front_env *env;
	struct counts *counts;
	const struct asked_row *row;
	struct endpoints listen;
	unsigned service; /* index in the configuration */
	struct event *away[LISTENERS_MAX]; /* accepts and closes, while there is no process */
	struct faultlog faultlog;
	uint64_t complained_us; /* CLOCK_MONOTONIC, 0: never */
};

/* 0, or -errno with a sentence in `why` (256). */
int asked_open(struct asked *asked, const struct asked_row *row, const struct front_env *env,
	       struct counts *counts, char *why);
/* Ends all connections and removes the files of UNIX sockets. The struct stays the caller's. */
void asked_close(struct asked *asked);

/* front_ops */
bool asked_wanted(const struct front_ops *ops, const struct config *config);
bool asked_reconfigure(void *front, const struct config *before);
void asked_poll(void *front, uint64_t now_us, struct load *load);
void asked_state(const void *front, struct front_state *ret);

#endif
