/* Parses the answers of a store to XREAD and XADD. Pure. It trusts nothing; the fuzzer gives it any
 * reply. */
#ifndef PENSTOCK_FLEET_ANSWER_H
#define PENSTOCK_FLEET_ANSWER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The id of a message in a stream; ids are ordered. */
struct answer_id {
	uint64_t ms, number;
};

/* 0, or -EBADMSG: it is not an id. */
int answer_id_parse(const char *text, size_t length, struct answer_id *ret);
int answer_id_compare(const struct answer_id *a, const struct answer_id *b);

/* Called for each message with its bytes; NULL: it has no field "r". */
typedef void answer_each(void *context, unsigned stream, const struct answer_id *id,
			 const uint8_t *bytes, size_t length);
/* Calls `each` for the messages in the answer to an XREAD of these streams. Returns how many there
 * were, or -EBADMSG: this is not such an answer; messages before the error were passed on. */
int answer_walk(const redisReply *reply, const char *const *streams, unsigned count,
		answer_each *each, void *context);

#endif
