/* penstock-sink: an SMTP server that throws mail away, for demonstrations and tests. It can be made
 * slow in the ways in which real servers are: CPU for each message, waiting for each message, a
 * greeting that comes late, few slots. Not for mail. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/endpoint.h"
#include "base/output.h"
#include "base/parse.h"

#define LINE_MAX_BYTES 4096
#define IDLE_S 310
#define HOSTNAME "sink.example.net"

static const char usage[] =
	"Usage: penstock-sink [OPTION]...\n"
	"Accepts mail over SMTP and throws it away.\n"
	"\n"
	"  --listen ADDRESS:PORT   default 127.0.0.1:2526\n"
	"  --slots N               sessions at once; more wait in the accept queue (default 1000)\n"
	"  --backlog N             length of the accept queue (default 128)\n"
	"  --greet DURATION        delay of the greeting\n"
	"  --cpu DURATION          CPU that each message takes\n"
	"  --wait DURATION         time that each message takes without CPU\n"
	"  --store FILE            appends \"BYTES CHECKSUM\" of each message\n"
	"  --help, --version\n"
	"\n"
	"SIGUSR1 prints the counts; SIGTERM prints them and ends it.\n";

struct sink {
	struct event_base *base;
	struct evconnlistener *listener;
	uint64_t greet_us, cpu_us, wait_us, slots;
	uint64_t sessions, open, messages, bytes;
	FILE *store;
};

struct session {
	struct sink *sink;
	struct bufferevent *stream;
	struct event *timer;
	bool greeted, in_data, closing, working;
	uint64_t bytes, sum;
};

static void say(struct session *s, const char *line)
{
	evbuffer_add_printf(bufferevent_get_output(s->stream), "%s\r\n", line);
}

static void session_free(struct session *s)
{
	struct sink *k = s->sink;

	if (k->open-- == k->slots)
		evconnlistener_enable(k->listener);
	event_free(s->timer);
	bufferevent_free(s->stream);
	free(s);
}

/* Uses so much CPU time, which takes longer if something else runs on this core. */
static void burn(uint64_t cpu_us)
{
	uint64_t until = clock_read_us(CLOCK_THREAD_CPUTIME_ID) + cpu_us;
	volatile unsigned x = 1;

	while (clock_read_us(CLOCK_THREAD_CPUTIME_ID) < until)
		for (int i = 0; i < 2000; i++)
			x = x * 1103515245 + 12345;
}

/* At once where that is possible: until the loop turns again, hundreds of other messages may take
 * their CPU. */
static void say_now(struct session *s, const char *line)
{
	struct evbuffer *output = bufferevent_get_output(s->stream);
	size_t length = strlen(line);
	ssize_t n = 0;

	if (evbuffer_get_length(output) == 0)
		n = send(bufferevent_getfd(s->stream), line, length, MSG_NOSIGNAL);
	if (n < 0)
		n = 0;
	if ((size_t)n < length)
		evbuffer_add(output, line + n, length - (size_t)n);
}

static void message_taken(struct session *s)
{
	struct sink *k = s->sink;

	k->messages++;
	k->bytes += s->bytes;
	if (k->store) {
		fprintf(k->store, "%llu %016llx\n", (unsigned long long)s->bytes,
			(unsigned long long)s->sum);
		fflush(k->store);
	}
	say_now(s, "250 2.0.0 taken\r\n");
}

static void message_ended(struct session *s)
{
	struct sink *k = s->sink;
	struct timeval wait = { (time_t)(k->wait_us / US_PER_S),
				(suseconds_t)(k->wait_us % US_PER_S) };

	s->in_data = false;
	if (k->cpu_us)
		burn(k->cpu_us);
	if (!k->wait_us) {
		message_taken(s);
		return;
	}
	s->working = true;
	bufferevent_disable(s->stream, EV_READ);
	event_add(s->timer, &wait);
}

