/* What operators may ask of the daemon, over the control socket and HTTP. */
#ifndef PENSTOCK_PUBLISH_CONTROL_OPS_H
#define PENSTOCK_PUBLISH_CONTROL_OPS_H

#include <netinet/in.h>

#include "core/history.h"
#include "publish/status.h"
#include "sources/sources.h"

/* Each int is 0, or -errno with a sentence in `why` (256). */
struct control_ops {
	const struct status *(*status)(void *context);
	int (*set_mode)(void *context, enum plan_mode mode, char *why);
	int (*drain)(void *context, uint64_t for_us, const char *reason,
		     char *why); /* 0: until resume */
	int (*resume)(void *context, char *why);
	/* On -EINVAL `why` names file, line, section.key and reason of the first error. */
	int (*reload)(void *context, char *why);
	/* Writes the chain from signal to reply for one source into `text` (NULL address: the host
	 * only). Only the privileged see what is known of the source. */
	void (*explain)(void *context, const struct in6_addr *address, bool privileged,
			struct text *text);
	/* Copies the history of [since_s, until_s) (CLOCK_REALTIME), a record for each `step_s`;
	 * NULL: no history is kept. Returns how many records, at most `most`: core/history.h. */
	size_t (*history)(void *context, uint64_t since_s, uint64_t until_s, uint32_t step_s,
			  struct history_record *ret, size_t most);
	/* The first `most` sources known by name into `list`. Returns how many. */
	unsigned (*sources)(void *context, enum source_sort sort, struct source_snapshot *list,
			    unsigned most);
};

#endif
