/* The common part of opening a sensor that reads a BPF probe. */
#ifndef PENSTOCK_SENSOR_PROBE_SENSOR_H
#define PENSTOCK_SENSOR_PROBE_SENSOR_H

#include <stddef.h>

#include "kernel/kernel.h"
#include "sensor/sensor.h"

/* Makes a zeroed state of `size` bytes whose first member is a `struct kernel *`, and sets that.
 * 0, -ENODEV without BPF, -EPERM when the probe does not work (the reason is in `why` then), or
 * -ENOMEM. free() ends the state. */
int probe_sensor_open(const struct sensor_env *env, enum kernel_probe probe, size_t size,
		      void **ret_state, char *why);

#endif
