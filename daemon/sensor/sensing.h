/* Everything that measures this machine: the BPF probes, the sensors in their order, the
 * directories that they read. Values of a sensor that cannot be opened are missing from the sample,
 * and penstock goes on without them. */
#ifndef PENSTOCK_SENSOR_SENSING_H
#define PENSTOCK_SENSOR_SENSING_H

#include <stdint.h>

#include "config/config.h"
#include "sensor/sensor.h"

struct kernel;
struct sensing;

/* Keeps a copy of `config`. 0 or -ENOMEM. If BPF or a sensor cannot be used, that is logged, and
 * shown by the functions below. */
int sensing_open(const struct config *config, struct sensing **ret_sensing);
/* NULL is fine. */
void sensing_close(struct sensing *sensing);
/* Takes a changed configuration: reopens everything if the services, the network cards, the gate's
 * namespace or daemon.bpf changed. */
void sensing_configure(struct sensing *sensing, const struct config *config);
/* Reopens everything if the sessions of the mail server are in another network namespace (its
 * inode; 0: ours) than when the sensors were opened. The sensors see sessions and listeners of one
 * namespace only. */
void sensing_follow(struct sensing *sensing, uint32_t netns);
/* Once a tick: see registry_poll(). Puts nothing if no sensor could be opened. */
void sensing_poll(struct sensing *sensing, uint64_t now_us, enum urgency urgency,
		  struct sample *sample, struct load *load);

/* NULL without BPF; then sensing_bpf_why() has a sentence. Valid until the next _configure(),
 * _follow() or _close(). */
struct kernel *sensing_kernel(const struct sensing *sensing);
/* NULL: BPF works. */
const char *sensing_bpf_why(const struct sensing *sensing);
/* NULL: out of memory, no sensor is open. */
const struct registry *sensing_registry(const struct sensing *sensing);

#endif
