/* penstock-refusals: passes the lines about refused clients on to the journal. journald files a
 * line under the unit of the process that wrote it. These lines come from a separate unit, so that
 * `journalctl -u penstockd` shows what the daemon did. It gets whole entries (journald's native
 * protocol, one in each datagram, base/log.c) from a socket that systemd opens. It is started with
 * the first entry, and ends if none has come for a while. Without it penstockd and penstock-proxy
 * write the lines themselves. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/output.h"

#define JOURNAL "/run/systemd/journal/socket"
#define IDLE_MS 60000
#define TRIES 50 /* while journald is restarted, or busy */
#define PAUSE_MS 100

static const char usage[] =
	"Usage: penstock-refusals [--version | --help]\n"
	"Hands lines about refused clients on to the journal. systemd starts it, by penstock-refusals.socket. See penstockd(8).\n";

static void hand_on(int out, const char *entry, size_t size)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = JOURNAL };

	for (int i = 0; i < TRIES; i++) {
		if (sendto(out, entry, size, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to)) >= 0)
			return;
		poll(NULL, 0, PAUSE_MS);
	}
	fprintf(stderr, "Cannot hand a line on to the journal: %s. It is lost.\n", strerror(errno));
}

int main(int argc, char **argv)
{
	static char entry[LOG_ENTRY_MAX];
	struct pollfd in = { .fd = SD_LISTEN_FDS_START, .events = POLLIN };
	int out;

	output_check_at_exit("penstock-refusals", EX_OSERR);
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("penstock-refusals " PENSTOCK_VERSION);
		return 0;
	}
	if (argc != 1) {
		fprintf(stderr,
			"penstock-refusals: what is '%s'? Try 'penstock-refusals --help'.\n",
			argv[1]);
		return EX_USAGE;
	}
	if (sd_listen_fds(1) != 1) {
		fputs("penstock-refusals: there is no socket to read from: penstock-refusals.socket starts this program. Try 'penstock-refusals --help'.\n",
		      stderr);
		return EX_USAGE;
	}
	out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (out < 0) {
		fprintf(stderr, "Cannot open a socket: %s.\n", strerror(errno));
		return EX_OSERR;
	}
	while (poll(&in, 1, IDLE_MS) > 0) {
		ssize_t n = recv(in.fd, entry, sizeof(entry), MSG_DONTWAIT);

		if (n > 0)
			hand_on(out, entry, (size_t)n);
	}
	return 0;
}
