/* Looks for problems on this host that would stop mail under load, or stop penstock: on demand,
 * for `penstockctl check`. Each finding says what is wrong and what to do. Nothing is changed. */
#ifndef PENSTOCK_CHECK_CHECK_H
#define PENSTOCK_CHECK_CHECK_H

#include "check/postfix_conf.h"
#include "config/config.h"

#define CHECK_FINDINGS 64

/* What a finding means for mail. The exit code of `penstockctl check` follows the worst. */
enum check_severity {
	CHECK_NOTE, /* could be better; usual on a freshly installed system */
	CHECK_WARNING, /* a problem under load, or penstock does less than it is configured to */
	/* mail is or will be stopped, or relayed for any client, or nothing is guarded */
	CHECK_ERROR
};

/* The program that listens on the ports of the first service. */
enum check_server {
	CHECK_UNKNOWN, /* no server, or not visible */
	CHECK_OTHER,
	CHECK_POSTFIX,
	CHECK_EXIM,
	CHECK_HARAKA,
	CHECK_OPENSMTPD,
	CHECK_DOCKER_PROXY
};

struct check_finding {
	const char *id; /* a name that can be searched for */
	enum check_severity severity;
	char what[400], todo[400];
};

struct check {
	const struct config *config;
	/* "", or the directory below which etc, proc and sys are read: a container's root, or an
	 * image. */
	const char *root;
	unsigned findings; /* may be more than CHECK_FINDINGS, which is the number that is kept */
	struct check_finding finding[CHECK_FINDINGS];
	unsigned skipped; /* what could not be read, and why */
	char skip[8][200];
	bool postfix; /* its configuration was read */
	enum check_server server;
	char listener[32]; /* name of the program that listens */
	bool no_kernel; /* unknown, because an image has no /proc */
	struct postfix_conf conf;
};

/* Runs all checks. `check` is the caller's (it is large): set config and root, and leave the rest
 * zero. */
void check_run(struct check *check);

const char *check_severity_name(enum check_severity severity);
/* The worst severity of all findings; without any, CHECK_NOTE. */
enum check_severity check_worst(const struct check *check);

/* ---- for the files of this directory: finding.c */
void check_found(struct check *check, const char *id, const char *what, const char *todo, ...)
	__attribute__((format(printf, 4, 5)));
void check_skip(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Reads a file below the root, and terminates it. Returns its length or -errno. */
int check_read(const struct check *check, const char *path, char *buf, size_t size);
int check_read_u64(const struct check *check, const char *path, uint64_t *ret);
/* Whether there is a listener on the port in the network namespace of /proc/PID ("self").
 * `beyond`: one that other hosts can reach. */
bool check_listens(const struct check *check, const char *pid, unsigned port, bool beyond);
/* Whether the configuration has a front for that service. */
bool check_guarded(const struct check *check, const char *service);

/* ---- the checks, one file for each; check.c runs them in order */
/* Sets `server` and `listener`. */
void check_listener(struct check *check);
/* Findings about servers other than Postfix. */
void check_server(struct check *check);
void check_host(struct check *check);
void check_postfix(struct check *check);
void check_mta(struct check *check);

#endif
