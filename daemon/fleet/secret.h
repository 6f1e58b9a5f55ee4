/* A secret in a file: the password of the store, or the key of the fleet. */
#ifndef PENSTOCK_FLEET_SECRET_H
#define PENSTOCK_FLEET_SECRET_H

#include <stddef.h>

#define SECRET_MAX 512

struct secret {
	size_t length; /* 0: none */
	char bytes[SECRET_MAX + 1]; /* ends with 0 */
};

/* Reads the first line of the file. An empty path gives no secret, and is no error. The file must
 * belong to root or to this user, and others must not be able to read it. 0, or -errno with a
 * clause in `why` (256) that begins with `option`. */
int secret_read(const char *path, const char *option, struct secret *ret, char *why);

#endif
