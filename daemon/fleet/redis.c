#include "fleet/redis.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define ANSWER_US (2 * US_PER_S) /* deadline of a connection, of a handshake, of an answer */
#define READ_BYTES 16384

struct redis {
	int fd;
	SSL_CTX *context; /* NULL: no TLS */
	SSL *tls;
	redisReader *reader;
#if HIREDIS_MAJOR < 1
	redisReplyObjectFunctions functions; /* of the reader, with a limit on arrays */
	void *(*make_array)(const redisReadTask *task, int elements);
#endif
	uint64_t deadline_us;
	size_t read; /* bytes of the expected answer so far */
};

/* ---- the wire ------------------------------------------------------------------------------- */

/* Waits for `events`. 0 or -ETIMEDOUT. */
static int wait_for(const struct redis *r, short events)
{
	struct pollfd p = { .fd = r->fd, .events = events };
	uint64_t now_us = clock_monotonic_us();
	int n;

	if (now_us >= r->deadline_us)
		return -ETIMEDOUT;
	n = poll(&p, 1, (int)((r->deadline_us - now_us) / US_PER_MS) + 1);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}

/* Handles a call of OpenSSL that did not succeed. 0: call it again; else an error. */
static int wait_tls(const struct redis *r, int result, char *why)
{
	int error = SSL_get_error(r->tls, result);
	long verified = SSL_get_verify_result(r->tls);
	unsigned long code;

	if (error == SSL_ERROR_WANT_READ)
		return wait_for(r, POLLIN);
	if (error == SSL_ERROR_WANT_WRITE)
		return wait_for(r, POLLOUT);
	code = ERR_get_error();
	if (verified != X509_V_OK)
		snprintf(why, REDIS_WHY, "its certificate is not trusted: %s",
			 X509_verify_cert_error_string(verified));
	else if (code)
		snprintf(why, REDIS_WHY, "TLS: %s", ERR_reason_error_string(code));
	else
		snprintf(why, REDIS_WHY, "it closed the connection");
	ERR_clear_error();
	return -EPROTO;
}

static int write_all(struct redis *r, const char *bytes, size_t length, char *why)
{
	while (length) {
		ssize_t n = r->tls ? SSL_write(r->tls, bytes, (int)length)
				   : send(r->fd, bytes, length, MSG_NOSIGNAL);
		int error = 0;

		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
			continue;
		}
		if (r->tls)
			error = wait_tls(r, (int)n, why);
		else
			error = errno == EAGAIN ? wait_for(r, POLLOUT) : -errno;
		if (error < 0)
			return error;
	}
	return 0;
}

static int read_some(struct redis *r, char *why)
{
	char bytes[READ_BYTES];
	ssize_t n = r->tls ? SSL_read(r->tls, bytes, sizeof(bytes))
			   : recv(r->fd, bytes, sizeof(bytes), 0);

	if (n <= 0) {
		if (r->tls)
			return wait_tls(r, (int)n, why);
		if (n < 0)
			return errno == EAGAIN ? wait_for(r, POLLIN) : -errno;
		snprintf(why, REDIS_WHY, "it closed the connection");
		return -ECONNRESET;
	}
	r->read += (size_t)n;
	if (r->read > REDIS_ANSWER_MAX) {
		snprintf(why, REDIS_WHY, "its answer is larger than %u MiB",
			 REDIS_ANSWER_MAX >> 20);
		return -EMSGSIZE;
	}
	if (redisReaderFeed(r->reader, bytes, (size_t)n) != REDIS_OK) {
		snprintf(why, REDIS_WHY, "its answer cannot be read: %s", r->reader->errstr);
		return -EBADMSG;
	}
	return 0;
}

/* ---- answers -------------------------------------------------------------------------------- */

/* An array of a billion elements takes a few bytes on the wire, and hiredis would allocate all of
 * them at once. */
#if HIREDIS_MAJOR >= 1
static redisReader *new_reader(struct redis *r)
{
	redisReader *reader = redisReaderCreate();

	if (reader)
		reader->maxelements = REDIS_ELEMENTS_MAX;
	return reader;
}
#else
/* hiredis before 1.0 has no limit, so this function checks it first. */
static void *make_bounded_array(const redisReadTask *task, int elements)
{
	const struct redis *r = task->privdata;

	return elements > REDIS_ELEMENTS_MAX ? NULL : r->make_array(task, elements);
}

static redisReader *new_reader(struct redis *r)
{
	redisReader *reader = redisReaderCreate();

	if (!reader)
		return NULL;
	r->functions = *reader->fn;
	r->make_array = r->functions.createArray;
	r->functions.createArray = make_bounded_array;
	reader->fn = &r->functions;
	reader->privdata = r;
	return reader;
}
#endif

