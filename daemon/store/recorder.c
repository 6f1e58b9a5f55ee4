#include "store/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/wait.h"
#include "store/recorder_ring.h"

#define ROUND_US (200 * US_PER_MS)
#define STATE_EVERY 600u /* ticks between two images of the engine */
#define EVENTS_A_TICK 8192u /* what is more is counted as lost */
#define END_ROOM 1024u /* for the last frame */

struct recorder {
	/* The tick's: */
	struct recorder_ring ring;
	uint8_t *scratch; /* TRACE_PAYLOAD_MOST */
	struct trace_out out; /* the tick that is being put together */
	struct trace_event *pending; /* TRACE_EVENTS_MOST */
	unsigned pending_count, events_of_tick;
	uint64_t ticks;
	bool behind; /* something was lost and not yet told */
	struct trace_lost lost;
	char *config; /* in force */
	size_t config_length;
	double cores;
	/* Told by either to the other: */
	_Atomic bool stopped; /* nothing more is written */
	_Atomic int error;
	_Atomic uint64_t written, ticks_lost, events_lost;
	/* The thread's: */
	char path[PATH_MAX];
	uint64_t most_bytes;
	int fd;
	uint8_t *frame; /* TRACE_PAYLOAD_MOST */
	uint8_t *head; /* the first frames: */
	size_t head_length, first_config_length;
	uint8_t *pages; /* of the table of sources: u32 number, TRACE_PAGE bytes each */
	size_t page_count;
	uint64_t table_size;
	/* The end: */
	pthread_mutex_t lock;
	pthread_cond_t wake, gone;
	bool stop, ended, left;
};

#define PAGE_ITEM (sizeof(uint32_t) + TRACE_PAGE)

/* ---- the thread ------------------------------------------------------------------------------------------------- */

static void recorder_free(struct recorder *r)
{
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->wake);
	pthread_cond_destroy(&r->gone);
	free(r->ring.bytes);
	free(r->scratch);
	free(r->pending);
	free(r->config);
	free(r->frame);
	free(r->head);
	free(r->pages);
	free(r);
}

static void give_up(struct recorder *r, int error)
{
	atomic_store(&r->error, error);
	atomic_store(&r->stopped, true);
	if (error)
		log_warning(
			"daemon.record: %s cannot be written: %s; recording ends, mail is not affected; mend that, then penstockctl reload after a change of daemon.record begins a new one",
			r->path, strerror(error));
	else
		log_notice(
			"daemon.record: %s has reached daemon.record_max: recording ends; what is in it stays",
			r->path);
}

/* A file of that name is kept as FILE.1: it may be the one that somebody is about to look at. */
static int open_file(struct recorder *r)
{
	char before[PATH_MAX + 2];

	snprintf(before, sizeof(before), "%s.1", r->path);
	if (rename(r->path, before) < 0 && errno != ENOENT)
		return -errno;
	r->fd = open(r->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	return r->fd < 0 ? -errno : 0;
}

static int write_frame(struct recorder *r, const void *payload, size_t length)
{
	struct frame_head head;
	struct iovec parts[2] = { { &head, sizeof(head) }, { (void *)payload, length } };
	uint64_t at = atomic_load(&r->written);
	size_t done = 0, whole = sizeof(head) + length;

	frame_head(&head, &trace_kind, FRAME_SUMMED, payload, length);
	while (done < whole) {
		ssize_t n = writev(r->fd, parts, 2);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int error = n < 0 ? errno : ENOSPC;

			/* The file ends with a frame that is whole. */
			if (ftruncate(r->fd, (off_t)at) < 0)
				log_debug("daemon.record: %s: %s", r->path, strerror(errno));
			return -error;
		}
		done += (size_t)n;
		for (unsigned i = 0; i < 2; i++) {
			size_t part = (size_t)n < parts[i].iov_len ? (size_t)n : parts[i].iov_len;

			parts[i].iov_base = (uint8_t *)parts[i].iov_base + part;
			parts[i].iov_len -= part;
			n -= (ssize_t)part;
		}
	}
	atomic_store(&r->written, at + whole);
	return 0;
}

