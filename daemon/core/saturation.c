/* How saturated the MTA's part of the machine is, smoothed. */
#include "core/window_parts.h"

void saturation_init(struct saturation *s)
{
	s->share = -1;
}

/* PSI "some" reaches 1 early on several cores, so it counts only as far as the cores are used,
 * too. */
void saturation_step(struct saturation *s, struct observation *o)
{
	const struct sample *sample = o->in->sample;
	double used = sample_get(sample, SIGNAL_CPU_BUSY_RATIO, -1);
	double own = sample_get(sample, SIGNAL_MTA_CPU_CORES, -1), now;

	o->cpu = observed_first(sample, SIGNAL_MTA_CPU_STALL_RATIO, SIGNAL_CPU_STALL_RATIO, -1);
	o->io = observed_first(sample, SIGNAL_MTA_IO_STALL_RATIO, SIGNAL_IO_STALL_RATIO, -1);
	o->memory = observed_first(sample, SIGNAL_MTA_MEM_STALL_RATIO, SIGNAL_MEM_STALL_RATIO, -1);
	if (own >= 0)
		used = fmax(used, own / o->cores);
	o->used = used;
	if (o->cpu < 0)
		o->cpu = used; /* no PSI: the use of the CPUs is the next best figure */
	else if (o->cores > 1 && used >= 0 && window_has(o->config, WINDOW_PART_CORES))
		o->cpu = fmin(o->cpu, used / CORES_FULL);
	now = fmin(1, fmax(o->cpu, fmax(o->io, o->memory)));
	if (now < 0)
		s->share = -1;
	else if (s->share >= 0)
		smooth_step(&s->share, now, o->dt, TAU_QUICK_S);
	else
		s->share = now;
	o->saturation = s->share;
}
