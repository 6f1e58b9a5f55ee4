/* penstock-opensmtpd: OpenSMTPD starts it as a filter, and it asks penstockd about each client by
 * the line protocol, over one connection that is kept. OpenSMTPD ends if one of its filters ends,
 * so this one ends only with its standard input. Any failure admits the client: no penstockd, no
 * answer in time, a malformed answer.
 *
 * 	smtpd -- filter|...|connect|... --> this -- connect 192.0.2.7 --> penstockd
 * 	      <- filter-result|...|proceed --    <- 220, or 451 4.3.2 ... */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/endpoint.h"
#include "base/output.h"
#include "front/smtpd_codec.h"

#define ASKED_MAX 4096 /* clients that wait for an answer at once; a further one is admitted */
#define PATIENCE_US (1 * US_PER_S)
#define REPLY_LINE_MAX 1024 /* octets of an answer of penstockd */

static const char usage[] =
	"Usage: penstock-opensmtpd [OPTION]...\n"
	"A filter of OpenSMTPD: asks penstockd about each client that connects. Without penstockd it admits every client.\n"
	"\n"
	"  -s, --server WHERE   penstockd's line protocol (default unix:/run/penstock/line.sock)\n"
	"      --loopback       ask about clients of this host, too\n"
	"      --version, --help\n"
	"\n"
	"Example, in smtpd.conf: filter \"penstock\" proc-exec \"/usr/sbin/penstock-opensmtpd\"\n"
	"See penstock-opensmtpd(8).\n";

struct asked {
	struct smtpd_line line;
	uint64_t until_us; /* CLOCK_MONOTONIC */
};

struct filter {
	struct event_base *base;
	struct bufferevent *in, *out; /* smtpd */
	struct bufferevent *server; /* penstockd; NULL: no connection */
	struct event *timer;
	struct endpoint where;
	bool loopback, told;
	struct asked asked[ASKED_MAX]; /* a ring, in the order of the questions */
	unsigned first, count;
};

static void say(struct filter *f, const struct smtpd_line *line, const char *reply)
{
	char answer[SMTPD_ANSWER_MAX];

	bufferevent_write(f->out, answer, smtpd_answer(answer, line, reply));
}

static void answer_first(struct filter *f, const char *reply)
{
	say(f, &f->asked[f->first].line, reply);
	f->first = (f->first + 1) % ASKED_MAX;
	f->count--;
}

static void arm(struct filter *f)
{
	uint64_t now_us = clock_monotonic_us(), until_us = f->asked[f->first].until_us;
	uint64_t left_us = until_us > now_us ? until_us - now_us : 1;
	struct timeval left = { .tv_sec = (time_t)(left_us / US_PER_S),
				.tv_usec = (suseconds_t)(left_us % US_PER_S) };

	if (f->count)
		event_add(f->timer, &left);
	else
		event_del(f->timer);
}

/* Closes the connection to penstockd, and admits all waiting clients. The next question opens a new
 * one. */
static void give_up(struct filter *f, const char *why)
{
	if (!f->told)
		fprintf(stderr,
			"Cannot ask penstockd at %s: %s. Clients are admitted meanwhile. See that penstockd runs with [front.line], and that this user may connect.\n",
			f->where.text, why);
	f->told = true;
	if (f->server)
		bufferevent_free(f->server);
	f->server = NULL;
	while (f->count)
		answer_first(f, NULL);
	arm(f);
}

static void on_late(evutil_socket_t fd, short what, void *context)
{
	struct filter *f = context;

	if (f->count && f->asked[f->first].until_us <= clock_monotonic_us())
		give_up(f, "it does not answer");
	else
		arm(f);
}

static void on_answer(struct bufferevent *server, void *context)
{
	struct filter *f = context;
	struct evbuffer *input = bufferevent_get_input(server);
	size_t length;
	char *line;

	while ((line = evbuffer_readln(input, &length, EVBUFFER_EOL_LF))) {
		if (f->count == 0) {
			free(line);
			give_up(f, "it answers what was not asked");
			return;
		}
		answer_first(f, strlen(line) == length ? line : NULL);
		free(line);
		if (f->told)
			fprintf(stderr, "penstockd answers again.\n");
		f->told = false;
	}
	if (evbuffer_get_length(input) > REPLY_LINE_MAX)
		give_up(f, "its answer has no end");
	else
		arm(f);
}

static void on_server(struct bufferevent *server, short what, void *context)
{
	struct filter *f = context;
	bool idle = (what & BEV_EVENT_EOF) && f->count == 0;

	if (what & BEV_EVENT_CONNECTED)
		return;
	if (idle) { /* penstockd closes a connection without questions for a while */
		bufferevent_free(f->server);
		f->server = NULL;
	} else {
		give_up(f, what & BEV_EVENT_EOF ? "it closed the connection" : strerror(errno));
	}
}

