#include "front/gate_watch.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "kernel/netns.h"
#include "kernel/sockdiag.h"

void gate_watch_listener(struct gate_watch *w, const struct config *config, unsigned service,
			 uint64_t now_us)
{
	struct sockdiag_listener listener;
	int fd;

	if (!config->gate.answer_down) {
		w->down = false;
		return;
	}
	if (now_us - w->looked_us < US_PER_S)
		return;
	w->looked_us = now_us;
	fd = sockdiag_open_in(w->netns_fd);
	if (fd < 0)
		return;
	w->down = sockdiag_listeners(fd, config->service[service].ports, CONFIG_PORTS, &listener,
				     1) == 0;
	close(fd);
}

bool gate_watch_netns(struct gate_watch *w, const struct config *config, uint64_t now_us)
{
	const char *name = config->gate.netns;
	char why[256] = "";
	uint32_t inum = 0;
	int fd;

	if (!name[0] || now_us - w->netns_looked_us < US_PER_S)
		return false;
	w->netns_looked_us = now_us;
	fd = netns_open(name, why);
	/* Only "does not exist" proves that it is gone; another error proves nothing. */
	if (fd < 0 && fd != -ENOENT && fd != -ESRCH)
		return false;
	if (fd >= 0) {
		inum = netns_inum(fd);
		close(fd);
	}
	if (inum == w->netns)
		return false;
	log_notice("the network namespace '%s' is %s: the gate leaves it", name,
		   fd < 0 ? "gone" : "another one now");
	w->netns = inum;
	return true;
}
