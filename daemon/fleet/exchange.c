#include "fleet/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fdpass.h"
#include "base/helper_life.h"
#include "fleet/exchange_login.h"

static const struct helper_kind kind = {
	.name = "penstockd-fleet",
	.argument = EXCHANGE_ARGUMENT,
	.does = "talks to the fleet's store",
	.meanwhile = "This host decides alone; mail is not affected.",
	.channel = SOCK_SEQPACKET,
	.beats_max = 5,
	.silent = "it said nothing for 10 s",
};

struct frame {
	size_t length;
	unsigned records;
	uint8_t bytes[FLEET_FRAME_BYTES];
};

struct exchange {
	struct config_fleet config;
	struct siphash_key key;
	uint64_t id;
	struct helper_life life; /* the process reports by itself: it is never asked */
	int channel; /* -1: there is no process */
	bool wants; /* it wants a socket to `server` */
	uint32_t server;
	struct exchange_state state;
	/* Records of the ledger, kept until they are written to the store. */
	struct frame out[FLEET_FRAMES];
	unsigned outs; /* frames in use */
	unsigned told; /* how many of them were sent to this process */
	struct fleet_record got[FLEET_FRAME_RECORDS];
	struct fleet_host host;
	struct exchange_message message;
};

/* ---- to the process ------------------------------------------------------------------------- */

/* False: the channel is full now, or the process is gone. */
static bool put(struct exchange *e, const struct exchange_message *m, size_t length, const int *fds,
		unsigned count)
{
	int r;

	if (!helper_life_talks(&e->life))
		return false;
	r = fdpass_send(e->channel, m, sizeof(m->head) + length, fds, count);
	if (r < 0 && r != -EAGAIN)
		helper_life_break(&e->life, ""); /* the exit status says more */
	return r == 0;
}

static bool put_frame(struct exchange *e, enum exchange_stream stream, const uint8_t *bytes,
		      size_t length)
{
	struct exchange_message *m = &e->message;

	m->head = (struct exchange_head){ EXCHANGE_SAY, stream };
	memcpy(m->frame, bytes, length);
	return put(e, m, length, NULL, 0);
}

/* Sends frames. What the process does not take now is sent later. */
static void put_frames(struct exchange *e)
{
	while (e->told < e->outs &&
	       put_frame(e, EXCHANGE_LEDGER, e->out[e->told].bytes, e->out[e->told].length))
		e->told++;
}

unsigned exchange_room(const struct exchange *e)
{
	return (FLEET_FRAMES - e->outs) * FLEET_FRAME_RECORDS;
}

void exchange_give(struct exchange *e, const struct fleet_record *records, unsigned count)
{
	while (count && e->outs < FLEET_FRAMES) {
		struct frame *frame = &e->out[e->outs++];

		frame->records = count < FLEET_FRAME_RECORDS ? count : FLEET_FRAME_RECORDS;
		frame->length =
			fleet_put_records(&e->key, e->id, records, frame->records, frame->bytes);
		records += frame->records;
		count -= frame->records;
	}
	put_frames(e);
}

void exchange_host(struct exchange *e, const struct fleet_host *host)
{
	uint8_t bytes[FLEET_HEAD_BYTES + FLEET_HOST_BYTES];

	/* If the process does not take it, the next one follows in a second. */
	put_frame(e, EXCHANGE_HOSTS, bytes, fleet_put_host(&e->key, host, bytes));
}

/* ---- the socket that the process wants ------------------------------------------------------ */

