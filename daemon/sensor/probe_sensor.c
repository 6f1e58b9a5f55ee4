#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "sensor/probe_sensor.h"

int probe_sensor_open(const struct sensor_env *env, enum kernel_probe probe, size_t size,
		      void **ret_state, char *why)
{
	const char *because;
	struct kernel **state;

	if (!env->kernel) {
		snprintf(why, SENSOR_WHY_MAX, "BPF is not available");
		return -ENODEV;
	}
	because = kernel_probe_why(env->kernel, probe);
	if (because) {
		snprintf(why, SENSOR_WHY_MAX, "%s", because);
		return -EPERM;
	}
	state = calloc(1, size);
	if (!state)
		return -ENOMEM;
	*state = env->kernel;
	*ret_state = state;
	return 0;
}
