#include "sensor/nic_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/tc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/message.h"
#include "sensor/link_speed.h"
#include "sensor/links.h"

#define SPEED_EVERY_US (5 * US_PER_S)
/* Journal entry: a link that counts has lost or regained its carrier, or changed its speed. */

/* What is kept of a link from one reading to the next. */
struct known {
	int ifindex;
	char name[LINK_NAME_MAX];
	bool running, counted;
	uint64_t rx, tx, drops, qdisc_drops, speed_read_us;
	double own_bps, limit_bps;
};

struct nic_reader {
	const volatile bool *stop;
	struct nl_sock *sock; /* requests dumps */
	struct nl_sock *news; /* reports changes; NULL: only dumps are used */
	int ioctl_fd, sys_fd;
	const struct config *config;
	struct link links[LINKS_MAX]; /* links of the present dump */
	enum link_weight weights[LINKS_MAX];
	/* left_out: links of that dump that found no room */
	unsigned links_count, left_out;
	bool left_out_said;
	struct known known[LINKS_MAX], before[LINKS_MAX];
	unsigned known_count, before_count;
	bool changed; /* the kernel reported a change, or more changes than the socket could hold */
	uint64_t last_us;
	struct nic_figures now; /* figures of the present reading */
};

static bool is_named(const struct nic_reader *s, const char *name)
{
	for (unsigned i = 0; i < CONFIG_INTERFACES && s->config->interfaces[i][0]; i++)
		if (strcmp(s->config->interfaces[i], name) == 0)
			return true;
	return false;
}

static int on_link(struct nl_msg *message, void *context)
{
	struct nic_reader *s = context;
	struct nlmsghdr *h = nlmsg_hdr(message);

	struct link link;

	if (links_parse(h, h->nlmsg_len, &link) == 1 &&
	    links_take(s->links, s->weights, &s->links_count, LINKS_MAX, &link,
		       links_weigh(&link, is_named(s, link.name))))
		s->left_out++;
	return NL_OK;
}

static int on_news(struct nl_msg *message, void *context)
{
	((struct nic_reader *)context)->changed = true;
	return NL_OK;
}

static struct nl_sock *open_socket(nl_recvmsg_msg_cb_t callback, struct nic_reader *s)
{
	struct timeval patience = { .tv_usec = 50000 };
	struct nl_sock *sock = nl_socket_alloc();

	if (!sock || nl_connect(sock, NETLINK_ROUTE) < 0) {
		nl_socket_free(sock);
		return NULL;
	}
	setsockopt(nl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, callback, s);
	return sock;
}

/* ---- life ----------------------------------------------------------------------------------- */

void nic_reader_close(struct nic_reader *s)
{
	if (!s)
		return;
	nl_socket_free(s->sock);
	nl_socket_free(s->news);
	if (s->ioctl_fd >= 0)
		close(s->ioctl_fd);
	free(s);
}

int nic_reader_open(const struct config *config, int sys_fd, const volatile bool *stop,
		    struct nic_reader **ret_reader, char *why)
{
	struct nic_reader *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->config = config;
	s->sys_fd = sys_fd;
	s->stop = stop;
	s->ioctl_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	s->sock = open_socket(on_link, s);
	if (!s->sock) {
		snprintf(why, SENSOR_WHY_MAX, "rtnetlink cannot be opened: %s", strerror(errno));
		nic_reader_close(s);
		return -EIO;
	}
	s->news = open_socket(on_news, s);
	if (s->news && nl_socket_add_membership(s->news, RTNLGRP_LINK) == 0) {
		nl_socket_disable_seq_check(s->news);
		nl_socket_set_nonblocking(s->news);
	} else {
		nl_socket_free(s->news);
		s->news = NULL;
	}
	*ret_reader = s;
	return 0;
}

/* ---- which links count, and how fast they are ----------------------------------------------- */

static bool is_physical(const struct nic_reader *s, const struct link *l)
{
	char path[64];

	if (l->physical)
		return true;
	/* Before 5.14 only sysfs shows it. */
	snprintf(path, sizeof(path), "class/net/%s/device", l->name);
	return l->kind == LINK_PLAIN && s->sys_fd >= 0 && faccessat(s->sys_fd, path, F_OK, 0) == 0;
}

/* Links that the configuration names; else physical links that are switched on; else, in a
 * container without any, the links that lead out of it. */
static bool counts(const struct nic_reader *s, const struct link *l, bool some_physical)
{
	if (s->config->interfaces[0][0])
		return is_named(s, l->name);
	if (l->loopback || !l->up)
		return false;
	return some_physical ? is_physical(s, l) : !l->master && l->kind != LINK_BRIDGE;
}

