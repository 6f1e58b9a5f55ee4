/* A milter that costs what a content scanner costs: CPU and memory for each message, in a process
 * for each connection. For tests and benchmarks: real work in front of a real MTA's queue. Milter
 * protocol version 6: u32 length, command, data.
 *   scanner PORT CPU_MS MEMORY_MB */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 70000

static double cpu_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void scan(double seconds, size_t bytes)
{
	double until = cpu_s() + seconds;
	unsigned char *memory = mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned sum = 0;

	if (memory == MAP_FAILED)
		return;
	do {
		for (size_t i = 0; i < bytes; i += 4096)
			sum += ++memory[i];
		for (int i = 0; i < 20000; i++)
			sum = sum * 1103515245 + 12345;
	} while (cpu_s() < until);
	memory[0] = (unsigned char)sum;
	munmap(memory, bytes + 4096);
}

static int read_all(int fd, void *to, size_t length)
{
	for (size_t at = 0; at < length;) {
		ssize_t n = read(fd, (char *)to + at, length - at);

		if (n <= 0 && !(n < 0 && errno == EINTR))
			return -1;
		if (n > 0)
			at += (size_t)n;
	}
	return 0;
}

static int reply(int fd, const void *data, uint32_t length)
{
	char frame[64];
	uint32_t size = htonl(length);

	memcpy(frame, &size, 4);
	memcpy(frame + 4, data, length);
	return write(fd, frame, length + 4) == (ssize_t)length + 4 ? 0 : -1;
}

static void serve(int fd, double seconds, size_t bytes)
{
	static char frame[FRAME_MAX];
	uint32_t length;

	while (read_all(fd, &length, 4) == 0) {
		length = ntohl(length);
		if (length == 0 || length > FRAME_MAX || read_all(fd, frame, length) < 0)
			return;
		switch (frame[0]) {
		case 'O': { /* version 6, no actions, and no steps but the body's end */
			uint32_t options[] = { htonl(6), htonl(0),
					       htonl(0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 |
						     0x200) };
			char answer[13] = "O";

			memcpy(answer + 1, options, 12);
			if (reply(fd, answer, 13) < 0)
				return;
			break;
		}
		case 'E':
			scan(seconds, bytes);
			/* fall through */
		case 'C':
		case 'H':
		case 'M':
		case 'R':
		case 'T':
		case 'L':
		case 'N':
		case 'B':
		case 'U':
			if (reply(fd, "c", 1) < 0)
				return;
			break;
		case 'Q':
			return;
		default: /* macros, abort, reset: no answer */
			break;
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 4) {
		fprintf(stderr, "usage: scanner PORT CPU_MS MEMORY_MB\n");
		return 2;
	}
	address.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 4096) < 0) {
		perror("scanner");
		return 1;
	}
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		pid_t pid;

		if (fd < 0)
			continue;
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(listener);
			serve(fd, atof(argv[2]) / 1000, (size_t)(atof(argv[3]) * 1048576));
			_exit(0);
		}
		close(fd);
	}
}
