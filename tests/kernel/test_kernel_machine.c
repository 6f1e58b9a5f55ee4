/* The probes in the kernel that look at the machine: run queue and disks. */
#include "kernel_bench.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "kernel/duty_cycle.h"

/* More tasks than cores wait for a CPU; the probe sees how long. */
static void the_run_queue_is_seen(void **state)
{
	uint64_t slots[32], sum = 0, count = 0, first = 0, first_sum = 0;
	pid_t spinners[16];
	int n = (int)sysconf(_SC_NPROCESSORS_ONLN) + 2;

	need(PROBE_RUNQ);
	if (n > 16)
		n = 16;
	kernel_runq_histogram(kernel, slots, &first_sum, &first);
	for (int i = 0; i < n; i++) {
		spinners[i] = fork();
		if (spinners[i] == 0) {
			alarm(120); /* ends by itself whatever happens */
			for (volatile unsigned x = 0;; x++)
				;
		}
	}
	for (int i = 0; i < 6000 && (count <= first + 50 || sum <= first_sum + 50000); i++) {
		usleep(10000);
		kernel_runq_histogram(kernel, slots, &sum, &count);
	}
	for (int i = 0; i < n; i++) {
		kill(spinners[i], SIGKILL);
		waitpid(spinners[i], NULL, 0);
	}
	assert_true(count > first + 50);
	assert_true(sum > first_sum + 50000);
}

