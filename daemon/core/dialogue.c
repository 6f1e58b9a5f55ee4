#include "core/dialogue.h"

#include <stdio.h>
#include <string.h>

size_t dialogue_begin(struct dialogue *d, unsigned code, const struct reply_style *style,
		      enum reason reason, uint64_t until_us, char *out, size_t size)
{
	memset(d, 0, sizeof(*d));
	d->style = style;
	d->until_us = until_us;
	d->reason = (uint8_t)reason;
	d->code = (uint16_t)code;
	d->matching = true;
	d->done = code == 421;
	return reply_line(out, size, code, style, reason, until_us);
}

static size_t say(const struct dialogue *d, unsigned code, char *out, size_t size)
{
	return size > REPLY_MAX
		       ? reply_line(out, size, code, d->style, (enum reason)d->reason, d->until_us)
		       : 0;
}

static size_t end_of_line(struct dialogue *d, char *out, size_t size)
{
	bool quit = d->matching && d->line_length == 4;
	int n;

	d->matching = true;
	d->line_length = 0;
	if (quit) {
		d->done = d->quit = true;
		n = snprintf(out, size, "221 2.0.0 %.255s closing connection\r\n",
			     d->style->hostname);
		return n > 0 && (size_t)n < size ? (size_t)n : 0;
	}
	if (++d->commands > DIALOGUE_COMMANDS) {
		d->done = true;
		return say(d, 421, out, size);
	}
	return say(d, d->code, out, size);
}

size_t dialogue_feed(struct dialogue *d, const char *bytes, size_t length, char *out, size_t size)
{
	static const char quit[] = "QUIT";
	size_t written = 0;

	for (size_t i = 0; i < length; i++) {
		char c = bytes[i];

		if (d->done) {
			d->quit = false;
			break;
		}
		if (++d->bytes > DIALOGUE_BYTES) {
			d->done = true;
			written += say(d, 421, out + written, size - written);
		} else if (c == '\n') {
			written += end_of_line(d, out + written, size - written);
		} else if (c == '\r' || ((c == ' ' || c == '\t') && d->line_length == 4)) {
			continue; /* trailing blanks after QUIT are still QUIT */
		} else {
			if (d->line_length >= 4 || (c & ~0x20) != quit[d->line_length])
				d->matching = false;
			if (d->line_length < UINT32_MAX)
				d->line_length++;
		}
	}
	return written;
}
