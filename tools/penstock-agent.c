/* penstock-agent: tells HAProxy's agent-check how much this host can take. When an agent is gone,
 * HAProxy keeps its last line. So this is a separate process that only reads the plan: two seconds
 * after penstockd is killed, hangs, or is stopped for an upgrade, it answers "ready, 100 %". On
 * SIGTERM it answers that for some seconds before it ends. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/manager.h"
#include "config/args.h"
#include "config/reload.h"
#include "front/agent_line.h"
#include "proxy/planview.h"

#define BACKLOG 256
#define AT_ONCE 64 /* connections that are answered before signals are checked again */
#define TURN_MS 1000 /* longest time between two messages to the service manager */
#define TELL_US (US_PER_S / 2) /* and the shortest, however many connect */
#define PARTING_US (3 * US_PER_S) /* every HAProxy asks once in this time: agent-inter 1s */
#define PAUSE_US 100000 /* after the descriptors ran out */
#define SAY_EVERY_US (60 * US_PER_S)

static const char usage[] =
	"Usage: penstock-agent [OPTION]...\n"
	"Answers HAProxy's agent-check with the weight and the number of connections that this host can take, by penstockd's plan.\n"
	"Without penstockd it says that the host is ready.\n"
	"\n"
	"  -c FILE                configuration, the same as penstockd's: section [front.agent]\n"
	"  -o SECTION.KEY=VALUE   one option, over the file; may be repeated\n"
	"      --run-dir DIR      where penstockd's plan is (default /run/penstock)\n"
	"      --check-config     exit 0, or 78 with FILE:LINE: section.key: reason\n"
	"      --version, --help\n"
	"\n"
	"Example: server m1 192.0.2.11:25 check agent-check agent-addr 192.0.2.11 agent-port 9827 agent-inter 1s weight 100\n"
	"SIGHUP reloads. SIGTERM says ready for 3 s and ends. See penstock-agent(8).\n";

struct agent {
	struct pollfd fds[LISTENERS_MAX + 1]; /* listeners, then the signals */
	unsigned listeners;
	const struct config_source *source; /* where the configuration comes from */
	char listen[sizeof(((struct config_agent *)0)->listen.text)]; /* as it was opened */
	char run_dir[sizeof(((struct config *)0)->run_dir)];
	struct agent_options options;
	uint64_t told_us; /* when the service manager last got a message */
	uint64_t said_us; /* when the log last said that no check can be taken */
	struct planview plan;
	struct agent_memory memory;
	uint64_t parting_us; /* when it ends; 0: no signal yet */
};

/* Answers a check. What the check sends (agent-send) is read first, because closing a socket with
 * unread data resets it, and our line would be lost. The amount is limited, since it may have no
 * end. */
