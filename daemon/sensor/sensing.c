#include "sensor/sensing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/kernel.h"
#include "kernel/netns.h"

struct sensing {
	struct config config; /* a copy that the sensors' threads read, too */
	struct kernel *kernel;
	char bpf_why[256];
	struct registry *registry;
	int proc_fd, sys_fd, cgroup_fd;
	uint32_t netns; /* inode of front.gate.netns when the sensors were opened, 0: none */
};

/* The inode of the namespace of front.gate.netns now, 0: none is configured, or it does not
 * exist. */
static uint32_t configured_netns(const struct config *config)
{
	char why[256];
	int fd = config->gate.enabled && config->gate.netns[0] ? netns_open(config->gate.netns, why)
							       : -1;
	uint32_t inum = fd >= 0 ? netns_inum(fd) : 0;

	if (fd >= 0)
		close(fd);
	return inum;
}

static void open_parts(struct sensing *s)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	struct sensor_env env = { .config = &s->config };
	int r;

	s->netns = configured_netns(&s->config);
	if (!s->config.bpf)
		snprintf(s->bpf_why, sizeof(s->bpf_why), "switched off: daemon.bpf = no");
	else if ((r = kernel_open(&s->config, &s->kernel, s->bpf_why)) < 0)
		log_warning(
			"Cannot use BPF: %s. The next best sources are read; mail is not affected.",
			s->bpf_why);
	env.kernel = s->kernel;
	env.proc_fd = s->proc_fd = open("/proc", flags);
	env.sys_fd = s->sys_fd = open("/sys", flags);
	env.cgroup_fd = s->cgroup_fd = open("/sys/fs/cgroup", flags);
	r = registry_open(&env, &s->registry);
	if (r < 0)
		log_error(
			"Cannot open any sensor: %s. penstock is blind and admits every connection. Run penstockctl support.",
			strerror(-r));
	for (unsigned i = 0; s->registry && i < registry_count(s->registry); i++) {
		const struct sensor_status *status = registry_status(s->registry, i);

		if (status->state != SENSOR_OK)
			log_info("sensor %s is not used: %s", status->name, status->why);
	}
}

static void close_parts(struct sensing *s)
{
	int *const fds[] = { &s->proc_fd, &s->sys_fd, &s->cgroup_fd };

	registry_close(s->registry);
	s->registry = NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	kernel_close(s->kernel);
	s->kernel = NULL;
	s->bpf_why[0] = 0;
}

int sensing_open(const struct config *config, struct sensing **ret_sensing)
{
	struct sensing *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->config = *config;
	open_parts(s);
	*ret_sensing = s;
	return 0;
}

void sensing_close(struct sensing *s)
{
	if (!s)
		return;
	close_parts(s);
	free(s);
}

/* The settings that a sensor reads only when it is opened. */
static bool differs(const struct config *a, const struct config *b)
{
	return a->bpf != b->bpf || strcmp(a->gate.netns, b->gate.netns) != 0 ||
	       a->gate.enabled != b->gate.enabled || a->services != b->services ||
	       memcmp(a->service, b->service, sizeof(a->service)) != 0 ||
	       memcmp(a->interfaces, b->interfaces, sizeof(a->interfaces)) != 0 ||
	       a->nic_speed_bits_per_s != b->nic_speed_bits_per_s;
}

void sensing_configure(struct sensing *s, const struct config *config)
{
	bool reopen = differs(&s->config, config);

	if (reopen)
		close_parts(s);
	s->config = *config;
	if (reopen)
		open_parts(s);
}

void sensing_follow(struct sensing *s, uint32_t netns)
{
	if (netns == s->netns)
		return;
	close_parts(s);
	open_parts(s);
}

void sensing_poll(struct sensing *s, uint64_t now_us, enum urgency urgency, struct sample *sample,
		  struct load *load)
{
	if (s->registry)
		registry_poll(s->registry, now_us, urgency, sample, load);
}

struct kernel *sensing_kernel(const struct sensing *s)
{
	return s->kernel;
}

const char *sensing_bpf_why(const struct sensing *s)
{
	return s->kernel ? NULL : s->bpf_why;
}

const struct registry *sensing_registry(const struct sensing *s)
{
	return s->registry;
}
