/* A bounded string builder over the caller's buffer: always terminated, never overruns, and
 * remembers whether the text was cut. */
#ifndef PENSTOCK_BASE_TEXT_H
#define PENSTOCK_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
	char *data;
	size_t size; /* of data, with the terminator */
	size_t length;
	bool cut; /* something did not fit */
};

#define TEXT_OF(array) ((struct text){ .data = (array), .size = sizeof(array) })

void text_append(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_append_bytes(struct text *t, const char *bytes, size_t length);
/* Appends `in` with everything that is not printable ASCII replaced by '?': for log lines about
 * bytes from outside. */
void text_append_clean(struct text *t, const char *in, size_t length);

#endif
