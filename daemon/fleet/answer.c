#include "fleet/answer.h"

#include <errno.h>
#include <string.h>

#define STREAM_MESSAGES_MAX 100000u

static bool get_number(const char **at, const char *end, uint64_t *ret)
{
	const char *from = *at;
	uint64_t value = 0;

	for (; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(**at - '0'), &value))
			return false;
	}
	*ret = value;
	return *at > from;
}

int answer_id_parse(const char *text, size_t length, struct answer_id *ret)
{
	const char *at = text, *end = text + length;
	struct answer_id id;

	if (!get_number(&at, end, &id.ms) || at == end || *at++ != '-' ||
	    !get_number(&at, end, &id.number) || at != end)
		return -EBADMSG;
	*ret = id;
	return 0;
}

int answer_id_compare(const struct answer_id *a, const struct answer_id *b)
{
	if (a->ms != b->ms)
		return a->ms < b->ms ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

static bool is_text(const redisReply *reply)
{
	return reply && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS);
}

static bool is_array(const redisReply *reply, size_t least)
{
	return reply && reply->type == REDIS_REPLY_ARRAY && (size_t)reply->elements >= least;
}

static int walk_message(const redisReply *message, unsigned stream, answer_each *each,
			void *context)
{
	const redisReply *fields, *found = NULL;
	struct answer_id id;

	if (!is_array(message, 2) || !is_text(message->element[0]) ||
	    answer_id_parse(message->element[0]->str, (size_t)message->element[0]->len, &id) < 0)
		return -EBADMSG;
	fields = message->element[1];
	for (size_t i = 0; is_array(fields, 2) && i + 1 < (size_t)fields->elements; i += 2)
		if (is_text(fields->element[i]) && fields->element[i]->len == 1 &&
		    fields->element[i]->str[0] == 'r' && is_text(fields->element[i + 1]))
			found = fields->element[i + 1];
	each(context, stream, &id, found ? (const uint8_t *)found->str : NULL,
	     found ? (size_t)found->len : 0);
	return 0;
}

static int walk_stream(const redisReply *reply, const char *const *streams, unsigned count,
		       answer_each *each, void *context)
{
	unsigned stream = 0;

	if (!is_array(reply, 2) || !is_text(reply->element[0]) || !is_array(reply->element[1], 0))
		return -EBADMSG;
	while (stream < count && (strlen(streams[stream]) != (size_t)reply->element[0]->len ||
				  memcmp(streams[stream], reply->element[0]->str,
					 (size_t)reply->element[0]->len) != 0))
		stream++;
	if (stream == count || (size_t)reply->element[1]->elements > STREAM_MESSAGES_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < (size_t)reply->element[1]->elements; i++)
		if (walk_message(reply->element[1]->element[i], stream, each, context) < 0)
			return -EBADMSG;
	return (int)reply->element[1]->elements;
}

int answer_walk(const redisReply *reply, const char *const *streams, unsigned count,
		answer_each *each, void *context)
{
	int sum = 0;

	if (!reply)
		return -EBADMSG;
	if (reply->type == REDIS_REPLY_NIL)
		return 0; /* nothing new */
	if (!is_array(reply, 0) || (size_t)reply->elements > count)
		return -EBADMSG;
	for (size_t i = 0; i < (size_t)reply->elements; i++) {
		int n = walk_stream(reply->element[i], streams, count, each, context);

		if (n < 0)
			return n;
		sum += n;
	}
	return sum;
}