static const struct known *find_before(const struct nic_reader *s, int ifindex)
{
	for (unsigned i = 0; i < s->before_count; i++)
		if (s->before[i].ifindex == ifindex)
			return &s->before[i];
	return NULL;
}

static void say_change(const struct known *before, const struct known *now)
{
	char fields[160];

	if (!before || !before->counted ||
	    (before->running == now->running && before->limit_bps == now->limit_bps))
		return;
	snprintf(fields, sizeof(fields),
		 "PENSTOCK_INTERFACE=%s\nPENSTOCK_CARRIER=%d\nPENSTOCK_SPEED=%.0f", now->name,
		 now->running, now->limit_bps);
	if (before->running != now->running)
		log_event(now->running ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING, MESSAGE_LINK, fields,
			  "The link %s %s.", now->name,
			  now->running ? "has its carrier again" : "has lost its carrier");
	else
		log_event(now->limit_bps < before->limit_bps ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE,
			  MESSAGE_LINK, fields,
			  "The link %s carries %.0f Mbit/s now (before: %.0f).", now->name,
			  now->limit_bps / 1e6, before->limit_bps / 1e6);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Reads the speeds of all links, because some links depend on others. Repeated after a change and
 * from time to time. */
static void fill_speeds(struct nic_reader *s, uint64_t now_us, bool all)
{
	for (unsigned i = 0; i < s->links_count; i++) {
		const struct known *before = find_before(s, s->links[i].ifindex);
		struct known *now = &s->known[i];

		memset(now, 0, sizeof(*now));
		now->ifindex = s->links[i].ifindex;
		memcpy(now->name, s->links[i].name, sizeof(now->name));
		now->running = s->links[i].running;
		if (before && !all && now_us - before->speed_read_us < SPEED_EVERY_US &&
		    before->running == now->running) {
			now->own_bps = before->own_bps;
			now->speed_read_us = before->speed_read_us;
		} else {
			now->own_bps = s->links[i].running
					       ? link_speed_bps(s->ioctl_fd, s->sys_fd, now->name)
					       : 0;
			now->speed_read_us = now_us;
		}
		s->links[i].own_bps = now->own_bps;
	}
	s->known_count = s->links_count;
}

static void add_rates(struct nic_reader *s, const struct known *before, const struct known *now,
		      double dt_s)
{
	double rx, tx;

	if (!before || dt_s <= 0 || now->rx < before->rx || now->tx < before->tx)
		return;
	rx = (double)(now->rx - before->rx) / dt_s;
	tx = (double)(now->tx - before->tx) / dt_s;
	s->now.rx += rx;
	s->now.tx += tx;
	if (now->drops >= before->drops)
		s->now.drops += (double)(now->drops - before->drops) / dt_s;
	if (now->limit_bps > 0) {
		double use = 8 * (rx > tx ? rx : tx) / now->limit_bps;

		if (!s->now.use_known || use > s->now.use) {
			s->now.use = use;
			s->now.speed = now->limit_bps;
		}
		s->now.use_known = true;
	}
}

static void read_links(struct nic_reader *s, double dt_s)
{
	bool some_physical = false;
	unsigned named = 0;

	for (unsigned i = 0; i < s->links_count; i++)
		some_physical |=
			s->links[i].up && !s->links[i].loopback && is_physical(s, &s->links[i]);
	for (unsigned i = 0; i < s->links_count; i++) {
		const struct link *l = &s->links[i];
		const struct known *before = find_before(s, l->ifindex);
		struct known *now = &s->known[i];

		now->counted = counts(s, l, some_physical);
		now->limit_bps = s->config->nic_speed_bits_per_s
					 ? (double)s->config->nic_speed_bits_per_s
					 : links_limit_bps(s->links, s->links_count, l->ifindex);
		now->rx = l->rx_bytes;
		now->tx = l->tx_bytes;
		now->drops = l->drops;
		if (!now->counted)
			continue;
		named++;
		s->now.down += !l->running;
		say_change(before, now);
		add_rates(s, before && before->counted ? before : NULL, now, dt_s);
	}
	/* A link that is named but does not exist is down, too. */
	for (unsigned i = 0; i < CONFIG_INTERFACES && s->config->interfaces[i][0]; i++)
		s->now.down += i >= named;
}

static void read_qdisc(struct nic_reader *s, struct rtnl_tc *tc, double dt_s)
{
	for (unsigned i = 0; i < s->known_count; i++) {
		struct known *now = &s->known[i];
		const struct known *before = find_before(s, now->ifindex);
		double bytes;

		if (!now->counted || now->ifindex != rtnl_tc_get_ifindex(tc))
			continue;
		bytes = (double)rtnl_tc_get_stat(tc, RTNL_TC_BACKLOG);
		now->qdisc_drops = rtnl_tc_get_stat(tc, RTNL_TC_DROPS);
		s->now.backlog += bytes;
		if (now->limit_bps > 0 && 8 * bytes / now->limit_bps > s->now.backlog_s)
			s->now.backlog_s = 8 * bytes / now->limit_bps;
		if (before && before->counted && dt_s > 0 &&
		    now->qdisc_drops >= before->qdisc_drops)
			s->now.drops += (double)(now->qdisc_drops - before->qdisc_drops) / dt_s;
	}
}

static void read_qdiscs(struct nic_reader *s, double dt_s)
{
	struct nl_cache *cache = NULL;

	if (rtnl_qdisc_alloc_cache(s->sock, &cache) != 0)
		return;
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o))
		/* The root qdisc of a link includes all below it. */
		if (rtnl_tc_get_parent((struct rtnl_tc *)o) == TC_H_ROOT)
			read_qdisc(s, (struct rtnl_tc *)o, dt_s);
	nl_cache_free(cache);
}

