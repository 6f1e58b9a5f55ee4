/* What a verdict costs with ten million sources in the ledger, rank and cut-off included, one by
 * one; what a tick costs then; and what an event costs. Times by the cycle counter, less what
 * reading it costs; a percentile counts every verdict, so what the machine does meanwhile is in it;
 * a second line leaves out the stretches in which another process took the CPU away. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "busy_engine.h"
#include "core/source.h"
#include "core/splitmix.h"

#define SOURCES 10000000u
#define LEDGER (UINT64_C(256) << 20)
#define RATES (UINT64_C(16) << 20)
#define VERDICTS 2000000u
#define CHUNK 500u
#define TICKS 5000u

#if defined(__x86_64__)
#include <x86intrin.h>
static uint64_t cycles(void)
{
	unsigned cpu;

	return __rdtscp(&cpu);
}
#else
static uint64_t cycles(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
#endif

static double seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Nanoseconds a cycle. */
static double cycle_ns(void)
{
	double began = seconds(CLOCK_MONOTONIC), ended;
	uint64_t from = cycles();

	do
		ended = seconds(CLOCK_MONOTONIC);
	while (ended - began < 0.05);
	return (ended - began) * 1e9 / (double)(cycles() - from);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void report(const char *what, uint32_t *took, size_t count, uint32_t overhead, double ns)
{
	static const double quantiles[] = { 0.5, 0.99, 0.999, 0.9999 };
	double at[4];

	qsort(took, count, sizeof(*took), compare);
	for (int i = 0; i < 4; i++) {
		uint32_t x = took[(size_t)(quantiles[i] * (double)(count - 1))];

		at[i] = (x > overhead ? x - overhead : 0) * ns;
	}
	printf("%-42s p50 %.0f ns, p99 %.0f, p99.9 %.0f, p99.99 %.0f\n", what, at[0], at[1], at[2],
	       at[3]);
}

static void address_of(uint64_t number, uint8_t *ret)
{
	/* IPv6 /64s: ten million networks that are like nothing of each other. */
	uint64_t state = number, high = splitmix_next(&state) | UINT64_C(0x2000000000000000);

	memset(ret, 0, 16);
	for (int i = 0; i < 8; i++)
		ret[i] = (uint8_t)(high >> (56 - 8 * i));
	ret[15] = 1;
}

static uint64_t now_us = 1000000;
static uint32_t taken[VERDICTS], quiet[VERDICTS];

/* Times at which another process took this CPU away. */
static long preempted(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nivcsw;
}

static void step(struct source_table *table, struct plan *plan)
{
	struct source_input in = { .realtime_us = UINT64_C(1800000000000000) + now_us };

	now_us += 100000;
	in.now_us = now_us;
	in.service[0] = (struct source_load){ 1000, 1000, 90, 100 };
	plan->heartbeat_us = now_us;
	source_plan(table, &in, plan);
}

static void fill(struct source_table *table, struct plan *plan)
{
	static struct source_event batch[1000];
	struct source_stats stats;
	double began = seconds(CLOCK_THREAD_CPUTIME_ID), took = 0;

	for (uint64_t i = 0; i < SOURCES; i += 1000) {
		for (unsigned k = 0; k < 1000; k++) {
			batch[k] = (struct source_event){ .kind = SOURCE_ATTEMPT,
							  .admitted = k % 8 == 0,
							  .limit = k % 8 ? LIMIT_CUTOFF : 0,
							  .reason = k % 8 ? REASON_SOURCE : 0 };
			address_of(i + k, batch[k].address);
		}
		began = seconds(CLOCK_THREAD_CPUTIME_ID);
		sources_note(table, batch, 1000, now_us);
		took += seconds(CLOCK_THREAD_CPUTIME_ID) - began;
		if (i % 100000 == 0)
			step(table, plan);
	}
	source_stats(table, &stats);
	printf("%-42s %.0f ns\n", "an event into the table", took / SOURCES * 1e9);
	printf("%-42s %llu of %u, %.3f %% lost\n", "sources tracked in 256 MiB",
	       (unsigned long long)stats.tracked, SOURCES,
	       100 - 100.0 * (double)stats.tracked / SOURCES);
}

static void verdicts(const struct source_table *table, const struct plan *plan, const char *what,
		     uint64_t range, double ns)
{
	static uint8_t address[CHUNK][16];
	uint64_t state = 99;
	uint32_t overhead = UINT32_MAX;
	unsigned admitted = 0;
	size_t count = 0;
	long before = 0;

	for (int i = 0; i < 10000; i++) {
		uint64_t from = cycles();
		uint32_t n = (uint32_t)(cycles() - from);

		if (n < overhead)
			overhead = n;
	}
	for (unsigned i = 0; i < VERDICTS; i++) {
		struct plan_request request = { .now_us = now_us, .tokens_milli = 5000 };
		struct plan_source source;
		uint64_t from;

		if (i % CHUNK == 0) {
			for (unsigned k = 0; k < CHUNK; k++)
				address_of(splitmix_next(&state) % range, address[k]);
			before = preempted();
		}
		from = cycles();
		source_lookup(table, address[i % CHUNK], now_us, &source);
		plan_rank(plan, &source, &request);
		admitted += plan_decide(plan, &request).admit;
		__asm__ volatile("" : "+r"(admitted) : : "memory");
		taken[i] = (uint32_t)(cycles() - from);
		if (i % CHUNK == CHUNK - 1 && preempted() == before) {
			memcpy(quiet + count, taken + i + 1 - CHUNK, CHUNK * sizeof(*quiet));
			count += CHUNK;
		}
	}
	report(what, taken, VERDICTS, overhead, ns);
	printf("  of %.1f %% undisturbed by other processes:\n", 100.0 * (double)count / VERDICTS);
	if (count)
		report("", quiet, count, overhead, ns);
}

static void ticks(struct source_table *table, struct plan *plan, double ns)
{
	static uint32_t whole[TICKS];

	engine_begin();
	for (unsigned i = 0; i < TICKS; i++) {
		uint64_t from = cycles(), engine_done;

		engine_tick(now_us, now_us, plan);
		engine_done = cycles();
		step(table, plan);
		taken[i] = (uint32_t)(cycles() - engine_done);
		whole[i] = (uint32_t)(cycles() - from);
	}
	report("a tick's part for sources", taken, TICKS, 0, ns);
	report("a tick: engine and sources", whole, TICKS, 0, ns);
}

int main(void)
{
	static const struct source_config config = { .ledger_bytes = LEDGER,
						     .rate_bytes = RATES,
						     .cores = 4,
						     .longest_deferral_s = 7200,
						     .longest_attempts = 3,
						     .proper_s = 120 };
	static const uint64_t seed[2] = { 0x1234, 0x5678 };
	struct plan plan = {
		.magic = PLAN_MAGIC, .version = PLAN_VERSION, .services = 1, .salt = 7
	};
	struct source_table *table;
	void *block;
	double ns = cycle_ns();
	struct rusage before, after;

	/* As the daemon has it: shared pages of 4 KiB. */
	block = mmap(NULL, source_size(&config), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	if (block == MAP_FAILED)
		return 1;
	table = source_init(block, &config, seed);
	plan.service[0].window = plan.service[0].ungreeted_max = PLAN_UNLIMITED;
	plan.service[0].rate_milli = PLAN_UNLIMITED;
	step(table, &plan);
	fill(table, &plan);
	memset(taken, 1, sizeof(taken));
	getrusage(RUSAGE_SELF, &before);
	verdicts(table, &plan, "a verdict, any of ten million sources", SOURCES, ns);
	verdicts(table, &plan, "a verdict, of a thousand busy ones", 1000, ns);
	verdicts(table, &plan, "a verdict, of an unknown source", UINT64_C(1) << 40, ns);
	getrusage(RUSAGE_SELF, &after);
	printf("%-42s %ld\n", "page faults meanwhile (no allocation)",
	       after.ru_minflt - before.ru_minflt);
	ticks(table, &plan, ns);
	munmap(block, source_size(&config));
	return 0;
}
