#include "store/history.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/wait.h"
#include "store/history_file.h"

#define ROUND_US (2 * US_PER_S)
#define WAITING 64u /* records that the tick keeps while the thread holds the lock */
#define QUEUE 256u /* records: enough for minutes if the disk stalls */
#define KEPT 2 /* rings in memory */

struct item {
	enum history_tier tier;
	struct history_record record;
};

struct history {
	/* Used only by the tick: */
	struct history_record *ring[KEPT];
	/* the present period of each ring; the one of seconds is not used */
	struct history_record open[HISTORY__TIERS];
	struct history_record last_minute; /* as of the start */
	struct item wait[WAITING];
	unsigned waiting;
	/* Under the lock: */
	pthread_mutex_t lock;
	pthread_cond_t wake, done;
	struct item queue[QUEUE];
	unsigned queued;
	uint64_t lost;
	bool stop, flush;
	/* Used only by the thread: */
	pthread_t thread;
	bool runs;
	struct history_file file;
	bool told;
	int error; /* atomic: errno of the last write */
	struct item batch[QUEUE];
};

int history_read(const char *state_dir, uint64_t now_s, uint64_t since_s, uint64_t until_s,
		 struct history_record **ret_records, size_t *ret_count)
{
	_cleanup_close_ int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ uint8_t *bytes = NULL;
	_cleanup_free_ struct history_record *records = NULL;
	const struct history_span span = { now_s, since_s, until_s };
	size_t size;
	int r;

	if (dir < 0)
		return -errno;
	r = history_file_read(dir, &bytes, &size, NULL);
	if (r < 0)
		return r;
	records = calloc(HISTORY_MONTH, sizeof(*records));
	if (!records)
		return -ENOMEM;
	r = history_pick(bytes, size, &span, records, HISTORY_MONTH, ret_count);
	if (r == 0)
		*ret_records = TAKE_PTR(records);
	return r;
}

/* The file was of the version before. If it cannot be replaced, writing begins a new one. */
static void replace(const struct history *h, const uint8_t *bytes)
{
	int r = history_file_replace(h->file.dir_fd, bytes);

	if (r < 0)
		log_warning(
			"Cannot write the history of the version before into the state directory: %s. penstockctl history lacks most of it; mail is not affected. Free space there, or correct its permissions.",
			strerror(-r));
}

/* Copies the records of the file into the rings in memory. */
static int load(struct history *h)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	const void *payload;
	size_t size, length;
	bool upgraded;
	int r = history_file_read(h->file.dir_fd, &bytes, &size, &upgraded);

	if (r == 0)
		r = frame_check(bytes, size, &history_kind, &payload, &length);
	if (r == 0 && length != HISTORY_SLOTS * sizeof(struct history_record))
		r = -EBADMSG;
	if (r == -ENODATA || r == -EBADMSG || r == -EPROTONOSUPPORT)
		frame_set_aside(h->file.dir_fd, HISTORY_NAME, r);
	if (r < 0)
		return r;
	if (upgraded)
		replace(h, bytes);
	for (int t = 0; t < KEPT; t++)
		for (unsigned i = 0; i < history_slots((enum history_tier)t); i++) {
			struct history_record *to = &h->ring[t][i];

			memcpy(to, bytes + history_offset((enum history_tier)t, i), sizeof(*to));
			if (!history_is_sound(to, (enum history_tier)t, i))
				memset(to, 0, sizeof(*to));
		}
	for (unsigned i = 0; i < HISTORY_MONTH; i++) {
		struct history_record one;

		memcpy(&one, bytes + history_offset(HISTORY_MINUTES, i), sizeof(one));
		if (history_is_sound(&one, HISTORY_MINUTES, i) && one.at_s > h->last_minute.at_s)
			h->last_minute = one;
	}
	return 0;
}

/* ---- the thread ----------------------------------------------------------------------------- */

