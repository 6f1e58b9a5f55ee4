/* Links by libnl: rates, drops, queueing-discipline backlog, speed. Two dumps a tick at most every NIC_EVERY_US: links and
 * qdiscs. Speeds lie (veth and tap say 10 Gb/s, virtio -1, loopback nothing): [nic] speed overrides, and a link without a
 * known speed has rates but no use ratio. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/tc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/readfile.h"
#include "sensor/sensors.h"

#define LINKS 32
#define NIC_EVERY_US 200000u

struct link_state {
	int ifindex;
	char name[16];
	uint64_t rx, tx, drops, qdisc_drops;
	double speed_bps; /* 0: not known */
	uint64_t speed_read_us;
	double backlog;
};

struct nic {
	struct nl_sock *sock;
	int sys_fd;
	const struct config *config;
	struct link_state links[LINKS];
	unsigned count;
	uint64_t last_us;
	/* the figures of the last reading, put again until the next */
	bool known, use_known;
	double rx, tx, use, drops, backlog, backlog_s, speed;
};

static int nic_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct nic *s = calloc(1, sizeof(*s));
	struct timeval patience = { .tv_usec = 50000 };
	int r;

	if (!s)
		return -ENOMEM;
	s->config = env->config;
	s->sys_fd = env->sys_fd;
	s->sock = nl_socket_alloc();
	r = s->sock ? nl_connect(s->sock, NETLINK_ROUTE) : -NLE_NOMEM;
	if (r < 0) {
		snprintf(why, SENSOR_WHY_MAX, "rtnetlink cannot be opened: %s", nl_geterror(r));
		nl_socket_free(s->sock);
		free(s);
		return -EIO;
	}
	setsockopt(nl_socket_get_fd(s->sock), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	*ret_state = s;
	return 0;
}

static void nic_close(void *state)
{
	struct nic *s = state;

	nl_socket_free(s->sock);
	free(s);
}

/* Named in the configuration; else physical (has a device) and up, or virtio and the like without loopback. */
static bool counts(const struct nic *s, struct rtnl_link *link)
{
	const char *name = rtnl_link_get_name(link);
	unsigned flags = rtnl_link_get_flags(link);
	char path[64];

	if (!name)
		return false;
	if (s->config->interfaces[0][0]) {
		for (unsigned i = 0; i < CONFIG_INTERFACES && s->config->interfaces[i][0]; i++)
			if (strcmp(s->config->interfaces[i], name) == 0)
				return true;
		return false;
	}
	if ((flags & IFF_LOOPBACK) || !(flags & IFF_UP))
		return false;
	snprintf(path, sizeof(path), "class/net/%s/device", name);
	return s->sys_fd < 0 || faccessat(s->sys_fd, path, F_OK, 0) == 0;
}

static double read_speed(const struct nic *s, const char *name)
{
	char path[64], content[32];
	double mbit;

	if (s->config->nic_speed_bits_per_s)
		return (double)s->config->nic_speed_bits_per_s;
	snprintf(path, sizeof(path), "class/net/%s/speed", name);
	if (s->sys_fd < 0 || readfile_at(s->sys_fd, path, content, sizeof(content)) <= 0)
		return 0;
	mbit = strtod(content, NULL);
	return mbit > 0 ? mbit * 1e6 : 0; /* virtio says -1 */
}

static struct link_state *find(struct nic *s, int ifindex)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->links[i].ifindex == ifindex)
			return &s->links[i];
	return NULL;
}

/* One pass over the links: rates into s, states into `fresh`. */
static unsigned read_links(struct nic *s, struct nl_cache *cache, uint64_t now_us, double dt_s,
			   struct link_state *fresh)
{
	unsigned count = 0;

	for (struct nl_object *o = nl_cache_get_first(cache); o && count < LINKS;
	     o = nl_cache_get_next(o)) {
		struct rtnl_link *link = (struct rtnl_link *)o;
		struct link_state *before, *now = &fresh[count];
		double rx, tx;

		if (!counts(s, link))
			continue;
		memset(now, 0, sizeof(*now));
		now->ifindex = rtnl_link_get_ifindex(link);
		snprintf(now->name, sizeof(now->name), "%s", rtnl_link_get_name(link));
		now->rx = rtnl_link_get_stat(link, RTNL_LINK_RX_BYTES);
		now->tx = rtnl_link_get_stat(link, RTNL_LINK_TX_BYTES);
		now->drops = rtnl_link_get_stat(link, RTNL_LINK_RX_DROPPED) +
			     rtnl_link_get_stat(link, RTNL_LINK_TX_DROPPED) +
			     rtnl_link_get_stat(link, RTNL_LINK_RX_MISSED_ERR);
		before = find(s, now->ifindex);
		now->speed_bps = before && now_us - before->speed_read_us < 5 * US_PER_S
					 ? before->speed_bps
					 : read_speed(s, now->name);
		now->speed_read_us = before && now->speed_bps == before->speed_bps &&
						     now_us - before->speed_read_us < 5 * US_PER_S
					     ? before->speed_read_us
					     : now_us;
		count++;
		if (!before || dt_s <= 0 || now->rx < before->rx || now->tx < before->tx)
			continue;
		rx = (double)(now->rx - before->rx) / dt_s;
		tx = (double)(now->tx - before->tx) / dt_s;
		s->rx += rx;
		s->tx += tx;
		if (now->drops >= before->drops)
			s->drops += (double)(now->drops - before->drops) / dt_s;
		if (now->speed_bps > 0) {
			double use = 8 * (rx > tx ? rx : tx) / now->speed_bps;

			if (!s->use_known || use > s->use) {
				s->use = use;
				s->speed = now->speed_bps;
			}
			s->use_known = true;
		}
	}
	return count;
}

