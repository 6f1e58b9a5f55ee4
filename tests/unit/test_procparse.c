#include "cmocka_test.h"

#include <errno.h>

#include "sensor/procparse.h"

static void psi(void **state)
{
	uint64_t total = 7;

	assert_int_equal(procparse_psi_some("some avg10=0.00 avg60=0.00 avg300=0.00 total=12345\n"
					    "full avg10=0.00 avg60=0.00 avg300=0.00 total=99\n",
					    &total),
			 0);
	assert_int_equal(total, 12345);
	total = 7;
	assert_int_equal(procparse_psi_some("full avg10=0.00 total=99\n", &total), -EINVAL);
	assert_int_equal(procparse_psi_some("some avg10=0.00\n", &total), -EINVAL);
	assert_int_equal(procparse_psi_some("", &total), -EINVAL);
	assert_int_equal(total, 7);
}

static void cpu(void **state)
{
	struct procparse_cpu c;

	assert_int_equal(procparse_cpu("cpu  10 20 30 400 50 6 7 8 0 0\ncpu0 1 2 3 4\n", &c), 0);
	assert_int_equal(c.idle, 450);
	assert_int_equal(c.steal, 8);
	assert_int_equal(c.all, 10 + 20 + 30 + 400 + 50 + 6 + 7 + 8);
	assert_int_equal(procparse_cpu("intr 1 2 3\n", &c), -EINVAL);
	/* lxcfs: an idle that is huge and never moves would look like a machine that is always
	 * busy. */
	assert_int_equal(procparse_cpu("cpu  13337485 0 0 8317131874320235395 0 0 0 0 0 0\n", &c),
			 -EINVAL);
	/* After a live migration: steal has gone below zero. */
	assert_int_equal(procparse_cpu("cpu  1000 0 0 100000 0 0 0 18446744073709551000 0 0\n", &c),
			 -EINVAL);
}

static void cpu_of_a_group(void **state)
{
	uint64_t us = 7;

	assert_int_equal(procparse_cpu_used("usage_usec 123456\nuser_usec 1\n", false, &us), 0);
	assert_int_equal(us, 123456);
	assert_int_equal(procparse_cpu_used("420392085790\n", true, &us), 0);
	assert_int_equal(us, 420392085);
	assert_int_equal(procparse_cpu_used("", true, &us), -EINVAL);
	assert_int_equal(procparse_cpu_used("-5\n", true, &us), -EINVAL);
	assert_int_equal(procparse_cpu_used("12 34\n", true, &us), -EINVAL);
	assert_int_equal(procparse_cpu_used("99999999999999999999\n", true, &us), -EINVAL);
	assert_int_equal(procparse_cpu_used("nr_periods 0\n", false, &us), -ENOENT);
	assert_int_equal(us, 420392085);
}

static void memory(void **state)
{
	uint64_t all, available;

	assert_int_equal(procparse_meminfo("MemTotal:       24604716 kB\nMemFree: 5 kB\n"
					   "MemAvailable:   12302358 kB\n",
					   &all, &available),
			 0);
	assert_int_equal(all, 24604716ull * 1024);
	assert_int_equal(available, 12302358ull * 1024);
	assert_int_equal(
		procparse_meminfo("MemTotal: 65536 kB\nMemAvailable: 65537 kB\n", &all, &available),
		0);
	assert_int_equal(available, all);
	assert_int_equal(procparse_meminfo("MemTotal: 65536 kB\n", &all, &available), -ENOENT);
	/* What no machine can have is not believed: a session would be refused for it. */
	assert_int_equal(
		procparse_meminfo("MemTotal: 1e400 kB\nMemAvailable: 1e400 kB\n", &all, &available),
		-EINVAL);
	assert_int_equal(
		procparse_meminfo("MemTotal: 1 kB\nMemAvailable: 1 kB\n", &all, &available),
		-EINVAL);
	assert_int_equal(procparse_meminfo("MemTotal: 18446744073709551615 kB\n"
					   "MemAvailable: 18446744073709551615 kB\n",
					   &all, &available),
			 -EINVAL);
	assert_int_equal(procparse_meminfo("MemTotal: 99999999999999999999 kB\n"
					   "MemAvailable: 5 kB\n",
					   &all, &available),
			 -EINVAL);
}