static void give_socket(struct exchange *e)
{
	int fds[EXCHANGE_FILES] = { -1, -1, -1, -1 };
	struct exchange_message *m = &e->message;
	int count;

	memset(&m->login, 0, sizeof(m->login));
	count = exchange_open_login(&e->config, e->server, &m->login, fds);
	m->head = (struct exchange_head){ EXCHANGE_SOCKET, count < 0 ? (uint32_t)-count : 0 };
	if (put(e, m, sizeof(m->login), fds, count < 0 ? 0 : (unsigned)count))
		e->wants = false;
	explicit_bzero(&m->login.password, sizeof(m->login.password));
	for (unsigned i = 0; i < EXCHANGE_FILES; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* ---- from the process ----------------------------------------------------------------------- */

static void hear_host(struct exchange *e, const struct exchange_message *m, size_t length,
		      struct exchange_heard *ret)
{
	if (fleet_get_host(&e->key, m->frame, length, &e->host) < 0)
		e->state.messages_bad++;
	else
		ret->host = &e->host;
}

static void hear_records(struct exchange *e, const struct exchange_message *m, size_t length,
			 struct exchange_heard *ret)
{
	uint64_t host = 0;
	int count = fleet_get_records(&e->key, m->frame, length, &host, e->got);

	if (count < 0) {
		e->state.messages_bad++;
		return;
	}
	if (host == e->id)
		return; /* our own */
	ret->record = e->got;
	ret->records = (unsigned)count;
	e->state.records_read += (uint64_t)count;
}

static void on_heard(struct exchange *e, const struct exchange_message *m, size_t length,
		     struct exchange_heard *ret)
{
	e->state.messages_read++;
	e->state.bytes_read += length;
	if (m->head.value == EXCHANGE_LEDGER)
		hear_records(e, m, length, ret);
	else
		hear_host(e, m, length, ret);
}

static int on_report(struct exchange *e, const struct exchange_report *r)
{
	struct exchange_state *s = &e->state;

	if (r->frames > e->told)
		return -EBADMSG;
	for (unsigned i = 0; i < r->frames; i++)
		s->records_sent += e->out[i].records;
	e->outs -= r->frames;
	e->told -= r->frames;
	memmove(e->out, e->out + r->frames, e->outs * sizeof(*e->out));
	s->connected = r->connected;
	s->caught_up = r->caught_up;
	s->failures += r->failures;
	s->messages_sent += r->messages;
	s->round_us = r->round_us;
	snprintf(s->server, sizeof(s->server), "%s", e->config.servers.each[r->server].text);
	snprintf(s->why, sizeof(s->why), "%s", r->why);
	return 0;
}

int exchange_take(struct exchange *e, const void *bytes, size_t length, struct exchange_heard *ret)
{
	const struct exchange_message *m = &e->message;
	int r;

	*ret = (struct exchange_heard){ 0 };
	if (length > sizeof(*m))
		return -EBADMSG;
	if (bytes != m)
		memcpy(&e->message, bytes, length);
	r = exchange_check(m, length, e->config.servers.count);
	if (r < 0)
		return r;
	helper_life_heard(&e->life);
	switch (m->head.word) {
	case EXCHANGE_BEGUN:
		helper_life_begun(&e->life, m->head.value);
		return 0;
	case EXCHANGE_WANT:
		e->wants = true;
		e->server = m->head.value;
		return 0;
	case EXCHANGE_HEARD:
		on_heard(e, m, length - sizeof(m->head), ret);
		return 0;
	default:
		return on_report(e, &m->report);
	}
}

bool exchange_hear(struct exchange *e, struct exchange_heard *ret)
{
	ssize_t n;

	if (!helper_life_talks(&e->life))
		return false;
	n = recv(e->channel, &e->message, sizeof(e->message), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0)
		helper_life_break(&e->life, "");
	else if (exchange_take(e, &e->message, (size_t)n, ret) < 0)
		helper_life_break(&e->life, "it said what it never says");
	return helper_life_talks(&e->life);
}

/* ---- its life ------------------------------------------------------------------------------- */

static void close_channel(struct exchange *e)
{
	if (e->channel >= 0)
		close(e->channel);
	e->channel = -1;
}

static void put_begin(struct exchange *e)
{
	struct exchange_message *m = &e->message;
	struct exchange_begin *b = &m->begin;
	const struct config_fleet *c = &e->config;

	m->head = (struct exchange_head){ EXCHANGE_BEGIN, 0 };
	*b = (struct exchange_begin){ .stream_length = c->stream_length,
				      .servers = c->servers.count,
				      .tls = c->tls,
				      .has_ca = c->tls_ca[0] != 0,
				      .has_cert = c->tls_cert[0] != 0 };
	snprintf(b->name[EXCHANGE_LEDGER], sizeof(b->name[0]), "%s:ledger", c->prefix);
	snprintf(b->name[EXCHANGE_HOSTS], sizeof(b->name[0]), "%s:hosts", c->prefix);
	snprintf(b->user, sizeof(b->user), "%s", c->user);
	snprintf(b->tls_name, sizeof(b->tls_name), "%s", c->tls_name);
	put(e, m, sizeof(*b), NULL, 0);
}

static int on_up(void *context, int channel, uint64_t now_us)
{
	struct exchange *e = context;

	e->channel = channel;
	e->wants = false;
	e->told = 0;
	e->state.up = true;
	e->state.restarts = helper_life_restarts(&e->life);
	snprintf(e->state.why, sizeof(e->state.why), "it has not answered yet");
	put_begin(e);
	put_frames(e);
	return 0;
}

static void on_down(void *context, const char *why)
{
	struct exchange *e = context;

	close_channel(e);
	e->state.up = e->state.connected = false;
	e->state.failures++;
	snprintf(e->state.why, sizeof(e->state.why), "the process that talks to it ended: %s", why);
}

void exchange_step(struct exchange *e, uint64_t now_us)
{
	helper_life_step(&e->life, now_us);
	put_frames(e);
	if (e->wants)
		give_socket(e);
}

void exchange_restart(struct exchange *e, const char *why)
{
	e->outs = e->told = 0;
	e->state.connected = e->state.caught_up = false;
	helper_life_break(&e->life, why);
}

const struct exchange_state *exchange_state(const struct exchange *e)
{
	return &e->state;
}

int exchange_open(const struct config_fleet *config, const struct siphash_key *key, uint64_t id,
		  struct exchange **ret_exchange)
{
	static const struct helper_events events = { .up = on_up, .down = on_down };
	struct exchange *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->config = *config;
	e->key = *key;
	e->id = id;
	e->channel = -1;
	e->life = (struct helper_life){ .kind = &kind, .events = &events, .context = e };
	e->state.up = true;
	snprintf(e->state.server, sizeof(e->state.server), "%s", config->servers.each[0].text);
	snprintf(e->state.why, sizeof(e->state.why), "it has not answered yet");
	*ret_exchange = e;
	return 0;
}

void exchange_close(struct exchange *e)
{
	if (!e)
		return;
	helper_life_stop(&e->life);
	close_channel(e);
	explicit_bzero(&e->key, sizeof(e->key));
	free(e);
}
