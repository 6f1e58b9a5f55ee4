#include "cmocka_test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "host/logind.h"

/* A bus and the logind on it in one, as far as they are spoken to: one client, in this thread. */
struct fake {
	int listen_fd, pipe_fd[2];
	char directory[64], address[128];
	sd_bus *peer;
	bool refuses, silent;
	unsigned inhibits;
};

struct world {
	struct event_base *base;
	struct fake fake;
	struct logind *logind;
	unsigned down, up;
	uint64_t now_us;
};

static int hello(sd_bus_message *m, void *context, sd_bus_error *error)
{
	return sd_bus_reply_method_return(m, "s", ":1.7");
}

static int add_match(sd_bus_message *m, void *context, sd_bus_error *error)
{
	return sd_bus_reply_method_return(m, "");
}

static int inhibit(sd_bus_message *m, void *context, sd_bus_error *error)
{
	struct fake *f = context;
	const char *what, *who, *why, *mode;

	assert_true(sd_bus_message_read(m, "ssss", &what, &who, &why, &mode) > 0);
	assert_string_equal(what, "shutdown");
	assert_string_equal(who, "penstockd");
	assert_string_equal(mode, "delay");
	f->inhibits++;
	if (f->silent)
		return 1;
	if (f->refuses)
		return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_ACCESS_DENIED, "not allowed");
	assert_int_equal(pipe2(f->pipe_fd, O_CLOEXEC | O_NONBLOCK), 0);
	assert_true(sd_bus_reply_method_return(m, "h", f->pipe_fd[1]) >= 0);
	return 1;
}

static const sd_bus_vtable bus_methods[] = {
	SD_BUS_VTABLE_START(0), SD_BUS_METHOD("Hello", "", "s", hello, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("AddMatch", "s", "", add_match, SD_BUS_VTABLE_UNPRIVILEGED), SD_BUS_VTABLE_END
};
static const sd_bus_vtable logind_methods[] = { SD_BUS_VTABLE_START(0),
						SD_BUS_METHOD("Inhibit", "ssss", "h", inhibit,
							      SD_BUS_VTABLE_UNPRIVILEGED),
						SD_BUS_VTABLE_END };

static void fake_open(struct fake *f)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(f->directory, sizeof(f->directory), "/tmp/penstock-logind-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/bus", f->directory);
	snprintf(f->address, sizeof(f->address), "unix:path=%s", at.sun_path);
	f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->listen_fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(f->listen_fd, 4), 0);
	f->pipe_fd[0] = f->pipe_fd[1] = -1;
}

static void fake_step(struct fake *f)
{
	sd_id128_t id = SD_ID128_MAKE(1, 2, 3, 4, 5, 6, 7, 8, 9, a, b, c, d, e, f, 0);
	int fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		assert_null(f->peer);
		assert_true(sd_bus_new(&f->peer) >= 0 && sd_bus_set_fd(f->peer, fd, fd) >= 0);
		assert_true(sd_bus_set_server(f->peer, 1, id) >= 0 &&
			    sd_bus_set_anonymous(f->peer, 1) >= 0 &&
			    sd_bus_negotiate_fds(f->peer, 1) >= 0 && sd_bus_start(f->peer) >= 0);
		assert_true(sd_bus_add_object_vtable(f->peer, NULL, "/org/freedesktop/DBus",
						     "org.freedesktop.DBus", bus_methods, f) >= 0);
		assert_true(sd_bus_add_object_vtable(f->peer, NULL, "/org/freedesktop/login1",
						     "org.freedesktop.login1.Manager",
						     logind_methods, f) >= 0);
	}
	while (f->peer && sd_bus_process(f->peer, NULL) > 0)
		;
}

static void fake_says(struct fake *f, int going)
{
	sd_bus_message *m = NULL;

	assert_true(sd_bus_message_new_signal(f->peer, &m, "/org/freedesktop/login1",
					      "org.freedesktop.login1.Manager",
					      "PrepareForShutdown") >= 0);
	assert_true(sd_bus_message_set_sender(m, "org.freedesktop.login1") >= 0);
	assert_true(sd_bus_message_append(m, "b", going) >= 0);
	assert_true(sd_bus_send(f->peer, m, NULL) >= 0);
	sd_bus_message_unref(m);
}

