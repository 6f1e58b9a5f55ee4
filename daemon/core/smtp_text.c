#include <string.h>

#include "core/smtp_track_parts.h"

/* In a message: after CRLF, after a bare LF, after the dot that follows either, after that dot's
 * CR, elsewhere, after a CR. */
enum text_at {
	TEXT_START,
	TEXT_LOOSE,
	TEXT_DOT,
	TEXT_LOOSE_DOT,
	TEXT_DOT_CR,
	TEXT_LOOSE_DOT_CR,
	TEXT_MIDDLE,
	TEXT_CR,
};

static uint8_t after_octet(uint8_t at, char c)
{
	bool loose = at == TEXT_LOOSE || at == TEXT_LOOSE_DOT || at == TEXT_LOOSE_DOT_CR;

	if (c == '\n')
		return at == TEXT_CR || at == TEXT_LOOSE_DOT_CR ? TEXT_START : TEXT_LOOSE;
	if (c == '.' && (at == TEXT_START || at == TEXT_LOOSE))
		return loose ? TEXT_LOOSE_DOT : TEXT_DOT;
	if (c == '\r' && (at == TEXT_DOT || at == TEXT_LOOSE_DOT))
		return loose ? TEXT_LOOSE_DOT_CR : TEXT_DOT_CR;
	return c == '\r' ? TEXT_CR : TEXT_MIDDLE;
}

static bool is_lone_dot(uint8_t at)
{
	return at == TEXT_DOT || at == TEXT_LOOSE_DOT || at == TEXT_LOOSE_DOT_CR;
}

/* Reads on to the end of the message, or of the bytes. Returns how much it took. */
size_t smtp_text_read(struct smtp_track_text *text, const char *bytes, size_t length,
		      bool *ret_ended)
{
	size_t i = 0;

	*ret_ended = false;
	while (i < length) {
		char c = bytes[i];

		text->loose = false;
		if (text->at == TEXT_MIDDLE) {
			const char *lf = memchr(bytes + i, '\n', length - i);

			if (!lf) {
				if (bytes[length - 1] == '\r')
					text->at = TEXT_CR;
				return length;
			}
			text->at = lf > bytes + i && lf[-1] == '\r' ? TEXT_START : TEXT_LOOSE;
			i = (size_t)(lf - bytes) + 1;
			continue;
		}
		i++;
		if (c == '\n' && text->at == TEXT_DOT_CR) {
			*ret_ended = true;
			return i;
		}
		text->loose = c == '\n' && is_lone_dot(text->at);
		text->at = after_octet(text->at, c);
	}
	return i;
}

void smtp_text_begin(struct smtp_track_text *text)
{
	*text = (struct smtp_track_text){ .at = TEXT_START };
}