static void answer(struct agent *a, int fd)
{
	uint64_t now_us = clock_monotonic_us();
	const struct plan *plan = a->parting_us ? NULL : planview_get(&a->plan, now_us);
	char line[AGENT_LINE_MAX], unread[4096];
	size_t n = agent_line(plan, &a->options, now_us, &a->memory, line);

	recv(fd, unread, sizeof(unread), MSG_DONTWAIT);
	if (send(fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n)
		shutdown(fd, SHUT_WR);
	close(fd);
}

/* No check can be taken now: poll() would return at once. */
static void rest(struct agent *a, int error)
{
	uint64_t now_us = clock_monotonic_us();

	if (!a->said_us || now_us - a->said_us >= SAY_EVERY_US) {
		log_warning(
			"Cannot serve a check of HAProxy: %s. HAProxy keeps what it was told last. Raise LimitNOFILE= of penstock-agent, or free memory.",
			strerror(error));
		a->said_us = now_us;
	}
	usleep(PAUSE_US);
}

static void answer_all(struct agent *a, int listener)
{
	for (int i = 0; i < AT_ONCE; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			answer(a, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			rest(a, errno);
		return;
	}
}

/* Takes what can change while it runs. `config`: a valid one. */
static void configure(struct agent *a, const struct config *config)
{
	const struct config_agent *c = &config->agent;

	a->options = (struct agent_options){ .service = PLANVIEW_OWN,
					     .balancers = c->balancers,
					     .connections_max = c->connections_max };
	planview_done(&a->plan);
	planview_init(&a->plan, config->run_dir, c->service);
	log_set_level(config->log_level);
}

static void reload(struct agent *a)
{
	static struct config fresh;
	static struct config_errors errors;
	char why[640];

	if (config_load(a->source, &fresh, &errors) < 0) {
		config_error_print(&errors.error[0], why, sizeof(why));
		log_error("Cannot reload the configuration: %s. The one in force stays.", why);
		return;
	}
	config_log_warnings(&errors);
	if (strcmp(fresh.agent.listen.text, a->listen) != 0 ||
	    strcmp(fresh.run_dir, a->run_dir) != 0) {
		log_error(
			"Cannot reload the configuration: front.agent.listen and daemon.run_dir need a restart. The one in force stays. Run systemctl restart penstock-agent.");
		return;
	}
	configure(a, &fresh);
	log_notice("configuration reloaded");
}

/* A manager that does not read gets the message later. */
static void tell_manager(struct agent *a)
{
	const char *state = a->told_us ? "WATCHDOG=1" : "READY=1\nWATCHDOG=1";
	uint64_t now_us = clock_monotonic_us();

	if ((!a->told_us || now_us - a->told_us >= TELL_US) &&
	    manager_tell(state, NULL, 0, 0) != -EAGAIN)
		a->told_us = now_us;
}

static void run(struct agent *a)
{
	struct pollfd *signals = &a->fds[a->listeners];

	tell_manager(a);
	while (!a->parting_us || clock_monotonic_us() < a->parting_us) {
		int n = poll(a->fds, a->listeners + 1, a->parting_us ? 100 : TURN_MS);
		struct signalfd_siginfo info;

		tell_manager(a);
		if (n <= 0)
			continue;
		for (unsigned i = 0; i < a->listeners; i++)
			if (a->fds[i].revents)
				answer_all(a, a->fds[i].fd);
		if (!signals->revents ||
		    read(signals->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
			continue;
		if (info.ssi_signo == SIGHUP) {
			reload(a);
			continue;
		}
		if (a->parting_us)
			return; /* the second one: at once */
		manager_tell("STOPPING=1", NULL, 0, 0);
		log_notice(
			"telling HAProxy for 3 s that this host is ready, then penstock-agent ends");
		a->parting_us = clock_monotonic_us() + PARTING_US;
	}
}

static int open_agent(struct agent *a, const struct config *config)
{
	const struct config_agent *c = &config->agent;
	int fds[LISTENERS_MAX], count;
	const char *which = "";
	sigset_t taken;

	snprintf(a->listen, sizeof(a->listen), "%s", c->listen.text);
	snprintf(a->run_dir, sizeof(a->run_dir), "%s", config->run_dir);
	configure(a, config);
	count = endpoints_listen(&c->listen, BACKLOG, 0666, fds, &which);
	if (count < 0) {
		log_error(
			"Cannot listen on front.agent.listen = %s: %s. HAProxy keeps what it was told last. Free the address, or set another one.",
			which, strerror(-count));
		return count;
	}
	a->listeners = (unsigned)count;
	for (int i = 0; i < count; i++)
		a->fds[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	sigemptyset(&taken);
	sigaddset(&taken, SIGTERM);
	sigaddset(&taken, SIGINT);
	sigaddset(&taken, SIGHUP);
	sigprocmask(SIG_BLOCK, &taken, NULL);
	a->fds[count] = (struct pollfd){ .fd = signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC),
					 .events = POLLIN };
	return a->fds[count].fd < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
	static struct config config;
	static struct args args;
	static struct agent agent = { .source = &args.source };
	int r = args_read(argc, argv, "penstock-agent", usage, false, &args, &config);

	if (r >= 0)
		return r;
	if (args.check)
		return EXIT_SUCCESS;
	log_open("penstock-agent", config.log_level);
	r = open_agent(&agent, &config);
	if (r == 0)
		run(&agent);
	planview_done(&agent.plan);
	log_close();
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
