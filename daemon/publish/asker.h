/* The asking process's side of a channel (publish/channel.h): asks penstockd, and gets answers. */
#ifndef PENSTOCK_PUBLISH_ASKER_H
#define PENSTOCK_PUBLISH_ASKER_H

#include <stddef.h>
#include <stdint.h>

#include "publish/channel.h"

struct asker;
struct evbuffer;
struct event_base;

/* Called for an answer, or for a message that penstockd sends without a question. The callee owns
 * `text` and frees it; NULL: no text, or no memory. */
typedef void (*asker_answered)(void *context, const struct channel_answer *head,
			       struct evbuffer *text);

/* `fd`: the channel, taken in any case. `question`: octets of one. When penstockd is gone, `base`
 * ends. 0 or -ENOMEM. */
int asker_open(struct event_base *base, int fd, size_t question, asker_answered answered,
	       void *context, struct asker **ret_asker);
/* NULL is fine. */
void asker_close(struct asker *asker);
/* `question` begins with a struct channel_question. */
void asker_ask(struct asker *asker, const void *question);
/* Tells penstockd that the process is ready; `error`: errno of the sandbox, 0: it stands. */
void asker_begun(struct asker *asker, uint32_t error);

#endif
