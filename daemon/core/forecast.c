#include "core/forecast.h"

void forecast_step(struct forecast *forecast, struct sample *sample)
{
	const struct {
		struct trend *trend;
		enum signal left, exhaustion;
	} rows[] = {
		{ &forecast->memory, SIGNAL_MEM_AVAILABLE_BYTES, SIGNAL_MEM_EXHAUSTION_S },
		{ &forecast->space, SIGNAL_SPOOL_FREE_BYTES, SIGNAL_SPOOL_EXHAUSTION_S },
		{ &forecast->inodes, SIGNAL_SPOOL_FREE_INODES, SIGNAL_SPOOL_INODES_EXHAUSTION_S },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!sample_has(sample, rows[i].left))
			continue;
		trend_put(rows[i].trend, sample->now_us, sample->value[rows[i].left], 0);
		/* -1 (no end in sight) is not put: sample_put() refuses it. */
		sample_put(sample, rows[i].exhaustion,
			   trend_exhaustion_s(rows[i].trend, sample->value[rows[i].left]),
			   (enum via)sample->via[rows[i].left]);
	}
}