/* ---- commands ------------------------------------------------------------------------------- */

static int read_reply(struct redis *r, redisReply **ret, char *why)
{
	r->read = 0;
	for (;;) {
		void *reply = NULL;
		int error;

		if (redisReaderGetReply(r->reader, &reply) != REDIS_OK) {
			snprintf(why, REDIS_WHY, "its answer cannot be read: %s",
				 r->reader->errstr);
			return -EBADMSG;
		}
		if (reply) {
			*ret = reply;
			return 0;
		}
		error = read_some(r, why);
		if (error < 0)
			return error;
	}
}

/* An error of the server as one printable line. */
static void copy_error(const redisReply *reply, char *why)
{
	size_t n = 0;

	for (; n < (size_t)reply->len && n < REDIS_WHY - 1; n++)
		why[n] = reply->str[n] >= ' ' && reply->str[n] < 0x7f ? reply->str[n] : '?';
	why[n] = 0;
}

int redis_call(struct redis *r, int argc, const char **argv, const size_t *lengths,
	       redisReply **ret, char *why)
{
	char *command = NULL;
	redisReply *reply = NULL;
	long long length = redisFormatCommandArgv(&command, argc, argv, lengths);
	int error;

	why[0] = 0;
	if (length < 0)
		return -ENOMEM;
	r->deadline_us = clock_monotonic_us() + ANSWER_US;
	error = write_all(r, command, (size_t)length, why);
	redisFreeCommand(command);
	if (error == 0)
		error = read_reply(r, &reply, why);
	if (error < 0) {
		if (!why[0])
			snprintf(why, REDIS_WHY, "%s", strerror(-error));
		return error;
	}
	if (reply->type == REDIS_REPLY_ERROR) {
		copy_error(reply, why);
		freeReplyObject(reply);
		return -EREMOTEIO;
	}
	*ret = reply;
	return 0;
}

/* ---- life ----------------------------------------------------------------------------------- */

static int begin_tls(struct redis *r, const struct redis_login *login, char *why)
{
	int error, result;

	error = trust_context(&login->files, &r->context, why);
	if (error < 0)
		return error;
	r->tls = SSL_new(r->context);
	if (!r->tls || SSL_set_fd(r->tls, r->fd) != 1)
		return -ENOMEM;
	if (login->name[0]) {
		SSL_set_tlsext_host_name(r->tls, login->name);
		if (SSL_set1_host(r->tls, login->name) != 1)
			return -ENOMEM;
	}
	while ((result = SSL_connect(r->tls)) != 1) {
		error = wait_tls(r, result, why);
		if (error < 0)
			return error;
	}
	return 0;
}

static int log_in(struct redis *r, const struct redis_login *login, char *why)
{
	const char *with_user[] = { "AUTH", login->user, login->password };
	const size_t lengths[] = { 4, strlen(login->user), login->password_length };
	const char *without[] = { "AUTH", login->password };
	const size_t without_lengths[] = { 4, login->password_length };
	redisReply *reply;
	int error;

	if (!login->password_length)
		return 0;
	error = login->user[0] ? redis_call(r, 3, with_user, lengths, &reply, why)
			       : redis_call(r, 2, without, without_lengths, &reply, why);
	if (error == 0)
		freeReplyObject(reply);
	return error;
}

static int finish_connect(struct redis *r)
{
	int error = wait_for(r, POLLOUT), got = 0;
	socklen_t size = sizeof(got);

	if (error == 0 && getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &got, &size) == 0)
		error = -got;
	return error;
}

int redis_open(int fd, const struct redis_login *login, struct redis **ret_redis, char *why)
{
	struct redis *r = calloc(1, sizeof(*r));
	int error;

	why[0] = 0;
	if (!r) {
		close(fd);
		snprintf(why, REDIS_WHY, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	r->deadline_us = clock_monotonic_us() + ANSWER_US;
	r->reader = new_reader(r);
	r->fd = fd;
	error = r->reader ? finish_connect(r) : -ENOMEM;
	if (error == 0 && login->tls)
		error = begin_tls(r, login, why);
	if (error == 0)
		error = log_in(r, login, why);
	if (error < 0) {
		if (!why[0])
			snprintf(why, REDIS_WHY, "%s", strerror(-error));
		redis_close(r);
		return error;
	}
	*ret_redis = r;
	return 0;
}

void redis_close(struct redis *r)
{
	if (!r)
		return;
	SSL_free(r->tls);
	SSL_CTX_free(r->context);
	close(r->fd);
	if (r->reader)
		redisReaderFree(r->reader);
	free(r);
}