static int dump_links(struct nic_reader *s)
{
	struct rtgenmsg ask = { .rtgen_family = AF_UNSPEC };
	int r = nl_send_simple(s->sock, RTM_GETLINK, NLM_F_DUMP, &ask, sizeof(ask));

	s->links_count = s->left_out = 0;
	if (r >= 0)
		r = nl_recvmsgs_default(s->sock);
	/* Something changed during the dump: the data is still usable, and a message about the
	 * change will follow. */
	return r == -NLE_DUMP_INTR ? 0 : r;
}

/* Whether it was told to stop while it waited for the kernel. Then the sensor's descriptors are
 * closed. */
static bool is_left(const struct nic_reader *s)
{
	return *s->stop;
}

static void read_all(struct nic_reader *s, uint64_t now_us, bool changed)
{
	double dt_s = s->last_us ? (double)(now_us - s->last_us) / 1e6 : 0;
	int r;

	memset(&s->now, 0, sizeof(s->now));
	memcpy(s->before, s->known, s->known_count * sizeof(s->known[0]));
	s->before_count = s->known_count;
	r = dump_links(s);
	if (r < 0) {
		snprintf(s->now.why, sizeof(s->now.why), "the links cannot be read: %s",
			 nl_geterror(r));
		s->now.error = -EIO;
		return;
	}
	if (is_left(s))
		return;
	fill_speeds(s, now_us, changed);
	read_links(s, dt_s);
	read_qdiscs(s, dt_s);
	for (unsigned i = 0; i < s->known_count; i++)
		s->now.rates_known |= dt_s > 0 && s->known[i].counted;
	s->now.any = s->known_count > 0;
	s->last_us = now_us;
}

/* Reads the kernel's messages since the last reading. If there were more than the socket holds,
 * everything is read again. */
static bool take_news(struct nic_reader *s)
{
	s->changed = false;
	/* Each call handles one read. -NLE_AGAIN: there is no more. An overrun (-NLE_NOMEM) also
	 * means that something changed. */
	for (int i = 0; s->news && i < 64; i++) {
		int r = nl_recvmsgs_default(s->news);

		if (r == -NLE_AGAIN)
			break;
		if (r < 0)
			s->changed = true;
	}
	return s->changed;
}

static void say_left_out(struct nic_reader *s)
{
	if (s->left_out)
		snprintf(s->now.why, sizeof(s->now.why),
			 "%u links are looked at, %u are not; those of nic.interfaces come first",
			 s->links_count, s->left_out);
	if (s->left_out && !s->left_out_said)
		log_warning(
			"Cannot look at every link: %s. Name the links that carry mail: [nic] interfaces.",
			s->now.why);
	s->left_out_said = s->left_out > 0;
}

bool nic_reader_look(struct nic_reader *s, struct nic_figures *ret_figures)
{
	bool changed = take_news(s);

	read_all(s, clock_monotonic_us(), changed);
	if (is_left(s))
		return false;
	if (!s->now.error)
		say_left_out(s);
	s->now.read_us = clock_monotonic_us();
	*ret_figures = s->now;
	return true;
}
