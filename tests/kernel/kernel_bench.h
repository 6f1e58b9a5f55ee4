/* What the tests of the probes in the kernel share: every probe, with one service on a port of its
 * own. Skipped, with the reason, where BPF is refused. */
#ifndef PENSTOCK_TESTS_KERNEL_BENCH_H
#define PENSTOCK_TESTS_KERNEL_BENCH_H

#include "cmocka_test.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "kernel/kernel.h"

static struct kernel *kernel;
static struct config config;
static int listener;

static inline int setup(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(a);
	char why[256] = "";

	listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 16), 0);
	getsockname(listener, (struct sockaddr *)&a, &size);
	config_defaults(&config);
	config.services = 1;
	memset(config.service[0].ports, 0, sizeof(config.service[0].ports));
	config.service[0].ports[0] = ntohs(a.sin_port);
	if (kernel_open(&config, &kernel, why) < 0) {
		print_message("# BPF: %s\n", why);
		kernel = NULL;
	}
	return 0;
}

static inline int teardown(void **state)
{
	kernel_close(kernel);
	close(listener);
	return 0;
}

static inline void need(enum kernel_probe probe)
{
	if (!kernel || kernel_probe_why(kernel, probe)) {
		print_message("# %s\n", kernel ? kernel_probe_why(kernel, probe) : "no BPF");
		skip();
	}
}

#endif
