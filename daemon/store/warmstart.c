#include "store/warmstart.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/wait.h"
#include "store/frame.h"

#define NAME "learned"
#define ROUND_S 30
#define LENGTH_0_2 offsetof(struct warmstart, filter_cost_s) /* length of the payload of 0.2.0 */
#define OLDEST_US (UINT64_C(30) * 86400 * 1000000)
#define FUTURE_US (UINT64_C(3600) * 1000000) /* tolerance for clocks that differ */

static const struct frame_kind kind = { "WARM", WARMSTART_VERSION };

struct warmstart_file {
	int state_fd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct warmstart latest;
	bool fresh, stop, told;
	int error; /* atomic: errno of the last write */
};

int warmstart_check(const struct warmstart *warm, uint64_t realtime_us, double cores)
{
	if (warm->realtime_us > realtime_us + FUTURE_US ||
	    (realtime_us > warm->realtime_us && realtime_us - warm->realtime_us > OLDEST_US))
		return -ESTALE;
	if (!isfinite(warm->cores) || fabs(warm->cores - cores) > 0.01)
		return -EXDEV;
	return 0;
}

int warmstart_load(const char *state_dir, uint64_t realtime_us, double cores, struct warmstart *ret)
{
	_cleanup_close_ int fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t length;
	int r;

	if (fd < 0)
		return -errno;
	memset(ret, 0, sizeof(*ret));
	r = frame_load(fd, NAME, &kind, ret, sizeof(*ret), &length);
	if (r == 0 && length != sizeof(*ret) && length != LENGTH_0_2) {
		frame_set_aside(fd, NAME, -EBADMSG);
		r = -EBADMSG;
	}
	if (r < 0)
		return r;
	r = warmstart_check(ret, realtime_us, cores);
	if (r < 0)
		log_info("what was learned before is not used: %s",
			 r == -EXDEV ? "the number of CPUs is another one"
			 : ret->realtime_us > realtime_us
				 ? "it is from the future: the clock was wrong then, or is now"
				 : "it is too old");
	return r;
}

void warmstart_restore(const struct warmstart *warm, struct engine *engine,
		       struct source_table *sources)
{
	struct engine_warm mine = { .connect_220_base_us = warm->connect_220_base_us,
				    .filter_cost_s = warm->filter_cost_s };

	for (unsigned i = 0; i < engine->config.services; i++)
		for (unsigned k = 0; k < PLAN_SERVICES; k++)
			if (warm->name[k][0] &&
			    strncmp(warm->name[k], engine->config.service[i].name,
				    sizeof(warm->name[k])) == 0)
				mine.service[i] = warm->service[k];
	engine_restore(engine, &mine);
	if (sources)
		source_restore(sources, &warm->senders);
}

void warmstart_save(const struct engine *engine, const struct source_table *sources,
		    uint64_t realtime_us, double cores, struct warmstart *ret)
{
	struct engine_warm mine;

	memset(ret, 0, sizeof(*ret));
	ret->realtime_us = realtime_us;
	ret->cores = cores;
	for (unsigned i = 0; i < engine->config.services; i++)
		memcpy(ret->name[i], engine->config.service[i].name, sizeof(ret->name[i]));
	engine_save(engine, &mine);
	ret->connect_220_base_us = mine.connect_220_base_us;
	ret->filter_cost_s = mine.filter_cost_s;
	memcpy(ret->service, mine.service, sizeof(ret->service));
	if (sources)
		source_save(sources, &ret->senders);
}

/* ---- the thread ----------------------------------------------------------------------------- */

static void write_one(struct warmstart_file *f, const struct warmstart *warm)
{
	int r = frame_save(f->state_fd, NAME, &kind, warm, sizeof(*warm));

	if (r < 0 && !f->told)
		log_warning(
			"Cannot write what was learned to the state directory: %s. A restart begins from a guess; mail is not affected.",
			strerror(-r));
	f->told = r < 0;
	__atomic_store_n(&f->error, -r, __ATOMIC_RELAXED);
}

/* Takes the newest figures if they were not written yet. */
static bool take(struct warmstart_file *f, struct warmstart *ret)
{
	bool fresh = f->fresh;

	*ret = f->latest;
	f->fresh = false;
	return fresh;
}

static void *run(void *context)
{
	struct warmstart_file *f = context;
	struct warmstart warm;
	bool stop;

	do {
		bool fresh;

		pthread_mutex_lock(&f->lock);
		if (!f->stop) /* a spurious wake-up only writes earlier */
			wait_us(&f->wake, &f->lock, ROUND_S * US_PER_S);
		fresh = take(f, &warm);
		stop = f->stop;
		pthread_mutex_unlock(&f->lock);
		if (fresh)
			write_one(f, &warm);
	} while (!stop);
	return NULL;
}

int warmstart_open(const char *state_dir, struct warmstart_file **ret_file)
{
	struct warmstart_file *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->state_fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->state_fd < 0) {
		r = -errno;
		free(f);
		return r;
	}
	pthread_mutex_init(&f->lock, NULL);
	wait_init(&f->wake);
	r = -pthread_create(&f->thread, NULL, run, f);
	if (r < 0) {
		close(f->state_fd);
		free(f);
		return r;
	}
	*ret_file = f;
	return 0;
}

void warmstart_put(struct warmstart_file *f, const struct warmstart *warm)
{
	if (pthread_mutex_trylock(&f->lock) != 0)
		return; /* the next figures will do */
	f->latest = *warm;
	f->fresh = true;
	pthread_mutex_unlock(&f->lock);
}

int warmstart_error(const struct warmstart_file *f)
{
	return __atomic_load_n(&f->error, __ATOMIC_RELAXED);
}

void warmstart_close(struct warmstart_file *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->lock);
	close(f->state_fd);
	free(f);
}
