#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/wait.h"

#define QUEUE 256
#define CLOSE_US US_PER_S /* log_close() waits at most so long for the journal or stderr */
#define LINE_MAX_ 768
#define FIELDS_MAX 512

struct entry {
	enum log_level level;
	char id[40], fields[FIELDS_MAX], line[LINE_MAX_];
};

/* One queue and one thread for each process. The log is the only global state in penstock. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t filled, drained; /* drained: of wait_init() */
	pthread_t thread;
	/* ended: the thread has ended, and the queue is empty */
	bool running, stopping, ended, journal;
	_Atomic int max;
	char name[32];
	unsigned head, count;
	_Atomic uint64_t dropped;
	uint64_t told;
	struct entry queue[QUEUE];
} log_state = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.filled = PTHREAD_COND_INITIALIZER,
		.max = LOG_LEVEL_INFO };

static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

/* Whether stderr is the journal: systemd sets JOURNAL_STREAM=device:inode then. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

/* Sends an entry to the carrier. 0, or the entry has to be written here. If the carrier takes
 * nothing for this time, it is not tried again for the next CARRIER_REST entries. */
#define CARRIER_WAIT_US 500000
#define CARRIER_REST 100 /* entries */
static int carry(const struct iovec *iov, int n)
{
	static int fd = -1; /* only the thread uses it, and what follows */
	static unsigned rest;
	struct timeval wait = { .tv_usec = CARRIER_WAIT_US };
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = LOG_CARRIER };
	char entry[LOG_ENTRY_MAX];
	size_t size = 0;

	for (int i = 0; i < n; i++) {
		/* The protocol has another form for values with a newline; penstock has no such
		 * values. */
		if (size + iov[i].iov_len + 1 > sizeof(entry) ||
		    memchr(iov[i].iov_base, '\n', iov[i].iov_len)) {
			errno = EMSGSIZE;
			return -1;
		}
		memcpy(entry + size, iov[i].iov_base, iov[i].iov_len);
		size += iov[i].iov_len;
		entry[size++] = '\n';
	}
	errno = EAGAIN;
	if (rest > 0 && rest--)
		return -1;
	if (fd < 0) {
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	}
	if (sendto(fd, entry, size, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to)) >= 0)
		return 0;
	rest = errno == EAGAIN ? CARRIER_REST : 0;
	return -1;
}

static void write_journal(const struct entry *e)
{
	char message[LINE_MAX_ + 16], priority[16], id[64], name[64], fields[FIELDS_MAX];
	struct iovec iov[16];
	bool others = strstr(e->fields, "SYSLOG_IDENTIFIER=");
	static bool told; /* only the thread uses it */
	int n = 0;
	char *save = NULL;

	snprintf(message, sizeof(message), "MESSAGE=%s", e->line);
	snprintf(priority, sizeof(priority), "PRIORITY=%d", priorities[e->level]);
	snprintf(name, sizeof(name), "SYSLOG_IDENTIFIER=%s", log_state.name);
	iov[n++] = (struct iovec){ message, strlen(message) };
	iov[n++] = (struct iovec){ priority, strlen(priority) };
	if (!others)
		iov[n++] = (struct iovec){ name, strlen(name) };
	if (e->id[0]) {
		snprintf(id, sizeof(id), "MESSAGE_ID=%s", e->id);
		iov[n++] = (struct iovec){ id, strlen(id) };
	}
	memcpy(fields, e->fields, sizeof(fields));
	for (char *f = strtok_r(fields, "\n", &save); f && n < 16; f = strtok_r(NULL, "\n", &save))
		iov[n++] = (struct iovec){ f, strlen(f) };
	if (others && carry(iov, n) == 0)
		return;
	if (others && !told) {
		told = true;
		sd_journal_print(
			LOG_NOTICE,
			"Cannot reach penstock-refusals: %s. Lines about refused clients are filed under this unit. Start penstock-refusals.socket.",
			strerror(errno));
	}
	sd_journal_sendv(iov, n);
}

