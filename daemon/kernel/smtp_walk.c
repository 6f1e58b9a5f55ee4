#include "kernel/smtp_walk.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "smtp.skel.h"

/* Sessions that one system call reads. A bucket of the map with more would end the walk. */
#define AT_ONCE 256

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

struct looks {
	uint64_t keys[SMTP_LOOKS];
	unsigned count;
	int program_fd, error;
};

static void run(struct looks *l)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = l->keys, .ctx_size_in = sizeof(l->keys));

	if (bpf_prog_test_run_opts(l->program_fd, &opts) < 0)
		l->error = -errno;
	memset(l->keys, 0, sizeof(l->keys));
	l->count = 0;
}

static void look_at(void *context, uint64_t key, const struct smtp_session *session)
{
	struct looks *l = context;

	if (!session->busy)
		return;
	l->keys[l->count++] = key;
	if (l->count == SMTP_LOOKS)
		run(l);
}

int smtp_look(struct smtp_bpf *bpf)
{
	struct looks l = { .program_fd = bpf_program__fd(bpf->progs.smtp_look) };
	int r = smtp_walk(bpf, look_at, &l);

	run(&l); /* also without a session: it shows whether the kernel runs it */
	return l.error ? l.error : r;
}
