#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_append(struct text *t, const char *format, ...)
{
	size_t room = t->size - t->length;
	va_list args;
	int n;

	if (t->size == 0 || t->cut)
		return;
	va_start(args, format);
	n = vsnprintf(t->data + t->length, room, format, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n >= room) {
		t->cut = true;
		t->length = t->size - 1;
	} else {
		t->length += (size_t)n;
	}
}

void text_append_bytes(struct text *t, const char *bytes, size_t length)
{
	size_t room;

	if (t->size == 0 || t->cut)
		return;
	room = t->size - t->length - 1;
	if (length > room) {
		length = room;
		t->cut = true;
	}
	memcpy(t->data + t->length, bytes, length);
	t->length += length;
	t->data[t->length] = 0;
}

void text_append_clean(struct text *t, const char *in, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		char c = in[i] >= 0x20 && in[i] < 0x7f ? in[i] : '?';

		text_append_bytes(t, &c, 1);
	}
}
