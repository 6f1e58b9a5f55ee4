/* The Varlink wire format, both directions: JSON objects, each ended by a NUL octet. Pure.
 * https://varlink.org/ (Protocol). libsystemd offers it from 257 on only. */
#ifndef PENSTOCK_PUBLISH_VARLINK_H
#define PENSTOCK_PUBLISH_VARLINK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define VARLINK_MESSAGE_MAX 65536 /* of a call; replies may be longer */
#define VARLINK_METHOD_MAX 96

struct varlink_call {
	char method[VARLINK_METHOD_MAX]; /* "io.penstock.Status" */
	json_t *parameters; /* an object, owned: varlink_call_done() */
	bool more, oneway, upgrade;
};

/* Whether a whole message stands at the start of `bytes`: 1 and its length without the NUL, 0: more
 * is needed, -EMSGSIZE: none within `max`. */
int varlink_frame(const char *bytes, size_t length, size_t max, size_t *ret_length);
/* 0; -EBADMSG: no JSON object, or no method, or members of the wrong type. */
int varlink_parse_call(const char *bytes, size_t length, struct varlink_call *ret_call);
void varlink_call_done(struct varlink_call *call);
/* The text of a reply without the NUL (free() it): exactly one of `parameters` (stolen, NULL:
 * empty) or `error` with `parameters`. NULL: out of memory. */
char *varlink_reply(const char *error, json_t *parameters, bool continues);

#endif