/* FNV-1a, 64 bits, to compare what arrived with what was sent. */
static void take_data(struct session *s, const char *line, size_t length)
{
	if (length == 1 && line[0] == '.') {
		message_ended(s);
		return;
	}
	if (length && line[0] == '.') {
		line++;
		length--;
	}
	for (size_t i = 0; i < length; i++)
		s->sum = (s->sum ^ (unsigned char)line[i]) * 1099511628211u;
	s->bytes += length + 2;
}

static bool verb(const char *line, size_t length, const char *wanted)
{
	size_t n = strlen(wanted);

	return length >= n && strncasecmp(line, wanted, n) == 0 &&
	       (length == n || line[n] == ' ' || line[n] == ':');
}

static void take_command(struct session *s, const char *line, size_t length)
{
	if (verb(line, length, "EHLO")) {
		say(s, "250-" HOSTNAME "\r\n250-PIPELINING\r\n250 SIZE 104857600");
	} else if (verb(line, length, "QUIT")) {
		say(s, "221 2.0.0 " HOSTNAME " bye");
		s->closing = true;
	} else if (verb(line, length, "DATA")) {
		s->in_data = true;
		s->bytes = 0;
		s->sum = 14695981039346656037u;
		say(s, "354 end with <CRLF>.<CRLF>");
	} else if (verb(line, length, "HELO") || verb(line, length, "MAIL FROM") ||
		   verb(line, length, "RCPT TO") || verb(line, length, "RSET") ||
		   verb(line, length, "NOOP")) {
		say(s, "250 2.0.0 ok");
	} else {
		say(s, "500 5.5.2 command not known");
	}
}

static void on_read(struct bufferevent *stream, void *context)
{
	struct session *s = context;
	struct evbuffer *input = bufferevent_get_input(stream);

	while (!s->closing && !s->working) {
		size_t length;
		char *line = evbuffer_readln(input, &length, EVBUFFER_EOL_CRLF);

		if (!line) {
			if (evbuffer_get_length(input) >= LINE_MAX_BYTES) {
				say(s, "500 5.5.2 line too long");
				s->closing = true;
			}
			return;
		}
		if (s->in_data)
			take_data(s, line, length);
		else
			take_command(s, line, length);
		free(line);
	}
}

static void on_written(struct bufferevent *stream, void *context)
{
	struct session *s = context;

	if (s->closing)
		session_free(s);
}

static void on_event(struct bufferevent *stream, short what, void *context)
{
	session_free(context);
}

static void greet(struct session *s)
{
	s->greeted = true;
	say(s, "220 " HOSTNAME " ESMTP penstock-sink");
	bufferevent_enable(s->stream, EV_READ);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct session *s = context;

	if (!s->greeted) {
		greet(s);
		return;
	}
	s->working = false;
	message_taken(s);
	bufferevent_enable(s->stream, EV_READ);
	on_read(s->stream, s);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int length, void *context)
{
	static const struct timeval idle = { IDLE_S, 0 };
	struct sink *k = context;
	struct session *s = calloc(1, sizeof(*s));
	struct timeval wait = { (time_t)(k->greet_us / US_PER_S),
				(suseconds_t)(k->greet_us % US_PER_S) };

	if (s) {
		s->stream = bufferevent_socket_new(k->base, fd, BEV_OPT_CLOSE_ON_FREE);
		s->timer = evtimer_new(k->base, on_timer, s);
	}
	if (!s || !s->stream || !s->timer) {
		free(s);
		close(fd);
		return;
	}
	s->sink = k;
	k->sessions++;
	if (++k->open == k->slots)
		evconnlistener_disable(listener);
	bufferevent_setcb(s->stream, on_read, on_written, on_event, s);
	bufferevent_setwatermark(s->stream, EV_READ, 0, 65536);
	bufferevent_set_timeouts(s->stream, &idle, &idle);
	bufferevent_disable(s->stream, EV_READ);
	if (k->greet_us)
		event_add(s->timer, &wait);
	else
		greet(s);
}