static void write_batch(struct history *h, unsigned count)
{
	int r = 0;

	for (unsigned i = 0; i < count; i++) {
		int one = history_file_write(&h->file, h->batch[i].tier, &h->batch[i].record);

		r = one < 0 ? one : r;
	}
	if (r < 0 && !h->told)
		log_warning(
			"Cannot write the history in the state directory: %s. penstockctl history lacks this time; mail is not affected. Free space there, or correct its permissions.",
			strerror(-r));
	else if (r == 0 && h->told && count)
		log_notice("the history is written again");
	if (!count)
		return;
	h->told = r < 0;
	__atomic_store_n(&h->error, -r, __ATOMIC_RELAXED);
}

static void *run(void *context)
{
	struct history *h = context;
	bool stop;

	do {
		unsigned count;

		pthread_mutex_lock(&h->lock);
		if (!h->stop && !h->flush)
			wait_us(&h->wake, &h->lock, ROUND_US);
		count = h->queued;
		memcpy(h->batch, h->queue, count * sizeof(*h->queue));
		h->queued = 0;
		stop = h->stop;
		pthread_mutex_unlock(&h->lock);
		write_batch(h, count);
		pthread_mutex_lock(&h->lock);
		if (h->queued == 0)
			h->flush = false;
		pthread_cond_broadcast(&h->done);
		pthread_mutex_unlock(&h->lock);
	} while (!stop);
	return NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void history_free(struct history *h)
{
	for (int t = 0; t < KEPT; t++)
		free(h->ring[t]);
	if (h->file.fd >= 0)
		close(h->file.fd);
	if (h->file.dir_fd >= 0)
		close(h->file.dir_fd);
	pthread_cond_destroy(&h->wake);
	pthread_cond_destroy(&h->done);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

int history_open(const char *state_dir, struct history **ret)
{
	struct history *h = calloc(1, sizeof(*h));
	int r = 0;

	if (!h)
		return -ENOMEM;
	h->file.fd = -1;
	h->file.dir_fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	h->error = h->file.dir_fd < 0 ? errno : 0;
	pthread_mutex_init(&h->lock, NULL);
	wait_init(&h->wake);
	wait_init(&h->done);
	for (int t = 0; t < KEPT; t++) {
		h->ring[t] = calloc(history_slots((enum history_tier)t), sizeof(**h->ring));
		if (!h->ring[t]) {
			history_free(h);
			return -ENOMEM;
		}
	}
	if (h->file.dir_fd >= 0) {
		load(h);
		r = -pthread_create(&h->thread, NULL, run, h);
		if (r < 0)
			h->error = -r;
	}
	h->runs = h->file.dir_fd >= 0 && r == 0;
	if (!h->runs)
		log_debug("the history is kept in memory only");
	*ret = h;
	return 0;
}

int history_error(const struct history *h)
{
	return __atomic_load_n(&h->error, __ATOMIC_RELAXED);
}

static void keep(struct history *h, enum history_tier tier, const struct history_record *r);
static void hand_over(struct history *h);

void history_close(struct history *h)
{
	if (!h)
		return;
	for (int t = HISTORY_TENS; t < HISTORY__TIERS; t++)
		if (h->open[t].seconds > 0)
			keep(h, (enum history_tier)t, &h->open[t]);
	if (h->runs) {
		pthread_mutex_lock(&h->lock);
		hand_over(h);
		h->stop = true;
		pthread_cond_signal(&h->wake);
		pthread_mutex_unlock(&h->lock);
		pthread_join(h->thread, NULL);
	}
	history_free(h);
}

void history_flush(struct history *h)
{
	if (!h->runs)
		return;
	pthread_mutex_lock(&h->lock);
	hand_over(h);
	h->flush = true;
	pthread_cond_signal(&h->wake);
	while (h->flush)
		pthread_cond_wait(&h->done, &h->lock);
	pthread_mutex_unlock(&h->lock);
}

/* ---- the tick ------------------------------------------------------------------------------- */

/* Gives the waiting records to the thread. The caller holds the lock. */
static void hand_over(struct history *h)
{
	for (unsigned i = 0; i < h->waiting; i++) {
		if (h->queued < QUEUE)
			h->queue[h->queued++] = h->wait[i];
		else
			h->lost++;
	}
	h->waiting = 0;
}

/* The tick never waits for the thread: while the thread copies, records wait until the next
 * second. */
static void enqueue(struct history *h, enum history_tier tier, const struct history_record *r)
{
	if (!h->runs)
		return;
	if (h->waiting < WAITING)
		h->wait[h->waiting++] = (struct item){ .tier = tier, .record = *r };
	else
		h->lost++;
	if (pthread_mutex_trylock(&h->lock) != 0)
		return;
	hand_over(h);
	pthread_mutex_unlock(&h->lock);
}

static void keep(struct history *h, enum history_tier tier, const struct history_record *r)
{
	if (tier < KEPT)
		h->ring[tier][history_slot(tier, r->at_s)] = *r;
	enqueue(h, tier, r);
}

/* Begins a new period: the one before is complete. A period that a restart interrupted is
 * continued. */
static void begin(struct history *h, enum history_tier tier, uint64_t at_s)
{
	struct history_record *open = &h->open[tier];
	const struct history_record *before =
		tier < KEPT ? &h->ring[tier][history_slot(tier, at_s)] : &h->last_minute;

	if (open->seconds > 0)
		keep(h, tier, open);
	if (history_stands_for(before, tier, at_s))
		*open = *before;
	else
		*open = (struct history_record){ .at_s = at_s, .period_s = history_period(tier) };
}

void history_put(struct history *h, const struct history_record *second)
{
	if (!h)
		return;
	keep(h, HISTORY_SECONDS, second);
	for (int t = HISTORY_TENS; t < HISTORY__TIERS; t++) {
		struct history_record *open = &h->open[t];
		uint32_t period = history_period((enum history_tier)t);
		uint64_t at_s = second->at_s / period * period;

		if (open->at_s != at_s)
			begin(h, (enum history_tier)t, at_s);
		if (open->seconds < period)
			history_fold(open, second);
		/* Also written before the period is complete: a crash loses one second of ten, or
		 * ten of a minute. */
		if (t == HISTORY_TENS || open->seconds == 1 || second->at_s % 10 == 9)
			keep(h, (enum history_tier)t, open);
	}
}

const struct history_record *history_get(const struct history *h, enum history_tier tier,
					 uint64_t at_s)
{
	const struct history_record *r;

	if (!h || tier >= KEPT)
		return NULL;
	r = &h->ring[tier][history_slot(tier, at_s)];
	return history_stands_for(r, tier, at_s) ? r : NULL;
}

size_t history_range(const struct history *h, uint64_t since_s, uint64_t until_s, uint32_t step_s,
		     struct history_record *ret, size_t most)
{
	uint64_t newest_s = h->open[HISTORY_TENS].at_s + history_period(HISTORY_TENS);
	enum history_tier tier = history_tier_for(until_s > newest_s ? until_s : newest_s, since_s);
	unsigned period;
	size_t count = 0;

	if (tier >= KEPT)
		tier = (enum history_tier)(KEPT - 1);
	period = history_period(tier);
	if (until_s > since_s + (uint64_t)period * history_slots(tier))
		since_s = until_s - (uint64_t)period * history_slots(tier);
	step_s = step_s <= period ? period : (step_s + period - 1) / period * period;
	for (uint64_t at_s = since_s / period * period; at_s < until_s; at_s += period) {
		const struct history_record *r = history_get(h, tier, at_s);
		uint64_t begin_s = at_s / step_s * step_s;

		if (!r)
			continue;
		if (count == 0 || ret[count - 1].at_s != begin_s) {
			if (count == most)
				break;
			ret[count++] =
				(struct history_record){ .at_s = begin_s, .period_s = step_s };
		}
		history_fold(&ret[count - 1], r);
	}
	return count;
}
