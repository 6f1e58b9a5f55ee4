#include "kernel/kernel.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "core/counts.h"
#include "kernel/load_memory.h"
#include "kernel/probe.h"
#include "shared.h"

_Static_assert(TIME_SLOTS == COUNTS_SLOTS && TIME_SLOTS == KERNEL_SLOTS, "one histogram layout");

static const struct probe *const probes[PROBE__COUNT] = {
	[PROBE_RUNQ] = &probe_runq, [PROBE_BLKIO] = &probe_blkio,
	[PROBE_SMTP] = &probe_smtp, [PROBE_FSYNC] = &probe_fsync,
	[PROBE_JBD2] = &probe_jbd2, [PROBE_RECLAIM] = &probe_reclaim,
	[PROBE_OOM] = &probe_oom,
};

static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	char text[4096], *rest = text, *line;

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(text, sizeof(text), format, args);
	while ((line = strsep(&rest, "\n")))
		if (*line)
			log_debug("libbpf: %s", line);
	return 0;
}

/* `has_btf`: the kernel's types are known. Without them libbpf gives one error or another. */
static void say_why(char *why, size_t size, int error, bool has_btf, const char *instead)
{
	/* With the capability, EACCES comes from the verifier: see its log at debug level. */
	const char *cause =
		error == -EPERM
			? "refused: it needs CAP_BPF and CAP_PERFMON (before Linux 5.11 LimitMEMLOCK=infinity too)"
		: !has_btf ? "there is no /sys/kernel/btf/vmlinux to read (CONFIG_DEBUG_INFO_BTF)"
		: error == -EACCES     ? "this kernel's verifier rejects the program"
		: error == -EOPNOTSUPP ? "this kernel has no such tracepoint"
				       : strerror(-error);

	snprintf(why, size, "%s; instead: %s", cause, instead);
}

int kernel_open(const struct config *config, struct kernel **ret_kernel, char *why)
{
	struct kernel *k = calloc(1, sizeof(*k));
	struct probe_env env = { .config = config };
	struct btf *btf;
	int loaded = 0;

	if (!k) {
		snprintf(why, 256, "out of memory");
		return -ENOMEM;
	}
	libbpf_set_print(print);
	env.cpus = libbpf_num_possible_cpus();
	if (env.cpus <= 0) {
		int r = env.cpus < 0 ? env.cpus : -ENODATA;

		free(k);
		snprintf(why, 256, "/sys/devices/system/cpu/possible cannot be read: %s",
			 strerror(-r));
		return r;
	}
	load_memory_keep();
	env.btf = btf = btf__load_vmlinux_btf();
	for (int i = 0; i < PROBE__COUNT; i++) {
		int r;

		if (probes[i]->is_spare && k->probe[probes[i]->spare_for].state) {
			snprintf(k->probe[i].why, sizeof(k->probe[i].why),
				 "not needed: %s is available", probes[probes[i]->spare_for]->name);
			continue;
		}
		r = probes[i]->open(&env, &k->probe[i].state, k->probe[i].form);
		if (r < 0) {
			k->probe[i].state = NULL;
			say_why(k->probe[i].why, sizeof(k->probe[i].why), r, btf != NULL,
				probes[i]->instead);
		}
		loaded += r == 0;
	}
	btf__free(btf);
	load_memory_give_back();
	if (!loaded) {
		snprintf(why, 256, "%s", k->probe[PROBE_RUNQ].why);
		kernel_close(k);
		return -EPERM;
	}
	*ret_kernel = k;
	return 0;
}

void kernel_close(struct kernel *k)
{
	if (!k)
		return;
	for (int i = 0; i < PROBE__COUNT; i++)
		if (k->probe[i].state)
			probes[i]->close(k->probe[i].state);
	free(k);
}

const char *kernel_probe_why(const struct kernel *k, enum kernel_probe probe)
{
	return k->probe[probe].state ? NULL : k->probe[probe].why;
}

void kernel_support(const struct kernel *k, struct text *out)
{
	text_append(out, "probe                      form\n");
	for (int i = 0; i < PROBE__COUNT; i++)
		text_append(out, "%-26s %s\n", probes[i]->name,
			    k->probe[i].state ? k->probe[i].form : k->probe[i].why);
}

int kernel_histogram(const struct kernel *k, enum kernel_probe probe, unsigned which,
		     uint64_t slots[KERNEL_SLOTS], uint64_t *ret_sum_us)
{
	if (!k->probe[probe].state || !probes[probe]->histogram)
		return -ENODATA;
	return probes[probe]->histogram(k->probe[probe].state, which, slots, ret_sum_us);
}

void kernel_runq_histogram(const struct kernel *k, uint64_t slots[32], uint64_t *ret_sum_us,
			   uint64_t *ret_count)
{
	uint64_t fine[KERNEL_SLOTS];

	*ret_count = 0;
	memset(slots, 0, 32 * sizeof(*slots));
	if (kernel_histogram(k, PROBE_RUNQ, 0, fine, ret_sum_us) < 0)
		return;
	for (unsigned i = 0; i < KERNEL_SLOTS; i++) {
		uint64_t upper = counts_slot_upper(i);
		unsigned power = upper == 0 ? 0 : 64 - (unsigned)__builtin_clzll(upper);

		slots[power < 31 ? power : 31] += fine[i];
		*ret_count += fine[i];
	}
}
