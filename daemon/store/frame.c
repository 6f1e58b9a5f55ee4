#include "store/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/readfile.h"
#include "base/wholefile.h"

_Static_assert(sizeof(struct frame_head) == 64, "the head is 64 bytes on disk");

static uint64_t head_sum(const struct frame_head *head)
{
	return XXH3_64bits(head, offsetof(struct frame_head, head_sum));
}

void frame_head(struct frame_head *head, const struct frame_kind *kind, uint32_t flags,
		const void *payload, uint64_t length)
{
	memset(head, 0, sizeof(*head));
	memcpy(head->magic, FRAME_MAGIC, sizeof(head->magic));
	memcpy(head->kind, kind->letters, sizeof(head->kind));
	head->version = kind->version;
	head->flags = flags;
	head->length = length;
	if (flags & FRAME_SUMMED)
		head->payload_sum = XXH3_64bits(payload, (size_t)length);
	head->head_sum = head_sum(head);
}

int frame_check(const void *bytes, size_t size, const struct frame_kind *kind,
		const void **ret_payload, size_t *ret_length)
{
	struct frame_head head;
	const void *payload = (const char *)bytes + sizeof(head);

	if (size < sizeof(head))
		return -ENODATA;
	memcpy(&head, bytes, sizeof(head));
	if (memcmp(head.magic, FRAME_MAGIC, sizeof(head.magic)) != 0 ||
	    memcmp(head.kind, kind->letters, sizeof(head.kind)) != 0 ||
	    head.head_sum != head_sum(&head))
		return -EBADMSG;
	/* The head is intact, but of another version: the payload cannot be checked. */
	if (head.version != kind->version || (head.flags & ~FRAME_SUMMED))
		return -EPROTONOSUPPORT;
	if (head.length > size - sizeof(head))
		return -ENODATA;
	if ((head.flags & FRAME_SUMMED) &&
	    head.payload_sum != XXH3_64bits(payload, (size_t)head.length))
		return -EBADMSG;
	*ret_payload = payload;
	*ret_length = (size_t)head.length;
	return 0;
}

const char *frame_error(int error)
{
	switch (error) {
	case -ENODATA:
		return "is cut short";
	case -EBADMSG:
		return "is damaged";
	case -EPROTONOSUPPORT:
		return "was written by another version of penstock";
	case -EFBIG:
		return "is larger than it can be";
	default:
		return strerror(-error);
	}
}

void frame_set_aside(int dir_fd, const char *name, int error)
{
	char aside[NAME_MAX + 1];

	if ((size_t)snprintf(aside, sizeof(aside), "%s.corrupt", name) >= sizeof(aside) ||
	    renameat(dir_fd, name, dir_fd, aside) < 0) {
		log_warning(
			"Cannot use %s in the state directory: it %s and cannot be set aside: %s. penstockd starts without it; mail is not affected.",
			name, frame_error(error), strerror(errno));
		return;
	}
	log_warning(
		"Cannot use %s in the state directory: it %s. It was set aside as %s, and penstockd starts without it; mail is not affected.",
		name, frame_error(error), aside);
}

static int read_whole(int dir_fd, const char *name, size_t most, char **ret_bytes, size_t *ret_size)
{
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ char *bytes = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	if ((uint64_t)st.st_size > most)
		return -EFBIG;
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return -ENOMEM;
	n = readfile_up_to(fd, bytes, (size_t)st.st_size);
	if (n < 0)
		return (int)n;
	*ret_bytes = TAKE_PTR(bytes);
	*ret_size = (size_t)n;
	return 0;
}

int frame_load(int dir_fd, const char *name, const struct frame_kind *kind, void *payload,
	       size_t size, size_t *ret_length)
{
	_cleanup_free_ char *bytes = NULL;
	const void *found;
	size_t length, whole = 0;
	int r = read_whole(dir_fd, name, size + sizeof(struct frame_head), &bytes, &whole);

	if (r == 0)
		r = frame_check(bytes, whole, kind, &found, &length);
	if (r == 0 && !ret_length && length != size)
		r = -EBADMSG;
	if (r == -ENODATA || r == -EBADMSG || r == -EPROTONOSUPPORT || r == -EFBIG)
		frame_set_aside(dir_fd, name, r);
	if (r < 0)
		return r;
	memcpy(payload, found, length);
	if (ret_length)
		*ret_length = length;
	return 0;
}

int frame_save(int dir_fd, const char *name, const struct frame_kind *kind, const void *payload,
	       size_t length)
{
	struct frame_head head;
	const struct iovec parts[] = { { &head, sizeof(head) }, { (void *)payload, length } };

	frame_head(&head, kind, FRAME_SUMMED, payload, length);
	return wholefile_write(dir_fd, name, 0, parts, 2, true);
}
