#include "host/timer.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fuse.h"
#include "base/log.h"
#include "core/sample.h"

/* Without CAP_SYS_RESOURCE windows must be multiples of 2 s (kernel/sched/psi.c). */
#define TRIGGER_WINDOW_US 2000000u
/* Do not tick again within 20 ms. */
#define EARLY_GAP_US 20000u
/* Between ticks while the machine is idle: short enough for five ticks in the first second of an
 * overload. */
#define REST_INTERVAL_US 200000u
#define REST_AFTER_US (5 * US_PER_S) /* without activity for so long, the machine counts as idle */
/* The shortest slice that the kernel allows. It gives an earlier deadline, so that our short run
 * comes first (EEVDF, 6.12 and later). */
#define SLICE_NS 100000u
#define NICE_WANTED (-10)

/* struct sched_attr of linux/sched/types.h. That header clashes with <sched.h>, and glibc has a
 * struct of this name since 2.41. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

enum { TRIGGERS = 3 };

static const struct {
	const char *path, *name;
	enum signal signal;
} trigger_files[TRIGGERS] = { { "pressure/cpu", "cpu", SIGNAL_CPU_STALL_RATIO },
			      { "pressure/memory", "memory", SIGNAL_MEM_STALL_RATIO },
			      { "pressure/io", "io", SIGNAL_IO_STALL_RATIO } };

struct timer {
	struct event_base *base;
	void (*tick)(void *context, bool urgent);
	void *context;
	int timer_fd;
	struct event *timer;
	uint64_t tick_us; /* the configured interval */
	uint64_t interval_us, due_us, ticked_us; /* interval: the present one */
	/* libevent 2.1 does not wait for EPOLLPRI: each trigger is in an epoll of its own, which
	 * becomes readable. */
	int trigger_fd[TRIGGERS], epoll_fd[TRIGGERS];
	struct event *trigger[TRIGGERS];
	double ratio[TRIGGERS]; /* at which it was opened */
	/* connections up to the last tick; when the machine last did something */
	uint64_t offered, busy_us;
	struct timer_view view;
};

static void run(struct timer *t, uint64_t now_us, bool urgent)
{
	uint64_t took_us;

	t->ticked_us = now_us;
	t->tick(t->context, urgent);
	took_us = clock_monotonic_us() - now_us;
	t->view.durations[counts_slot(took_us)]++;
	t->view.duration_sum_us += took_us;
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct timer *t = context;
	uint64_t expired, now_us, late_us;

	if (read(fd, &expired, sizeof(expired)) != sizeof(expired) || expired == 0)
		return;
	now_us = clock_monotonic_us();
	late_us = now_us > t->due_us ? now_us - t->due_us : 0;
	t->view.lateness[counts_slot(late_us)]++;
	t->view.lateness_sum_us += late_us;
	t->view.late += late_us > t->interval_us;
	t->due_us += expired * t->interval_us;
	run(t, now_us, false);
}

/* The wake-up itself is the event; reading the trigger again returns nothing. */
static void on_trigger(evutil_socket_t fd, short what, void *context)
{
	struct timer *t = context;
	uint64_t now_us = clock_monotonic_us();
	struct epoll_event event;

	while (epoll_wait(fd, &event, 1, 0) > 0)
		;
	if (now_us - t->ticked_us < EARLY_GAP_US)
		return;
	t->view.early++;
	run(t, now_us, true);
}

