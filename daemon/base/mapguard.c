#include "base/mapguard.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define GUARDED 8

struct guarded {
	void *at; /* NULL: free */
	size_t size;
	sigjmp_buf *jump;
	volatile sig_atomic_t torn;
};

/* A signal handler gets no context argument, so this is global. */
static struct guarded guarded[GUARDED];

static struct guarded *find(const void *at)
{
	for (unsigned i = 0; i < GUARDED; i++)
		if (at && guarded[i].at == at)
			return &guarded[i];
	return NULL;
}

static void on_fault(int number, siginfo_t *info, void *unused)
{
	uintptr_t where = (uintptr_t)info->si_addr;

	for (unsigned i = 0; i < GUARDED; i++) {
		struct guarded *g = &guarded[i];

		if (!g->at || where < (uintptr_t)g->at || where >= (uintptr_t)g->at + g->size)
			continue;
		g->torn = 1;
		if (g->jump)
			siglongjmp(*g->jump, 1);
		if (mmap(g->at, g->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
			return;
	}
	/* Not one of ours: the access faults again, and the default action ends the process. */
	signal(number, SIG_DFL);
}

void mapguard_add(void *at, size_t size, sigjmp_buf *jump)
{
	/* A jump out of the handler keeps the handler's signal mask, so the signal must not be
	 * blocked in it. */
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, NULL);
	for (unsigned i = 0; i < GUARDED; i++) {
		if (guarded[i].at)
			continue;
		guarded[i] = (struct guarded){ .at = at, .size = size, .jump = jump };
		return;
	}
}

void mapguard_remove(const void *at)
{
	struct guarded *g = find(at);

	if (g)
		memset(g, 0, sizeof(*g));
}

bool mapguard_is_torn(const void *at)
{
	const struct guarded *g = find(at);

	return g && g->torn;
}