/* All processes that could hold the write end have closed it. */
static bool is_released(struct fake *f)
{
	struct pollfd p = { .fd = f->pipe_fd[0] };

	if (f->pipe_fd[1] >= 0)
		close(f->pipe_fd[1]);
	f->pipe_fd[1] = -1;
	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

static void on_down(void *context)
{
	((struct world *)context)->down++;
}

static void on_up(void *context)
{
	((struct world *)context)->up++;
}

static void step(struct world *w, double in_flight)
{
	w->now_us = clock_monotonic_us();
	logind_tick(w->logind, w->now_us, in_flight);
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	fake_step(&w->fake);
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	poll(NULL, 0, 2);
}

#define UNTIL(w, in_flight, condition) \
	do { \
		uint64_t until_ = clock_monotonic_us() + 30 * US_PER_S; \
		while (!(condition) && clock_monotonic_us() < until_) \
			step(w, in_flight); \
		assert_true(condition); \
	} while (0)

static void open_world(struct world *w)
{
	static const struct logind_ops ops = { .going_down = on_down, .stays_up = on_up };

	memset(w, 0, sizeof(*w));
	w->base = event_base_new();
	fake_open(&w->fake);
	assert_int_equal(logind_open(w->base, w->fake.address, &ops, w, &w->logind), 0);
}

static void hang_up(struct fake *f)
{
	f->peer = sd_bus_close_unref(f->peer);
	for (int i = 0; i < 2; i++) {
		if (f->pipe_fd[i] >= 0)
			close(f->pipe_fd[i]);
		f->pipe_fd[i] = -1;
	}
}

static void close_world(struct world *w)
{
	char path[96];

	logind_close(w->logind);
	hang_up(&w->fake);
	close(w->fake.listen_fd);
	snprintf(path, sizeof(path), "%s/bus", w->fake.directory);
	unlink(path);
	rmdir(w->fake.directory);
	event_base_free(w->base);
}

static void a_shutdown_is_held_up_and_let_go(void **state)
{
	struct world w;
	uint64_t began;

	open_world(&w);
	assert_non_null(logind_why(w.logind));
	UNTIL(&w, 0, logind_why(w.logind) == NULL);
	assert_int_equal(w.fake.inhibits, 1);
	assert_false(is_released(&w.fake));
	fake_says(&w.fake, 1);
	UNTIL(&w, 5, w.down == 1);
	/* With sessions in flight: not before four seconds have passed; without: at once. */
	began = clock_monotonic_us();
	while (clock_monotonic_us() < began + US_PER_S) {
		bool released;

		step(&w, 5);
		released = is_released(&w.fake);
		/* On a machine that stood still meanwhile, the four seconds may be over. */
		assert_true(!released || clock_monotonic_us() > began + 3 * US_PER_S);
	}
	UNTIL(&w, 0, is_released(&w.fake));
	assert_int_equal(w.down, 1);
	assert_int_equal(w.up, 0);
	close_world(&w);
}

static void sessions_hold_it_up_for_four_seconds(void **state)
{
	struct world w;
	uint64_t began;

	open_world(&w);
	UNTIL(&w, 0, logind_why(w.logind) == NULL);
	began = clock_monotonic_us();
	fake_says(&w.fake, 1);
	UNTIL(&w, 5, w.down == 1);
	UNTIL(&w, 5, is_released(&w.fake));
	assert_true(clock_monotonic_us() - began >= 3 * US_PER_S);
	close_world(&w);
}

static void one_that_is_called_off(void **state)
{
	struct world w;

	open_world(&w);
	UNTIL(&w, 0, logind_why(w.logind) == NULL);
	fake_says(&w.fake, 1);
	fake_says(&w.fake, 1); /* twice is once */
	UNTIL(&w, 0, is_released(&w.fake));
	hang_up(&(struct fake){ .pipe_fd = { w.fake.pipe_fd[0], -1 } });
	w.fake.pipe_fd[0] = -1;
	fake_says(&w.fake, 0);
	UNTIL(&w, 0, w.up == 1 && w.fake.inhibits == 2);
	UNTIL(&w, 0, logind_why(w.logind) == NULL);
	assert_int_equal(w.down, 1);
	assert_false(is_released(&w.fake));
	close_world(&w);
}

static void refused_hung_and_gone(void **state)
{
	struct world w;

	/* Refused: the signal is heard all the same. */
	open_world(&w);
	w.fake.refuses = true;
	UNTIL(&w, 0, w.fake.inhibits == 1 && strstr(logind_why(w.logind) ?: "", "not allowed"));
	fake_says(&w.fake, 1);
	UNTIL(&w, 0, w.down == 1);
	close_world(&w);
	/* Hung: nothing waits for it. */
	open_world(&w);
	w.fake.silent = true;
	UNTIL(&w, 0, w.fake.inhibits == 1);
	assert_non_null(logind_why(w.logind));
	fake_says(&w.fake, 1);
	UNTIL(&w, 0, w.down == 1);
	close_world(&w);
	/* Gone, and there never: said, tried again later. */
	open_world(&w);
	UNTIL(&w, 0, logind_why(w.logind) == NULL);
	hang_up(&w.fake);
	UNTIL(&w, 0, logind_why(w.logind) != NULL);
	logind_tick(w.logind, clock_monotonic_us() + 31 * US_PER_S, 0);
	w.fake.inhibits = 0;
	UNTIL(&w, 0, logind_why(w.logind) == NULL && w.fake.inhibits == 1);
	close_world(&w);
	open_world(&w);
	close(w.fake.listen_fd);
	w.fake.listen_fd = -1;
	for (int i = 0; i < 5; i++) {
		logind_tick(w.logind, clock_monotonic_us() + (uint64_t)i * 31 * US_PER_S, 0);
		assert_non_null(strstr(logind_why(w.logind), "will not be heard of"));
	}
	close_world(&w);
}

/* The bus restarts, or logind does, and no signal says that the shutdown was cancelled. */
static void one_that_never_comes_ends_by_itself(void **state)
{
	struct world w;
	uint64_t down_us;

	open_world(&w);
	UNTIL(&w, 0, logind_why(w.logind) == NULL);
	fake_says(&w.fake, 1);
	UNTIL(&w, 0, w.down == 1);
	down_us = clock_monotonic_us();
	hang_up(&w.fake);
	logind_tick(w.logind, down_us + 300 * US_PER_S, 0);
	assert_int_equal(w.up, 0);
	logind_tick(w.logind, down_us + 601 * US_PER_S, 0);
	assert_int_equal(w.up, 1);
	logind_tick(w.logind, down_us + 1300 * US_PER_S, 0);
	assert_int_equal(w.up, 1);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_shutdown_is_held_up_and_let_go),
					    cmocka_unit_test(sessions_hold_it_up_for_four_seconds),
					    cmocka_unit_test(one_that_is_called_off),
					    cmocka_unit_test(one_that_never_comes_ends_by_itself),
					    cmocka_unit_test(refused_hung_and_gone) };

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
