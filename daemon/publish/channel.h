/* The messages between penstockd and a process that talks with strangers, over a pair of sockets:
 * the process asks questions of a fixed size, and penstockd answers. Both are the same program.
 *
 * clients --HTTP, Varlink--> the process --question--> penstockd
 *                            (no privilege) <--answer--- */
#ifndef PENSTOCK_PUBLISH_CHANNEL_H
#define PENSTOCK_PUBLISH_CHANNEL_H

#include <stdint.h>

/* Questions of every channel, beside those of its own. */
enum channel_word {
	CHANNEL_PING = 1u << 16, /* sent by penstockd, and sent back by the process */
	CHANNEL_BEGUN, /* by the process: it is ready; `id`: errno of the missing sandbox */
};

#define CHANNEL_QUESTION_MAX 256u /* octets of a question */
#define CHANNEL_ANSWER_MAX (16u << 20) /* octets that follow an answer; more is an error */

/* The beginning of each question. */
struct channel_question {
	uint32_t what; /* enum channel_word, or what the process may ask */
	uint32_t id; /* comes back with the answer */
};

/* The head of each message to the process; `length` octets follow. */
struct channel_answer {
	uint32_t what, id; /* of the question, or of a message without one */
	int32_t result; /* 0 or -errno */
	uint32_t length;
};

#endif
