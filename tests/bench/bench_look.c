/* What penstockd's look at the sessions of the SMTP probe costs, once a tick: the walk over the
 * map, and smtp_look for the busy ones. Microseconds of CPU, median and spread of several rounds.
 * The busy sessions are real ones on loopback whose server has not read what came; the other
 * entries are made. Needs BPF, as root. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "kernel/smtp_walk.h"
#include "smtp.skel.h"

#define ROUNDS 15
#define LOOKS 5 /* in each round */
#define BUSY_MAX 4000

static int listener, ends[2 * BUSY_MAX];
static uint16_t port;
static unsigned busy; /* sessions that are open */

static void give_up(const char *what)
{
	printf("bench_look: %s: %s\n", what, strerror(errno));
	exit(errno == EPERM ? 0 : 1);
}

static void listen_somewhere(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct rlimit files = { 2 * BUSY_MAX + 100, 2 * BUSY_MAX + 100 };
	socklen_t length = sizeof(a);

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (setrlimit(RLIMIT_NOFILE, &files) < 0 ||
	    bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 64) < 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &length) < 0)
		give_up("cannot listen");
	port = ntohs(a.sin_port);
}

static struct smtp_bpf *probe(void)
{
	struct smtp_bpf *bpf = smtp_bpf__open();

	if (!bpf)
		give_up("cannot open the probe");
	bpf->rodata->watched[0] = port;
	bpf_program__set_autoattach(bpf->progs.smtp_look, false);
	bpf_program__set_autoload(bpf->progs.smtp_send, false);
	if (smtp_bpf__load(bpf) < 0 || smtp_bpf__attach(bpf) < 0)
		give_up("cannot load the probe");
	return bpf;
}

/* A session that has been greeted, and whose server does not read what the client says. */
static void open_session(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), server;
	char line[16];

	a.sin_port = htons(port);
	if (connect(client, (struct sockaddr *)&a, sizeof(a)) < 0)
		give_up("cannot connect");
	server = accept(listener, NULL, NULL);
	if (server < 0 || write(server, "220 x\r\n", 7) != 7 || read(client, line, 7) != 7 ||
	    write(client, "EHLO x\r\n", 8) != 8)
		give_up("cannot speak");
	ends[2 * busy] = client;
	ends[2 * busy++ + 1] = server;
}

/* Entries of idle sessions, up to `count` in all. Their keys are no addresses of sockets. */
static void fill(struct smtp_bpf *bpf, unsigned count)
{
	struct smtp_session idle = { .greeted_ns = 1 };

	for (uint64_t key = 1; key + busy <= count; key++)
		if (bpf_map_update_elem(bpf_map__fd(bpf->maps.sessions), &key, &idle, BPF_ANY) < 0)
			give_up("cannot fill the map");
}

static double cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(struct smtp_bpf *bpf, unsigned entries)
{
	struct smtp_looks *looks = smtp_looks_open();
	struct timespec now;
	double us[ROUNDS];

	if (!looks)
		give_up("no memory");
	clock_gettime(CLOCK_MONOTONIC, &now);
	for (int round = 0; round < ROUNDS; round++) {
		double began = cpu_us();

		for (int i = 0; i < LOOKS; i++)
			if (smtp_look(bpf, looks,
				      (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) <
			    0)
				give_up("cannot look");
		us[round] = (cpu_us() - began) / LOOKS;
	}
	smtp_looks_close(looks);
	qsort(us, ROUNDS, sizeof(*us), compare);
	printf("smtp_look, %5u entries, %5lld busy  median %.0f us (%.0f to %.0f)\n", entries,
	       (long long)bpf->bss->ports[0].busy, us[ROUNDS / 2], us[0], us[ROUNDS - 1]);
}

int main(void)
{
	static const unsigned sizes[] = { 1, 100, 1000, BUSY_MAX };
	struct smtp_bpf *bpf;
	unsigned full;

	listen_somewhere();
	bpf = probe();
	full = bpf_map__max_entries(bpf->maps.sessions);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		while (busy < sizes[i])
			open_session();
		measure(bpf, busy);
	}
	fill(bpf, full);
	measure(bpf, full);
	for (; busy > 1; busy--) {
		close(ends[2 * busy - 2]);
		close(ends[2 * busy - 1]);
	}
	fill(bpf, full);
	measure(bpf, full);
	smtp_bpf__destroy(bpf);
	return 0;
}
