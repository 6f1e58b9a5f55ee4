/* Packets that the kernel's receive path and the listeners lose: /proc/net/softnet_stat of the
 * machine, TcpExt of the MTA's network namespace (from /proc/PID/net). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/readfile.h"
#include "sensor/mta.h"
#include "sensor/procparse.h"
#include "sensor/sensors.h"

static const struct {
	const char *name;
	enum signal signal;
} tcp_counters[] = { { "ListenOverflows", SIGNAL_LISTEN_OVERFLOWS_PER_S },
		     { "ListenDrops", SIGNAL_LISTEN_DROPS_PER_S },
		     { "TCPReqQFullDoCookies", SIGNAL_SYN_COOKIES_PER_S } };

#define TCP_COUNTERS ARRAY_SIZE(tcp_counters)

struct netstat {
	int proc_fd, softnet_fd, tcp_fd;
	struct mta_watch *watch;
	struct mta mta;
	uint64_t dropped, squeezed, tcp[TCP_COUNTERS], last_us;
	bool softnet_primed, tcp_primed[TCP_COUNTERS];
	char content[32768];
};

static void netstat_close(void *state)
{
	struct netstat *s = state;

	if (s->softnet_fd >= 0)
		close(s->softnet_fd);
	if (s->tcp_fd >= 0)
		close(s->tcp_fd);
	free(s);
}

/* The namespace of the MTA's process; ours if that is not visible. */
static void open_tcp(struct netstat *s)
{
	char path[48];

	if (s->tcp_fd >= 0)
		close(s->tcp_fd);
	memset(s->tcp_primed, 0, sizeof(s->tcp_primed));
	snprintf(path, sizeof(path), "%d/net/netstat", s->mta.pid);
	s->tcp_fd = s->mta.pid > 0 ? openat(s->proc_fd, path, O_RDONLY | O_CLOEXEC) : -1;
	if (s->tcp_fd < 0)
		s->tcp_fd = openat(s->proc_fd, "self/net/netstat", O_RDONLY | O_CLOEXEC);
}

static int netstat_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct netstat *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->proc_fd = env->proc_fd;
	s->watch = env->mta;
	s->tcp_fd = -1;
	s->softnet_fd = openat(env->proc_fd, "self/net/softnet_stat", O_RDONLY | O_CLOEXEC);
	open_tcp(s);
	if (s->softnet_fd < 0 && s->tcp_fd < 0) {
		int r = -errno;

		snprintf(why, SENSOR_WHY_MAX, "/proc/net cannot be read: %s", strerror(-r));
		netstat_close(s);
		return r;
	}
	*ret_state = s;
	return 0;
}

static void put_rate(struct sample *sample, enum signal signal, uint64_t before, uint64_t now,
		     double dt_s)
{
	if (dt_s > 0 && now >= before)
		sample_put(sample, signal, (double)(now - before) / dt_s, VIA_PROCFS);
}

static int poll_softnet(struct netstat *s, double dt_s, struct sample *sample)
{
	uint64_t dropped, squeezed;
	int r = s->softnet_fd < 0 ? -ENOENT
				  : readfile_fd(s->softnet_fd, s->content, sizeof(s->content));

	if (r < 0 && r != -EFBIG)
		return r;
	r = procparse_softnet(s->content, &dropped, &squeezed);
	if (r < 0)
		return r;
	if (s->softnet_primed) {
		put_rate(sample, SIGNAL_SOFTNET_DROPS_PER_S, s->dropped, dropped, dt_s);
		put_rate(sample, SIGNAL_SOFTNET_SQUEEZED_PER_S, s->squeezed, squeezed, dt_s);
	}
	s->dropped = dropped;
	s->squeezed = squeezed;
	s->softnet_primed = true;
	return 0;
}

static int poll_tcp(struct netstat *s, double dt_s, struct sample *sample)
{
	int r = s->tcp_fd < 0 ? -ENOENT : readfile_once(s->tcp_fd, s->content, sizeof(s->content));

	if (r < 0 && r != -EFBIG)
		return r;
	for (size_t i = 0; i < TCP_COUNTERS; i++) {
		uint64_t now;

		if (procparse_netstat(s->content, "TcpExt", tcp_counters[i].name, &now) < 0) {
			s->tcp_primed[i] = false;
			continue;
		}
		if (s->tcp_primed[i])
			put_rate(sample, tcp_counters[i].signal, s->tcp[i], now, dt_s);
		s->tcp[i] = now;
		s->tcp_primed[i] = true;
	}
	return 0;
}

static int netstat_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
			char *why)
{
	struct netstat *s = state;
	double dt_s = s->last_us && now_us > s->last_us ? (double)(now_us - s->last_us) / 1e6 : 0;
	int pid = s->mta.pid, softnet, tcp;

	mta_watch_read(s->watch, s->mta.generation, &s->mta);
	if (s->mta.pid != pid)
		open_tcp(s);
	s->last_us = now_us;
	softnet = poll_softnet(s, dt_s, sample);
	tcp = poll_tcp(s, dt_s, sample);
	if (tcp < 0 && s->mta.pid) { /* that process has ended; another will be found */
		s->mta.pid = 0;
		s->mta.generation = 0;
		open_tcp(s);
		tcp = 0;
	}
	return softnet < 0 && tcp < 0 ? tcp : 0;
}

static const enum signal netstat_signals[] = {
	SIGNAL_SOFTNET_DROPS_PER_S, SIGNAL_SOFTNET_SQUEEZED_PER_S, SIGNAL_LISTEN_OVERFLOWS_PER_S,
	SIGNAL_LISTEN_DROPS_PER_S,  SIGNAL_SYN_COOKIES_PER_S,	   SIGNAL__COUNT
};
const struct sensor_ops sensor_netstat = { "netstat", netstat_signals, netstat_open, netstat_poll,
					   netstat_close };
