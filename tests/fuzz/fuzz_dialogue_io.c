#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "refuse/dialogue_io.h"

/* The bytes as what a refused client sends, in pieces: it hears whole lines that begin with 451,
 * 421 or 221, and after the last word the end. */
static void hear(int fd)
{
	static char heard[65536];
	ssize_t n = recv(fd, heard, sizeof(heard) - 1, MSG_DONTWAIT);

	if (n <= 0)
		return;
	heard[n] = 0;
	if (heard[n - 1] != '\n')
		abort();
	for (const char *line = heard; *line; line = strchr(line, '\n') + 1)
		if (strncmp(line, "451 ", 4) && strncmp(line, "421 ", 4) &&
		    strncmp(line, "221 ", 4))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct reply_style style = { .hostname = "mx.example.org" };
	char scratch[DIALOGUE_SCRATCH];
	struct dialogue d;
	enum dialogue_next next;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return 0;
	next = dialogue_io_begin(&d, fd[0], 451, &style, REASON_CPU, 0);
	for (size_t at = 0; at < size && next != DIALOGUE_OVER;) {
		size_t step = 1 + data[at] % 200;

		step = size - at < step ? size - at : step;
		if (send(fd[1], data + at, step, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		at += step;
		next = dialogue_io_hear(&d, fd[0], scratch);
		hear(fd[1]);
		if ((next == DIALOGUE_DRAIN) != (d.done && next != DIALOGUE_OVER))
			abort();
	}
	if (next == DIALOGUE_LISTEN && dialogue_io_give_up(&d, fd[0]) == DIALOGUE_LISTEN)
		abort();
	close(fd[0]);
	hear(fd[1]);
	close(fd[1]);
	return 0;
}
