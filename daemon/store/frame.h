/* The format of files that outlive a restart: a head with kind, version and checksums, then the
 * payload. A file that is damaged, truncated or of another version is never used: it is set
 * aside as NAME.corrupt (only the newest is kept), a line is logged, and the caller starts
 * without it. That loses what was remembered, never mail.
 *
 * frame_check() and frame_head() are pure and fuzzed. The rest reads and writes files, may block,
 * and so is not for the tick. */
#ifndef PENSTOCK_STORE_FRAME_H
#define PENSTOCK_STORE_FRAME_H

#include <stddef.h>
#include <stdint.h>

/* The kind of a file: four letters, and a version that changes with the layout of the payload. */
struct frame_kind {
	char letters[5];
	uint32_t version;
};

#define FRAME_MAGIC "penstck1"
/* The payload has a checksum in the head. Without it (a ledger that is mapped and changes in
 * place) only the head has one, and the caller must expect wrong entries in the payload. */
#define FRAME_SUMMED 1u

/* 64 bytes, in the byte order of this machine: state does not move between machines. */
struct frame_head {
	char magic[8];
	char kind[4];
	uint32_t version;
	uint32_t flags;
	uint32_t unused;
	uint64_t length; /* of the payload, bytes */
	uint64_t payload_sum; /* XXH3 of the payload, 0 without FRAME_SUMMED */
	uint64_t reserved[2];
	uint64_t head_sum; /* XXH3 of everything before it */
};

/* Fills in the head for this payload. `payload` may be NULL without FRAME_SUMMED. */
void frame_head(struct frame_head *head, const struct frame_kind *kind, uint32_t flags,
		const void *payload, uint64_t length);
/* Whether `bytes` (any alignment) are a whole frame of this kind. 0 with the payload, which lies
 * inside `bytes`; -ENODATA: it is shorter than its head says; -EBADMSG: damaged, or something else;
 * -EPROTONOSUPPORT: intact, but of another version. */
int frame_check(const void *bytes, size_t size, const struct frame_kind *kind,
		const void **ret_payload, size_t *ret_length);
/* The second half of a sentence for these errors: "is cut short", ... */
const char *frame_error(int error);

/* Reads dir/name into `payload`. 0; -ENOENT: there is no such file; -EFBIG: the payload is larger
 * than `size`; or the errors of frame_check() or of the system. A file that is not of this kind is
 * set aside, which is logged. `ret_length` NULL: the payload must have exactly `size` bytes. */
int frame_load(int dir_fd, const char *name, const struct frame_kind *kind, void *payload,
	       size_t size, size_t *ret_length);
/* Writes the whole file dir/name under another name, syncs and renames it, so that after a crash
 * the old or the new one is there. 0, or -errno: the old one is untouched. */
int frame_save(int dir_fd, const char *name, const struct frame_kind *kind, const void *payload,
	       size_t length);
/* Renames dir/name to dir/name.corrupt and logs it once: "...: NAME is cut short". */
void frame_set_aside(int dir_fd, const char *name, int error);

#endif