/* Connects if necessary. False: there is no connection, and the reason is logged. */
static bool have_server(struct filter *f)
{
	int fd;

	if (f->server)
		return true;
	fd = endpoint_connect(&f->where);
	if (fd < 0) {
		give_up(f, strerror(-fd));
		return false;
	}
	f->server = bufferevent_socket_new(f->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!f->server)
		exit(EX_OSERR);
	bufferevent_setcb(f->server, on_answer, NULL, on_server, f);
	bufferevent_enable(f->server, EV_READ | EV_WRITE);
	return true;
}

static bool is_own(const struct smtpd_line *line)
{
	const struct in6_addr *a = &line->address;

	return !line->address_known || IN6_IS_ADDR_LOOPBACK(a) ||
	       (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
}

static void ask(struct filter *f, const struct smtpd_line *line)
{
	char address[INET6_ADDRSTRLEN], question[INET6_ADDRSTRLEN + 16];
	struct asked *a;
	int n;

	if (!line->address_known || (is_own(line) && !f->loopback) || f->count == ASKED_MAX ||
	    !have_server(f)) {
		say(f, line, NULL);
		return;
	}
	a = &f->asked[(f->first + f->count++) % ASKED_MAX];
	a->line = *line;
	a->until_us = clock_monotonic_us() + PATIENCE_US;
	n = snprintf(question, sizeof(question), "connect %s\n",
		     address_print(&line->address, address));
	bufferevent_write(f->server, question, (size_t)n);
	if (f->count == 1)
		arm(f);
}

static void on_smtpd(struct bufferevent *in, void *context)
{
	struct filter *f = context;
	struct evbuffer *input = bufferevent_get_input(in);
	struct smtpd_line line;
	size_t length, size;

	while ((length = evbuffer_get_length(input)) > 0) {
		size_t most = length < SMTPD_LINE_MAX ? length : SMTPD_LINE_MAX;

		if (!smtpd_parse((const char *)evbuffer_pullup(input, (ssize_t)most), most, &line,
				 &size))
			return;
		if (line.kind == SMTPD_READY)
			bufferevent_write(f->out, smtpd_register(), strlen(smtpd_register()));
		else if (line.kind == SMTPD_CONNECT)
			ask(f, &line);
		evbuffer_drain(input, size);
	}
}

/* smtpd has ended. */
static void on_end(struct bufferevent *in, short what, void *context)
{
	struct filter *f = context;

	event_base_loopbreak(f->base);
}

static int run(struct filter *f)
{
	signal(SIGPIPE, SIG_IGN);
	f->base = event_base_new();
	if (!f->base)
		return EX_OSERR;
	evutil_make_socket_nonblocking(0);
	evutil_make_socket_nonblocking(1);
	f->in = bufferevent_socket_new(f->base, 0, 0);
	f->out = bufferevent_socket_new(f->base, 1, 0);
	f->timer = evtimer_new(f->base, on_late, f);
	if (!f->in || !f->out || !f->timer)
		return EX_OSERR;
	bufferevent_setcb(f->in, on_smtpd, NULL, on_end, f);
	bufferevent_setcb(f->out, NULL, NULL, on_end, f);
	bufferevent_disable(f->out, EV_READ);
	bufferevent_disable(f->in, EV_WRITE);
	bufferevent_enable(f->in, EV_READ);
	event_base_dispatch(f->base);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "server", required_argument, NULL, 's' },
						 { "loopback", no_argument, NULL, 'l' },
						 { "version", no_argument, NULL, 'V' },
						 { "help", no_argument, NULL, 'h' },
						 { 0 } };
	static struct filter filter;
	int option;

	output_check_at_exit("penstock-opensmtpd", EXIT_FAILURE);
	endpoint_parse("unix:/run/penstock/line.sock", &filter.where);
	while ((option = getopt_long(argc, argv, "s:", options, NULL)) != -1) {
		if (option == 's') {
			if (endpoint_parse(optarg, &filter.where) < 0 ||
			    filter.where.kind == ENDPOINT_SYSTEMD) {
				fprintf(stderr,
					"penstock-opensmtpd: '%s' is no address: write unix:PATH or ADDRESS:PORT\n",
					optarg);
				return EX_USAGE;
			}
		} else if (option == 'l') {
			filter.loopback = true;
		} else if (option == 'V') {
			printf("penstock-opensmtpd %s\n", PENSTOCK_VERSION);
			return EXIT_SUCCESS;
		} else if (option == 'h') {
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		} else {
			fputs("Try 'penstock-opensmtpd --help'.\n", stderr);
			return EX_USAGE;
		}
	}
	return run(&filter);
}
