#include "fleet/exchange.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <poll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "fleet/answer.h"
#include "fleet/redis.h"
#include "fleet/secret.h"

#define ROUND_MS 1000
#define ROUND_FULL_MS 50 /* there is more to read */
#define WAIT_NEXT_MS 100 /* before the next of the servers is tried */
#define WAIT_MAX_MS 8000 /* before all of them are tried again */
#define READ_COUNT "64"
#define READ_MESSAGES 64
#define INBOX (READ_MESSAGES * FLEET_FRAME_RECORDS) /* one answer fits */
#define OUTBOX (FLEET_FRAMES * FLEET_FRAME_RECORDS) /* what one round writes */
#define HOSTS_INBOX (2 * READ_MESSAGES)
#define HOSTS_LENGTH "1000"
enum stream { LEDGER, HOSTS, STREAM__COUNT };

struct exchange {
	struct config_fleet config;
	struct siphash_key key;
	uint64_t id;
	char name[STREAM__COUNT][80], length[16];
	struct secret password;
	int stop_fd;
	pthread_t thread;
	/* The thread's own. */
	struct redis *redis;
	unsigned server; /* of those configured */
	unsigned wait_ms, pause_ms;
	bool said; /* something on this connection: it takes writes */
	struct answer_id read[STREAM__COUNT];
	bool full; /* the last answer was as long as one may be */
	struct fleet_record batch[FLEET_FRAME_RECORDS], got[FLEET_FRAME_RECORDS];
	unsigned batched; /* not written yet */
	uint8_t frame[FLEET_FRAME_BYTES];
	/* Shared. */
	pthread_mutex_t lock;
	struct exchange_state state;
	struct fleet_record out[OUTBOX], in[INBOX];
	unsigned outs, ins, ins_from;
	struct fleet_host own, host[HOSTS_INBOX];
	unsigned hosts;
	bool has_own;
};

/* ---- writing -------------------------------------------------------------------------------- */

/* The number that a message got. When it is below what was read, the store's clock was set back, or
 * it is another store: it is read from its beginning. False: this is no number, so nothing was
 * stored. */
static bool follow_number(struct exchange *e, enum stream stream, const redisReply *reply)
{
	struct answer_id id;

	if (reply->type != REDIS_REPLY_STRING ||
	    answer_id_parse(reply->str, (size_t)reply->len, &id) < 0)
		return false;
	if (answer_id_compare(&id, &e->read[stream]) < 0)
		e->read[stream] = (struct answer_id){ 0 };
	return true;
}

static int say(struct exchange *e, enum stream stream, const char *most, size_t length, char *why)
{
	const char *argv[] = { "XADD", e->name[stream],	      "MAXLEN", "~", most, "*",
			       "r",    (const char *)e->frame };
	const size_t lengths[] = { 4, strlen(e->name[stream]), 6, 1, strlen(most), 1, 1, length };
	redisReply *reply;
	int r = redis_call(e->redis, 8, argv, lengths, &reply, why);

	if (r < 0)
		return r;
	e->said = follow_number(e, stream, reply);
	freeReplyObject(reply);
	if (!e->said) {
		snprintf(why, REDIS_WHY, "its answer to XADD makes no sense");
		return -EBADMSG;
	}
	pthread_mutex_lock(&e->lock);
	e->state.messages_sent++;
	pthread_mutex_unlock(&e->lock);
	return 0;
}

static int say_records(struct exchange *e, char *why)
{
	int r = 0;

	if (!e->batched) {
		pthread_mutex_lock(&e->lock);
		e->batched = e->outs < FLEET_FRAME_RECORDS ? e->outs : FLEET_FRAME_RECORDS;
		memcpy(e->batch, e->out, e->batched * sizeof(*e->batch));
		e->outs -= e->batched;
		memmove(e->out, e->out + e->batched, e->outs * sizeof(*e->out));
		pthread_mutex_unlock(&e->lock);
	}
	if (!e->batched)
		return 0;
	r = say(e, LEDGER, e->length,
		fleet_put_records(&e->key, e->id, e->batch, e->batched, e->frame), why);
	if (r < 0)
		return r; /* again with the next connection: a record may be told twice */
	pthread_mutex_lock(&e->lock);
	e->state.records_sent += e->batched;
	pthread_mutex_unlock(&e->lock);
	e->batched = 0;
	return 0;
}

static int say_host(struct exchange *e, char *why)
{
	struct fleet_host own;
	bool has_own;

	pthread_mutex_lock(&e->lock);
	own = e->own;
	has_own = e->has_own;
	e->has_own = false;
	pthread_mutex_unlock(&e->lock);
	if (!has_own)
		return 0;
	return say(e, HOSTS, HOSTS_LENGTH, fleet_put_host(&e->key, &own, e->frame), why);
}

/* ---- reading -------------------------------------------------------------------------------- */

static void hear_host(struct exchange *e, const uint8_t *bytes, size_t length)
{
	struct fleet_host host;

	if (fleet_get_host(&e->key, bytes, length, &host) < 0)
		e->state.messages_bad++;
	else if (e->hosts < HOSTS_INBOX)
		e->host[e->hosts++] = host;
}

