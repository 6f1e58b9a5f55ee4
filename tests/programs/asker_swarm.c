/* Many that ask a front, as a mail server's processes do: each over a connection of its own, one
 * question after the other. For benchmarks.
 *
 * asker_swarm PORT CONNECTIONS SECONDS ANSWER
 *
 * ANSWER: of a question, its octets. Stdin: frames, each a length of four octets (least first) and
 * its bytes; the first is what is said and answered once after connecting (empty: nothing), the
 * others are the questions, which all askers go round. The last line of output is JSON. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ASKERS 4096
#define FRAMES 4096
#define TIMES 4000000

struct asker {
	int fd;
	unsigned got; /* octets of the answer */
	double since;
};

static struct asker askers[ASKERS];
static struct {
	unsigned char *bytes;
	uint32_t length;
} frame[FRAMES];
static unsigned frames, next;
static float times[TIMES];
static uint64_t asked;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void read_frames(void)
{
	uint32_t length;

	while (frames < FRAMES && fread(&length, sizeof(length), 1, stdin) == 1) {
		if (length > 65536)
			exit(1);
		frame[frames].bytes = malloc(length + 1);
		frame[frames].length = length;
		if (fread(frame[frames].bytes, 1, length, stdin) != length)
			exit(1);
		frames++;
	}
	if (frames < 2)
		exit(1);
}

static void say(struct asker *a, unsigned n)
{
	if (send(a->fd, frame[n].bytes, frame[n].length, MSG_NOSIGNAL) != (ssize_t)frame[n].length)
		fail("send");
}

static void ask(struct asker *a)
{
	a->got = 0;
	a->since = now();
	say(a, 1 + next++ % (frames - 1));
}

static void begin(struct asker *a, int epoll_fd, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = a };
	char scrap[4096];
	int one = 1;

	a->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(a->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("connect");
	setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (frame[0].length) {
		say(a, 0);
		if (recv(a->fd, scrap, sizeof(scrap), 0) <= 0)
			fail("recv");
	}
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, a->fd, &event);
}

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

static double quantile(uint64_t count, double q)
{
	return times[(uint64_t)((double)(count - 1) * q)] * 1e6;
}

int main(int argc, char **argv)
{
	unsigned count = argc == 5 ? (unsigned)atoi(argv[2]) : 0;
	int epoll_fd = epoll_create1(0);
	struct epoll_event events[256];
	double began, seconds;
	unsigned answer;
	uint64_t timed;
	char scrap[4096];

	if (count < 1 || count > ASKERS)
		return 2;
	seconds = atof(argv[3]);
	answer = (unsigned)atoi(argv[4]);
	read_frames();
	for (unsigned i = 0; i < count; i++)
		begin(&askers[i], epoll_fd, (uint16_t)atoi(argv[1]));
	began = now();
	for (unsigned i = 0; i < count; i++)
		ask(&askers[i]);
	while (now() < began + seconds) {
		int n = epoll_wait(epoll_fd, events, 256, 1000);

		for (int i = 0; i < n; i++) {
			struct asker *a = events[i].data.ptr;
			ssize_t got = recv(a->fd, scrap, sizeof(scrap), 0);

			if (got <= 0)
				fail("recv");
			a->got += (unsigned)got;
			if (a->got < answer)
				continue;
			times[asked++ % TIMES] = (float)(now() - a->since);
			ask(a);
		}
	}
	seconds = now() - began;
	timed = asked < TIMES ? asked : TIMES;
	if (!timed)
		return 1;
	qsort(times, timed, sizeof(times[0]), compare);
	printf("{\"asked\": %llu, \"seconds\": %.3f, \"us\": [%.1f, %.1f, %.1f]}\n",
	       (unsigned long long)asked, seconds, quantile(timed, .5), quantile(timed, .99),
	       quantile(timed, .999));
	return 0;
}
