/* Log lines to the journal (structured) or stderr. log_*() never block the caller: they format
 * into a bounded queue that one helper thread writes out. Lines that do not fit are counted, and
 * the count is logged once there is room again. Before log_open() and after log_close() lines
 * are written at once. */
#ifndef PENSTOCK_BASE_LOG_H
#define PENSTOCK_BASE_LOG_H

#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* The socket of tools/penstock-refusals.c: entries in journald's native protocol, one in each
 * datagram. */
#define LOG_CARRIER "/run/penstock/refusals.sock"
#define LOG_ENTRY_MAX 4096

/* `name` is the syslog identifier. Starts the helper thread: call after fork and before sandboxing.
 * 0 or -errno. */
int log_open(const char *name, enum log_level max);
/* Drains the queue and joins the thread. If the journal or the reader of stderr takes nothing, it
 * waits at most a second; the rest of the queue is lost then. */
void log_close(void);
void log_set_level(enum log_level max);
/* Lines lost because the queue was full. */
uint64_t log_dropped(void);

void log_msg(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A structured entry: `message_id` is 32 hex digits, `fields` is "KEY=value\n..." (may be NULL,
 * journal only). An entry with SYSLOG_IDENTIFIER= is about a client, not about this program. It
 * goes to the journal by LOG_CARRIER, if that listens, so that it is not filed under our unit. */
void log_event(enum log_level level, const char *message_id, const char *fields, const char *format,
	       ...) __attribute__((format(printf, 4, 5)));

#define log_error(...) log_msg(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_msg(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_msg(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_msg(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
