#include "sensor/queue_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define DEPTH_MAX 6
/* A control file that is so much newer than its message was rewritten after a delivery attempt. */
#define REWRITTEN_S 10
#define CHECK_EVERY 256
#define HEAD 2048 /* bytes read of a control file: enough for the line about attempts */

struct walk {
	const struct queue_bounds *bounds;
	struct queue_figures *figures;
	double now_s;
	uint64_t began_us;
	unsigned depth; /* each level holds a descriptor open */
	bool over; /* a limit was reached, or it was told to stop */
};

/* Called for each entry of a directory. */
typedef void visit(struct walk *w, int dir_fd, const char *name, bool directory);

static DIR *open_directory(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static bool is_directory(int at, const char *path)
{
	struct stat st;

	return fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Counts an entry. Returns whether the walk may go on. */
static bool go_on(struct walk *w)
{
	struct queue_figures *f = w->figures;

	if (w->over)
		return false;
	if (++f->entries >= w->bounds->entries)
		w->over = f->partial = true;
	if (f->entries % CHECK_EVERY == 0) {
		if (clock_monotonic_us() - w->began_us > w->bounds->time_us)
			w->over = f->partial = true;
		if (w->bounds->stop && *w->bounds->stop)
			w->over = f->partial = true;
	}
	return !w->over;
}

/* When a file was last written, in seconds since 1970; -1: unknown. */
static double time_of(struct walk *w, int dir_fd, const char *name)
{
	struct stat st;

	if (w->figures->stat_calls >= w->bounds->stat_calls) {
		w->figures->partial = true;
		return -1;
	}
	w->figures->stat_calls++;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return (double)st.st_mtim.tv_sec + (double)st.st_mtim.tv_nsec / 1e9;
}

/* Whether the control file says that delivery was tried. False if it cannot be read. */
static bool was_tried(int dir_fd, const char *name, bool (*says)(const char *head))
{
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char head[HEAD + 1];
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, head, HEAD);
	close(fd);
	if (n <= 0)
		return false;
	head[n] = 0;
	return says(head);
}

static void add_ready(struct walk *w, double since_s)
{
	w->figures->count++;
	w->figures->ready++;
	if (since_s >= 0 && w->now_s - since_s > w->figures->oldest_s)
		w->figures->oldest_s = w->now_s - since_s;
}

static int each(struct walk *w, int at, const char *path, visit *on_entry)
{
	DIR *dir = w->depth < DEPTH_MAX ? open_directory(at, path) : NULL;
	struct dirent *entry;

	if (!dir)
		return w->depth < DEPTH_MAX ? -errno : -ELOOP;
	w->depth++;
	while (go_on(w) && (entry = readdir(dir))) {
		bool directory = entry->d_type == DT_DIR;

		if (entry->d_name[0] == '.')
			continue;
		if (entry->d_type == DT_UNKNOWN)
			directory = is_directory(dirfd(dir), entry->d_name);
		on_entry(w, dirfd(dir), entry->d_name, directory);
	}
	w->depth--;
	closedir(dir);
	return 0;
}

/* ---- Postfix -------------------------------------------------------------------------------- */

static void postfix_ready(struct walk *w, int dir_fd, const char *name, bool directory)
{
	if (directory && strlen(name) == 1)
		each(w, dir_fd, name, postfix_ready);
	else if (!directory && queue_is_postfix_id(name))
		add_ready(w, time_of(w, dir_fd, name));
}

static void postfix_deferred(struct walk *w, int dir_fd, const char *name, bool directory)
{
	if (directory && strlen(name) == 1)
		each(w, dir_fd, name, postfix_deferred);
	else if (!directory && queue_is_postfix_id(name))
		w->figures->count++;
}

static int walk_postfix(struct walk *w, int fd)
{
	/* "active" first: it has the oldest messages, at most qmgr_message_active_limit of them. */
	int r = each(w, fd, "active", postfix_ready);

	if (r < 0)
		return r;
	each(w, fd, "incoming", postfix_ready);
	each(w, fd, "maildrop", postfix_ready);
	each(w, fd, "deferred", postfix_deferred);
	return 0;
}

/* ---- Exim ----------------------------------------------------------------------------------- */

static void exim_message(struct walk *w, int dir_fd, const char *name, bool directory)
{
	size_t n = strlen(name);
	int64_t received;
	double written;

	if (directory && n == 1) {
		each(w, dir_fd, name, exim_message);
		return;
	}
	received = directory ? -1 : queue_exim_time(name);
	if (received < 0 || strcmp(name + n - 2, "-H") != 0)
		return;
	written = time_of(w, dir_fd, name);
	/* Exim rewrites the header file after an attempt that did not deliver everything, perhaps
	 * at once. */
	if (written >= 0 &&
	    (written - (double)received > REWRITTEN_S || was_tried(dir_fd, name, queue_exim_tried)))
		w->figures->count++;
	else
		add_ready(w, (double)received);
}

/* ---- Sendmail ------------------------------------------------------------------------------- */

static void sendmail_message(struct walk *w, int dir_fd, const char *name, bool directory)
{
	char body[64];
	double received, written;

	if (directory || !queue_is_sendmail_control(name))
		return;
	written = time_of(w, dir_fd, name);
	snprintf(body, sizeof(body), "df%.60s", name + 2);
	received = time_of(w, dir_fd, body);
	if (received < 0) { /* message bodies in a directory of their own */
		snprintf(body, sizeof(body), "../df/df%.50s", name + 2);
		received = time_of(w, dir_fd, body);
	}
	if (received >= 0 &&
	    (written - received > REWRITTEN_S || was_tried(dir_fd, name, queue_sendmail_tried)))
		w->figures->count++;
	else
		add_ready(w, received >= 0 ? received : written);
}

/* A queue directory may hold its files, qf/ and df/, or further queue directories. */
static void sendmail_entry(struct walk *w, int dir_fd, const char *name, bool directory)
{
	int fd;

	if (!directory) {
		sendmail_message(w, dir_fd, name, false);
		return;
	}
	if (strcmp(name, "qf") == 0) {
		each(w, dir_fd, name, sendmail_message);
		return;
	}
	if (strcmp(name, "df") == 0 || strcmp(name, "xf") == 0)
		return;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	each(w, fd, is_directory(fd, "qf") ? "qf" : ".", sendmail_message);
	close(fd);
}

/* ---- OpenSMTPD ------------------------------------------------------------------------------ */

static void opensmtpd_message(struct walk *w, int dir_fd, const char *name, bool directory)
{
	double received, oldest_envelope = -1;
	unsigned untried = 0;
	struct dirent *entry;
	DIR *dir;

	if (!directory)
		return;
	if (strlen(name) == 2) {
		each(w, dir_fd, name, opensmtpd_message);
		return;
	}
	if (!queue_is_opensmtpd_message(name) || !(dir = open_directory(dir_fd, name)))
		return;
	received = time_of(w, dirfd(dir), "message");
	while (go_on(w) && (entry = readdir(dir))) {
		double written;

		if (strlen(entry->d_name) != 16)
			continue;
		untried += !was_tried(dirfd(dir), entry->d_name, queue_opensmtpd_tried);
		written = time_of(w, dirfd(dir), entry->d_name);
		if (written >= 0 && (oldest_envelope < 0 || written < oldest_envelope))
			oldest_envelope = written;
	}
	closedir(dir);
	/* Ready while a recipient has not been tried: an envelope is rewritten after an attempt. */
	if (received >= 0 && (oldest_envelope - received > REWRITTEN_S || untried == 0))
		w->figures->count++;
	else
		add_ready(w, received);
}

/* ---- all ------------------------------------------------------------------------------------ */

static bool has_sendmail_queue(int fd)
{
	DIR *dir = open_directory(fd, ".");
	struct dirent *entry;
	bool found = false;
	int looked = 0;

	while (dir && !found && looked++ < 1000 && (entry = readdir(dir))) {
		char below[300];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(below, sizeof(below), "%s/qf", entry->d_name);
		found = queue_is_sendmail_control(entry->d_name) || is_directory(fd, below);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Often only the name shows that this is an empty queue of Sendmail. */
static bool is_named_mqueue(const char *path)
{
	return strstr(path, "mqueue") != NULL || strstr(path, "clientmqueue") != NULL;
}

static enum queue_layout detect(int fd, const char *path)
{
	if (is_directory(fd, "active") && is_directory(fd, "incoming") &&
	    is_directory(fd, "deferred"))
		return QUEUE_POSTFIX;
	if (is_directory(fd, "input"))
		return QUEUE_EXIM;
	if (is_directory(fd, "queue") && is_directory(fd, "incoming"))
		return QUEUE_OPENSMTPD;
	if (is_directory(fd, "qf") || has_sendmail_queue(fd) || is_named_mqueue(path))
		return QUEUE_SENDMAIL;
	return QUEUE_UNKNOWN;
}

int queue_detect(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), layout;

	if (fd < 0)
		return -errno;
	layout = (int)detect(fd, path);
	close(fd);
	return layout;
}

static int walk_layout(struct walk *w, int fd, enum queue_layout layout)
{
	switch (layout) {
	case QUEUE_POSTFIX:
		return walk_postfix(w, fd);
	case QUEUE_EXIM:
		return each(w, fd, "input", exim_message);
	case QUEUE_SENDMAIL:
		return each(w, fd, ".", sendmail_entry);
	case QUEUE_OPENSMTPD: {
		int r = each(w, fd, "queue", opensmtpd_message);

		if (r == 0)
			each(w, fd, "incoming", opensmtpd_message);
		return r;
	}
	default:
		return -EMEDIUMTYPE;
	}
}

int queue_walk(const char *path, uint64_t now_us, const struct queue_bounds *bounds,
	       struct queue_figures *figures)
{
	struct queue_figures sum = *figures;
	struct walk w = { .bounds = bounds,
			  .figures = &sum,
			  .now_s = (double)now_us / 1e6,
			  .began_us = clock_monotonic_us() };
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	sum.layout = detect(fd, path);
	r = walk_layout(&w, fd, sum.layout);
	close(fd);
	if (r == 0)
		*figures = sum;
	return r;
}
