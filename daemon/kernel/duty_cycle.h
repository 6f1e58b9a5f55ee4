/* Attaches a program to a busy tracepoint for part of the time. Calling a program costs some 50
 * ns whatever it does, so at a high rate only detaching it lowers the cost. It is then attached
 * for a part of each period, and that part stands for the whole. Attaching and detaching cost
 * some 0.1 ms each and may wait for the kernel, so a thread does it, which starts when a high
 * rate is first seen. No other process may hold a copy of the link's descriptor, or the program
 * stays attached. */
#ifndef PENSTOCK_KERNEL_DUTY_CYCLE_H
#define PENSTOCK_KERNEL_DUTY_CYCLE_H

#include <stdbool.h>
#include <stdint.h>

struct bpf_link;
struct bpf_program;
struct duty_cycle;

/* Above so many events a second (idle or under pressure) the program is attached part of the
 * time only. Under CPU pressure measurements must be recent and complete, and the kernel is slow
 * to attach programs, so the limit is higher then. */
#define DUTY_IDLE_PER_S 10000u
#define DUTY_PRESSED_PER_S 100000u
#define DUTY_IDLE_US 2000000u /* length of a period */
#define DUTY_PRESSED_US 500000u
/* it is attached at least so long, to see bursts and the time between them */
#define DUTY_MIN_US 50000u

struct duty_cycle_plan {
	uint64_t on_us, off_us; /* off_us 0: attached all the time */
};

/* Computes it from the rate of events while the program is attached. Pure. */
static inline struct duty_cycle_plan duty_cycle_plan(uint64_t per_s, bool idle)
{
	uint64_t period_us = idle ? DUTY_IDLE_US : DUTY_PRESSED_US, on_us;
	uint64_t seen_per_s = idle ? DUTY_IDLE_PER_S : DUTY_PRESSED_PER_S;

	if (per_s <= seen_per_s)
		return (struct duty_cycle_plan){ DUTY_PRESSED_US, 0 };
	on_us = period_us * seen_per_s / per_s;
	if (on_us < DUTY_MIN_US)
		on_us = DUTY_MIN_US;
	return (struct duty_cycle_plan){ on_us, period_us - on_us };
}

struct duty_cycle_ops {
	uint64_t (*events)(void *context); /* the number of events so far */
	/* From now on each event counts as `times` (>= 1) events. Called while the program is not
	 * attached. */
	void (*weigh)(void *context, uint64_t times);
};

/* The state of the thread. */
struct duty_cycle_view {
	uint64_t on_us; /* total time attached since it was opened */
	uint64_t per_s; /* events while attached, as last measured */
	double share; /* part of the time for which it is attached, 1: always */
	int error; /* -errno: it cannot be attached */
};

/* `*link` is the link of `program`, which is attached now. This thread changes it until
 * duty_cycle_close(), which leaves it as it is; NULL: not attached. 0 or -errno. */
int duty_cycle_open(struct bpf_program *program, struct bpf_link **link, uint64_t per_s,
		    const struct duty_cycle_ops *ops, void *context, struct duty_cycle **ret_duty);
void duty_cycle_close(struct duty_cycle *duty);
/* Sets whether the machine is under pressure; that takes effect at once. Fills the view. Never
 * blocks: false if the view is being written at this moment. */
bool duty_cycle_look(struct duty_cycle *duty, bool idle, uint64_t now_us,
		     struct duty_cycle_view *ret_view);

#endif