static void write_entry(const struct entry *e)
{
	if (log_state.journal)
		write_journal(e);
	else
		fprintf(stderr, "%s: %s%s\n", log_state.name[0] ? log_state.name : "penstock",
			e->level == LOG_LEVEL_ERROR	? "error: "
			: e->level == LOG_LEVEL_WARNING ? "warning: "
							: "",
			e->line);
}

static void *drain_queue(void *unused)
{
	struct entry e;
	uint64_t dropped;

	pthread_mutex_lock(&log_state.lock);
	for (;;) {
		while (log_state.count == 0 && !log_state.stopping)
			pthread_cond_wait(&log_state.filled, &log_state.lock);
		if (log_state.count == 0)
			break;
		e = log_state.queue[log_state.head];
		log_state.head = (log_state.head + 1) % QUEUE;
		log_state.count--;
		dropped = log_state.count == 0 ? log_state.dropped - log_state.told : 0;
		log_state.told += dropped;
		pthread_mutex_unlock(&log_state.lock);
		write_entry(&e);
		if (dropped) {
			struct entry note = { .level = LOG_LEVEL_WARNING };

			snprintf(note.line, sizeof(note.line),
				 "%llu log lines were dropped: the log was too slow",
				 (unsigned long long)dropped);
			write_entry(&note);
		}
		pthread_mutex_lock(&log_state.lock);
	}
	log_state.ended = true;
	pthread_cond_signal(&log_state.drained);
	pthread_mutex_unlock(&log_state.lock);
	return NULL;
}

int log_open(const char *name, enum log_level max)
{
	sigset_t all, before;
	int r;

	snprintf(log_state.name, sizeof(log_state.name), "%s", name);
	log_state.max = (int)max;
	log_state.journal = is_journal();
	log_state.stopping = log_state.ended = false;
	wait_init(&log_state.drained);
	sigfillset(&all); /* signals are handled by the event loop */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&log_state.thread, NULL, drain_queue, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	log_state.running = r == 0;
	return -r;
}

void log_close(void)
{
	uint64_t until_us = clock_monotonic_us() + CLOSE_US, now_us;
	bool ended;

	if (!log_state.running)
		return;
	pthread_mutex_lock(&log_state.lock);
	log_state.stopping = true;
	pthread_cond_signal(&log_state.filled);
	while (!log_state.ended && (now_us = clock_monotonic_us()) < until_us)
		wait_us(&log_state.drained, &log_state.lock, until_us - now_us);
	ended = log_state.ended;
	pthread_mutex_unlock(&log_state.lock);
	if (ended)
		pthread_join(log_state.thread, NULL);
	else
		pthread_detach(log_state.thread);
	log_state.running = false;
}

void log_set_level(enum log_level max)
{
	log_state.max = (int)max;
}

uint64_t log_dropped(void)
{
	return log_state.dropped;
}

static void submit(enum log_level level, const char *id, const char *fields, const char *format,
		   va_list args)
{
	struct entry e = { .level = level };

	if ((int)level > log_state.max)
		return;
	vsnprintf(e.line, sizeof(e.line), format, args);
	if (id)
		snprintf(e.id, sizeof(e.id), "%s", id);
	if (fields)
		snprintf(e.fields, sizeof(e.fields), "%s", fields);
	if (!log_state.running) {
		write_entry(&e);
		return;
	}
	pthread_mutex_lock(&log_state.lock);
	if (log_state.count == QUEUE) {
		log_state.dropped++;
	} else {
		log_state.queue[(log_state.head + log_state.count) % QUEUE] = e;
		log_state.count++;
		pthread_cond_signal(&log_state.filled);
	}
	pthread_mutex_unlock(&log_state.lock);
}

void log_msg(enum log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	submit(level, NULL, NULL, format, args);
	va_end(args);
}

void log_event(enum log_level level, const char *message_id, const char *fields, const char *format,
	       ...)
{
	va_list args;

	va_start(args, format);
	submit(level, message_id, fields, format, args);
	va_end(args);
}
