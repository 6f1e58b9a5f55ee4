#include "kernel/smtp_walk.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/overtaken.h"

#include "smtp.skel.h"

/* Sessions that one system call reads. A bucket of the map with more would end the walk. */
#define AT_ONCE 256
#define SESSIONS_MAX 16384 /* entries of the map: bpf/smtp_maps.h */

int smtp_walk(struct smtp_bpf *bpf,
	      void (*take)(void *context, uint64_t key, const struct smtp_session *session),
	      void *context)
{
	int fd = bpf_map__fd(bpf->maps.sessions), r = 0;
	struct smtp_session sessions[AT_ONCE];
	uint32_t count, from, next, *begin = NULL;
	uint64_t keys[AT_ONCE];

	while (r == 0) {
		count = AT_ONCE;
		r = bpf_map_lookup_batch(fd, begin, &next, keys, sessions, &count, NULL);
		if (r != 0 && errno != ENOENT)
			return -errno;
		for (uint32_t i = 0; i < count; i++)
			take(context, keys[i], &sessions[i]);
		from = next;
		begin = &from;
	}
	return 0; /* ENOENT is the end of the map */
}

/* A session of the walk, for which the program may have to run. */
struct look {
	uint64_t source, key;
	uint32_t slot;
	bool busy, slow;
};

struct smtp_looks {
	struct look look[SESSIONS_MAX];
	uint64_t key[SMTP_LOOKS]; /* for the next run */
	struct smtp_bpf *bpf;
	uint64_t now_ns;
	unsigned count, slow, keys;
	int error;
};

struct smtp_looks *smtp_looks_open(void)
{
	return calloc(1, sizeof(struct smtp_looks));
}

void smtp_looks_close(struct smtp_looks *looks)
{
	free(looks);
}

static void run(struct smtp_looks *l)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = l->key, .ctx_size_in = sizeof(l->key));

	if (bpf_prog_test_run_opts(bpf_program__fd(l->bpf->progs.smtp_look), &opts) < 0)
		l->error = -errno;
	memset(l->key, 0, sizeof(l->key));
	l->keys = 0;
}

static bool is_slow(const struct smtp_looks *l, const struct smtp_session *s)
{
	struct answers answers = {
		.more = (uint32_t)l->bpf->bss->ports[s->slot & (SMTP_PORTS - 1)].bounds_more
	};

	return s->busy && l->now_ns > s->turned_ns + answers_slow_us(&answers) * 1000;
}

static void note(void *context, uint64_t key, const struct smtp_session *s)
{
	struct smtp_looks *l = context;
	bool slow = is_slow(l, s);

	if (l->count >= SESSIONS_MAX)
		return;
	l->slow += slow;
	l->look[l->count++] = (struct look){
		.source = s->source, .key = key, .slot = s->slot, .busy = s->busy, .slow = slow
	};
}

/* By service, then source; slow ones first. */
static int order(const void *a, const void *b)
{
	const struct look *x = a, *y = b;

	if (x->slot != y->slot)
		return x->slot < y->slot ? -1 : 1;
	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	return (int)y->slow - (int)x->slow;
}

/* Marks the slow sessions of one source, the first of which is look[i], that are more than count as
 * load. Returns the index behind its last session. */
static unsigned limit_source(struct smtp_looks *l, unsigned i, uint64_t in_flight)
{
	unsigned end = i, slow = 0;

	for (; end < l->count && l->look[end].slot == l->look[i].slot &&
	       l->look[end].source == l->look[i].source;
	     end++)
		slow += l->look[end].slow;
	for (unsigned n = i; answers_slow_is_no_load(slow, end - i, in_flight); n++, slow--)
		l->look[n].key |= SMTP_LOOK_LIMITED;
	return end;
}

static void limit_sources(struct smtp_looks *l)
{
	uint64_t in_flight[SMTP_PORTS] = { 0 };

	qsort(l->look, l->count, sizeof(l->look[0]), order);
	for (unsigned i = 0; i < l->count; i++)
		in_flight[l->look[i].slot & (SMTP_PORTS - 1)]++;
	for (unsigned i = 0; i < l->count;)
		i = limit_source(l, i, in_flight[l->look[i].slot & (SMTP_PORTS - 1)]);
}

int smtp_look(struct smtp_bpf *bpf, struct smtp_looks *l, uint64_t now_ns)
{
	int r;

	l->bpf = bpf;
	l->now_ns = now_ns;
	l->count = l->slow = l->keys = 0;
	l->error = 0;
	r = smtp_walk(bpf, note, l);
	if (answers_slow_is_no_load(l->slow, 0, 0)) /* or no source can have too many */
		limit_sources(l);
	for (unsigned i = 0; i < l->count; i++) {
		if (!l->look[i].busy)
			continue;
		l->key[l->keys++] = l->look[i].key;
		if (l->keys == SMTP_LOOKS)
			run(l);
	}
	run(l); /* also without a session: it shows whether the kernel runs it */
	return l->error ? l->error : r;
}
