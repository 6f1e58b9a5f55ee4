/* The two ends of a trace's payload: trace_put.c writes with one, trace_get.c reads with the other.
 * For these files only. */
#ifndef PENSTOCK_STORE_TRACE_BYTES_H
#define PENSTOCK_STORE_TRACE_BYTES_H

#include <string.h>

#include "store/trace.h"

static inline void trace_put(struct trace_out *out, const void *bytes, size_t length)
{
	if (out->cut || length > out->size - out->length) {
		out->cut = true;
		return;
	}
	memcpy(out->bytes + out->length, bytes, length);
	out->length += length;
}

#define TRACE_PUT(out, type, value) \
	do { \
		const type put_ = (value); \
		trace_put((out), &put_, sizeof(put_)); \
	} while (0)

/* A read past the end gives zeros and sets `bad`. */
struct trace_in {
	const uint8_t *bytes;
	size_t left;
	bool bad;
};

static inline const void *trace_take(struct trace_in *in, size_t length)
{
	const void *at = in->bytes;

	if (in->bad || length > in->left) {
		in->bad = true;
		return NULL;
	}
	in->bytes += length;
	in->left -= length;
	return at;
}

static inline void trace_read(struct trace_in *in, void *ret, size_t length)
{
	const void *at = trace_take(in, length);

	if (at)
		memcpy(ret, at, length);
	else
		memset(ret, 0, length);
}

#define TRACE_READ(in, type) \
	({ \
		type read_; \
		trace_read((in), &read_, sizeof(read_)); \
		read_; \
	})

#endif
