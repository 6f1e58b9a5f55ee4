/* Where something listens or connects: "unix:PATH", "ADDRESS:PORT" ("[::1]:25", "127.0.0.1:2525"), "systemd:NAME". */
#ifndef PENSTOCK_BASE_ENDPOINT_H
#define PENSTOCK_BASE_ENDPOINT_H

#include <sys/socket.h>
#include <sys/un.h>

enum endpoint_kind { ENDPOINT_NONE, ENDPOINT_INET, ENDPOINT_UNIX, ENDPOINT_SYSTEMD };

struct endpoint {
	enum endpoint_kind kind;
	socklen_t length;
	union {
		struct sockaddr any;
		struct sockaddr_storage storage;
		struct sockaddr_un un;
	} address;
	char text[128]; /* as configured */
};

/* 0 or -EINVAL. Numeric addresses only: a name lookup may block. */
int endpoint_parse(const char *text, struct endpoint *ret);
/* A non-blocking, close-on-exec listening stream socket. A stale UNIX socket file (nobody accepts) is replaced, one that
 * is alive gives -EADDRINUSE. `mode` is the permission of a UNIX socket. systemd:NAME takes the descriptor that the
 * manager passed under that name. Returns the descriptor or -errno; says nothing: the caller does. */
int endpoint_listen(const struct endpoint *endpoint, int backlog, unsigned mode);
/* Starts a non-blocking connect. Returns the descriptor (in progress or done) or -errno. */
int endpoint_connect(const struct endpoint *endpoint);

#endif
