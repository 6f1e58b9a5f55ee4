/* A blocking Varlink client for penstockd's control socket. */
#ifndef PENSTOCKCTL_CALL_H
#define PENSTOCKCTL_CALL_H

#include <jansson.h>
#include <stdbool.h>

struct call {
	int fd;
	char *buffer;
	size_t length, size, taken;
	char path[280];
};

/* 0, or -errno with the reason on stderr. */
int call_open(const char *run_dir, struct call *ret_call);
void call_close(struct call *call);
/* Sends a call; steals `parameters` (NULL: none). 0 or -errno. */
int call_send(struct call *call, const char *method, json_t *parameters, bool more);
/* Gets the next reply within `timeout_ms` (-1: waits for ever): 0 with *ret_parameters (owned) and
 * *ret_error (inside *ret_message, NULL: none), or -errno. */
int call_receive(struct call *call, int timeout_ms, json_t **ret_message, const char **ret_error,
		 json_t **ret_parameters);

#endif
