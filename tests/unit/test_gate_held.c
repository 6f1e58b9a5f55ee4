/* The gate's count of the sessions of an address, while several CPUs count at once: all orders in
 * which they can take their steps, on a map that gives an entry away as soon as it is deleted, as
 * the kernel's does. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "base/array.h"
#include "cmocka_test.h"

#define CPUS 3
#define STEPS 40
#define STACK 65536
#define ENTRIES 4
#define NOEXIST_ERROR 17
enum { X = 1, Y, Z, ADDRESSES };

struct entry {
	uint64_t key; /* 0: free */
	int64_t value;
};

/* What one CPU does: each is an address, negative where a session of it ends. */
struct cpu {
	int work[3];
	ucontext_t context;
	bool ends;
	char stack[STACK];
};

static struct entry entry[ENTRIES];
static unsigned freed[ENTRIES], free_count; /* the entry that was freed last is taken first */
static struct cpu cpu[CPUS];
static ucontext_t scheduler;
static int running; /* -1: one after the other */

/* ---- the map ------------------------------------------------------------------------------- */

/* Before each step another CPU may take any number of its own. */
static void step(void)
{
	if (running >= 0)
		swapcontext(&cpu[running].context, &scheduler);
}

static struct entry *find(uint64_t key)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		if (entry[i].key == key)
			return &entry[i];
	return NULL;
}

static void *look_up(const void *key)
{
	struct entry *e;

	step();
	e = find(*(const uint64_t *)key);
	return e ? &e->value : NULL;
}

static int create(const void *key, const void *value)
{
	struct entry *e;

	step();
	if (find(*(const uint64_t *)key))
		return -NOEXIST_ERROR;
	e = &entry[freed[--free_count]];
	e->key = *(const uint64_t *)key;
	e->value = *(const int64_t *)value;
	return 0;
}

static void delete_entry(const void *key)
{
	struct entry *e;

	step();
	e = find(*(const uint64_t *)key);
	if (!e)
		return;
	e->key = 0;
	freed[free_count++] = (unsigned)(e - entry);
}

static void add(int64_t *n, int64_t by)
{
	step();
	*n += by;
	if (by < 0)
		step(); /* the count is read again */
}

typedef uint64_t u64;
#define BPF_NOEXIST 1
#define E_EXIST NOEXIST_ERROR
#define bpf_map_lookup_elem(map, key) look_up(key)
#define bpf_map_update_elem(map, key, value, flags) create(key, value)
#define bpf_map_delete_elem(map, key) delete_entry(key)
#define __sync_fetch_and_add(n, by) add(n, by)
#include "gate_held.h"

/* ---- all orders ---------------------------------------------------------------------------- */

static void run_cpu(int i)
{
	for (unsigned k = 0; k < ARRAY_SIZE(cpu[i].work) && cpu[i].work[k]; k++)
		hold((u64)abs(cpu[i].work[k]), cpu[i].work[k] < 0 ? -1 : 1);
	cpu[i].ends = true;
	swapcontext(&cpu[i].context, &scheduler);
}

static void begin(const int (*work)[3], const unsigned *sessions)
{
	memset(entry, 0, sizeof(entry));
	for (free_count = 0; free_count < ENTRIES; free_count++)
		freed[free_count] = free_count;
	running = -1;
	for (u64 a = X; a < ADDRESSES; a++)
		for (unsigned i = 0; i < sessions[a]; i++)
			hold(a, 1);
	for (int i = 0; i < CPUS; i++) {
		struct cpu *c = &cpu[i];

		memcpy(c->work, work[i], sizeof(c->work));
		c->ends = false;
		getcontext(&c->context);
		c->context.uc_stack = (stack_t){ .ss_sp = c->stack, .ss_size = STACK };
		makecontext(&c->context, (void (*)(void))run_cpu, 1, i);
		/* Up to its first step. */
		running = i;
		swapcontext(&scheduler, &c->context);
	}
}

/* The CPUs that may go on. */
static unsigned ready(int *ret)
{
	unsigned n = 0;

	for (int i = 0; i < CPUS; i++)
		if (!cpu[i].ends)
			ret[n++] = i;
	return n;
}

/* No address may have a count above the number of its sessions, and none may keep a count when all
 * have ended. */
static void check(const int (*work)[3], const unsigned *before)
{
	int sessions[ADDRESSES];

	for (int a = X; a < ADDRESSES; a++)
		sessions[a] = (int)before[a];
	for (int i = 0; i < CPUS; i++)
		for (unsigned k = 0; k < ARRAY_SIZE(work[i]); k++)
			if (work[i][k])
				sessions[abs(work[i][k])] += work[i][k] < 0 ? -1 : 1;
	running = -1;
	for (int a = X; a < ADDRESSES; a++) {
		struct entry *e = find((u64)a);

		if (e && e->value > 0 && e->value > sessions[a])
			fail_msg("address %d: %lld counted of %d", a, (long long)e->value,
				 sessions[a]);
		for (; sessions[a] > 0; sessions[a]--)
			hold((u64)a, -1);
		e = find((u64)a);
		assert_true(!e || e->value <= 0);
	}
}

/* Tries all orders: `turn` holds, for each step, the choice among the CPUs that may go on. Returns
 * how many there are. */
static unsigned try_all(const int (*work)[3], const unsigned *sessions)
{
	unsigned turn[STEPS] = { 0 }, choices[STEPS], steps, orders = 0;

	do {
		int may[CPUS];

		begin(work, sessions);
		for (steps = 0; (choices[steps] = ready(may)) > 0; steps++) {
			assert_true(steps < STEPS - 1);
			running = may[turn[steps]];
			swapcontext(&scheduler, &cpu[running].context);
		}
		check(work, sessions);
		orders++;
		while (steps > 0 && turn[steps - 1] + 1 == choices[steps - 1])
			turn[--steps] = 0;
		if (steps > 0)
			turn[steps - 1]++;
	} while (steps > 0);
	return orders;
}

/* The last session of X ends while another one begins, and Y takes the entry that X had. */
static void no_address_keeps_a_count_of_another(void **state)
{
	static const int work[][CPUS][3] = {
		{ { X }, { -X }, { Y } },
		{ { X, -X }, { -X, Y }, { 0 } },
		{ { X }, { -X, Y, -Y }, { 0 } },
		{ { X, Y }, { -X, Z }, { 0 } },
	};
	static const unsigned one[ADDRESSES] = { [X] = 1 };
	unsigned orders = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(work); i++)
		orders += try_all(work[i], one);
	assert_true(orders > 2000);
}

/* Two sessions of X end at once, of which one was not counted. */
static void a_count_that_is_too_low_takes_from_no_other_for_good(void **state)
{
	static const int work[CPUS][3] = { { -X }, { -X }, { Y } };
	static const unsigned one[ADDRESSES] = { [X] = 1 };

	try_all(work, one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_address_keeps_a_count_of_another),
		cmocka_unit_test(a_count_that_is_too_low_takes_from_no_other_for_good),
	};

	return cmocka_run_group_tests_name("gate_held", tests, NULL, NULL);
}
