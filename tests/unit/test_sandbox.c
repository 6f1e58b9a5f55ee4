#include "cmocka_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sandbox.h"

/* What `inside` returns in a process of its own, in the sandbox. */
static int in_sandbox(int (*inside)(int fd))
{
	int status, pair[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int r = sandbox_enter();

		_exit(r == -EPERM ? 255 : r < 0 ? 254 : inside(pair[0]));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(pair[0]);
	close(pair[1]);
	assert_true(WIFEXITED(status));
	/* Under a kernel or an emulation without filters there is nothing to see. */
	if (WEXITSTATUS(status) == 254)
		skip();
	return WEXITSTATUS(status);
}

#define REFUSED(call) \
	do { \
		errno = 0; \
		if ((long)(call) >= 0 || errno != EPERM) \
			return __LINE__ % 200 + 1; \
	} while (0)
#define WORKS(call) \
	do { \
		if ((long)(call) < 0) \
			return __LINE__ % 200 + 1; \
	} while (0)

static int refused(int fd)
{
	char *argv[] = { (char *)"/bin/true", NULL };
	union {
		char bytes[128];
	} attribute = { { 0 } };

	REFUSED(open("/etc/passwd", O_RDONLY));
	REFUSED(open("/tmp/penstock-test-sandbox", O_RDWR | O_CREAT, 0600));
	REFUSED(socket(AF_INET, SOCK_STREAM, 0));
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
	REFUSED(kill(getppid(), SIGCONT));
	REFUSED(syscall(SYS_tgkill, getppid(), getppid(), SIGCONT));
	REFUSED(execv(argv[0], argv));
	REFUSED(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	REFUSED(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	REFUSED(syscall(SYS_bpf, 0, &attribute, sizeof(attribute)));
	REFUSED(unlink("/tmp/penstock-test-sandbox"));
	REFUSED(chdir("/"));
	REFUSED(prctl(PR_SET_NAME, "other"));
	REFUSED(ftruncate(fd, 0));
	/* They would let the kernel signal others, or type into a terminal. */
	REFUSED(fcntl(fd, F_SETOWN, getppid()));
	REFUSED(fcntl(fd, F_SETSIG, SIGKILL));
	REFUSED(ioctl(fd, TIOCSTI, "x"));
	REFUSED(mprotect((void *)((uintptr_t)refused & ~(uintptr_t)4095), 4096,
			 PROT_READ | PROT_WRITE | PROT_EXEC));
#if !defined(__s390x__)
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	    MAP_FAILED)
		return 250;
#endif
	return 0;
}

static int works(int fd)
{
	char byte = 'x';
	int waiting = 0;
	void *memory;

	WORKS(write(fd, &byte, 1));
	WORKS(ioctl(fd, FIONREAD, &waiting));
	WORKS(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
	WORKS(close(fcntl(fd, F_DUPFD_CLOEXEC, 0)));
	WORKS(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &waiting, sizeof(waiting)));
	memory = malloc(8 << 20);
	if (!memory)
		return 251;
	memset(memory, 1, 8 << 20);
	memory = realloc(memory, 16 << 20);
	free(memory);
	return memory ? 0 : 252;
}

static void opens_starts_and_signals_nothing(void **state)
{
	assert_int_equal(in_sandbox(refused), 0);
}

static void answers_on_the_descriptors_that_it_has(void **state)
{
	assert_int_equal(in_sandbox(works), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_starts_and_signals_nothing),
		cmocka_unit_test(answers_on_the_descriptors_that_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
