/* The process that talks to the store of a fleet, once a second: it writes the messages of
 * penstockd there, and passes on those of the other hosts. It has no privilege and no key of the
 * fleet, and opens nothing. It may wait; penstockd does not wait for it. See exchange_wire.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fdpass.h"
#include "base/helper.h"
#include "fleet/store.h"

#define ROUND_MS 1000u
#define ROUND_FULL_MS 50u /* pause if there is more to read */
#define WAIT_NEXT_MS 100u /* pause before the next server is tried */
#define WAIT_MAX_MS 8000u /* longest pause before all servers are tried again */

struct frame {
	size_t length; /* 0: none */
	uint8_t bytes[FLEET_FRAME_BYTES];
};

struct process {
	int channel;
	struct exchange_begin begin;
	struct store store;
	unsigned wait_ms, pause_ms;
	struct frame ledger[FLEET_FRAMES]; /* to be written */
	unsigned frames;
	struct frame host; /* the newest one */
	bool answered; /* penstockd answered the request for a socket */
	uint32_t error; /* errno of its answer if it has no socket */
	struct exchange_login login;
	struct fdpass passed; /* descriptors that came with the answer */
	struct exchange_report report;
	struct exchange_message message;
};

/* ---- to penstockd --------------------------------------------------------------------------- */

