#include "host/logind.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"

#define DESTINATION "org.freedesktop.login1"
#define PATH "/org/freedesktop/login1"
#define INTERFACE "org.freedesktop.login1.Manager"
#define RETRY_US (30 * US_PER_S)
/* The plan with the drain is published after one tick; fronts need a second one to read it. */
#define HOLD_MIN_US (US_PER_S / 4)
/* logind's own limit, InhibitDelayMaxSec=, is 5 s unless it is set otherwise. */
#define HOLD_MAX_US (4 * US_PER_S)
/* A machine that still runs after this time is not shutting down: the message that cancelled the
 * shutdown was lost. Mail must not wait any longer. */
#define STAYS_UP_US (600 * US_PER_S)

struct logind {
	struct event_base *base;
	const struct logind_ops *ops;
	void *context;
	char address[128];
	sd_bus *bus;
	struct event *readable, *writable;
	int inhibitor_fd;
	bool going_down, listening;
	uint64_t going_down_us, retry_us, looked_us;
	char why[192], told[192];
};

static void say(struct logind *l)
{
	if (strcmp(l->why, l->told) == 0)
		return;
	if (l->why[0])
		log_info("%s", l->why);
	else
		log_info("logind announces when the machine shuts down");
	memcpy(l->told, l->why, sizeof(l->told));
}

static void disconnect(struct logind *l, const char *what, const char *reason)
{
	snprintf(l->why, sizeof(l->why),
		 "a shutdown of this machine will not be heard of beforehand: %s: %s", what,
		 reason);
	say(l);
	if (l->readable)
		event_free(l->readable);
	if (l->writable)
		event_free(l->writable);
	l->readable = l->writable = NULL;
	l->bus = sd_bus_close_unref(l->bus);
	l->listening = false;
	l->retry_us = clock_monotonic_us() + RETRY_US;
}

/* ---- answers -------------------------------------------------------------------------------- */

static void release(struct logind *l)
{
	if (l->inhibitor_fd >= 0)
		close(l->inhibitor_fd);
	l->inhibitor_fd = -1;
}

static int on_inhibited(sd_bus_message *m, void *context, sd_bus_error *unused)
{
	struct logind *l = context;
	const sd_bus_error *error = sd_bus_message_get_error(m);
	int fd;

	if (error) {
		/* The signal comes without the inhibitor too, but then the shutdown does not
		 * wait. */
		snprintf(
			l->why, sizeof(l->why),
			"logind does not let penstockd hold up a shutdown (%s); is polkit installed?",
			error->message ? error->message : error->name);
		say(l);
		return 0;
	}
	release(l);
	if (sd_bus_message_read(m, "h", &fd) < 0)
		return 0;
	/* the one in the message is closed with it */
	l->inhibitor_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	l->why[0] = 0;
	say(l);
	return 0;
}

static void inhibit(struct logind *l)
{
	int r = sd_bus_call_method_async(l->bus, NULL, DESTINATION, PATH, INTERFACE, "Inhibit",
					 on_inhibited, l, "ssss", "shutdown", "penstockd",
					 "Senders are told first that the mail server goes down",
					 "delay");

	if (r < 0) {
		snprintf(l->why, sizeof(l->why), "logind cannot be asked for an inhibitor: %s",
			 strerror(-r));
		say(l);
	}
}

static void stay_up(struct logind *l)
{
	l->going_down = false;
	l->ops->stays_up(l->context);
	if (l->bus && l->listening)
		inhibit(l);
}

static int on_prepare(sd_bus_message *m, void *context, sd_bus_error *unused)
{
	struct logind *l = context;
	int going;

	if (sd_bus_message_read(m, "b", &going) < 0 || (going != 0) == l->going_down)
		return 0;
	if (going) {
		l->going_down = true;
		l->going_down_us = clock_monotonic_us();
		l->ops->going_down(l->context);
	} else {
		stay_up(l);
	}
	return 0;
}

static int on_listening(sd_bus_message *m, void *context, sd_bus_error *unused)
{
	struct logind *l = context;
	const sd_bus_error *error = sd_bus_message_get_error(m);

	if (!error) {
		l->listening = true;
		inhibit(l);
	} else {
		snprintf(l->why, sizeof(l->why), "the bus does not pass on logind's signals: %s",
			 error->message ? error->message : error->name);
		say(l);
	}
	return 0;
}

