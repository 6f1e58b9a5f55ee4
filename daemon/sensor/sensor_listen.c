/* Accept queues of the services' listeners, by sock_diag each tick. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "kernel/sockdiag.h"
#include "sensor/sensors.h"

#define LISTENERS 64
#define PORTS (PLAN_SERVICES * CONFIG_PORTS)

struct listen {
	int fd;
	uint16_t ports[PORTS];
	bool seen; /* a server listened in the last tick */
};

static int listen_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct listen *s = calloc(1, sizeof(*s));
	unsigned n = 0;

	if (!s)
		return -ENOMEM;
	for (unsigned i = 0; i < env->config->services; i++)
		for (unsigned p = 0; p < CONFIG_PORTS && env->config->service[i].ports[p]; p++)
			s->ports[n++] = env->config->service[i].ports[p];
	s->fd = sockdiag_open_mta(env->config);
	if (s->fd < 0) {
		int r = s->fd;

		snprintf(why, SENSOR_WHY_MAX, "sock_diag cannot be opened: %s", strerror(-r));
		free(s);
		return r;
	}
	*ret_state = s;
	return 0;
}

static int listen_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		       char *why)
{
	struct listen *s = state;
	struct sockdiag_listener found[LISTENERS];
	double fullest = 0, sum = 0;
	int n = sockdiag_listeners(s->fd, s->ports, PORTS, found, LISTENERS);

	if (n < 0) {
		snprintf(why, SENSOR_WHY_MAX, "sock_diag does not answer: %s", strerror(-n));
		return n;
	}
	for (int i = 0; i < n; i++) {
		double ratio = found[i].limit ? (double)found[i].queue / found[i].limit : 0;

		sum += found[i].queue;
		fullest = ratio > fullest ? ratio : fullest;
	}
	if (s->seen != (n > 0)) {
		s->seen = n > 0;
		if (n > 0)
			log_info("the mail server listens");
		else
			log_warning(
				"Nothing listens on the guarded ports any more. Clients get no greeting. Start the mail server.");
	}
	/* No server listens: there is no accept queue. */
	if (n > 0) {
		sample_put(sample, SIGNAL_ACCEPT_QUEUE_RATIO, fullest, VIA_SOCK_DIAG);
		sample_put(sample, SIGNAL_ACCEPT_QUEUE_COUNT, sum, VIA_SOCK_DIAG);
	}
	return 0;
}

static void listen_close(void *state)
{
	close(((struct listen *)state)->fd);
	free(state);
}

static const enum signal listen_signals[] = { SIGNAL_ACCEPT_QUEUE_RATIO, SIGNAL_ACCEPT_QUEUE_COUNT,
					      SIGNAL__COUNT };
/* A queue that fills is the first sign of a burst. */
const struct sensor_ops sensor_listen = { .name = "listen",
					  .provides = listen_signals,
					  .open = listen_open,
					  .poll = listen_poll,
					  .close = listen_close,
					  .budget_us_per_s = 120 };