static int shell(const char *command, char *line, int size)
{
	FILE *f = popen(command, "r");
	int status;

	line[0] = 0;
	if (!f)
		return -1;
	if (fgets(line, size, f))
		line[strcspn(line, "\n")] = 0;
	status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A loop device on a file of our own, with the file's name removed. -1: there is none. */
static int open_loop(char *device, int size)
{
	char command[256], image[] = "penstock-test-image-XXXXXX";
	int file = mkstemp(image), fd = -1;

	if (file < 0)
		return -1;
	if (ftruncate(file, 16 << 20) == 0) {
		snprintf(command, sizeof(command), "losetup --find --show %s 2>/dev/null", image);
		if (shell(command, device, size) == 0)
			fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
	}
	unlink(image);
	close(file);
	return fd;
}

static uint64_t requests_of(int slot, enum kernel_disk_op kind)
{
	struct kernel_disk d = { 0 };
	uint64_t count = 0;

	assert_int_equal(kernel_disk_read(kernel, slot, kind, &d), 0);
	for (int i = 0; i < KERNEL_SLOTS; i++)
		count += d.slots[i];
	return count;
}

/* Until the probe has seen so many of a kind: completion runs beside us. How many it has seen. */
static uint64_t wait_requests(int slot, enum kernel_disk_op kind, uint64_t count)
{
	uint64_t seen = 0;

	for (int i = 0; i < 6000; i++) {
		seen = requests_of(slot, kind);
		if (seen >= count)
			break;
		usleep(10000);
	}
	return seen;
}

static void reads_writes_and_flushes_of_a_device_are_told_apart(void **state)
{
	enum { SIZE = 8192, WRITES = 40, READS = 25, MANY = 4000 };
	char device[64], command[128];
	struct kernel_disk d;
	struct stat st;
	void *block = NULL;
	uint64_t flushes, before = 0;
	int fd, slot;

	need(PROBE_BLKIO);
	fd = open_loop(device, sizeof(device));
	if (fd < 0) {
		print_message("# no loop device is available\n");
		skip();
	}
	assert_int_equal(fstat(fd, &st), 0);
	slot = kernel_disk_watch(kernel, major(st.st_rdev), minor(st.st_rdev));
	assert_true(slot > 0);
	assert_int_equal(kernel_disk_watch(kernel, major(st.st_rdev), minor(st.st_rdev)), slot);
	assert_int_equal(posix_memalign(&block, 4096, SIZE), 0);
	memset(block, 'x', SIZE);
	for (int i = 0; i < WRITES; i++)
		assert_int_equal(pwrite(fd, block, SIZE, (off_t)i * 2 * SIZE), SIZE);
	assert_int_equal(wait_requests(slot, KERNEL_DISK_WRITE, WRITES), WRITES);
	assert_int_equal(kernel_disk_read(kernel, slot, KERNEL_DISK_WRITE, &d), 0);
	assert_true(d.sum_us > 0);
	for (int i = 0; i < READS; i++)
		assert_int_equal(pread(fd, block, SIZE, (off_t)i * 2 * SIZE), SIZE);
	/* What probes new devices may have read too. */
	assert_true(wait_requests(slot, KERNEL_DISK_READ, READS) >= READS);
	flushes = requests_of(slot, KERNEL_DISK_FLUSH);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(wait_requests(slot, KERNEL_DISK_FLUSH, flushes + 1), flushes + 1);
	/* The flush is no write beside. */
	assert_int_equal(requests_of(slot, KERNEL_DISK_WRITE), WRITES);
	/* At a high rate a few stand for all: as if the reads so far were of one second, and so
	 * on. */
	for (uint64_t round = 0, now = clock_monotonic_us(); round < 4; round++) {
		kernel_disk_tune(kernel, now += 1000000);
		before = requests_of(slot, KERNEL_DISK_READ);
		for (int i = 0; i < MANY; i++)
			assert_int_equal(pread(fd, block, SIZE, 0), SIZE);
		wait_requests(slot, KERNEL_DISK_READ, before + MANY / 2);
		print_message("# %d reads are counted as %llu\n", MANY,
			      (unsigned long long)(requests_of(slot, KERNEL_DISK_READ) - before));
	}
	assert_in_range(requests_of(slot, KERNEL_DISK_READ) - before, MANY / 2, 3 * MANY / 2);
	free(block);
	close(fd);
	snprintf(command, sizeof(command), "losetup -d %s", device);
	assert_int_equal(shell(command, device, sizeof(device)), 0);
}

/* At a high rate few switches are looked at, and the counts are of all of them. */
static void few_switches_stand_for_all(void **state)
{
	uint64_t slots[32], sum = 0, count = 0, before = 0, sample_interval = 1,
			    now = clock_monotonic_us();
	int there[2], back[2];
	pid_t child;
	cpu_set_t all, one;
	char c = 0;

	need(PROBE_RUNQ);
	/* On one CPU each message is a switch, and needs no other CPU to be woken. */
	sched_getaffinity(0, sizeof(all), &all);
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(pipe(there) | pipe(back), 0);
	child = fork();
	if (child == 0) {
		alarm(600); /* an emulated machine takes its time */
		close(there[1]); /* else its own copy keeps it from seeing the end */
		close(back[0]);
		while (read(there[0], &c, 1) == 1 && write(back[1], &c, 1) == 1)
			;
		_exit(0);
	}
	close(there[0]);
	close(back[1]);
	for (int round = 0; round < 100 && sample_interval == 1; round++) {
		kernel_runq_tune(kernel, now);
		for (int i = 0; i < 20000; i++)
			assert_true(write(there[1], &c, 1) == 1 && read(back[0], &c, 1) == 1);
		now += 1000000; /* as if 40,000 switches were of one second */
		sample_interval = kernel_runq_tune(kernel, now);
	}
	assert_true(sample_interval > 1);
	kernel_runq_histogram(kernel, slots, &sum, &before);
	for (int i = 0; i < 20000; i++)
		assert_true(write(there[1], &c, 1) == 1 && read(back[0], &c, 1) == 1);
	kernel_runq_histogram(kernel, slots, &sum, &count);
	close(there[1]);
	waitpid(child, NULL, 0);
	sched_setaffinity(0, sizeof(all), &all);
	/* Some switches are to the idle task, or of others; most of 40,000 are of these two. */
	assert_in_range(count - before, 15000, 4000000);
	close(back[0]);
}

/* All pairs rest at the same time, for 1 of 20 ms. Where nothing but pairs runs for a minute, some
 * kernels (6.18, seen) never let the thread run that ends RCU grace periods; then the probe cannot
 * be taken away, and has no next turn. */
static void rest_a_little(uint64_t round)
{
	if (round % 64 == 0 && clock_monotonic_us() % 20000 < 1000)
		usleep(1000);
}

/* Two processes on one CPU hand each other a byte for as long as they may; *rounds counts, two
 * switches each. */
static void hand_over(int cpu, volatile uint64_t *rounds, pid_t *ret_pids)
{
	int there[2], back[2];
	cpu_set_t one;
	char c = 0;

	assert_int_equal(pipe(there) | pipe(back), 0);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	for (int i = 0; i < 2; i++) {
		ret_pids[i] = fork();
		if (ret_pids[i])
			continue;
		alarm(120);
		sched_setaffinity(0, sizeof(one), &one);
		/* A copy of the probe's descriptor would keep it in place. */
		dup2(i ? back[0] : there[0], 0);
		dup2(i ? there[1] : back[1], 1);
		syscall(SYS_close_range, 3u, ~0u, 0);
		if (i == 0)
			while (read(0, &c, 1) == 1 && write(1, &c, 1) == 1)
				;
		else
			while (write(1, &c, 1) == 1 && read(0, &c, 1) == 1)
				rest_a_little(*rounds += 1);
		_exit(0);
	}
	for (int i = 0; i < 2; i++) {
		close(there[i]);
		close(back[i]);
	}
}

static uint64_t all_of(const volatile uint64_t *rounds, int pairs)
{
	uint64_t sum = 0;

	for (int i = 0; i < pairs; i++)
		sum += rounds[i];
	return sum;
}

/* At a still higher rate the program is taken away for part of the time, and what it sees stands
 * for all. */
static void a_very_high_rate_is_seen_part_of_the_time(void **state)
{
	enum { PAIRS = 4 };
	volatile uint64_t *rounds =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t slots[32], sum, first, count, done, per_s = 0, began = clock_monotonic_us();
	double share = 1, seen;
	pid_t pids[2 * PAIRS];

	need(PROBE_RUNQ);
	assert_true(rounds != MAP_FAILED);
	for (int i = 0; i < PAIRS; i++)
		hand_over(i % (int)sysconf(_SC_NPROCESSORS_ONLN), &rounds[i], &pids[2 * i]);
	while (share == 1 && clock_monotonic_us() - began < 20 * US_PER_S) {
		usleep(50000);
		kernel_runq_tune(kernel, clock_monotonic_us());
		assert_int_equal(
			kernel_runq_throttle(kernel, true, clock_monotonic_us(), &share, &per_s),
			0);
	}
	kernel_runq_histogram(kernel, slots, &sum, &first);
	done = all_of(rounds, PAIRS);
	/* Some periods; and when others attach programs at the same time the kernel makes this one
	 * wait its turn. */
	began = clock_monotonic_us();
	do {
		usleep(50000);
		kernel_runq_tune(kernel, clock_monotonic_us());
		kernel_runq_throttle(kernel, true, clock_monotonic_us(), &share, &per_s);
		kernel_runq_histogram(kernel, slots, &sum, &count);
	} while (share < 1 && clock_monotonic_us() - began < 60 * US_PER_S &&
		 (count == first || clock_monotonic_us() - began < 8 * US_PER_S));
	done = all_of(rounds, PAIRS) - done;
	for (int i = 0; i < 2 * PAIRS; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	munmap((void *)rounds, 4096);
	if (share == 1) {
		/* An emulated machine, or a busy one: then nothing is taken away, which is right
		 * too. */
		print_message("# %llu switches a second are not many\n", (unsigned long long)per_s);
		assert_true(per_s < 2 * DUTY_IDLE_PER_S);
		return;
	}
	assert_true(share < 1 && per_s > DUTY_IDLE_PER_S);
	if (count == first) {
		/* close() of the link waits for a grace period of RCU: see rest_a_little(). Nothing
		 * is there to judge. */
		print_message("# the kernel did not take the probe away within 60 s\n");
		skip();
	}
	seen = (double)(count - first) / (2.0 * (double)done);
	print_message("# in place %.0f %% of the time, %.2f of the switches accounted for\n",
		      100 * share, seen);
	/* Others' switches are in it too; what share a period falls into is chance. */
	assert_true(seen > 0.02 && seen < 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_run_queue_is_seen),
		cmocka_unit_test(reads_writes_and_flushes_of_a_device_are_told_apart),
		cmocka_unit_test(few_switches_stand_for_all),
		cmocka_unit_test(a_very_high_rate_is_seen_part_of_the_time),
	};

	return cmocka_run_group_tests_name("kernel_machine", tests, setup, teardown);
}
