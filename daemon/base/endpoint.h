/* Where something listens or connects: "unix:PATH", "ADDRESS:PORT" ("[::1]:25", "127.0.0.1:2525"),
 * "systemd:NAME". */
#ifndef PENSTOCK_BASE_ENDPOINT_H
#define PENSTOCK_BASE_ENDPOINT_H

#include <stdbool.h>
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

#define ENDPOINTS_MAX 8 /* in one option */
#define LISTENERS_MAX 16 /* sockets: a socket unit may pass several under one name */

/* Several endpoints, as the option `listen` takes them: "0.0.0.0:25, [::]:25". All zeros: none. */
struct endpoints {
	unsigned count;
	struct endpoint each[ENDPOINTS_MAX];
	char text[512]; /* as configured, separated by ", " */
};

/* 0 or -EINVAL. Numeric addresses only: a name lookup may block. */
int endpoint_parse(const char *text, struct endpoint *ret);
/* A non-blocking, close-on-exec listening stream socket. A stale UNIX socket file (no process
 * accepts) is replaced; if a process accepts, the result is -EADDRINUSE. `mode` is the permission
 * of a UNIX socket. systemd:NAME takes the descriptor that the manager passed under that name.
 * Returns the descriptor or -errno. Logs nothing: the caller does. */
int endpoint_listen(const struct endpoint *endpoint, int backlog, unsigned mode);
/* A list separated by commas or blanks, or "none" for an empty list. 0, -EINVAL (`ret_bad`, 128
 * bytes, gets the word that is wrong), or -E2BIG. */
int endpoints_parse(const char *text, struct endpoints *ret, char *ret_bad);
/* Opens all of them, as endpoint_listen() does. systemd:NAME gives every socket that the manager
 * passed under that name. Returns the number of descriptors in `ret_fds` (LISTENERS_MAX), or
 * -errno: then none is open, and `ret_which` is the endpoint that failed. */
int endpoints_listen(const struct endpoints *endpoints, int backlog, unsigned mode, int *ret_fds,
		     const char **ret_which);
/* The port of an ENDPOINT_INET; 0 for other kinds. */
unsigned short endpoint_port(const struct endpoint *endpoint);
/* Whether it is an ENDPOINT_INET on loopback. */
bool endpoint_is_loopback(const struct endpoint *endpoint);
/* Whether a connection to `to` surely arrives at `listener`: the same address, or the same port of
 * loopback or of any address where `listener` takes all addresses of its family. */
bool endpoint_leads_to(const struct endpoint *to, const struct endpoint *listener);
/* Starts a non-blocking connect. Returns the descriptor (in progress or done) or -errno. */
int endpoint_connect(const struct endpoint *endpoint);
/* How that connect went: 0: connected, -EINPROGRESS: not yet, or the -errno with which it failed.
 * After a failure close `fd`. */
int endpoint_connected(const struct endpoint *endpoint, int fd);

#endif
