#include "fleet/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define READ_COUNT "64"
#define HOSTS_LENGTH 1000u

/* Takes the id that the store gave to a message. If it is lower than one that was read, the store's
 * clock was set back, or it is another store: then the stream is read from its beginning. False:
 * this is not an id, so nothing was stored. */
static bool follow_number(struct store *s, enum exchange_stream stream, const redisReply *reply)
{
	struct answer_id id;

	if (reply->type != REDIS_REPLY_STRING ||
	    answer_id_parse(reply->str, (size_t)reply->len, &id) < 0)
		return false;
	if (answer_id_compare(&id, &s->read[stream]) < 0)
		s->read[stream] = (struct answer_id){ 0 };
	return true;
}

int store_say(struct store *s, enum exchange_stream stream, const uint8_t *bytes, size_t length,
	      char *why)
{
	const char *name = s->begin->name[stream];
	char most[16];
	const char *argv[] = { "XADD", name, "MAXLEN", "~", most, "*", "r", (const char *)bytes };
	size_t lengths[8];
	redisReply *reply;
	int r;

	snprintf(most, sizeof(most), "%u",
		 stream == EXCHANGE_HOSTS ? HOSTS_LENGTH : s->begin->stream_length);
	for (int i = 0; i < 7; i++)
		lengths[i] = strlen(argv[i]);
	lengths[7] = length;
	r = redis_call(s->redis, 8, argv, lengths, &reply, why);
	if (r < 0)
		return r;
	s->said = follow_number(s, stream, reply);
	freeReplyObject(reply);
	if (s->said)
		return 0;
	snprintf(why, REDIS_WHY, "its answer to XADD makes no sense");
	return -EBADMSG;
}

static void hear(void *context, unsigned stream, const struct answer_id *id, const uint8_t *bytes,
		 size_t length)
{
	struct store *s = context;

	if (answer_id_compare(id, &s->read[stream]) > 0)
		s->read[stream] = *id;
	s->heard(s->context, stream, bytes, length);
}

int store_listen(struct store *s, char *why)
{
	const char *const names[] = { s->begin->name[EXCHANGE_LEDGER],
				      s->begin->name[EXCHANGE_HOSTS] };
	char from[EXCHANGE_STREAMS][48];
	const char *argv[] = { "XREAD",	 "COUNT",  READ_COUNT, "STREAMS",
			       names[0], names[1], from[0],    from[1] };
	size_t lengths[8];
	redisReply *reply;
	int r;

	for (int i = 0; i < EXCHANGE_STREAMS; i++)
		snprintf(from[i], sizeof(from[i]), "%llu-%llu", (unsigned long long)s->read[i].ms,
			 (unsigned long long)s->read[i].number);
	for (int i = 0; i < 8; i++)
		lengths[i] = strlen(argv[i]);
	r = redis_call(s->redis, 8, argv, lengths, &reply, why);
	if (r < 0)
		return r;
	r = answer_walk(reply, names, EXCHANGE_STREAMS, hear, s);
	freeReplyObject(reply);
	s->full = r >= STORE_READ;
	if (r < 0)
		snprintf(why, REDIS_WHY, "its answer to XREAD makes no sense");
	return r < 0 ? r : 0;
}

void store_disconnect(struct store *s)
{
	redis_close(s->redis);
	s->redis = NULL;
	s->said = s->full = false;
}