/* ---- the bus in the loop -------------------------------------------------------------------- */

static void process(struct logind *l)
{
	int r, events;

	do
		r = sd_bus_process(l->bus, NULL);
	while (r > 0);
	events = r < 0 ? r : sd_bus_get_events(l->bus);
	if (events < 0) {
		disconnect(l, "the system bus is gone", strerror(-events));
		return;
	}
	if (events & POLLOUT)
		event_add(l->writable, NULL);
	else
		event_del(l->writable);
}

static void on_bus(evutil_socket_t fd, short what, void *context)
{
	process(context);
}

static int open_bus(struct logind *l)
{
	int r = sd_bus_new(&l->bus);

	if (r >= 0)
		r = sd_bus_set_address(l->bus, l->address);
	if (r >= 0)
		r = sd_bus_set_bus_client(l->bus, 1);
	if (r >= 0)
		r = sd_bus_negotiate_fds(l->bus, 1);
	/* A method call without an answer times out. */
	if (r >= 0)
		r = sd_bus_set_method_call_timeout(l->bus, 10 * US_PER_S);
	if (r >= 0)
		r = sd_bus_start(l->bus);
	if (r >= 0)
		r = sd_bus_match_signal_async(l->bus, NULL, DESTINATION, PATH, INTERFACE,
					      "PrepareForShutdown", on_prepare, on_listening, l);
	return r;
}

static void connect_bus(struct logind *l)
{
	int r = open_bus(l), fd = r < 0 ? r : sd_bus_get_fd(l->bus);

	if (fd >= 0) {
		l->readable = event_new(l->base, fd, EV_READ | EV_PERSIST, on_bus, l);
		l->writable = event_new(l->base, fd, EV_WRITE | EV_PERSIST, on_bus, l);
		if (!l->readable || !l->writable || event_add(l->readable, NULL) < 0)
			fd = -ENOMEM;
	}
	if (fd < 0)
		disconnect(l, "there is no system bus", strerror(-fd));
	else
		process(l);
}

int logind_open(struct event_base *base, const char *address, const struct logind_ops *ops,
		void *context, struct logind **ret_logind)
{
	struct logind *l = calloc(1, sizeof(*l));
	const char *given = getenv("DBUS_SYSTEM_BUS_ADDRESS");

	if (!l)
		return -ENOMEM;
	if (!address)
		address = given && strlen(given) < sizeof(l->address)
				  ? given
				  : "unix:path=/run/dbus/system_bus_socket";
	snprintf(l->address, sizeof(l->address), "%s", address);
	snprintf(l->why, sizeof(l->why), "logind has not answered yet");
	l->base = base;
	l->ops = ops;
	l->context = context;
	l->inhibitor_fd = -1;
	*ret_logind = l;
	return 0;
}

void logind_tick(struct logind *l, uint64_t now_us, double in_flight)
{
	char since[DURATION_PRINTED];

	if (l->going_down && l->inhibitor_fd >= 0 && now_us >= l->going_down_us + HOLD_MIN_US &&
	    (in_flight <= 0 || now_us >= l->going_down_us + HOLD_MAX_US)) {
		log_notice("the machine may shut down now: %.0f sessions are open",
			   in_flight > 0 ? in_flight : 0);
		release(l);
	}
	if (l->going_down && now_us >= l->going_down_us + STAYS_UP_US) {
		log_warning(
			"The shutdown that was announced %s ago did not happen. Mail is accepted again.",
			duration_print_us(STAYS_UP_US, since));
		stay_up(l);
	}
	if (l->looked_us && now_us < l->looked_us + US_PER_S)
		return;
	l->looked_us = now_us;
	if (l->bus)
		process(l); /* handles calls that timed out */
	else if (now_us >= l->retry_us)
		connect_bus(l);
}

const char *logind_why(const struct logind *l)
{
	if (l->going_down)
		return NULL;
	return l->listening && l->inhibitor_fd >= 0 ? NULL : l->why;
}

void logind_close(struct logind *l)
{
	if (!l)
		return;
	if (l->readable)
		event_free(l->readable);
	if (l->writable)
		event_free(l->writable);
	sd_bus_close_unref(l->bus);
	release(l);
	free(l);
}