static void write_end(struct recorder *r, enum trace_end end)
{
	uint8_t bytes[16];
	struct trace_out out = { .bytes = bytes, .size = sizeof(bytes) };
	int error;

	trace_put_end(&out, end);
	error = write_frame(r, bytes, out.length);
	if (error < 0)
		give_up(r, -error);
}

static void write_one(struct recorder *r, const void *payload, size_t length)
{
	int error;

	if (atomic_load(&r->stopped))
		return;
	if (atomic_load(&r->written) + sizeof(struct frame_head) + length + END_ROOM >
	    r->most_bytes) {
		write_end(r, TRACE_END_FULL);
		if (!atomic_load(&r->stopped))
			give_up(r, 0);
		return;
	}
	error = write_frame(r, payload, length);
	if (error < 0)
		give_up(r, -error);
}

static void write_first(struct recorder *r)
{
	int error = open_file(r);

	if (error < 0) {
		give_up(r, -error);
		return;
	}
	log_notice("recording to %s, at most %llu MiB", r->path,
		   (unsigned long long)(r->most_bytes >> 20));
	write_one(r, r->head, r->head_length - r->first_config_length);
	write_one(r, r->head + r->head_length - r->first_config_length, r->first_config_length);
	for (size_t at = 0; at < r->page_count; at += TRACE_PAGES_MOST) {
		struct trace_out out = { .bytes = r->frame, .size = TRACE_PAYLOAD_MOST };

		trace_put_table(&out, r->table_size);
		for (size_t i = at; i < r->page_count && i < at + TRACE_PAGES_MOST; i++) {
			uint32_t number;

			memcpy(&number, r->pages + i * PAGE_ITEM, sizeof(number));
			trace_put_page(&out, number, r->pages + i * PAGE_ITEM + sizeof(number));
		}
		write_one(r, r->frame, out.length);
	}
}

static void drain(struct recorder *r)
{
	uint32_t length;

	while ((length = ring_take(&r->ring, r->frame, TRACE_PAYLOAD_MOST)) > 0)
		write_one(r, r->frame, length);
}

