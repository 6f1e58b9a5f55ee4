#include "store/recorder_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/wait.h"

#define ROUND_US (200 * US_PER_MS)
#define END_ROOM 1024u /* room that is left for the last frame */
#define PAGE_ITEM (sizeof(uint32_t) + TRACE_PAGE)

/* ---- the thread ----------------------------------------------------------------------------- */

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
			"Cannot write daemon.record %s: %s. Recording ends; mail is not affected. Correct the cause, set daemon.record to a new path and run penstockctl reload.",
			r->path, strerror(error));
	else
		log_notice(
			"The file of daemon.record, %s, is full: it has %llu MiB of daemon.record_max. What is in it stays.",
			r->path, (unsigned long long)(r->max_bytes >> 20));
}

/* An existing file is kept as FILE.1: an operator may still need it. */
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

			/* Makes the file end with a complete frame. */
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
	    r->max_bytes) {
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
		   (unsigned long long)(r->max_bytes >> 20));
	write_one(r, r->head, r->head_length - r->first_config_length);
	write_one(r, r->head + r->head_length - r->first_config_length, r->first_config_length);
	for (size_t at = 0; at < r->page_count; at += TRACE_PAGES_MAX) {
		struct trace_out out = { .bytes = r->frame, .size = TRACE_PAYLOAD_MAX };

		trace_put_table(&out, r->table_size);
		for (size_t i = at; i < r->page_count && i < at + TRACE_PAGES_MAX; i++) {
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

	while ((length = ring_take(&r->ring, r->frame, TRACE_PAYLOAD_MAX)) > 0)
		write_one(r, r->frame, length);
}

/* Logs when the disk falls behind for the first time, and whenever the loss has grown tenfold. */
static void tell_lost(struct recorder *r, uint64_t *told)
{
	uint64_t lost = atomic_load(&r->ticks_lost);

	if (lost == *told)
		return;
	if (*told == 0 || lost >= 10 * *told) {
		log_warning(
			"Cannot write all of daemon.record %s: the disk is too slow. %llu ticks are missing in it so far; mail is not affected.",
			r->path, (unsigned long long)lost);
		*told = lost;
	}
}

static void *run(void *context)
{
	struct recorder *r = context;
	uint64_t told = 0;
	bool stop, left;

	write_first(r);
	do {
		pthread_mutex_lock(&r->lock);
		if (!r->stop)
			wait_us(&r->wake, &r->lock, ROUND_US);
		stop = r->stop;
		pthread_mutex_unlock(&r->lock);
		drain(r);
		tell_lost(r, &told);
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

/* ---- life ----------------------------------------------------------------------------------- */

static bool is_zero(const uint8_t *page)
{
	return page[0] == 0 && memcmp(page, page + 1, TRACE_PAGE - 1) == 0;
}

/* Writes the pages that are not empty: a new table is nearly empty. The last page may be partial;
 * it is filled with zeros. */
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
	struct trace_out out = { .bytes = r->head, .size = TRACE_PAYLOAD_MAX };

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
	r->max_bytes = o->max_bytes;
	snprintf(r->path, sizeof(r->path), "%s", o->path);
	r->ring.size = o->ring_bytes ? o->ring_bytes : RECORDER_RING;
	r->ring.bytes = malloc(r->ring.size);
	r->scratch = malloc(TRACE_PAYLOAD_MAX);
	r->pending = malloc(TRACE_EVENTS_MAX * sizeof(*r->pending));
	r->frame = malloc(TRACE_PAYLOAD_MAX);
	r->head = malloc(TRACE_PAYLOAD_MAX);
	if (r->ring.bytes && r->scratch && r->pending && r->frame && r->head)
		error = make_first_frames(r, o);
	if (error == 0 && o->table)
		error = copy_table(r, o->table, o->table_size);
	if (error == 0) {
		/* Touch all pages now, so that the tick meets no page fault. */
		memset(r->ring.bytes, 0, r->ring.size);
		memset(r->scratch, 0, TRACE_PAYLOAD_MAX);
		memset(r->pending, 0, TRACE_EVENTS_MAX * sizeof(*r->pending));
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