static void hear_records(struct exchange *e, const uint8_t *bytes, size_t length)
{
	uint64_t host = 0;
	int count = fleet_get_records(&e->key, bytes, length, &host, e->got);

	if (count < 0) {
		e->state.messages_bad++;
		return;
	}
	if (host == e->id)
		return; /* our own */
	for (int i = 0; i < count && e->ins < INBOX; i++)
		e->in[e->ins++] = e->got[i];
	e->state.records_read += (uint64_t)count;
}

/* Called with the lock held. */
static void hear(void *context, unsigned stream, const struct answer_id *id, const uint8_t *bytes,
		 size_t length)
{
	struct exchange *e = context;

	if (answer_id_compare(id, &e->read[stream]) > 0)
		e->read[stream] = *id;
	e->state.messages_read++;
	e->state.bytes_read += length;
	if (!bytes)
		e->state.messages_bad++;
	else if (stream == LEDGER)
		hear_records(e, bytes, length);
	else
		hear_host(e, bytes, length);
}

static bool has_room(struct exchange *e)
{
	bool has;

	pthread_mutex_lock(&e->lock);
	has = e->ins == 0 && e->hosts <= HOSTS_INBOX - READ_MESSAGES;
	pthread_mutex_unlock(&e->lock);
	return has;
}

static int listen_once(struct exchange *e, char *why)
{
	const char *const names[] = { e->name[LEDGER], e->name[HOSTS] };
	char from[STREAM__COUNT][48];
	const char *argv[] = { "XREAD",	 "COUNT",  READ_COUNT, "STREAMS",
			       names[0], names[1], from[0],    from[1] };
	size_t lengths[8];
	redisReply *reply;
	int r;

	if (!has_room(e))
		return 0;
	for (int i = 0; i < STREAM__COUNT; i++)
		snprintf(from[i], sizeof(from[i]), "%llu-%llu", (unsigned long long)e->read[i].ms,
			 (unsigned long long)e->read[i].number);
	for (int i = 0; i < 8; i++)
		lengths[i] = strlen(argv[i]);
	r = redis_call(e->redis, 8, argv, lengths, &reply, why);
	if (r < 0)
		return r;
	pthread_mutex_lock(&e->lock);
	r = answer_walk(reply, names, STREAM__COUNT, hear, e);
	e->full = r >= READ_MESSAGES;
	if (r >= 0 && !e->full)
		e->state.caught_up = true;
	pthread_mutex_unlock(&e->lock);
	freeReplyObject(reply);
	if (r < 0)
		snprintf(why, REDIS_WHY, "its answer to XREAD makes no sense");
	return r < 0 ? r : 0;
}

/* ---- the thread ----------------------------------------------------------------------------- */

static int connect_one(struct exchange *e, char *why)
{
	const struct endpoint *server = &e->config.servers.each[e->server];
	const struct redis_login login = { .user = e->config.user,
					   .password = e->password.bytes,
					   .password_length = e->password.length,
					   .tls = e->config.tls,
					   .ca = e->config.tls_ca,
					   .cert = e->config.tls_cert,
					   .key = e->config.tls_key,
					   .name = e->config.tls_name };

	pthread_mutex_lock(&e->lock);
	snprintf(e->state.server, sizeof(e->state.server), "%s", server->text);
	pthread_mutex_unlock(&e->lock);
	return redis_open(server, &login, e->stop_fd, &e->redis, why);
}

static int talk(struct exchange *e, char *why)
{
	int r = e->redis ? 0 : connect_one(e, why);

	for (unsigned i = 0; r == 0 && i < FLEET_FRAMES; i++)
		r = say_records(e, why);
	if (r == 0)
		r = say_host(e, why);
	return r == 0 ? listen_once(e, why) : r;
}

/* The next of the servers: this one is gone, or is a replica that takes no writes. */
static void give_up(struct exchange *e, const char *why)
{
	redis_close(e->redis);
	e->redis = NULL;
	e->full = false;
	e->server = (e->server + 1) % e->config.servers.count;
	e->said = false;
	if (e->server == 0) { /* none of them would */
		e->pause_ms = e->pause_ms ? 2 * e->pause_ms : ROUND_MS;
		if (e->pause_ms > WAIT_MAX_MS)
			e->pause_ms = WAIT_MAX_MS;
	}
	e->wait_ms = e->server == 0 ? e->pause_ms : WAIT_NEXT_MS;
	pthread_mutex_lock(&e->lock);
	e->state.connected = false;
	e->state.failures++;
	snprintf(e->state.why, sizeof(e->state.why), "%s", why);
	pthread_mutex_unlock(&e->lock);
}

static void round_done(struct exchange *e, uint64_t began_us)
{
	e->wait_ms = e->full || !e->said ? ROUND_FULL_MS : ROUND_MS;
	if (!e->said)
		return; /* a replica answers questions, too */
	e->pause_ms = 0;
	pthread_mutex_lock(&e->lock);
	e->state.connected = true;
	e->state.why[0] = 0;
	e->state.rounds++;
	e->state.round_us = clock_monotonic_us() - began_us;
	pthread_mutex_unlock(&e->lock);
}

