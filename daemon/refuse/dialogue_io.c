#include "refuse/dialogue_io.h"

#include <errno.h>
#include <sys/socket.h>

#ifdef PENSTOCK_PLANTED_CRASH
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#endif

/* Ends our direction only: close() with unread or arriving bytes would reset the connection, and
 * the client would lose the reply. */
static enum dialogue_next last_word(int fd)
{
	return shutdown(fd, SHUT_WR) < 0 ? DIALOGUE_OVER : DIALOGUE_DRAIN;
}

static enum dialogue_next say(struct dialogue *d, int fd, const char *bytes, size_t length)
{
	/* With MSG_MORE the end of the stream travels in the same packet. */
	int more = d->done ? MSG_MORE : 0;
	ssize_t n = length ? send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT | more) : 0;

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return DIALOGUE_OVER;
	if (n < 0 || (size_t)n < length)
		d->done = true;
	return d->done ? last_word(fd) : DIALOGUE_LISTEN;
}

enum dialogue_next dialogue_io_begin(struct dialogue *d, int fd, unsigned code,
				     const struct reply_style *style, enum reason reason,
				     uint64_t until_us)
{
	char greeting[REPLY_MAX + 1];
	size_t length =
		dialogue_begin(d, code, style, reason, until_us, greeting, sizeof(greeting));

	return say(d, fd, greeting, length);
}

#ifdef PENSTOCK_PLANTED_CRASH
/* For tests only, in a build of its own: certain words of a client kill or stop the responder, to
 * see what happens to the other clients. */
static void fall_over(const char *bytes, ssize_t length)
{
	if (length >= 6 && memcmp(bytes, "XCRASH", 6) == 0)
		abort();
	while (length >= 5 && memcmp(bytes, "XHANG", 5) == 0)
		pause();
}
#endif

enum dialogue_next dialogue_io_hear(struct dialogue *d, int fd, char *scratch)
{
	char out[DIALOGUE_OUT];
	ssize_t n = recv(fd, scratch, DIALOGUE_SCRATCH, MSG_DONTWAIT);
	size_t length;

#ifdef PENSTOCK_PLANTED_CRASH
	fall_over(scratch, n);
#endif
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return DIALOGUE_OVER;
	if (d->done) {
		/* Read, so that close() does not reset the connection before the client has our
		 * reply. A client that goes on sending is not reading it. */
		d->bytes += n > 0 ? (uint32_t)n : 0;
		return d->bytes > 2 * DIALOGUE_BYTES ? DIALOGUE_OVER : DIALOGUE_DRAIN;
	}
	if (n < 0)
		return DIALOGUE_LISTEN;
	length = dialogue_feed(d, scratch, (size_t)n, out, sizeof(out));
	if (!dialogue_quit(d))
		return say(d, fd, out, length);
	/* Nothing comes after QUIT, and nothing is unread: close() does all that shutdown() would
	 * do. */
	send(fd, out, length, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE);
	return n < DIALOGUE_SCRATCH ? DIALOGUE_OVER : last_word(fd);
}

enum dialogue_next dialogue_io_heard(struct dialogue *d, int fd, const char *bytes, size_t length)
{
	char out[DIALOGUE_OUT];

	return say(d, fd, out, dialogue_feed(d, bytes, length, out, sizeof(out)));
}

enum dialogue_next dialogue_io_give_up(struct dialogue *d, int fd)
{
	char line[REPLY_MAX + 1];

	if (d->done)
		return DIALOGUE_OVER;
	d->done = true;
	return say(
		d, fd, line,
		reply_line(line, sizeof(line), 421, d->style, (enum reason)d->reason, d->until_us));
}
