#include "pace.h"

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
#include "base/log.h"
#include "core/sample.h"

/* Without CAP_SYS_RESOURCE windows must be multiples of 2 s (kernel/sched/psi.c). */
#define TRIGGER_WINDOW_US 2000000u
/* A tick that just was makes one more worthless. */
#define EARLY_GAP_US 20000u
/* Between ticks while the machine rests: still five before a first second of overload is over. */
#define REST_US 200000u
/* The least slice that there is: an earlier deadline, so that a short run comes first (EEVDF, 6.12 and later). */
#define SLICE_NS 100000u
#define NICE_WANTED (-10)

/* struct sched_attr of linux/sched/types.h, whose name glibc has for itself since 2.41 and which clashes with <sched.h> before. */
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
} trigger_files[TRIGGERS] = { { "/proc/pressure/cpu", "cpu", SIGNAL_CPU_STALL_RATIO },
			      { "/proc/pressure/memory", "memory", SIGNAL_MEM_STALL_RATIO },
			      { "/proc/pressure/io", "io", SIGNAL_IO_STALL_RATIO } };

struct pace {
	struct event_base *base;
	void (*tick)(void *context, bool urgent);
	void *context;
	int timer_fd;
	struct event *timer;
	uint64_t tick_us; /* as configured */
	uint64_t interval_us, due_us, ticked_us; /* interval: as it is now */
	/* libevent 2.1 does not wait for EPOLLPRI: each trigger is in an epoll of its own, which becomes readable. */
	int trigger_fd[TRIGGERS], epoll_fd[TRIGGERS];
	struct event *trigger[TRIGGERS];
	struct pace_view view;
};

static void run(struct pace *p, uint64_t now_us, bool urgent)
{
	p->ticked_us = now_us;
	p->tick(p->context, urgent);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct pace *p = context;
	uint64_t expired, now_us, late_us;

	if (read(fd, &expired, sizeof(expired)) != sizeof(expired) || expired == 0)
		return;
	now_us = clock_monotonic_us();
	late_us = now_us > p->due_us ? now_us - p->due_us : 0;
	p->view.lateness[counts_slot(late_us)]++;
	p->view.lateness_sum_us += late_us;
	p->view.late += late_us > p->interval_us;
	p->due_us += expired * p->interval_us;
	run(p, now_us, false);
}

/* That it woke us is the news: asking the trigger again would find nothing. */
static void on_trigger(evutil_socket_t fd, short what, void *context)
{
	struct pace *p = context;
	uint64_t now_us = clock_monotonic_us();
	struct epoll_event event;

	while (epoll_wait(fd, &event, 1, 0) > 0)
		;
	if (now_us - p->ticked_us < EARLY_GAP_US)
		return;
	p->view.early++;
	run(p, now_us, true);
}

static int set_timer(struct pace *p, uint64_t interval_us)
{
	struct itimerspec when = { 0 };

	p->interval_us = interval_us;
	p->due_us = clock_monotonic_us() + interval_us;
	when.it_interval.tv_sec = (time_t)(interval_us / US_PER_S);
	when.it_interval.tv_nsec = (long)(interval_us % US_PER_S) * 1000;
	when.it_value.tv_sec = (time_t)(p->due_us / US_PER_S);
	when.it_value.tv_nsec = (long)(p->due_us % US_PER_S) * 1000;
	return timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0 ? -errno : 0;
}

static void close_trigger(struct pace *p, int i)
{
	if (p->trigger[i])
		event_free(p->trigger[i]);
	if (p->epoll_fd[i] >= 0)
		close(p->epoll_fd[i]);
	if (p->trigger_fd[i] >= 0)
		close(p->trigger_fd[i]);
	p->trigger[i] = NULL;
	p->epoll_fd[i] = p->trigger_fd[i] = -1;
}