static void print_counts(const struct sink *k)
{
	printf("{\"sessions\": %llu, \"open\": %llu, \"messages\": %llu, \"bytes\": %llu}\n",
	       (unsigned long long)k->sessions, (unsigned long long)k->open,
	       (unsigned long long)k->messages, (unsigned long long)k->bytes);
	fflush(stdout);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
	struct sink *k = context;

	print_counts(k);
	if (number != SIGUSR1)
		event_base_loopexit(k->base, NULL);
}

enum { OPT_LISTEN = 256, OPT_SLOTS, OPT_BACKLOG, OPT_GREET, OPT_CPU, OPT_WAIT, OPT_STORE };

/* Returns the exit status, or -1 to go on. */
static int parse(int argc, char **argv, struct sink *k, const char **listen, uint64_t *backlog)
{
	static const struct option longs[] = { { "listen", required_argument, NULL, OPT_LISTEN },
					       { "slots", required_argument, NULL, OPT_SLOTS },
					       { "backlog", required_argument, NULL, OPT_BACKLOG },
					       { "greet", required_argument, NULL, OPT_GREET },
					       { "cpu", required_argument, NULL, OPT_CPU },
					       { "wait", required_argument, NULL, OPT_WAIT },
					       { "store", required_argument, NULL, OPT_STORE },
					       { "help", no_argument, NULL, 'h' },
					       { "version", no_argument, NULL, 'V' },
					       { NULL, 0, NULL, 0 } };
	int option, r = 0;

	output_check_at_exit("penstock-sink", EXIT_FAILURE);
	while ((option = getopt_long(argc, argv, "h", longs, NULL)) >= 0 && r == 0) {
		switch (option) {
		case OPT_LISTEN:
			*listen = optarg;
			break;
		case OPT_SLOTS:
			r = parse_u64(optarg, &k->slots);
			if (r == 0 && k->slots == 0)
				r = -EINVAL;
			break;
		case OPT_BACKLOG:
			r = parse_u64(optarg, backlog);
			break;
		case OPT_GREET:
			r = parse_duration_us(optarg, &k->greet_us);
			break;
		case OPT_CPU:
			r = parse_duration_us(optarg, &k->cpu_us);
			break;
		case OPT_WAIT:
			r = parse_duration_us(optarg, &k->wait_us);
			break;
		case OPT_STORE:
			k->store = fopen(optarg, "ae");
			r = k->store ? 0 : -errno;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("penstock-sink " PENSTOCK_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs("Try 'penstock-sink --help'.\n", stderr);
			return 2;
		}
		if (r < 0)
			fprintf(stderr, "penstock-sink: %s: %s\n", argv[optind - 1], strerror(-r));
	}
	if (r == 0 && optind < argc)
		fprintf(stderr, "penstock-sink: what is \"%s\"? see --help\n", argv[optind]);
	return r < 0 || optind < argc ? 2 : -1;
}

int main(int argc, char **argv)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGUSR1 };
	struct sink k = { .slots = 1000 };
	struct endpoint endpoint;
	const char *listen = "127.0.0.1:2526";
	uint64_t backlog = 128;
	struct event *signals[ARRAY_SIZE(numbers)];
	int fd, r = parse(argc, argv, &k, &listen, &backlog);

	if (r >= 0)
		return r;
	if (endpoint_parse(listen, &endpoint) < 0) {
		fprintf(stderr, "penstock-sink: --listen %s: give ADDRESS:PORT\n", listen);
		return 2;
	}
	descriptors_raise(DESCRIPTORS_ALL, false);
	signal(SIGPIPE, SIG_IGN);
	fd = endpoint_listen(&endpoint, (int)backlog, 0666);
	if (fd < 0) {
		fprintf(stderr, "penstock-sink: cannot listen on %s: %s\n", listen, strerror(-fd));
		return EXIT_FAILURE;
	}
	k.base = event_base_new();
	k.listener = evconnlistener_new(k.base, on_accept, &k,
					LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!k.base || !k.listener)
		return EXIT_FAILURE;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		signals[i] = evsignal_new(k.base, numbers[i], on_signal, &k);
		event_add(signals[i], NULL);
	}
	event_base_dispatch(k.base);
	return EXIT_SUCCESS;
}
