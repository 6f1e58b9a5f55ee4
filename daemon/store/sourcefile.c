#include "store/sourcefile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/privilege.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/wait.h"
#include "store/ledger_format.h"

#define LEDGER "ledger"
#define ROUND_S 1
#define ROUND_BLOCKS 256u /* a MiB */

struct sourcefile {
	struct source_table *table;
	size_t size;
	char path[PATH_MAX]; /* of the mapping; empty: plain memory */
	char state_dir[PATH_MAX];
	int state_fd, ledger_fd; /* -1: nothing is kept */
	uint64_t serial;
	unsigned next; /* where to look next for changed blocks */
	pthread_t thread;
	bool threaded;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
	int error; /* atomic */
};

/* ---- the mapping ---------------------------------------------------------------------------- */

static int map_shared(struct sourcefile *f, const char *run_dir, void **ret)
{
	_cleanup_close_ int fd = -1;
	char fresh[PATH_MAX];
	void *map;
	int r;

	if ((size_t)snprintf(f->path, sizeof(f->path), "%s/sources", run_dir) >= sizeof(f->path) ||
	    (size_t)snprintf(fresh, sizeof(fresh), "%s/sources.new", run_dir) >= sizeof(fresh))
		return -ENAMETOOLONG;
	unlink(fresh);
	/* It contains addresses of sources: only the daemon and the proxy may read it. */
	fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return -errno;
	privilege_share_with_proxy(fd, 0640);
	r = -posix_fallocate(fd, 0, (off_t)f->size);
	map = r == 0 ? mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (r == 0 && map == MAP_FAILED)
		r = -errno;
	if (r < 0) {
		unlink(fresh);
		return r;
	}
	*ret = map;
	return 0;
}

static int publish(const struct sourcefile *f)
{
	char fresh[PATH_MAX + 8];

	snprintf(fresh, sizeof(fresh), "%s.new", f->path);
	if (rename(fresh, f->path) == 0)
		return 0;
	unlink(fresh);
	return -errno;
}

static int map_table(struct sourcefile *f, const char *run_dir, void **ret)
{
	int r = map_shared(f, run_dir, ret);

	if (r == 0)
		return 0;
	log_warning(
		"Cannot share the table of sources in %s: %s. The proxies rank no source; mail is not affected.",
		run_dir, strerror(-r));
	f->path[0] = 0;
	*ret = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return *ret == MAP_FAILED ? -ENOMEM : 0;
}

/* ---- the ledger's file ---------------------------------------------------------------------- */

/* Reads the head of an existing file. -ENOENT: there is no file; -EEXIST: it is intact, but of
 * another size. */
