/* Compares the gate's count with the existing sockets: at opening, and every few seconds. A walk
 * over a hundred thousand sockets is too long for the tick, so a thread does it, by a BPF iterator
 * in the MTA's network namespace. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/wait.h"
#include "kernel/gate_parts.h"
#include "kernel/netns.h"

#define EVERY_S 10
#define BATCH 4096

static int walk(void *context)
{
	struct gate *g = context;
	struct bpf_program *program = bpf_object__find_program_by_name(g->object, "gate_walk");
	_cleanup_close_ int link =
		bpf_link_create(bpf_program__fd(program), 0, BPF_TRACE_ITER, NULL);
	_cleanup_close_ int iterator = link < 0 ? -1 : bpf_iter_create(link);
	char buffer[64];
	ssize_t n;

	if (iterator < 0)
		return -errno;
	do {
		n = read(iterator, buffer, sizeof(buffer));
	} while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
	return n < 0 ? -errno : 0;
}

static int forget(struct gate *g, uint64_t key, const struct gate_session *session)
{
	const uint64_t words[2] = { key, session->audit };
	int r = gate_by_hand(g->forget_fd, words, 2);

	if (r >= 0)
		return r;
	if (bpf_map_delete_elem(g->map[MAP_SESSIONS], &key) < 0)
		return 0;
	gate_release(g, &session->tuple, session->flags);
	__atomic_fetch_sub(&g->state->sessions, 1, __ATOMIC_RELAXED);
	return 1;
}

/* Removes sessions that were counted before the walk began, and that the walk did not see. */
static int sweep(struct gate *g, uint64_t began_ns)
{
	_cleanup_free_ uint64_t *keys = calloc(BATCH, sizeof(*keys));
	_cleanup_free_ struct gate_session *values = calloc(BATCH, sizeof(*values));
	uint32_t cursor = 0, next = 0, count;
	bool first = true, more;
	int gone = 0;

	if (!keys || !values)
		return -ENOMEM;
	do {
		count = BATCH;
		more = bpf_map_lookup_batch(g->map[MAP_SESSIONS], first ? NULL : &cursor, &next,
					    keys, values, &count, NULL) == 0;
		if (!more && errno != ENOENT)
			return -errno;
		first = false;
		cursor = next;
		for (uint32_t i = 0; i < count; i++) {
			if (values[i].audit != g->state->audit && values[i].opened_ns < began_ns)
				gone += forget(g, keys[i], &values[i]);
		}
	} while (more);
	return gone;
}

int gate_audit(struct gate *g)
{
	uint64_t began_ns = clock_monotonic_us() * 1000, found = g->state->walk_found;
	int r, gone;

	__atomic_fetch_add(&g->state->audit, 1, __ATOMIC_RELEASE);
	r = netns_run(g->netns_fd, walk, g);
	if (r < 0)
		return r; /* after an incomplete walk nothing is removed */
	gone = sweep(g, began_ns);
	return gone < 0 ? gone : gone + (int)(g->state->walk_found - found);
}

static void *run(void *context)
{
	struct gate *g = context;

	pthread_mutex_lock(&g->lock);
	while (!g->stop) {
		wait_us(&g->wake, &g->lock, EVERY_S * US_PER_S);
		if (g->stop)
			break;
		pthread_mutex_unlock(&g->lock);
		int wrong = gate_audit(g);

		if (wrong > 0)
			__atomic_fetch_add(&g->repaired, (uint64_t)wrong, __ATOMIC_RELAXED);
		pthread_mutex_lock(&g->lock);
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

int gate_audit_start(struct gate *g)
{
	int r;

	pthread_mutex_init(&g->lock, NULL);
	wait_init(&g->wake);
	r = pthread_create(&g->thread, NULL, run, g);
	g->thread_runs = r == 0;
	return -r;
}

void gate_audit_stop(struct gate *g)
{
	if (!g->thread_runs)
		return;
	pthread_mutex_lock(&g->lock);
	g->stop = true;
	pthread_cond_signal(&g->wake);
	pthread_mutex_unlock(&g->lock);
	pthread_join(g->thread, NULL);
	pthread_cond_destroy(&g->wake);
	pthread_mutex_destroy(&g->lock);
	g->thread_runs = false;
}
