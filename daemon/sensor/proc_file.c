#include "sensor/proc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fuse.h"
#include "base/log.h"
#include "base/readfile.h"
#include "sensor/sensor.h"
#include "sensor/worker.h"

#define READ_EVERY_US (US_PER_S / 5)
#define READ_IDLE_US (US_PER_S / 2)
#define OLD_US (2 * US_PER_S) /* older content is not used */
#define LEAVE_US (US_PER_S / 2) /* time in which the thread has to end */

/* The result of one reading. */
struct reading {
	char *content; /* terminated */
	size_t room; /* size of the buffer */
	size_t length;
	int result; /* length of the content, or -errno */
	uint64_t at_us; /* when it ended; 0: there was none */
};

/* A file that a program serves. */
struct served {
	/* under the lock */
	const char *path; /* NULL: this place is free */
	unsigned users; /* 0: the thread closes the file at its next turn */
	size_t size;
	struct reading last;
	/* used only by the thread */
	struct reading next;
	int fd;
};

struct proc_reader {
	int proc_fd;
	struct worker *worker;
	bool begun;
	uint64_t asking_us; /* since when the thread waits for the program, 0: it does not */
	pthread_mutex_t lock;
	struct served files[PROC_FILES_MAX];
};

struct proc_file {
	int fd; /* of a file that the kernel itself answers for; else -1 */
	struct proc_reader *reader;
	struct served *served;
	uint64_t opened_us;
	struct reading taken; /* copy of the thread's last reading */
};

/* ---- the thread ----------------------------------------------------------------------------- */

static void free_served(struct served *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->last.content);
	free(f->next.content);
	*f = (struct served){ .fd = -1 };
}

static void free_all(struct proc_reader *r)
{
	for (unsigned i = 0; i < PROC_FILES_MAX; i++)
		free_served(&r->files[i]);
}

/* Makes the buffer large enough for `size` octets. False: out of memory. */
static bool make_room(struct reading *r, size_t size)
{
	char *content = r->room >= size ? r->content : realloc(r->content, size);

	if (!content)
		return false;
	r->content = content;
	r->room = r->room >= size ? r->room : size;
	return true;
}

static int read_file(const struct proc_reader *r, struct served *f, const char *path, size_t size)
{
	int result;

	if (!make_room(&f->next, size))
		return -ENOMEM;
	if (f->fd < 0)
		f->fd = openat(r->proc_fd, path, O_RDONLY | O_CLOEXEC);
	result = f->fd < 0 ? -errno : readfile_fd(f->fd, f->next.content, size);
	if (result < 0 && result != -EFBIG && f->fd >= 0) {
		/* The file may be served by another program by now, so it is opened again next
		 * time. */
		close(f->fd);
		f->fd = -1;
	}
	return result;
}

static void look_at(struct proc_reader *r, struct served *f)
{
	struct reading before;
	const char *path;
	size_t size;

	pthread_mutex_lock(&r->lock);
	if (f->path && !f->users)
		free_served(f);
	path = f->path;
	size = f->size;
	pthread_mutex_unlock(&r->lock);
	if (!path)
		return;
	__atomic_store_n(&r->asking_us, clock_monotonic_us(), __ATOMIC_RELAXED);
	f->next.result = read_file(r, f, path, size);
	__atomic_store_n(&r->asking_us, 0, __ATOMIC_RELAXED);
	f->next.length = f->next.result >= 0	    ? (size_t)f->next.result
			 : f->next.result == -EFBIG ? size - 1
						    : 0;
	f->next.at_us = clock_monotonic_us();
	pthread_mutex_lock(&r->lock);
	before = f->last;
	f->last = f->next;
	f->next = before;
	pthread_mutex_unlock(&r->lock);
}

static uint64_t look(void *context, bool idle)
{
	struct proc_reader *r = context;

	for (unsigned i = 0; i < PROC_FILES_MAX && !*worker_stop(r->worker); i++)
		look_at(r, &r->files[i]);
	/* The owner may have left the reader to this thread, which then frees it as far as it
	 * can. */
	if (*worker_stop(r->worker))
		free_all(r);
	return idle ? READ_IDLE_US : READ_EVERY_US;
}

int proc_reader_open(int proc_fd, struct proc_reader **ret_reader)
{
	struct proc_reader *r = calloc(1, sizeof(*r));

	if (!r || worker_open(&r->worker) < 0) {
		free(r);
		return -ENOMEM;
	}
	r->proc_fd = proc_fd;
	for (unsigned i = 0; i < PROC_FILES_MAX; i++)
		r->files[i].fd = -1;
	pthread_mutex_init(&r->lock, NULL);
	*ret_reader = r;
	return 0;
}

void proc_reader_set_idle(struct proc_reader *r, bool idle)
{
	if (r)
		worker_set_idle(r->worker, idle);
}