/* False: the channel is full now. */
static bool put(struct process *p, const struct exchange_message *m, size_t length)
{
	return send(p->channel, m, sizeof(m->head) + length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static bool put_word(struct process *p, uint32_t word, uint32_t value)
{
	struct exchange_message m;

	m.head = (struct exchange_head){ word, value };
	return put(p, &m, 0);
}

/* Sends a report. What penstockd does not take now is in the next report. */
static void put_report(struct process *p)
{
	struct exchange_message m;

	m.head = (struct exchange_head){ EXCHANGE_REPORT, 0 };
	m.report = p->report;
	if (put(p, &m, sizeof(m.report)))
		p->report.failures = p->report.messages = p->report.frames = 0;
}

/* Passes on a message of another host. Waits until penstockd takes it, and reads nothing
 * meanwhile. */
static void hand_on(void *context, unsigned stream, const uint8_t *bytes, size_t length)
{
	struct process *p = context;
	struct pollfd room = { .fd = p->channel, .events = POLLOUT };
	struct exchange_message m;

	m.head = (struct exchange_head){ EXCHANGE_HEARD, stream };
	if (!bytes || length > sizeof(m.frame))
		length = 0; /* not a message of a fleet */
	if (length)
		memcpy(m.frame, bytes, length);
	while (!put(p, &m, length)) {
		if (errno != EAGAIN)
			_exit(EXIT_SUCCESS); /* penstockd is gone, so this process ends */
		poll(&room, 1, -1);
	}
}

/* ---- from penstockd ------------------------------------------------------------------------- */

static void forget_socket(struct process *p)
{
	while (p->passed.count)
		close(p->passed.fds[--p->passed.count]);
	p->answered = false;
	explicit_bzero(&p->login, sizeof(p->login));
}

static void on_say(struct process *p, size_t length)
{
	struct frame *frame = &p->host;

	if (p->message.head.value == EXCHANGE_LEDGER) {
		if (p->frames == FLEET_FRAMES)
			return;
		frame = &p->ledger[p->frames++];
	}
	memcpy(frame->bytes, p->message.frame, length);
	frame->length = length;
}

static void on_socket(struct process *p, const struct fdpass *passed)
{
	forget_socket(p);
	p->answered = true;
	p->error = p->message.head.value;
	p->login = p->message.login;
	p->passed = *passed;
	explicit_bzero(&p->message.login, sizeof(p->message.login));
}

/* Receives one message, with its descriptors. Returns its octets; 0: there is none now. */
static size_t receive(struct process *p, int flags, struct fdpass *ret)
{
	ssize_t n = fdpass_receive(p->channel, &p->message, sizeof(p->message), flags, ret);

	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n < (ssize_t)sizeof(p->message.head)) /* penstockd is gone, so this process ends */
		_exit(EXIT_SUCCESS);
	return (size_t)n;
}

static bool take_message(struct process *p)
{
	struct fdpass passed;
	size_t length = receive(p, MSG_DONTWAIT, &passed);

	if (length && p->message.head.word == EXCHANGE_SAY)
		on_say(p, length - sizeof(p->message.head));
	else if (length && p->message.head.word == EXCHANGE_SOCKET)
		on_socket(p, &passed);
	return length > 0;
}

/* Waits for `ms`, or until penstockd has sent a socket. Meanwhile it sends a report each second. */
static void rest(struct process *p, unsigned ms)
{
	uint64_t now_us = clock_monotonic_us(), until_us = now_us + ms * US_PER_MS;

	do {
		struct pollfd channel = { .fd = p->channel, .events = POLLIN };
		uint64_t left_ms = (until_us - now_us) / US_PER_MS + 1;

		put_report(p);
		poll(&channel, 1, (int)(left_ms < ROUND_MS ? left_ms : ROUND_MS));
		while (take_message(p))
			;
		now_us = clock_monotonic_us();
	} while (!p->answered && now_us < until_us);
}

/* ---- rounds --------------------------------------------------------------------------------- */

static int open_store(struct process *p, char *why)
{
	const struct exchange_begin *b = &p->begin;
	struct redis_login login = { .user = b->user,
				     .password = p->login.password.bytes,
				     .password_length = p->login.password.length,
				     .tls = b->tls,
				     .files = { -1, -1, -1 },
				     .name = b->tls_name };
	unsigned at = 1;
	struct fdpass *passed = &p->passed;
	int fd = passed->fds[0];

	if (b->tls && b->has_ca)
		login.files.ca = passed->fds[at++];
	if (b->tls && b->has_cert) {
		login.files.cert = passed->fds[at++];
		login.files.key = passed->fds[at++];
	}
	if (at != passed->count)
		return -EBADMSG;
	passed->fds[0] = passed->fds[--passed->count]; /* the connection owns the socket now */
	return redis_open(fd, &login, &p->store.redis, why);
}

static int connect_store(struct process *p, char *why)
{
	int r;

	forget_socket(p);
	while (!put_word(p, EXCHANGE_WANT, p->report.server))
		rest(p, ROUND_MS);
	while (!p->answered)
		rest(p, ROUND_MS);
	if (p->error) {
		snprintf(why, REDIS_WHY, "%.*s", REDIS_WHY - 1, p->login.why);
		r = -(int)p->error;
	} else {
		r = open_store(p, why);
	}
	forget_socket(p);
	return r;
}

static int say_ledger(struct process *p, char *why)
{
	int r = store_say(&p->store, EXCHANGE_LEDGER, p->ledger[0].bytes, p->ledger[0].length, why);

	if (r < 0)
		return r; /* sent again with the next connection: a record may arrive twice */
	p->report.messages++;
	p->report.frames++;
	p->frames--;
	memmove(p->ledger, p->ledger + 1, p->frames * sizeof(*p->ledger));
	put_report(p);
	return 0;
}

static int say_host(struct process *p, char *why)
{
	size_t length = p->host.length;
	int r;

	if (!length)
		return 0;
	p->host.length = 0;
	r = store_say(&p->store, EXCHANGE_HOSTS, p->host.bytes, length, why);
	p->report.messages += r == 0;
	return r;
}

static int talk(struct process *p, char *why)
{
	int r = p->store.redis ? 0 : connect_store(p, why);

	while (r == 0 && p->frames)
		r = say_ledger(p, why);
	if (r == 0)
		r = say_host(p, why);
	put_report(p);
	if (r == 0)
		r = store_listen(&p->store, why);
	if (r == 0 && !p->store.full)
		p->report.caught_up = true;
	return r;
}

/* Goes on to the next server: this one is gone, or is a replica that takes no writes. */
static void give_up(struct process *p, const char *why)
{
	store_disconnect(&p->store);
	p->report.failures++;
	p->report.connected = false;
	snprintf(p->report.why, sizeof(p->report.why), "%s", why);
	for (char *c = p->report.why; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	put_report(p); /* before the number of the server changes */
	p->report.server = (p->report.server + 1) % p->begin.servers;
	if (p->report.server == 0) { /* no server would */
		p->pause_ms = p->pause_ms ? 2 * p->pause_ms : ROUND_MS;
		if (p->pause_ms > WAIT_MAX_MS)
			p->pause_ms = WAIT_MAX_MS;
	}
	p->wait_ms = p->report.server == 0 ? p->pause_ms : WAIT_NEXT_MS;
}

static void round_done(struct process *p, uint64_t began_us)
{
	p->wait_ms = p->store.full || !p->store.said ? ROUND_FULL_MS : ROUND_MS;
	if (!p->store.said)
		return; /* not enough: a replica answers reads, too */
	p->pause_ms = 0;
	p->report.connected = true;
	p->report.why[0] = 0;
	p->report.round_us = clock_monotonic_us() - began_us;
}

static void one_round(struct process *p)
{
	uint64_t began_us = clock_monotonic_us();
	char why[REDIS_WHY] = "";
	int r = talk(p, why);

	if (r < 0)
		give_up(p, why[0] ? why : strerror(-r));
	else
		round_done(p, began_us);
	rest(p, p->wait_ms);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void take_begin(struct process *p)
{
	struct fdpass passed;

	if (receive(p, 0, &passed) != sizeof(p->message.head) + sizeof(p->begin) ||
	    p->message.head.word != EXCHANGE_BEGIN || !p->message.begin.servers)
		_exit(EX_SOFTWARE);
	p->begin = p->message.begin;
	p->store = (struct store){ .begin = &p->begin, .heard = hand_on, .context = p };
	if (p->begin.tls)
		trust_prepare(!p->begin.has_ca);
}

int exchange_process_main(int argc, char **argv)
{
	static struct process process;
	int fds[HELPER_FDS];

	if (helper_begin(argc, argv, EXCHANGE_ARGUMENT, 1, fds) < 0)
		return EX_USAGE;
	process.channel = fds[0];
	snprintf(process.report.why, sizeof(process.report.why), "it has not answered yet");
	take_begin(&process);
	put_word(&process, EXCHANGE_BEGUN, helper_confine());
	for (;;)
		one_round(&process);
}
