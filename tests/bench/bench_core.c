/* What a verdict and a tick cost: nanoseconds, median and spread of several rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "busy_engine.h"

#define ROUNDS 15

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(const char *what, double *ns)
{
	qsort(ns, ROUNDS, sizeof(*ns), compare);
	printf("%-28s median %.1f ns (%.1f to %.1f)\n", what, ns[ROUNDS / 2], ns[0],
	       ns[ROUNDS - 1]);
}

int main(void)
{
	struct plan plan;
	double ns[ROUNDS];
	unsigned admitted = 0;

	engine_begin();
	for (int round = 0; round < ROUNDS; round++) {
		double began = now_ns();

		for (int i = 0; i < 10000; i++)
			engine_tick(1000000u + (uint64_t)(round * 10000 + i) * 100000, 0, &plan);
		ns[round] = (now_ns() - began) / 10000;
	}
	report("engine_step, all signals", ns);
	for (int round = 0; round < ROUNDS; round++) {
		struct plan_request request = { .now_us = plan.heartbeat_us,
						.score = PLAN_UNLIMITED,
						.tokens_milli = 5000 };
		double began = now_ns();

		for (int i = 0; i < 1000000; i++) {
			request.in_flight = (unsigned)i & 1023;
			admitted += plan_decide(&plan, &request).admit;
			__asm__ volatile("" : "+r"(admitted) : : "memory");
		}
		ns[round] = (now_ns() - began) / 1e6;
	}
	report("plan_decide", ns);
	return admitted == 1;
}