static bool has_to_stop(const struct exchange *e, unsigned wait_ms)
{
	struct pollfd p = { .fd = e->stop_fd, .events = POLLIN };

	return poll(&p, 1, (int)wait_ms) > 0;
}

static void *run(void *context)
{
	struct exchange *e = context;
	char why[REDIS_WHY] = "";

	do {
		uint64_t began_us = clock_monotonic_us();
		int r = talk(e, why);

		if (r == -ECANCELED)
			break;
		if (r < 0)
			give_up(e, why);
		else
			round_done(e, began_us);
	} while (!has_to_stop(e, e->wait_ms));
	redis_close(e->redis);
	return NULL;
}

/* ---- the daemon's side ---------------------------------------------------------------------- */

static bool try_lock(struct exchange *e)
{
	return pthread_mutex_trylock(&e->lock) == 0;
}

unsigned exchange_room(struct exchange *e)
{
	unsigned room;

	if (!try_lock(e))
		return 0;
	room = OUTBOX - e->outs;
	pthread_mutex_unlock(&e->lock);
	return room;
}

unsigned exchange_give(struct exchange *e, const struct fleet_record *records, unsigned count)
{
	/* Held for a copy only: the records are out of the memory's queue already. */
	pthread_mutex_lock(&e->lock);
	if (count > OUTBOX - e->outs)
		count = OUTBOX - e->outs;
	memcpy(e->out + e->outs, records, count * sizeof(*records));
	e->outs += count;
	pthread_mutex_unlock(&e->lock);
	return count;
}

void exchange_host(struct exchange *e, const struct fleet_host *host)
{
	if (!try_lock(e))
		return;
	e->own = *host;
	e->has_own = true;
	pthread_mutex_unlock(&e->lock);
}

unsigned exchange_take(struct exchange *e, struct fleet_record *ret, unsigned most)
{
	unsigned count;

	if (!try_lock(e))
		return 0;
	count = e->ins - e->ins_from < most ? e->ins - e->ins_from : most;
	memcpy(ret, e->in + e->ins_from, count * sizeof(*ret));
	e->ins_from += count;
	if (e->ins_from == e->ins)
		e->ins = e->ins_from = 0;
	pthread_mutex_unlock(&e->lock);
	return count;
}

unsigned exchange_take_hosts(struct exchange *e, struct fleet_host *ret, unsigned most)
{
	unsigned count;

	if (!try_lock(e))
		return 0;
	count = e->hosts < most ? e->hosts : most;
	memcpy(ret, e->host, count * sizeof(*ret));
	e->hosts -= count;
	memmove(e->host, e->host + count, e->hosts * sizeof(*e->host));
	pthread_mutex_unlock(&e->lock);
	return count;
}

bool exchange_state(struct exchange *e, struct exchange_state *ret)
{
	if (!try_lock(e))
		return false;
	*ret = e->state;
	pthread_mutex_unlock(&e->lock);
	return true;
}

/* ---- life ----------------------------------------------------------------------------------- */

static int start(struct exchange *e)
{
	int r;

	e->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->stop_fd < 0)
		return -errno;
	r = pthread_create(&e->thread, NULL, run, e);
	if (r == 0)
		return 0;
	close(e->stop_fd);
	return -r;
}

int exchange_open(const struct config_fleet *config, const struct siphash_key *key, uint64_t id,
		  struct exchange **ret_exchange, char *why)
{
	struct exchange *e = calloc(1, sizeof(*e));
	int r;

	snprintf(why, EXCHANGE_WHY, "out of memory");
	if (!e)
		return -ENOMEM;
	e->config = *config;
	e->key = *key;
	e->id = id;
	snprintf(e->name[LEDGER], sizeof(e->name[LEDGER]), "%s:ledger", config->prefix);
	snprintf(e->name[HOSTS], sizeof(e->name[HOSTS]), "%s:hosts", config->prefix);
	snprintf(e->length, sizeof(e->length), "%u", config->stream_length);
	snprintf(e->state.why, sizeof(e->state.why), "it has not answered yet");
	pthread_mutex_init(&e->lock, NULL);
	r = secret_read(config->password_file, "fleet.password_file", &e->password, why);
	if (r == 0) {
		r = start(e);
		if (r < 0)
			snprintf(why, EXCHANGE_WHY, "cannot start a thread: %s", strerror(-r));
	}
	if (r < 0) {
		pthread_mutex_destroy(&e->lock);
		free(e);
		return r;
	}
	*ret_exchange = e;
	return 0;
}

void exchange_close(struct exchange *e)
{
	uint64_t one = 1;

	if (!e)
		return;
	if (write(e->stop_fd, &one, sizeof(one)) < 0)
		pthread_cancel(e->thread); /* an eventfd takes a one */
	pthread_join(e->thread, NULL);
	close(e->stop_fd);
	pthread_mutex_destroy(&e->lock);
	explicit_bzero(&e->password, sizeof(e->password));
	free(e);
}