static void read_qdiscs(struct nic *s, struct nl_cache *cache, double dt_s,
			struct link_state *fresh, unsigned count)
{
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
		struct rtnl_tc *tc = (struct rtnl_tc *)o;

		/* The root of a link tells of all below it. */
		if (rtnl_tc_get_parent(tc) != TC_H_ROOT)
			continue;
		for (unsigned i = 0; i < count; i++) {
			struct link_state *before = find(s, fresh[i].ifindex);
			double bytes;

			if (fresh[i].ifindex != rtnl_tc_get_ifindex(tc))
				continue;
			bytes = (double)rtnl_tc_get_stat(tc, RTNL_TC_BACKLOG);
			fresh[i].qdisc_drops = rtnl_tc_get_stat(tc, RTNL_TC_DROPS);
			s->backlog += bytes;
			if (fresh[i].speed_bps > 0 && 8 * bytes / fresh[i].speed_bps > s->backlog_s)
				s->backlog_s = 8 * bytes / fresh[i].speed_bps;
			if (before && dt_s > 0 && fresh[i].qdisc_drops >= before->qdisc_drops)
				s->drops +=
					(double)(fresh[i].qdisc_drops - before->qdisc_drops) / dt_s;
		}
	}
}

static int nic_read(struct nic *s, uint64_t now_us, char *why)
{
	struct link_state fresh[LINKS];
	struct nl_cache *cache = NULL;
	double dt_s = s->last_us ? (double)(now_us - s->last_us) / 1e6 : 0;
	unsigned count;
	int r = rtnl_link_alloc_cache(s->sock, AF_UNSPEC, &cache);

	if (r < 0) {
		snprintf(why, SENSOR_WHY_MAX, "the links cannot be read: %s", nl_geterror(r));
		return -EIO;
	}
	s->rx = s->tx = s->use = s->drops = s->backlog = s->backlog_s = s->speed = 0;
	s->use_known = false;
	count = read_links(s, cache, now_us, dt_s, fresh);
	nl_cache_free(cache);
	if (rtnl_qdisc_alloc_cache(s->sock, &cache) == 0) {
		read_qdiscs(s, cache, dt_s, fresh, count);
		nl_cache_free(cache);
	}
	s->known = dt_s > 0 && count > 0;
	memcpy(s->links, fresh, count * sizeof(fresh[0]));
	s->count = count;
	s->last_us = now_us;
	return 0;
}

static int nic_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		    char *why)
{
	struct nic *s = state;
	int r;

	if (!s->last_us || now_us - s->last_us >= NIC_EVERY_US) {
		r = nic_read(s, now_us, why);
		if (r < 0)
			return r;
	}
	if (!s->known)
		return 0;
	sample_put(sample, SIGNAL_NIC_RX_BYTES_PER_S, s->rx, VIA_NETLINK);
	sample_put(sample, SIGNAL_NIC_TX_BYTES_PER_S, s->tx, VIA_NETLINK);
	sample_put(sample, SIGNAL_NIC_DROPS_PER_S, s->drops, VIA_NETLINK);
	sample_put(sample, SIGNAL_NIC_BACKLOG_BYTES, s->backlog, VIA_NETLINK);
	if (s->use_known) {
		sample_put(sample, SIGNAL_NIC_USE_RATIO, s->use, VIA_NETLINK);
		sample_put(sample, SIGNAL_NIC_BACKLOG_RATIO, s->backlog_s, VIA_NETLINK);
		sample_put(sample, SIGNAL_NIC_SPEED_BITS_PER_S, s->speed, VIA_NETLINK);
	}
	return 0;
}

static const enum signal nic_signals[] = { SIGNAL_NIC_RX_BYTES_PER_S,	SIGNAL_NIC_TX_BYTES_PER_S,
					   SIGNAL_NIC_DROPS_PER_S,	SIGNAL_NIC_BACKLOG_BYTES,
					   SIGNAL_NIC_USE_RATIO,	SIGNAL_NIC_BACKLOG_RATIO,
					   SIGNAL_NIC_SPEED_BITS_PER_S, SIGNAL__COUNT };
const struct sensor_ops sensor_nic = { .name = "nic",
				       .provides = nic_signals,
				       .open = nic_open,
				       .poll = nic_poll,
				       .close = nic_close,
				       .budget_us_per_s = 100 };
