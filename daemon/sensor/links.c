#include "sensor/links.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <math.h>
#include <string.h>

#include "base/array.h"

#ifndef IFLA_PARENT_DEV_NAME
#define IFLA_PARENT_DEV_NAME 56
#endif
#define DEPTH_MAX 8

static size_t payload(const struct rtattr *a)
{
	return RTA_PAYLOAD(a);
}

static uint32_t get_u32(const struct rtattr *a)
{
	uint32_t value = 0;

	if (payload(a) >= sizeof(value))
		memcpy(&value, RTA_DATA(a), sizeof(value));
	return value;
}

static void get_text(const struct rtattr *a, char *ret, size_t size)
{
	size_t n = strnlen(RTA_DATA(a), payload(a));

	if (n >= size)
		n = size - 1;
	memcpy(ret, RTA_DATA(a), n);
	ret[n] = 0;
}

static enum link_kind kind_of(const char *kind)
{
	static const struct {
		const char *name;
		enum link_kind kind;
	} kinds[] = { { "bond", LINK_BOND },	     { "team", LINK_TEAM },
		      { "bridge", LINK_BRIDGE },     { "vlan", LINK_ON_PARENT },
		      { "macvlan", LINK_ON_PARENT }, { "macvtap", LINK_ON_PARENT },
		      { "ipvlan", LINK_ON_PARENT },  { "ipvtap", LINK_ON_PARENT },
		      { "veth", LINK_VIRTUAL },	     { "tun", LINK_VIRTUAL },
		      { "dummy", LINK_VIRTUAL },     { "ifb", LINK_VIRTUAL } };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kind, kinds[i].name) == 0)
			return kinds[i].kind;
	return LINK_PLAIN;
}

static void parse_bond(const struct rtattr *data, struct link *ret)
{
	int left = (int)payload(data);

	for (const struct rtattr *a = RTA_DATA(data); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_BOND_MODE && payload(a) >= 1)
			ret->bond_mode = *(const uint8_t *)RTA_DATA(a);
		else if (a->rta_type == IFLA_BOND_ACTIVE_SLAVE)
			ret->active_slave = (int)get_u32(a);
	}
}

static void parse_info(const struct rtattr *info, struct link *ret)
{
	const struct rtattr *data = NULL;
	int left = (int)payload(info);
	char kind[32] = "";

	for (const struct rtattr *a = RTA_DATA(info); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_INFO_KIND)
			get_text(a, kind, sizeof(kind));
		else if ((a->rta_type & NLA_TYPE_MASK) == IFLA_INFO_DATA)
			data = a;
	}
	ret->kind = kind_of(kind);
	if (ret->kind == LINK_BOND && data)
		parse_bond(data, ret);
}

static void parse_stats(const struct rtattr *a, struct link *ret)
{
	struct rtnl_link_stats64 stats;

	memset(&stats, 0, sizeof(stats));
	memcpy(&stats, RTA_DATA(a), payload(a) < sizeof(stats) ? payload(a) : sizeof(stats));
	ret->rx_bytes = stats.rx_bytes;
	ret->tx_bytes = stats.tx_bytes;
	ret->drops = stats.rx_dropped + stats.tx_dropped + stats.rx_missed_errors;
}

/* Returns whether the parent is in another network namespace. */
static bool parse_attributes(const struct rtattr *a, int left, struct link *ret)
{
	bool elsewhere = false;

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		switch (a->rta_type & NLA_TYPE_MASK) {
		case IFLA_IFNAME:
			get_text(a, ret->name, sizeof(ret->name));
			break;
		case IFLA_LINK:
			ret->parent = (int)get_u32(a);
			break;
		case IFLA_LINK_NETNSID:
			elsewhere = true;
			break;
		case IFLA_MASTER:
			ret->master = (int)get_u32(a);
			break;
		case IFLA_STATS64:
			parse_stats(a, ret);
			break;
		case IFLA_LINKINFO:
			parse_info(a, ret);
			break;
		case IFLA_PARENT_DEV_NAME:
			ret->physical = true;
			break;
		default:
			break;
		}
	}
	return elsewhere;
}

