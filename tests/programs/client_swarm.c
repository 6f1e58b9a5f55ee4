/* A crowd of SMTP clients that want to be refused cheaply: connect, read the greeting, QUIT, read
 * to the end, again. From many source addresses, in one thread. For benchmarks and tests.
 *
 * client_swarm ADDRESS PORT --open N [--seconds S] [--rate R] [--sources A.B.C.D-N] [--bare]
 * [--hold]
 *
 * --open: connections at once; --rate: new ones a second at most (default: as fast as it goes);
 * --sources: addresses of this host to come from, 10.0.0.2-250; --bare: close behind the greeting,
 * without QUIT; --hold: all that are open stay open until stdin ends, then QUIT. The last line of
 * output is JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/descriptors.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

#define SLOTS 60000
#define TIMES 200000 /* of the latest connections, for quantiles */

struct slot {
	int fd;
	bool greeted;
	double began;
};

static struct {
	struct sockaddr_in to;
	uint32_t source, sources;
	unsigned open_max, seconds;
	double rate;
	bool bare, hold;
} options = { .open_max = 16, .seconds = 5 };

static struct slot slots[SLOTS];
static uint32_t free_slots[SLOTS], free_count;
static float times[TIMES];
static uint64_t timed;
static struct {
	uint64_t begun, refused, admitted, other, ended, bye, errors, reset;
} count;
static int epoll_fd;
static char scratch[4096];

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void let_go(uint32_t i)
{
	close(slots[i].fd);
	slots[i].fd = -1;
	free_slots[free_count++] = i;
}

static void knock(void)
{
	uint32_t i = free_slots[--free_count];
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	slots[i] = (struct slot){ .fd = fd, .began = now() };
	if (fd < 0) {
		free_slots[free_count++] = i;
		count.errors++;
		return;
	}
	if (options.sources) {
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
		from.sin_addr.s_addr =
			htonl(options.source + (uint32_t)(count.begun % options.sources));
		if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0)
			count.errors++;
	}
	count.begun++;
	if ((connect(fd, (struct sockaddr *)&options.to, sizeof(options.to)) < 0 &&
	     errno != EINPROGRESS) ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		count.errors++;
		let_go(i);
	}
}

static void greeted(struct slot *s)
{
	s->greeted = true;
	times[timed++ % TIMES] = (float)(now() - s->began);
	if (scratch[0] == '4')
		count.refused++;
	else if (scratch[0] == '2')
		count.admitted++;
	else
		count.other++;
	if (!options.hold && !options.bare && send(s->fd, "QUIT\r\n", 6, MSG_NOSIGNAL) < 0)
		return; /* closed by the server: read next */
}

static void hear(uint32_t i)
{
	struct slot *s = &slots[i];
	ssize_t n = recv(s->fd, scratch, sizeof(scratch), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		if (s->greeted)
			count.ended++;
		else
			n < 0 && errno == ECONNREFUSED ? count.reset++ : count.errors++;
		let_go(i);
		return;
	}
	if (s->greeted && strncmp(scratch, "221", 3) == 0)
		count.bye++;
	if (!s->greeted)
		greeted(s);
	if (options.bare)
		let_go(i);
}

static void serve(int timeout_ms)
{
	struct epoll_event events[512];
	int n = epoll_wait(epoll_fd, events, 512, timeout_ms);

	for (int k = 0; k < n; k++)
		hear(events[k].data.u32);
}

static void crowd(double began)
{
	double until = began + options.seconds;

	while (now() < until) {
		double due = options.rate ? (now() - began) * options.rate : 1e18;
		unsigned batch = 0;

		while (free_count > SLOTS - options.open_max && (double)count.begun < due &&
		       batch++ < 256)
			knock();
		serve(options.rate ? 1 : 10);
	}
}

/* All at once, kept until stdin ends; then everybody says QUIT and listens for a while. */
static void hold(void)
{
	double began = now(), until = began + 120;
	uint64_t all;

	while (count.refused + count.admitted + count.other + count.errors < options.open_max &&
	       now() < until) {
		double due = options.rate ? (now() - began) * options.rate : 1e18;

		for (int batch = 0;
		     batch < 64 && count.begun < options.open_max && (double)count.begun < due;
		     batch++)
			knock();
		serve(5);
	}
	all = count.refused + count.admitted;
	printf("holding %llu\n", (unsigned long long)all);
	fflush(stdout);
	fcntl(0, F_SETFL, O_NONBLOCK);
	while (read(0, scratch, 1) != 0)
		serve(20);
	for (uint32_t i = 0; i < SLOTS; i++)
		if (slots[i].fd >= 0 && send(slots[i].fd, "QUIT\r\n", 6, MSG_NOSIGNAL) < 0)
			count.errors++;
	until = now() + 60;
	while (free_count < SLOTS && now() < until)
		serve(20);
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void report(double seconds)
{
	uint64_t n = timed < TIMES ? timed : TIMES;

	qsort(times, n, sizeof(times[0]), by_value);
	printf("{\"seconds\": %.3f, \"begun\": %llu, \"refused\": %llu, \"admitted\": %llu, \"other\": %llu, \"ended\": %llu, "
	       "\"bye\": %llu, \"reset\": %llu, \"errors\": %llu, \"open\": %u, \"greeting_p50_us\": %.1f, \"greeting_p99_us\": %.1f}\n",
	       seconds, (unsigned long long)count.begun, (unsigned long long)count.refused,
	       (unsigned long long)count.admitted, (unsigned long long)count.other,
	       (unsigned long long)count.ended, (unsigned long long)count.bye,
	       (unsigned long long)count.reset, (unsigned long long)count.errors,
	       SLOTS - free_count, n ? (double)times[n / 2] * 1e6 : -1,
	       n ? (double)times[n * 99 / 100] * 1e6 : -1);
}

static void sources(char *text)
{
	char *dash = strrchr(text, '-'), *dot;
	struct in_addr first;

	if (!dash || !(dot = strrchr(text, '.')))
		return;
	*dash = 0;
	if (inet_pton(AF_INET, text, &first) != 1)
		return;
	options.source = ntohl(first.s_addr);
	options.sources = (uint32_t)(atoi(dash + 1) - atoi(dot + 1) + 1);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "open", 1, 0, 'o' },
					       { "seconds", 1, 0, 's' },
					       { "rate", 1, 0, 'r' },
					       { "sources", 1, 0, 'f' },
					       { "bare", 0, 0, 'b' },
					       { "hold", 0, 0, 'h' },
					       { 0 } };
	double began;

	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) >= 0;) {
		if (c == 'o')
			options.open_max = (unsigned)atoi(optarg);
		else if (c == 's')
			options.seconds = (unsigned)atoi(optarg);
		else if (c == 'r')
			options.rate = atof(optarg);
		else if (c == 'f')
			sources(optarg);
		else if (c == 'b')
			options.bare = true;
		else if (c == 'h')
			options.hold = true;
		else
			return 2;
	}
	if (argc - optind != 2 || options.open_max < 1 || options.open_max > SLOTS)
		return 2;
	options.to.sin_family = AF_INET;
	options.to.sin_port = htons((uint16_t)atoi(argv[optind + 1]));
	if (inet_pton(AF_INET, argv[optind], &options.to.sin_addr) != 1)
		return 2;
	descriptors_raise(DESCRIPTORS_ALL, false);
	for (uint32_t i = 0; i < SLOTS; i++) {
		slots[i].fd = -1;
		free_slots[free_count++] = SLOTS - 1 - i;
	}
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	began = now();
	if (options.hold)
		hold();
	else
		crowd(began);
	report(now() - began);
	return 0;
}