static void disks(void **state)
{
	const char *text = " 254       0 vda 100 0 800 50 200 0 1600 70 3 90 120 0 0 0 0 17 34\n"
			   "garbage\n"
			   " 254       1 vda1 1 0 8 5 2 0 16 7 0 9 12 0 0 0 0 0 0\n";
	struct procparse_disk d;

	assert_int_equal(procparse_disk(&text, &d), 1);
	assert_string_equal(d.name, "vda");
	assert_int_equal(d.ios, 300);
	assert_int_equal(d.time_ms, 120);
	assert_int_equal(d.in_flight, 3);
	assert_int_equal(d.busy_ms, 90);
	assert_int_equal(d.op[0].count, 100);
	assert_int_equal(d.op[0].bytes, 800 * 512);
	assert_int_equal(d.op[1].time_ms, 70);
	assert_int_equal(d.op[1].bytes, 1600 * 512);
	assert_int_equal(d.op[2].count, 17);
	assert_int_equal(d.op[2].time_ms, 34);
	assert_int_equal(procparse_disk(&text, &d), 1);
	assert_string_equal(d.name, "vda1");
	assert_int_equal(procparse_disk(&text, &d), 0);
	assert_true(procparse_is_disk("sda") && procparse_is_disk("nvme0n1") &&
		    procparse_is_disk("xvda"));
	assert_false(procparse_is_disk("sda1") || procparse_is_disk("nvme0n1p2") ||
		     procparse_is_disk("loop0") || procparse_is_disk("ram1") ||
		     procparse_is_disk("sr0") || procparse_is_disk("dm-0"));
}

static void cgroups(void **state)
{
	const char *text = "4:memory:/old\n1:name=systemd:/x\n0::/system.slice/postfix.service\n";
	char path[64];

	assert_int_equal(procparse_cgroup(text, NULL, path, sizeof(path)), 0);
	assert_string_equal(path, "/system.slice/postfix.service");
	assert_int_equal(procparse_cgroup(text, "memory", path, sizeof(path)), 0);
	assert_string_equal(path, "/old");
	assert_int_equal(procparse_cgroup(text, "pids", path, sizeof(path)), -ENOENT);
	assert_int_equal(procparse_cgroup(text, NULL, path, 8), -ERANGE);
}

static void io(void **state)
{
	struct procparse_io io;
	uint64_t sum;

	procparse_io_stat("8:0 rbytes=100 wbytes=2000 rios=3 wios=4 dbytes=9 dios=1\n"
			  "8:16 rbytes=1 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n",
			  &io);
	assert_int_equal(io.bytes, 2101);
	assert_int_equal(io.ios, 8);
	procparse_io_stat("", &io);
	assert_int_equal(io.bytes + io.ios, 0);
	procparse_blkio("254:0 Read 10\n254:0 Write 20\n254:0 Sync 30\n254:0 Total 30\nTotal 30\n",
			&sum);
	assert_int_equal(sum, 30);
}

static void softnet(void **state)
{
	uint64_t dropped, squeezed;

	assert_int_equal(procparse_softnet("00002670 00000002 0000000a 00000000 00000000\n"
					   "00000010 00000001 00000001 00000000 00000000\n",
					   &dropped, &squeezed),
			 0);
	assert_int_equal(dropped, 3);
	assert_int_equal(squeezed, 11);
	assert_int_equal(procparse_softnet("", &dropped, &squeezed), -EINVAL);
}

static void netstat(void **state)
{
	const char *text = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 22 333\n"
			   "IpExt: InNoRoutes ListenDrops\nIpExt: 4 5\n";
	uint64_t value = 7;

	assert_int_equal(procparse_netstat(text, "TcpExt", "ListenDrops", &value), 0);
	assert_int_equal(value, 333);
	assert_int_equal(procparse_netstat(text, "IpExt", "ListenDrops", &value), 0);
	assert_int_equal(value, 5);
	assert_int_equal(procparse_netstat(text, "TcpExt", "Listen", &value), -ENOENT);
	assert_int_equal(procparse_netstat("TcpExt: A B\nTcpExt: 1\n", "TcpExt", "B", &value),
			 -ENOENT);
	assert_int_equal(procparse_netstat("TcpExt: A B", "TcpExt", "B", &value), -ENOENT);
	assert_int_equal(value, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(psi),
					    cmocka_unit_test(cpu),
					    cmocka_unit_test(cpu_of_a_group),
					    cmocka_unit_test(memory),
					    cmocka_unit_test(disks),
					    cmocka_unit_test(io),
					    cmocka_unit_test(softnet),
					    cmocka_unit_test(netstat),
					    cmocka_unit_test(cgroups) };

	return cmocka_run_group_tests_name("procparse", tests, NULL, NULL);
}
