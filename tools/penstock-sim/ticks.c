#include "penstock-sim/ticks.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "penstock-sim/grow.h"
#include "store/trace.h"

/* The CPU use of one tick is known roughly: take the mean over so much time before and after it. */
#define AROUND_S 0.3
#define BUSY_MIN 5 /* sessions: with these some waited for CPU all the time */
#define CORES_LEAST 0.02

/* The growth of a counter; a restarted front counts from zero. */
static uint64_t since(uint64_t now, uint64_t before)
{
	return now < before ? now : now - before;
}

void ticks_add(struct ticks *t, const struct sample *sample, const struct load *load)
{
	const struct load_service *l = &load->service[0], *last = &t->last;
	struct tick *tick;

	if (!t->count) {
		t->first_us = t->last_us = sample->now_us;
		t->last = *l;
	}
	t->tick = grow(t->tick, &t->room, t->count + 1, sizeof(*t->tick));
	tick = &t->tick[t->count++];
	*tick = (struct tick){
		.at_s = (double)(sample->now_us - t->first_us) / 1e6,
		.length_s = (double)(sample->now_us - t->last_us) / 1e6,
		.offered = since(l->offered, last->offered),
		.admitted = since(l->admitted, last->admitted),
		.deferred = since(l->deferred, last->deferred),
		.completed = since(l->completed, last->completed),
		.finished = since(l->finished, last->finished),
		.busy_s = (double)since(l->busy_us, last->busy_us) / 1e6,
		.server_s = (double)since(l->server_us, last->server_us) / 1e6,
		.in_flight = l->in_flight,
		.cpu_cores = sample_get(sample, SIGNAL_MTA_CPU_CORES, -1),
		.filter_cores = sample_get(sample, SIGNAL_FILTER_CPU_CORES, -1),
	};
	t->last_us = sample->now_us;
	t->last = *l;
}

/* A trace with a damaged frame is refused: the missing part would look like a difference. */
static int read_frames(struct ticks *t, struct trace_reader *reader)
{
	static struct trace_record record;
	struct trace_head head = { 0 };
	const void *payload;
	size_t length, skipped;
	bool begun = false;
	int r;

	while ((r = trace_next(reader, &payload, &length, &skipped)) > 0) {
		r = trace_get(payload, length, begun ? &head : NULL, &record);
		if (r < 0)
			return r;
		if (record.type == TRACE_HEAD)
			head = record.head;
		begun = true;
		if (record.type == TRACE_LOST && t->count)
			return -EBADMSG;
		if (record.type == TRACE_TICK)
			ticks_add(t, &record.tick.sample, &record.tick.load);
	}
	return r;
}

int ticks_read(struct ticks *t, const char *path, char *why)
{
	struct trace_reader reader;
	int r = trace_map(path, &reader);

	if (r < 0) {
		snprintf(why, 128, "%s", r == -ENODATA ? "it is empty, or no file" : strerror(-r));
		return r;
	}
	r = read_frames(t, &reader);
	trace_unmap(&reader);
	if (r < 0) {
		snprintf(why, 128, "it is no trace of this version, or a part of it is missing");
		return r;
	}
	if (!t->last.completed || !(t->last.known & LOAD_BUSY)) {
		snprintf(why, 128, "no completed message is in it");
		return -ENODATA;
	}
	return 0;
}

void ticks_done(struct ticks *t)
{
	free(t->tick);
	memset(t, 0, sizeof(*t));
}

uint64_t *ticks_arrivals(const struct ticks *t, uint32_t *ret_count)
{
	uint64_t *arrival = NULL;
	uint32_t room = 0, count = 0;

	for (uint32_t i = 0; i < t->count; i++) {
		const struct tick *tick = &t->tick[i];
		double apart_s = tick->length_s / fmax(1, (double)tick->offered);
		double first_s = tick->at_s - tick->length_s + apart_s / 2;

		arrival = grow(arrival, &room, count + (uint32_t)tick->offered, sizeof(*arrival));
		for (uint64_t k = 0; k < tick->offered; k++)
			arrival[count++] = (uint64_t)(1e6 * (first_s + (double)k * apart_s));
	}
	*ret_count = count;
	return arrival;
}

const struct tick *ticks_at(const struct ticks *t, double at_s)
{
	uint32_t first = 0, last = t->count - 1;

	while (first < last) {
		uint32_t middle = first + (last - first) / 2;

		if (t->tick[middle].at_s <= at_s)
			first = middle + 1;
		else
			last = middle;
	}
	return &t->tick[first];
}

double ticks_cores(const struct ticks *t, double at_s, double most)
{
	double used_s = 0, busy_s = 0, length_s = 0;

	for (const struct tick *tick = ticks_at(t, at_s - AROUND_S);
	     tick < t->tick + t->count && tick->at_s <= at_s + AROUND_S; tick++) {
		if (tick->cpu_cores < 0)
			return most;
		used_s += (tick->cpu_cores + fmax(0, tick->filter_cores)) * tick->length_s;
		busy_s += tick->busy_s;
		length_s += tick->length_s;
	}
	if (busy_s < BUSY_MIN * length_s || length_s <= 0)
		return most;
	return fmin(most, fmax(CORES_LEAST, used_s / length_s));
}
