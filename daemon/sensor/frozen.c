#include "sensor/frozen.h"

#include <stddef.h>

#define PRESSES_RATIO 0.8
#define TELL_US 600000000u

/* The signals that are watched, and for each the ratio that compares it with its limit. */
static const struct {
	enum signal signal, ratio, other_ratio;
} watched[FROZEN_SIGNALS] = {
	{ SIGNAL_MEM_USED_RATIO, SIGNAL_MEM_USED_RATIO, SIGNAL_MEM_USED_RATIO },
	{ SIGNAL_MTA_MEM_USED_RATIO, SIGNAL_MTA_MEM_USED_RATIO, SIGNAL_MTA_MEM_USED_RATIO },
	{ SIGNAL_MEM_AVAILABLE_BYTES, SIGNAL_MEM_USED_RATIO, SIGNAL_MTA_MEM_USED_RATIO },
	{ SIGNAL_MTA_MEM_BYTES, SIGNAL_MTA_MEM_USED_RATIO, SIGNAL_MTA_MEM_USED_RATIO },
};

static bool presses(const struct sample *sample, enum signal ratio)
{
	return sample_has(sample, ratio) && sample->value[ratio] >= PRESSES_RATIO;
}

bool frozen_step(struct frozen *frozen, struct sample *sample, enum signal *ret_signal)
{
	bool out[FROZEN_SIGNALS] = { false }, news = false;
	uint64_t now_us = sample->now_us;

	for (size_t i = 0; i < FROZEN_SIGNALS; i++) {
		enum signal signal = watched[i].signal;
		double value = sample->value[signal];

		if (!sample_has(sample, signal) || value != frozen->of[i].value ||
		    !(presses(sample, watched[i].ratio) ||
		      presses(sample, watched[i].other_ratio))) {
			frozen->of[i].value = value;
			frozen->of[i].since_us = now_us;
			continue;
		}
		out[i] = now_us - frozen->of[i].since_us >= FROZEN_US;
		if (out[i] && !news &&
		    (!frozen->of[i].told_us || now_us - frozen->of[i].told_us >= TELL_US)) {
			frozen->of[i].told_us = now_us;
			*ret_signal = signal;
			news = true;
		}
	}
	/* Removes them only after the ratios of all were checked. */
	for (size_t i = 0; i < FROZEN_SIGNALS; i++)
		if (out[i])
			sample->via[watched[i].signal] = VIA_NONE;
	return news;
}