static void *run(void *context)
{
	struct recorder *r = context;
	bool stop, left;

	write_first(r);
	do {
		pthread_mutex_lock(&r->lock);
		if (!r->stop)
			wait_us(&r->wake, &r->lock, ROUND_US);
		stop = r->stop;
		pthread_mutex_unlock(&r->lock);
		drain(r);
	} while (!stop);
	if (!atomic_load(&r->stopped))
		write_end(r, TRACE_END_STOPPED);
	if (r->fd >= 0)
		close(r->fd);
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	left = r->left;
	pthread_cond_signal(&r->gone);
	pthread_mutex_unlock(&r->lock);
	if (left)
		recorder_free(r);
	return NULL;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static bool is_zero(const uint8_t *page)
{
	return page[0] == 0 && memcmp(page, page + 1, TRACE_PAGE - 1) == 0;
}

/* The pages that hold something: a new table is nearly empty. The last, which may be part of a page, is filled up with zeros. */
static int copy_table(struct recorder *r, const struct source_table *table, size_t size)
{
	const uint8_t *bytes = (const uint8_t *)table;
	uint8_t last[TRACE_PAGE] = { 0 };
	size_t used = 0, pages = (size + TRACE_PAGE - 1) / TRACE_PAGE;

	if (size % TRACE_PAGE)
		memcpy(last, bytes + (pages - 1) * TRACE_PAGE, size % TRACE_PAGE);
#define PAGE_AT(i) ((i) == pages - 1 && size % TRACE_PAGE ? last : bytes + (i)*TRACE_PAGE)
	for (size_t i = 0; i < pages; i++)
		used += !is_zero(PAGE_AT(i));
	r->pages = malloc(used * PAGE_ITEM + 1);
	if (!r->pages)
		return -ENOMEM;
	r->table_size = size;
	for (size_t i = 0; i < pages && r->page_count < used; i++) {
		uint8_t *to = r->pages + r->page_count * PAGE_ITEM;
		uint32_t number = (uint32_t)i;

		if (is_zero(PAGE_AT(i)))
			continue;
		memcpy(to, &number, sizeof(number));
		memcpy(to + sizeof(number), PAGE_AT(i), TRACE_PAGE);
		r->page_count++;
	}
#undef PAGE_AT
	return 0;
}

static int make_first_frames(struct recorder *r, const struct recorder_options *o)
{
	struct trace_head head = { .recorder = "penstockd",
				   .now_us = o->now_us,
				   .realtime_us = o->realtime_us,
				   .cores = o->cores,
				   .seed = o->seed };
	struct trace_out out = { .bytes = r->head, .size = TRACE_PAYLOAD_MOST };

	snprintf(head.version, sizeof(head.version), "%s", o->version);
	trace_put_head(&out, &head);
	r->head_length = out.length;
	trace_put_config(&out, o->cores, o->config, o->config_length);
	r->first_config_length = out.length - r->head_length;
	r->head_length = out.length;
	r->cores = o->cores;
	r->config = malloc(o->config_length + 1);
	if (!r->config || out.cut)
		return -ENOMEM;
	memcpy(r->config, o->config, o->config_length);
	r->config_length = o->config_length;
	return 0;
}

int recorder_open(const struct recorder_options *o, struct recorder **ret)
{
	struct recorder *r = calloc(1, sizeof(*r));
	pthread_t thread;
	int error = -ENOMEM;

	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	wait_init(&r->wake);
	wait_init(&r->gone);
	r->fd = -1;
	r->most_bytes = o->most_bytes;
	snprintf(r->path, sizeof(r->path), "%s", o->path);
	r->ring.size = RECORDER_RING;
	r->ring.bytes = malloc(RECORDER_RING);
	r->scratch = malloc(TRACE_PAYLOAD_MOST);
	r->pending = malloc(TRACE_EVENTS_MOST * sizeof(*r->pending));
	r->frame = malloc(TRACE_PAYLOAD_MOST);
	r->head = malloc(TRACE_PAYLOAD_MOST);
	if (r->ring.bytes && r->scratch && r->pending && r->frame && r->head)
		error = make_first_frames(r, o);
	if (error == 0 && o->table)
		error = copy_table(r, o->table, o->table_size);
	if (error == 0) {
		/* Touched now, so that the tick meets no page fault. */
		memset(r->ring.bytes, 0, RECORDER_RING);
		memset(r->scratch, 0, TRACE_PAYLOAD_MOST);
		memset(r->pending, 0, TRACE_EVENTS_MOST * sizeof(*r->pending));
		error = -pthread_create(&thread, NULL, run, r);
	}
	if (error < 0) {
		recorder_free(r);
		return error;
	}
	pthread_detach(thread);
	*ret = r;
	return 0;
}

void recorder_close(struct recorder *r, uint64_t wait)
{
	uint64_t until_us = clock_monotonic_us() + wait, now_us;
	bool ended;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->wake);
	while (!r->ended && (now_us = clock_monotonic_us()) < until_us)
		wait_us(&r->gone, &r->lock, until_us - now_us);
	ended = r->ended;
	r->left = !ended;
	pthread_mutex_unlock(&r->lock);
	if (ended)
		recorder_free(r);
}

void recorder_stats(const struct recorder *r, struct recorder_stats *ret)
{
	*ret = (struct recorder_stats){ .running = r && !atomic_load(&r->stopped) };
	if (!r)
		return;
	ret->error = atomic_load(&r->error);
	ret->bytes = atomic_load(&r->written);
	ret->ticks_lost = atomic_load(&r->ticks_lost);
	ret->events_lost = atomic_load(&r->events_lost);
}

