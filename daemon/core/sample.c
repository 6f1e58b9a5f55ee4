#include "core/sample.h"

#include <math.h>
#include <string.h>

const struct signal_info signal_info[SIGNAL__COUNT] = {
#define X(id, signal_name, resource_id, unit_id, default_target, help_text) \
	[SIGNAL_##id] = { .name = signal_name, \
			  .resource = RESOURCE_##resource_id, \
			  .unit = UNIT_##unit_id, \
			  .target = default_target, \
			  .help = help_text },
	SIGNAL_TABLE(X)
#undef X
};

void sample_clear(struct sample *sample, uint64_t now_us)
{
	memset(sample, 0, sizeof(*sample));
	sample->now_us = now_us;
}

bool sample_put(struct sample *sample, enum signal signal, double value, enum via via)
{
	if (signal >= SIGNAL__COUNT || via == VIA_NONE || sample_has(sample, signal))
		return false;
	if (!isfinite(value) || value < 0)
		return false;
	sample->value[signal] = value;
	sample->via[signal] = (uint8_t)via;
	return true;
}

const char *resource_name(enum resource resource)
{
	static const char *const names[RESOURCE__COUNT] = { "cpu", "memory", "disk", "nic",
							    "smtp" };

	return resource < RESOURCE__COUNT ? names[resource] : "none";
}

const char *via_name(enum via via)
{
	static const char *const names[VIA__COUNT] = { "none",	"bpf",	   "psi",     "procfs",
						       "sysfs", "cgroup",  "netlink", "sock_diag",
						       "front", "statvfs", "spool" };

	return via < VIA__COUNT ? names[via] : "none";
}

enum signal signal_by_name(const char *name)
{
	for (int i = 0; i < SIGNAL__COUNT; i++)
		if (strcmp(signal_info[i].name, name) == 0)
			return (enum signal)i;
	return SIGNAL__COUNT;
}
