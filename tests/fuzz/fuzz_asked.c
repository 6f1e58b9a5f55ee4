#include <stdlib.h>
#include <string.h>

#include "front/asked_helper.h"

/* Any bytes as a message of the process that mail servers ask: what comes out of them stays in its
 * range, and the answer in its buffer. */

static bool admits(struct asked_served *front, const struct asked_question *q, char *reply)
{
	if (q->kind != front->kind || q->address_known > 1)
		abort();
	if (q->port & 1)
		return true;
	memset(reply, 'x', REPLY_MAX); /* as long as one can be */
	reply[REPLY_MAX] = 0;
	return false;
}

static void trouble(struct asked_served *front, const struct asked_trouble *t)
{
	if (t->kind != (uint32_t)front->kind)
		abort();
}

static void opening(const struct asked_served *front, struct asked_opening *ret)
{
	memset(ret, 0, sizeof(*ret));
}

static void turn_away(struct asked_served *front, bool away)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct asked_served_ops ops = {
		.opening = opening, .admits = admits, .trouble = trouble, .turn_away = turn_away
	};
	static struct asked_helper *helper;
	static struct asked_served served[ASKED__COUNT];
	/* Of its own, so that a byte too many that is read is seen. */
	void *copy = malloc(size ? size : 1);

	if (!helper) {
		helper = asked_helper_open(NULL);
		/* Not all: a question may be about one that was closed. */
		for (unsigned i = 0; i + 1 < ASKED__COUNT; i++) {
			served[i] =
				(struct asked_served){ .kind = (enum asked_kind)i, .ops = &ops };
			asked_helper_add(helper, &served[i]);
		}
	}
	if (size)
		memcpy(copy, data, size);
	asked_helper_take(helper, copy, size);
	free(copy);
	return 0;
}