/* "some STALL WINDOW", see Documentation/accounting/psi.rst. */
static int open_trigger(struct pace *p, int i, double ratio)
{
	struct epoll_event event = { .events = EPOLLPRI };
	char text[64];
	int n = snprintf(text, sizeof(text), "some %u %u", (unsigned)(ratio * TRIGGER_WINDOW_US),
			 TRIGGER_WINDOW_US);

	p->trigger_fd[i] = open(trigger_files[i].path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (p->trigger_fd[i] < 0)
		return -errno;
	if (write(p->trigger_fd[i], text, (size_t)n + 1) < 0)
		return -errno;
	p->epoll_fd[i] = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll_fd[i] < 0 ||
	    epoll_ctl(p->epoll_fd[i], EPOLL_CTL_ADD, p->trigger_fd[i], &event) < 0)
		return -errno;
	p->trigger[i] = event_new(p->base, p->epoll_fd[i], EV_READ | EV_PERSIST, on_trigger, p);
	return p->trigger[i] && event_add(p->trigger[i], NULL) == 0 ? 0 : -ENOMEM;
}

static void open_triggers(struct pace *p, const struct config *config)
{
	char *text = p->view.triggers;
	size_t size = sizeof(p->view.triggers), used = 0;
	int r, error = 0;

	text[0] = 0;
	for (int i = 0; i < TRIGGERS; i++) {
		double target = config->target[trigger_files[i].signal];

		close_trigger(p, i);
		if (target <= 0 || target >= 1)
			continue;
		r = open_trigger(p, i, target);
		if (r < 0) {
			close_trigger(p, i);
			error = r;
			continue;
		}
		used += (size_t)snprintf(text + used, used < size ? size - used : 0,
					 "%s%s at %.0f %%", used ? ", " : "", trigger_files[i].name,
					 target * 100);
	}
	if (!used)
		snprintf(text, size, "none: %s; ticks come at their interval",
			 error == -EOPNOTSUPP ? "the kernel was booted without psi=1"
			 : error	      ? strerror(-error)
					      : "no stall has a target");
}

/* A short slice and a better nice value, as far as this process may. The unit gives the nice value; the slice needs no privilege. */
static void schedule_quickly(struct pace *p)
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
	snprintf(p->view.scheduling, sizeof(p->view.scheduling), "nice %d, %s%s", nice_now,
		 r == 0 ? "slice 0.1 ms" : "no slice of its own: ",
		 r == 0		    ? ""
		 : r == -EOPNOTSUPP ? "this kernel has none (6.12 and later)"
				    : strerror(-r));
}

int pace_open(struct event_base *base, const struct config *config,
	      void (*tick)(void *context, bool urgent), void *context, struct pace **ret_pace)
{
	struct pace *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->base = base;
	p->tick = tick;
	p->context = context;
	for (int i = 0; i < TRIGGERS; i++)
		p->trigger_fd[i] = p->epoll_fd[i] = -1;
	p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (p->timer_fd < 0) {
		r = -errno;
		free(p);
		return r;
	}
	p->tick_us = config->tick_us;
	r = set_timer(p, p->tick_us);
	if (r == 0) {
		p->timer = event_new(base, p->timer_fd, EV_READ | EV_PERSIST, on_timer, p);
		r = p->timer && event_add(p->timer, NULL) == 0 ? 0 : -ENOMEM;
	}
	if (r < 0) {
		pace_close(p);
		return r;
	}
	open_triggers(p, config);
	schedule_quickly(p);
	log_info("ticks: early ones by PSI triggers: %s; scheduling: %s", p->view.triggers,
		 p->view.scheduling);
	*ret_pace = p;
	return 0;
}

void pace_configure(struct pace *p, const struct config *config)
{
	if (p->tick_us != config->tick_us) {
		p->tick_us = config->tick_us;
		set_timer(p, p->tick_us);
	}
	open_triggers(p, config);
}

void pace_rest(struct pace *p, bool rest)
{
	uint64_t interval_us = rest && p->tick_us < REST_US ? REST_US : p->tick_us;

	if (interval_us != p->interval_us)
		set_timer(p, interval_us);
}

const struct pace_view *pace_view(const struct pace *p)
{
	return &p->view;
}

void pace_close(struct pace *p)
{
	if (!p)
		return;
	for (int i = 0; i < TRIGGERS; i++)
		close_trigger(p, i);
	if (p->timer)
		event_free(p->timer);
	close(p->timer_fd);
	free(p);
}