/* ---- the tick --------------------------------------------------------------------------------------------------- */

static bool is_off(const struct recorder *r)
{
	return !r || atomic_load_explicit(&r->stopped, memory_order_relaxed);
}

static struct trace_out begin(struct recorder *r)
{
	return (struct trace_out){ .bytes = r->scratch, .size = TRACE_PAYLOAD_MOST };
}

static bool put(struct recorder *r, const struct trace_out *out)
{
	if (!r->behind && !out->cut && ring_put(&r->ring, out->bytes, (uint32_t)out->length))
		return true;
	/* What follows something lost makes no sense until the engine's state is told anew. */
	r->behind = true;
	return false;
}

static void flush_events(struct recorder *r)
{
	struct trace_out out = begin(r);

	if (!r->pending_count)
		return;
	trace_put_events(&out, r->pending, r->pending_count);
	if (!put(r, &out)) {
		r->lost.events += r->pending_count;
		atomic_fetch_add(&r->events_lost, r->pending_count);
	}
	r->pending_count = 0;
}

void recorder_events(struct recorder *r, const struct source_event *events, unsigned count,
		     uint64_t now_us)
{
	if (is_off(r))
		return;
	for (unsigned i = 0; i < count; i++) {
		if (r->events_of_tick == EVENTS_A_TICK) {
			r->lost.events += count - i;
			atomic_fetch_add(&r->events_lost, count - i);
			return;
		}
		r->events_of_tick++;
		r->pending[r->pending_count++] = (struct trace_event){ now_us, events[i] };
		if (r->pending_count == TRACE_EVENTS_MOST)
			flush_events(r);
	}
}

void recorder_config(struct recorder *r, double cores, const char *text, size_t length)
{
	struct trace_out out;
	char *copy;

	if (is_off(r))
		return;
	flush_events(r);
	copy = malloc(length + 1);
	if (!copy)
		return;
	memcpy(copy, text, length);
	free(r->config);
	r->config = copy;
	r->config_length = length;
	r->cores = cores;
	out = begin(r);
	trace_put_config(&out, cores, text, length);
	put(r, &out);
}

void recorder_order(struct recorder *r, const struct trace_order *order)
{
	struct trace_out out;

	if (is_off(r))
		return;
	flush_events(r);
	out = begin(r);
	trace_put_order(&out, order);
	put(r, &out);
}

/* Once half of the ring is free again: how much is missing, and all that a replay needs to go on. */
static void catch_up(struct recorder *r)
{
	struct trace_out out = begin(r);

	if ((!r->behind && !r->lost.events) || ring_room(&r->ring) < r->ring.size / 2)
		return;
	r->behind = false;
	trace_put_lost(&out, &r->lost);
	put(r, &out);
	out = begin(r);
	trace_put_config(&out, r->cores, r->config, r->config_length);
	put(r, &out);
	r->lost = (struct trace_lost){ 0 };
	r->ticks = 0;
}

void recorder_inputs(struct recorder *r, const struct engine *engine, const struct sample *sample,
		     const struct load *load, uint64_t realtime_us)
{
	struct trace_out out;

	if (is_off(r))
		return;
	flush_events(r);
	r->events_of_tick = 0;
	catch_up(r);
	if (r->ticks % STATE_EVERY == 0 && !r->behind) {
		out = begin(r);
		trace_put_engine(&out, engine);
		put(r, &out);
	}
	r->out = begin(r);
	trace_put_tick(&r->out, realtime_us, sample, load, engine->config.services);
}

void recorder_answer(struct recorder *r, const struct engine *engine, const struct plan *plan,
		     bool ranked)
{
	if (is_off(r) || !r->out.bytes)
		return;
	trace_put_answer(&r->out, engine, plan, ranked);
	if (put(r, &r->out)) {
		r->ticks++;
	} else {
		r->lost.ticks++;
		atomic_fetch_add(&r->ticks_lost, 1);
	}
	r->out.bytes = NULL;
}
