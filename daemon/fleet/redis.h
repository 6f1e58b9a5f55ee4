/* One connection to a Redis or Valkey server, for a process that may wait: TLS, AUTH, one command
 * at a time, each with a deadline. hiredis makes and parses the protocol; OpenSSL does TLS, because
 * hiredis of Debian 12 cannot. The server is not trusted: the size of an answer is limited, and
 * bytes that are not an answer end the connection.
 *
 * Source: https://redis.io/docs/latest/develop/reference/protocol-spec/ (RESP2). */
#ifndef PENSTOCK_FLEET_REDIS_H
#define PENSTOCK_FLEET_REDIS_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

#include "fleet/trust.h"

#define REDIS_ANSWER_MAX (8u << 20)
#define REDIS_ELEMENTS_MAX 1024 /* of one array in an answer */
#define REDIS_WHY 200

struct redis;

struct redis_login {
	const char *user, *password; /* empty: none */
	size_t password_length;
	bool tls;
	struct trust_files files;
	const char *name; /* name that its certificate must have; empty: any name */
};

/* `fd` is a non-blocking socket that is connecting; the connection owns it from now on. 0 or -errno
 * with a clause in `why` (REDIS_WHY). */
int redis_open(int fd, const struct redis_login *login, struct redis **ret_redis, char *why);
/* Sends a command and waits for its answer, which the caller frees with freeReplyObject(). 0;
 * -EREMOTEIO: the server answered with an error, which is in `why`; or -errno: the connection
 * cannot be used any more. */
int redis_call(struct redis *redis, int argc, const char **argv, const size_t *lengths,
	       redisReply **ret_reply, char *why);
/* NULL is fine. */
void redis_close(struct redis *redis);

#endif