static int read_head(struct sourcefile *f, uint32_t blocks, struct ledger_head *ret)
{
	struct stat st;
	ssize_t n;
	int r;

	f->ledger_fd = openat(f->state_fd, LEDGER, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (f->ledger_fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	if (fstat(f->ledger_fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	n = pread(f->ledger_fd, ret, sizeof(*ret), 0);
	if (n < 0)
		return -errno;
	r = ledger_head_check(ret, (size_t)n, (uint64_t)st.st_size, ret);
	if (r == 0 && ret->blocks != blocks)
		r = -EEXIST;
	return r;
}

static int make_ledger(struct sourcefile *f)
{
	const char *fresh = LEDGER ".new";
	struct ledger_head head;
	uint64_t seed[2];
	unsigned blocks = source_blocks(f->table);
	int r = 0;

	source_seed(f->table, seed);
	ledger_head_make(&head, seed, blocks);
	if (f->ledger_fd >= 0)
		close(f->ledger_fd);
	unlinkat(f->state_fd, fresh, 0);
	f->ledger_fd = openat(f->state_fd, fresh,
			      O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->ledger_fd < 0)
		return -errno;
	if (ftruncate(f->ledger_fd, (off_t)ledger_record_at(blocks)) < 0 ||
	    pwrite(f->ledger_fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    renameat(f->state_fd, fresh, f->state_fd, LEDGER) < 0)
		r = errno ? -errno : -ENOSPC;
	if (r < 0) {
		unlinkat(f->state_fd, fresh, 0);
		close(f->ledger_fd);
		f->ledger_fd = -1;
	}
	return r;
}

static void load_blocks(struct sourcefile *f, uint64_t realtime_us)
{
	unsigned blocks = source_blocks(f->table), sources = 0, damaged = 0;
	struct ledger_record record;

	for (unsigned b = 0; b < blocks; b++) {
		int r = -1;

		if (pread(f->ledger_fd, &record, sizeof(record), (off_t)ledger_record_at(b)) ==
		    (ssize_t)sizeof(record))
			r = ledger_record_check(&record, b);
		if (r > 0) {
			sources += source_block_load(f->table, b, record.bytes, realtime_us);
			if (record.serial > f->serial)
				f->serial = record.serial;
		}
		damaged += r < 0;
	}
	if (sources)
		log_info("%u sources are remembered from before", sources);
	if (damaged)
		log_warning(
			"Cannot read %u of %u parts of the ledger in the state directory: they are damaged. Some sources lose their seniority; mail is not affected.",
			damaged, blocks);
}

/* Uses an existing file, or sets it aside and creates an empty one. */
static void open_ledger(struct sourcefile *f, const char *state_dir, struct ledger_head *head,
			bool sound, uint64_t realtime_us)
{
	int r = 0;

	if (sound)
		load_blocks(f, realtime_us);
	else if (f->state_fd >= 0)
		r = make_ledger(f);
	else
		r = -f->error;
	if (r == 0)
		return;
	f->error = -r;
	log_warning(
		"Cannot keep the ledger of sources in %s: %s. A restart forgets which sources wait; mail is not affected.",
		state_dir, strerror(-r));
}

static bool look_at_ledger(struct sourcefile *f, const char *state_dir, uint32_t blocks,
			   struct ledger_head *head)
{
	int r;

	f->state_fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->state_fd < 0) {
		f->error = errno;
		return false;
	}
	r = read_head(f, blocks, head);
	if (r == -EEXIST)
		log_notice(
			"The size of the ledger changed (source.ledger_size). It begins empty, and sources lose their seniority.");
	else if (r == -ENODATA || r == -EBADMSG || r == -EPROTONOSUPPORT)
		frame_set_aside(f->state_fd, LEDGER, r);
	else if (r < 0 && r != -ENOENT)
		log_warning(
			"Cannot read the ledger in %s: %s. It begins empty; mail is not affected.",
			state_dir, strerror(-r));
	return r == 0;
}

/* ---- the thread ----------------------------------------------------------------------------- */

static int write_block(struct sourcefile *f, unsigned block)
{
	struct ledger_record record;
	ssize_t n;

	ledger_record_make(&record, block, ++f->serial, source_block(f->table, block));
	n = pwrite(f->ledger_fd, &record, sizeof(record), (off_t)ledger_record_at(block));
	return n == (ssize_t)sizeof(record) ? 0 : n < 0 ? -errno : -ENOSPC;
}

/* Writes at most `most` changed blocks, from where it stopped last time. */
static void write_changed(struct sourcefile *f, unsigned most)
{
	unsigned blocks = source_blocks(f->table);
	int error = 0;

	for (unsigned n = 0; n < blocks && most; n++) {
		unsigned block = f->next;

		f->next = (f->next + 1) % blocks;
		if (!source_block_take(f->table, block))
			continue;
		most--;
		error = write_block(f, block);
		if (error < 0) {
			source_block_mark(f->table, block); /* again in the next round */
			break;
		}
	}
	if (error && !__atomic_load_n(&f->error, __ATOMIC_RELAXED))
		log_warning(
			"Cannot write the ledger of sources: %s. Trying again every second; mail is not affected.",
			strerror(-error));
	else if (!error && most != 0 && __atomic_load_n(&f->error, __ATOMIC_RELAXED))
		log_notice("the ledger of sources is written again");
	__atomic_store_n(&f->error, -error, __ATOMIC_RELAXED);
}

/* Where there was no ledger, and none could be made: no room, or a read-only file system. One that
 * could not be opened stays as it is, for the next start. */
static void make_later(struct sourcefile *f)
{
	if (f->state_fd < 0)
		f->state_fd = open(f->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->state_fd >= 0 && faccessat(f->state_fd, LEDGER, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno == ENOENT)
		make_ledger(f);
}

static void *run(void *context)
{
	struct sourcefile *f = context;

	pthread_mutex_lock(&f->lock);
	while (!f->stop) {
		wait_us(&f->wake, &f->lock, ROUND_S * US_PER_S);
		pthread_mutex_unlock(&f->lock);
		if (f->ledger_fd < 0)
			make_later(f);
		if (f->ledger_fd >= 0)
			write_changed(f, ROUND_BLOCKS);
		pthread_mutex_lock(&f->lock);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

static void start_thread(struct sourcefile *f)
{
	int r;

	pthread_mutex_init(&f->lock, NULL);
	wait_init(&f->wake);
	r = pthread_create(&f->thread, NULL, run, f);
	f->threaded = r == 0;
	if (r)
		log_warning(
			"Cannot start a thread for the ledger: %s. It is written when penstockd stops.",
			strerror(r));
}

/* ---- life ----------------------------------------------------------------------------------- */

int sourcefile_open(const char *run_dir, const char *state_dir, const struct source_config *config,
		    const uint64_t seed[2], uint64_t realtime_us, struct sourcefile **ret_file)
{
	struct sourcefile *f = calloc(1, sizeof(*f));
	struct ledger_head head;
	void *block;
	bool sound;
	int r;

	if (!f)
		return -ENOMEM;
	f->state_fd = f->ledger_fd = -1;
	f->size = source_size(config);
	snprintf(f->state_dir, sizeof(f->state_dir), "%s", state_dir);
	r = map_table(f, run_dir, &block);
	if (r < 0) {
		free(f);
		return r;
	}
	sound = look_at_ledger(f, state_dir, source_config_blocks(config), &head);
	f->table = source_init(block, config, sound ? head.seed : seed);
	open_ledger(f, state_dir, &head, sound, realtime_us);
	if (f->path[0] && publish(f) < 0)
		f->path[0] = 0;
	start_thread(f);
	*ret_file = f;
	return 0;
}

struct source_table *sourcefile_table(const struct sourcefile *file)
{
	return file->table;
}

int sourcefile_error(const struct sourcefile *file)
{
	return __atomic_load_n(&file->error, __ATOMIC_RELAXED);
}

void sourcefile_close(struct sourcefile *f)
{
	if (!f)
		return;
	if (f->threaded) {
		pthread_mutex_lock(&f->lock);
		f->stop = true;
		pthread_cond_signal(&f->wake);
		pthread_mutex_unlock(&f->lock);
		pthread_join(f->thread, NULL);
	}
	if (f->ledger_fd >= 0) {
		write_changed(f, UINT32_MAX);
		close(f->ledger_fd);
	}
	if (f->state_fd >= 0)
		close(f->state_fd);
	if (f->path[0])
		unlink(f->path);
	munmap(f->table, f->size);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->lock);
	free(f);
}
