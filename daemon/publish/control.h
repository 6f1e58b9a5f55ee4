/* The control socket: Varlink, interface io.penstock, on RUN_DIR/control.sock. State is for
 * everybody; sources and changes need root or the configured group (SO_PEERCRED). Frame parsing is
 * pure and fuzzed (publish/varlink.h). */
#ifndef PENSTOCK_PUBLISH_CONTROL_H
#define PENSTOCK_PUBLISH_CONTROL_H

#include "sources/sources.h"
#include "core/history.h"
#include "publish/status.h"

struct event_base;
struct control;

/* What the control socket may ask of the daemon. All return 0 or -errno with a sentence in `why`
 * (256). */
struct control_ops {
	const struct status *(*status)(void *context);
	int (*set_mode)(void *context, enum plan_mode mode, char *why);
	int (*drain)(void *context, uint64_t for_us, const char *reason,
		     char *why); /* 0: until resume */
	int (*resume)(void *context, char *why);
	/* On -EINVAL `why` names file, line, section.key and reason of the first error. */
	int (*reload)(void *context, char *why);
	/* The chain for one source into `text` (NULL address: the host only); what is known of it
	 * only to the privileged. */
	void (*explain)(void *context, const char *address, bool privileged, struct text *text);
	/* What happened in [since_s, until_s) (CLOCK_REALTIME), a record for each `step_s`; NULL:
	 * no history is kept. Returns how many, at most `most`: core/history.h. */
	size_t (*history)(void *context, uint64_t since_s, uint64_t until_s, uint32_t step_s,
			  struct history_record *ret, size_t most);
	/* The first `most` sources known by name into `list`. Returns how many. */
	unsigned (*sources)(void *context, enum source_sort sort, struct source_picture *list,
			    unsigned most);
};

int control_open(struct event_base *base, const struct config *config,
		 const struct control_ops *ops, void *context, struct control **ret_control,
		 char *why);
/* Once a tick, with what the picture has of it: sends to watchers when the level, the state or the
 * mode changed. */
void control_publish(struct control *control, const struct engine_view *view);
void control_close(struct control *control);

#endif
