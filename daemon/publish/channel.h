/* What penstockd and a process of its own that strangers talk with say to each other, over a pair
 * of sockets: the process asks questions of a fixed size, penstockd answers. Both are the same
 * program.
 *
 *	clients --HTTP, Varlink--> the process --question--> penstockd
 *	                           (no privilege) <--answer---
 */
#ifndef PENSTOCK_PUBLISH_CHANNEL_H
#define PENSTOCK_PUBLISH_CHANNEL_H

#include <stdint.h>

/* Beside what may be asked. */
enum channel_word {
	CHANNEL_PING = 1u << 16, /* asked by penstockd, said again by the process */
	CHANNEL_BEGUN, /* by the process: it is ready; `id`: errno of the missing filter */
};

#define CHANNEL_QUESTION_MAX 256u /* octets of one */
#define CHANNEL_ANSWER_MAX (16u << 20) /* octets behind one; a mistake beyond it */

/* Each question begins with it. */
struct channel_question {
	uint32_t what; /* enum channel_word, or what the process may ask */
	uint32_t id; /* comes back with the answer */
};

/* To the process: then `length` octets. */
struct channel_answer {
	uint32_t what, id; /* of the question; or of what is told without one */
	int32_t result; /* 0 or -errno */
	uint32_t length;
};

#endif