void proc_reader_close(struct proc_reader *r)
{
	if (!r)
		return;
	if (!worker_end(r->worker, LEAVE_US)) {
		log_warning(
			"Cannot end the thread that reads files of /proc: it did not return within 0.5 s, as when the program that serves them (lxcfs) does not answer or no CPU is free. It ends when it returns; mail is not affected.");
		return;
	}
	worker_close(r->worker);
	free_all(r);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* Finds the place of `path`, or takes a free one. NULL: there is none. */
static struct served *enter(struct proc_reader *r, const char *path, size_t size)
{
	struct served *place = NULL;

	pthread_mutex_lock(&r->lock);
	for (unsigned i = 0; i < PROC_FILES_MAX; i++) {
		struct served *f = &r->files[i];

		if (f->path && strcmp(f->path, path) == 0) {
			place = f;
			break;
		}
		if (!f->path && !place)
			place = f;
	}
	if (place) {
		place->users++;
		place->path = path;
		place->size = place->size > size ? place->size : size;
	}
	pthread_mutex_unlock(&r->lock);
	return place;
}

static void leave(struct proc_reader *r, struct served *f)
{
	pthread_mutex_lock(&r->lock);
	f->users--;
	pthread_mutex_unlock(&r->lock);
}

/* ---- the file ------------------------------------------------------------------------------- */

static bool hangs(const struct proc_reader *r, uint64_t now_us)
{
	uint64_t asking_us = __atomic_load_n(&r->asking_us, __ATOMIC_RELAXED);

	return asking_us && now_us > asking_us + OLD_US;
}

static int say_late(const struct proc_reader *r, const char *path, uint64_t now_us, char *why)
{
	if (hangs(r, now_us))
		snprintf(why, SENSOR_WHY_MAX,
			 "the program that serves /proc/%s (lxcfs) does not answer", path);
	else
		snprintf(why, SENSOR_WHY_MAX, "the thread that reads /proc/%s did not run in time",
			 path);
	return -ETIMEDOUT;
}

static int open_served(struct proc_file *f, struct proc_reader *r, const char *path, size_t size,
		       char *why)
{
	int error;

	if (!r || !make_room(&f->taken, size))
		return -ENOMEM;
	f->opened_us = clock_monotonic_us();
	/* A sensor that is tried again does not count as working before the program answers. */
	if (hangs(r, f->opened_us))
		return say_late(r, path, f->opened_us, why);
	f->reader = r;
	f->served = enter(r, path, size);
	if (!f->served)
		return -ENOSPC;
	if (r->begun)
		return 0;
	error = worker_add(r->worker, look, r);
	r->begun = error == 0;
	return error;
}

int proc_file_open(const struct sensor_env *env, const char *path, size_t size,
		   struct proc_file **ret_file, char *why)
{
	struct proc_file *f = calloc(1, sizeof(*f));
	int r = 0;

	if (!f)
		return -ENOMEM;
	why[0] = 0;
	f->fd = -1;
	if (env->proc_fd < 0)
		r = -ENOENT;
	else if (fuse_serves(env->proc_fd, path))
		r = open_served(f, env->proc_reader, path, size, why);
	else if ((f->fd = openat(env->proc_fd, path, O_RDONLY | O_CLOEXEC)) < 0)
		r = -errno;
	if (r < 0) {
		if (!why[0])
			snprintf(why, SENSOR_WHY_MAX, "/proc/%s cannot be opened: %s", path,
				 strerror(-r));
		proc_file_close(f);
		return r;
	}
	*ret_file = f;
	return 0;
}

void proc_file_close(struct proc_file *f)
{
	if (!f)
		return;
	if (f->fd >= 0)
		close(f->fd);
	if (f->served)
		leave(f->reader, f->served);
	free(f->taken.content);
	free(f);
}

bool proc_file_is_served(const struct proc_file *f)
{
	return f->served;
}

/* Copies what the thread has read since then. While the thread holds the lock, the earlier copy is
 * used. */
static void take(struct proc_file *f)
{
	const struct reading *last = &f->served->last;
	struct reading *taken = &f->taken;

	if (pthread_mutex_trylock(&f->reader->lock) != 0)
		return;
	if (last->at_us != taken->at_us) {
		bool fits = last->length < taken->room;

		taken->length = fits ? last->length : taken->room - 1;
		taken->result = fits ? last->result : -EFBIG;
		taken->at_us = last->at_us;
		if (taken->length)
			memcpy(taken->content, last->content, taken->length);
		taken->content[taken->length] = 0;
	}
	pthread_mutex_unlock(&f->reader->lock);
}

static int read_served(struct proc_file *f, uint64_t now_us, char *buf, size_t size,
		       uint64_t *ret_read_us, char *why)
{
	const struct reading *taken = &f->taken;
	size_t length;

	take(f);
	if (now_us > taken->at_us + OLD_US) {
		if (now_us <= f->opened_us + OLD_US)
			return -EAGAIN;
		return say_late(f->reader, f->served->path, now_us, why);
	}
	length = taken->length < size ? taken->length : size - 1;
	memcpy(buf, taken->content, length);
	buf[length] = 0;
	*ret_read_us = taken->at_us;
	return taken->result;
}

int proc_file_read(struct proc_file *f, uint64_t now_us, char *buf, size_t size,
		   uint64_t *ret_read_us, char *why)
{
	if (f->served)
		return read_served(f, now_us, buf, size, ret_read_us, why);
	*ret_read_us = now_us;
	return readfile_once(f->fd, buf, size);
}

int proc_file_read_whole(struct proc_file *f, uint64_t now_us, char *buf, size_t size,
			 uint64_t *ret_read_us, char *why)
{
	if (f->served)
		return read_served(f, now_us, buf, size, ret_read_us, why);
	*ret_read_us = now_us;
	return readfile_fd(f->fd, buf, size);
}