static int set_timer(struct timer *t, uint64_t interval_us)
{
	struct itimerspec when = { 0 };

	t->interval_us = interval_us;
	t->due_us = clock_monotonic_us() + interval_us;
	when.it_interval.tv_sec = (time_t)(interval_us / US_PER_S);
	when.it_interval.tv_nsec = (long)(interval_us % US_PER_S) * 1000;
	when.it_value.tv_sec = (time_t)(t->due_us / US_PER_S);
	when.it_value.tv_nsec = (long)(t->due_us % US_PER_S) * 1000;
	return timerfd_settime(t->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0 ? -errno : 0;
}

static void close_trigger(struct timer *t, int i)
{
	if (t->trigger[i])
		event_free(t->trigger[i]);
	if (t->epoll_fd[i] >= 0)
		close(t->epoll_fd[i]);
	if (t->trigger_fd[i] >= 0)
		close(t->trigger_fd[i]);
	t->trigger[i] = NULL;
	t->epoll_fd[i] = t->trigger_fd[i] = -1;
}

/* "some STALL WINDOW", see Documentation/accounting/psi.rst. */
static int open_trigger(struct timer *t, int i, double ratio)
{
	struct epoll_event event = { .events = EPOLLPRI };
	char text[64], path[64];
	int n = snprintf(text, sizeof(text), "some %u %u", (unsigned)(ratio * TRIGGER_WINDOW_US),
			 TRIGGER_WINDOW_US);

	if (fuse_serves_proc(trigger_files[i].path))
		return -EREMOTE;
	snprintf(path, sizeof(path), "/proc/%s", trigger_files[i].path);
	t->trigger_fd[i] = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (t->trigger_fd[i] < 0)
		return -errno;
	if (write(t->trigger_fd[i], text, (size_t)n + 1) < 0)
		return -errno;
	t->epoll_fd[i] = epoll_create1(EPOLL_CLOEXEC);
	if (t->epoll_fd[i] < 0 ||
	    epoll_ctl(t->epoll_fd[i], EPOLL_CTL_ADD, t->trigger_fd[i], &event) < 0)
		return -errno;
	t->trigger[i] = event_new(t->base, t->epoll_fd[i], EV_READ | EV_PERSIST, on_trigger, t);
	return t->trigger[i] && event_add(t->trigger[i], NULL) == 0 ? 0 : -ENOMEM;
}

/* An unchanged trigger is not opened again: closing one waits in the kernel for an RCU grace
 * period, which can take seconds on a busy machine. */
static int follow_trigger(struct timer *t, int i, double ratio)
{
	int r = 0;

	if (t->trigger[i] && t->ratio[i] == ratio)
		return 0;
	close_trigger(t, i);
	if (ratio > 0 && ratio < 1)
		r = open_trigger(t, i, ratio);
	if (r < 0)
		close_trigger(t, i);
	t->ratio[i] = ratio;
	return r;
}

static void follow_triggers(struct timer *t, const struct config *config)
{
	char *text = t->view.triggers;
	size_t size = sizeof(t->view.triggers), used = 0;
	int r, error = 0;

	text[0] = 0;
	for (int i = 0; i < TRIGGERS; i++) {
		double target = config->target[trigger_files[i].signal];

		r = follow_trigger(t, i, target);
		error = r < 0 ? r : error;
		if (!t->trigger[i])
			continue;
		used += (size_t)snprintf(text + used, used < size ? size - used : 0,
					 "%s%s at %.0f %%", used ? ", " : "", trigger_files[i].name,
					 target * 100);
	}
	if (!used)
		snprintf(text, size, "none: %s; ticks come at their interval",
			 error == -EOPNOTSUPP ? "the kernel was booted without psi=1"
			 : error == -EREMOTE  ? "a program (lxcfs) serves them, and it might hang"
			 : error	      ? strerror(-error)
					      : "no stall has a target");
}

/* Asks for a short slice and a better nice value, as far as this process may. The unit allows the
 * nice value; the slice needs no privilege. */
static void schedule_quickly(struct timer *t)
{
	struct attributes attr = { .size = sizeof(attr) };
	int nice_now, r;

	errno = 0;
	nice_now = getpriority(PRIO_PROCESS, 0);
	if (nice_now > NICE_WANTED && setpriority(PRIO_PROCESS, 0, NICE_WANTED) == 0)
		nice_now = NICE_WANTED;
	attr.policy = SCHED_OTHER;
	attr.nice = nice_now;
	attr.runtime = SLICE_NS;
	r = syscall(SYS_sched_setattr, 0, &attr, 0) < 0 ? -errno : 0;
	memset(&attr, 0, sizeof(attr));
	attr.size = sizeof(attr);
	if (r == 0 &&
	    (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) < 0 || attr.runtime != SLICE_NS))
		r = -EOPNOTSUPP;
	snprintf(t->view.scheduling, sizeof(t->view.scheduling), "nice %d, %s%s", nice_now,
		 r == 0 ? "slice 0.1 ms" : "no slice of its own: ",
		 r == 0		    ? ""
		 : r == -EOPNOTSUPP ? "this kernel has none (6.12 and later)"
				    : strerror(-r));
}

int timer_open(struct event_base *base, const struct config *config,
	       void (*tick)(void *context, bool urgent), void *context, struct timer **ret_timer)
{
	struct timer *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->base = base;
	t->tick = tick;
	t->context = context;
	for (int i = 0; i < TRIGGERS; i++)
		t->trigger_fd[i] = t->epoll_fd[i] = -1;
	t->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (t->timer_fd < 0) {
		r = -errno;
		free(t);
		return r;
	}
	t->tick_us = config->tick_us;
	r = set_timer(t, t->tick_us);
	if (r == 0) {
		t->timer = event_new(base, t->timer_fd, EV_READ | EV_PERSIST, on_timer, t);
		r = t->timer && event_add(t->timer, NULL) == 0 ? 0 : -ENOMEM;
	}
	if (r < 0) {
		timer_close(t);
		return r;
	}
	follow_triggers(t, config);
	schedule_quickly(t);
	log_info("ticks: early ones by PSI triggers: %s; scheduling: %s", t->view.triggers,
		 t->view.scheduling);
	*ret_timer = t;
	return 0;
}

void timer_configure(struct timer *t, const struct config *config)
{
	if (t->tick_us != config->tick_us) {
		t->tick_us = config->tick_us;
		set_timer(t, t->tick_us);
	}
	follow_triggers(t, config);
}

void timer_tick(struct timer *t)
{
	run(t, clock_monotonic_us(), true);
}

/* Without a view of sessions penstock cannot know that the machine is idle. */
static bool is_resting(struct timer *t, bool may_rest, const struct load *load, unsigned services,
		       uint64_t now_us)
{
	uint64_t offered = 0;
	bool busy = !may_rest;

	for (unsigned i = 0; i < services; i++) {
		const struct load_service *l = &load->service[i];

		busy |= !(l->known & LOAD_IN_FLIGHT) || l->in_flight > 0;
		offered += l->offered;
	}
	if (busy || offered != t->offered || !t->busy_us)
		t->busy_us = now_us;
	t->offered = offered;
	return now_us - t->busy_us >= REST_AFTER_US;
}

void timer_adapt(struct timer *t, bool may_rest, const struct load *load, unsigned services,
		 uint64_t now_us)
{
	bool rest = is_resting(t, may_rest, load, services, now_us);
	uint64_t interval_us =
		rest && t->tick_us < REST_INTERVAL_US ? REST_INTERVAL_US : t->tick_us;

	if (interval_us != t->interval_us)
		set_timer(t, interval_us);
}

const struct timer_view *timer_view(const struct timer *t)
{
	return &t->view;
}

void timer_close(struct timer *t)
{
	if (!t)
		return;
	for (int i = 0; i < TRIGGERS; i++)
		close_trigger(t, i);
	if (t->timer)
		event_free(t->timer);
	close(t->timer_fd);
	free(t);
}
