#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/duration.h"
#include "front/responder_parts.h"

#define DESCRIPTORS_OF_OTHERS 256 /* descriptors left for the rest of the process */
#define DRAINING_MAX 4096 /* clients that have got the last reply, beside those in dialogue */
#define HANGS_US (1 * US_PER_S) /* a thread whose loop has not run for so long hangs */

/* How many clients can be served at once: as configured, but no more than there are descriptors. */
static uint32_t room(uint32_t linger_max)
{
	uint64_t wanted = (uint64_t)linger_max + DRAINING_MAX;
	uint32_t have = descriptors_raise(wanted + DESCRIPTORS_OF_OTHERS, false);

	if (wanted + DESCRIPTORS_OF_OTHERS > have)
		wanted = have > 2 * DESCRIPTORS_OF_OTHERS ? have - DESCRIPTORS_OF_OTHERS : have / 2;
	return (uint32_t)wanted;
}

static int open_pool(struct responder *r)
{
	uint32_t most = room(r->manner.linger_max);
	void *memory = mmap(NULL, most * sizeof(struct responder_client), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	r->client = memory;
	r->most = most;
	for (int i = 0; i < QUEUES; i++)
		r->queue[i].first = r->queue[i].last = RESPONDER_NONE;
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return r->epoll_fd < 0 || r->wake_fd < 0 || r->reserve_fd < 0 ? -errno : 0;
}

static void free_responder(struct responder *r)
{
	for (int i = 0; i < LISTENERS; i++)
		if (r->listener[i] >= 0)
			close(r->listener[i]);
	if (r->epoll_fd >= 0)
		close(r->epoll_fd);
	if (r->wake_fd >= 0)
		close(r->wake_fd);
	if (r->reserve_fd >= 0)
		close(r->reserve_fd);
	if (r->client)
		munmap(r->client, r->most * sizeof(struct responder_client));
	sem_destroy(&r->opened);
	pthread_mutex_destroy(&r->manner_lock);
	free(r);
}

/* Only the main thread gets signals. */
static int start_thread(struct responder *r)
{
	sigset_t all, before;
	int e;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&r->thread, NULL, responder_loop, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (e)
		return -e;
	r->running = true;
	pthread_setname_np(r->thread, "responder");
	while (sem_wait(&r->opened) < 0 && errno == EINTR)
		;
	return r->result;
}

int responder_open(const struct responder_options *options, struct responder **ret_responder,
		   char *why)
{
	struct responder *r = calloc(1, sizeof(*r));
	int e;

	if (!r) {
		snprintf(why, 256, "out of memory");
		return -ENOMEM;
	}
	r->free = RESPONDER_NONE;
	r->options = *options;
	r->manner = options->manner;
	for (int i = 0; i < LISTENERS; i++)
		r->listener[i] = -1;
	r->epoll_fd = r->wake_fd = r->reserve_fd = -1;
	sem_init(&r->opened, 0, 0);
	pthread_mutex_init(&r->manner_lock, NULL);
	e = open_pool(r);
	if (e == 0)
		e = start_thread(r);
	if (e < 0) {
		snprintf(why, 256, "%s", r->why[0] ? r->why : strerror(-e));
		responder_close(r);
		return e;
	}
	*ret_responder = r;
	return 0;
}

static void wake(struct responder *r)
{
	uint64_t one = 1;

	if (write(r->wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full, so the thread is awake already */
}

void responder_close(struct responder *r)
{
	if (!r)
		return;
	if (r->running) {
		__atomic_store_n(&r->stop, true, __ATOMIC_RELEASE);
		wake(r);
		pthread_join(r->thread, NULL);
	}
	free_responder(r);
}

int responder_listener_v4(const struct responder *r)
{
	return r->listener[LISTENER_V4];
}

int responder_listener_v6(const struct responder *r)
{
	return r->listener[LISTENER_V6];
}

void responder_set_manner(struct responder *r, const struct responder_manner *manner)
{
	pthread_mutex_lock(&r->manner_lock);
	r->options.manner = r->fresh = *manner;
	r->manner_changed = true;
	pthread_mutex_unlock(&r->manner_lock);
	wake(r);
}

void responder_push(struct responder *r, const struct plan *plan, bool down)
{
	plan_write(&r->plan, plan);
	__atomic_store_n(&r->down, down, __ATOMIC_RELAXED);
}

#define READ(field) .field = __atomic_load_n(&r->view.field, __ATOMIC_RELAXED)

void responder_view(const struct responder *r, struct responder_view *ret_view)
{
	*ret_view = (struct responder_view){
		READ(accepted),	  READ(told),	 READ(shortened), READ(finished),  READ(expired),
		READ(errors),	  READ(cpu_us),	 READ(beat_us),	  READ(lingering), READ(draining),
		READ(linger_max), READ(blocked), READ(form),
	};
	__atomic_load(&r->view.cpu_used_ratio, &ret_view->cpu_used_ratio, __ATOMIC_RELAXED);
}

bool responder_hangs(const struct responder *r, uint64_t now_us, char *why)
{
	struct responder_view v;
	char lasting[DURATION_PRINTED];

	responder_view(r, &v);
	if (now_us <= v.beat_us + HANGS_US)
		return false;
	snprintf(why, 160, "the responder's thread has not turned for %s",
		 duration_print_us(now_us - v.beat_us, lasting));
	return true;
}

bool responder_fit(const struct responder *r, uint64_t now_us, char *why)
{
	struct responder_view v;

	if (responder_hangs(r, now_us, why))
		return false;
	responder_view(r, &v);
	if (v.blocked) {
		snprintf(
			why, 160,
			"the responder has no descriptor or memory for one more client; raise LimitNOFILE= of penstockd");
		return false;
	}
	if (v.form == REPLY_BYPASS) {
		snprintf(why, 160,
			 "the responder is swamped: more clients than %.0f %% of a CPU can answer",
			 r->options.manner.cpu_ratio * 100);
		return false;
	}
	return true;
}