int links_parse(const void *message, size_t length, struct link *ret)
{
	const struct rtattr *first;
	struct nlmsghdr header;
	struct ifinfomsg info;
	bool elsewhere;

	memset(ret, 0, sizeof(*ret));
	if (length < NLMSG_LENGTH(sizeof(info)))
		return -EINVAL;
	memcpy(&header, message, sizeof(header));
	if (header.nlmsg_len < NLMSG_LENGTH(sizeof(info)) || header.nlmsg_len > length ||
	    (header.nlmsg_type != RTM_NEWLINK && header.nlmsg_type != RTM_DELLINK))
		return -EINVAL;
	memcpy(&info, (const char *)message + NLMSG_HDRLEN, sizeof(info));
	ret->ifindex = info.ifi_index;
	ret->up = info.ifi_flags & IFF_UP;
	ret->running = (info.ifi_flags & IFF_UP) && (info.ifi_flags & IFF_RUNNING) &&
		       (info.ifi_flags & IFF_LOWER_UP);
	ret->loopback = info.ifi_flags & IFF_LOOPBACK;
	first = (const struct rtattr *)((const char *)message + NLMSG_SPACE(sizeof(info)));
	elsewhere = parse_attributes(first, (int)header.nlmsg_len - (int)NLMSG_LENGTH(sizeof(info)),
				     ret);
	if (elsewhere || ret->parent == ret->ifindex)
		ret->parent = 0;
	if (!ret->name[0] || ret->ifindex <= 0)
		return -EINVAL;
	return header.nlmsg_type == RTM_NEWLINK;
}

const struct link *links_find(const struct link *links, unsigned count, int ifindex)
{
	for (unsigned i = 0; i < count; i++)
		if (links[i].ifindex == ifindex)
			return &links[i];
	return NULL;
}

static double limit(const struct link *links, unsigned count, int ifindex, int depth);

static double bond_limit(const struct link *links, unsigned count, const struct link *bond,
			 int depth)
{
	double sum = 0, least = 0, most = 0;

	if (bond->bond_mode == LINK_BOND_ACTIVE_BACKUP && bond->active_slave)
		return limit(links, count, bond->active_slave, depth);
	for (unsigned i = 0; i < count; i++) {
		double bps;

		if (links[i].master != bond->ifindex || !links[i].running)
			continue;
		bps = limit(links, count, links[i].ifindex, depth);
		if (bps <= 0)
			return 0; /* one speed is unknown, and so is the sum */
		sum += bps;
		least = least > 0 ? fmin(least, bps) : bps;
		most = fmax(most, bps);
	}
	if (bond->kind == LINK_TEAM)
		return most; /* user space sets this mode; the bond carries at least this */
	return bond->bond_mode == LINK_BOND_BROADCAST ? least : sum;
}

static double bridge_limit(const struct link *links, unsigned count, const struct link *bridge,
			   int depth)
{
	double most = 0;

	for (unsigned i = 0; i < count; i++)
		if (links[i].master == bridge->ifindex && links[i].running &&
		    links[i].kind != LINK_VIRTUAL)
			most = fmax(most, limit(links, count, links[i].ifindex, depth));
	return most;
}

static double limit(const struct link *links, unsigned count, int ifindex, int depth)
{
	const struct link *l = links_find(links, count, ifindex);

	if (!l || depth > DEPTH_MAX)
		return 0;
	switch (l->kind) {
	case LINK_BOND:
	case LINK_TEAM:
		return bond_limit(links, count, l, depth + 1);
	case LINK_BRIDGE:
		return bridge_limit(links, count, l, depth + 1);
	case LINK_ON_PARENT:
		return l->parent ? limit(links, count, l->parent, depth + 1) : l->own_bps;
	default:
		return l->own_bps;
	}
}

double links_limit_bps(const struct link *links, unsigned count, int ifindex)
{
	return limit(links, count, ifindex, 0);
}

enum link_weight links_weigh(const struct link *link, bool named)
{
	if (named)
		return LINK_NAMED;
	return link->kind == LINK_VIRTUAL || link->loopback ? LINK_MERELY_THERE : LINK_REAL;
}

bool links_take(struct link *links, enum link_weight *weights, unsigned *count, unsigned most,
		const struct link *link, enum link_weight weight)
{
	bool full = *count == most;
	unsigned at = *count;

	for (unsigned i = 0; full && at == *count && i < most; i++)
		if (weights[i] < weight)
			at = i;
	if (full && at == *count)
		return true;
	links[at] = *link;
	weights[at] = weight;
	if (!full)
		++*count;
	return full;
}
