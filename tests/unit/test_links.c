#include "cmocka_test.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "sensor/links.h"

#define GBIT 1e9

/* A message as the kernel sends it, built with libnl. */
static struct nl_msg *message(int type, int ifindex, unsigned flags, const char *name)
{
	struct nl_msg *m = nlmsg_alloc();
	struct ifinfomsg info = { .ifi_index = ifindex, .ifi_flags = flags };

	nlmsg_put(m, 0, 0, type, sizeof(info), 0);
	memcpy(nlmsg_data(nlmsg_hdr(m)), &info, sizeof(info));
	nla_put_string(m, IFLA_IFNAME, name);
	return m;
}

static int parse(struct nl_msg *m, struct link *ret)
{
	int r = links_parse(nlmsg_hdr(m), nlmsg_hdr(m)->nlmsg_len, ret);

	nlmsg_free(m);
	return r;
}

#define RUNNING (IFF_UP | IFF_RUNNING | IFF_LOWER_UP)

static void a_bond(void **state)
{
	struct nl_msg *m = message(RTM_NEWLINK, 7, RUNNING, "bond0");
	struct rtnl_link_stats64 stats = {
		.rx_bytes = 5, .tx_bytes = 6, .rx_dropped = 1, .tx_dropped = 2
	};
	struct nlattr *info, *data;
	struct link l;

	nla_put(m, IFLA_STATS64, sizeof(stats), &stats);
	info = nla_nest_start(m, IFLA_LINKINFO);
	nla_put_string(m, IFLA_INFO_KIND, "bond");
	data = nla_nest_start(m, IFLA_INFO_DATA);
	nla_put_u8(m, IFLA_BOND_MODE, 1);
	nla_put_u32(m, IFLA_BOND_ACTIVE_SLAVE, 3);
	nla_nest_end(m, data);
	nla_nest_end(m, info);
	assert_int_equal(parse(m, &l), 1);
	assert_string_equal(l.name, "bond0");
	assert_int_equal(l.kind, LINK_BOND);
	assert_int_equal(l.bond_mode, LINK_BOND_ACTIVE_BACKUP);
	assert_int_equal(l.active_slave, 3);
	assert_true(l.up && l.running && !l.loopback && !l.physical);
	assert_int_equal(l.rx_bytes, 5);
	assert_int_equal(l.tx_bytes, 6);
	assert_int_equal(l.drops, 3);
}

static void a_vlan_and_one_whose_parent_is_elsewhere(void **state)
{
	struct nl_msg *m = message(RTM_NEWLINK, 9, IFF_UP, "eth0.5");
	struct nlattr *info;
	struct link l;

	nla_put_u32(m, IFLA_LINK, 2);
	info = nla_nest_start(m, IFLA_LINKINFO);
	nla_put_string(m, IFLA_INFO_KIND, "vlan");
	nla_nest_end(m, info);
	assert_int_equal(parse(m, &l), 1);
	assert_int_equal(l.kind, LINK_ON_PARENT);
	assert_int_equal(l.parent, 2);
	assert_false(l.running);
	m = message(RTM_NEWLINK, 9, RUNNING, "mv0");
	nla_put_u32(m, IFLA_LINK, 2);
	nla_put_u32(m, IFLA_LINK_NETNSID, 0);
	assert_int_equal(parse(m, &l), 1);
	assert_int_equal(l.parent, 0);
}

static void others(void **state)
{
	struct link l;
	struct nl_msg *m = message(RTM_NEWADDR, 1, 0, "x");

	assert_int_equal(parse(m, &l), -EINVAL);
	assert_int_equal(parse(message(RTM_DELLINK, 4, 0, "gone"), &l), 0);
	assert_int_equal(links_parse("", 0, &l), -EINVAL);
	m = message(RTM_NEWLINK, 5, RUNNING, "eth0");
	assert_int_equal(links_parse(nlmsg_hdr(m), nlmsg_hdr(m)->nlmsg_len - 4, &l), -EINVAL);
	nla_put_string(m, 56, "0000:00:02.0");
	assert_int_equal(parse(m, &l), 1);
	assert_true(l.physical);
}

static void limits_of_bonds(void **state)
{
	struct link t[] = { { .ifindex = 1, .master = 7, .running = true, .own_bps = 10 * GBIT },
			    { .ifindex = 2, .master = 7, .running = true, .own_bps = GBIT },
			    { .ifindex = 3, .master = 7, .own_bps = 10 * GBIT },
			    { .ifindex = 7, .kind = LINK_BOND, .bond_mode = 4, .running = true },
			    { .ifindex = 8, .kind = LINK_ON_PARENT, .parent = 7 } };

	/* 802.3ad: those with a carrier together, and a VLAN on top has the same */
	assert_near(links_limit_bps(t, 5, 7), 11 * GBIT, 1);
	assert_near(links_limit_bps(t, 5, 8), 11 * GBIT, 1);
	t[3].bond_mode = LINK_BOND_ACTIVE_BACKUP;
	t[3].active_slave = 2;
	assert_near(links_limit_bps(t, 5, 8), GBIT, 1);
	t[3].active_slave = 1;
	assert_near(links_limit_bps(t, 5, 8), 10 * GBIT, 1);
	t[3].bond_mode = LINK_BOND_BROADCAST;
	assert_near(links_limit_bps(t, 5, 7), GBIT, 1);
	t[3].bond_mode = 0;
	t[1].own_bps = 0;
	assert_near(links_limit_bps(t, 5, 7), 0, 0);
}

static void limits_of_others(void **state)
{
	struct link t[] = {
		{ .ifindex = 1, .master = 5, .running = true, .own_bps = GBIT },
		{ .ifindex = 2,
		  .master = 5,
		  .running = true,
		  .kind = LINK_VIRTUAL,
		  .own_bps = 10 * GBIT },
		{ .ifindex = 5, .kind = LINK_BRIDGE },
		{ .ifindex = 6, .kind = LINK_ON_PARENT, .parent = 5 },
		{ .ifindex = 7, .kind = LINK_ON_PARENT, .parent = 8 },
		{ .ifindex = 8, .kind = LINK_ON_PARENT, .parent = 7 },
	};

	/* a bridge is as fast as its way out, whatever the taps of its guests say */
	assert_near(links_limit_bps(t, 6, 6), GBIT, 1);
	assert_near(links_limit_bps(t, 6, 2), 10 * GBIT, 1);
	/* a ring ends */
	assert_near(links_limit_bps(t, 6, 7), 0, 0);
	assert_near(links_limit_bps(t, 6, 99), 0, 0);
}

static void what_counts_comes_before_what_is_merely_there(void **state)
{
	struct link table[4], link = { .kind = LINK_VIRTUAL };
	enum link_weight weights[4];
	unsigned count = 0, left_out = 0;

	for (int i = 1; i <= 6; i++) {
		link.ifindex = i;
		left_out += links_take(table, weights, &count, 4, &link, links_weigh(&link, false));
	}
	assert_int_equal(count, 4);
	assert_int_equal(left_out, 2);
	link.kind = LINK_PLAIN;
	link.ifindex = 7;
	assert_true(links_take(table, weights, &count, 4, &link, links_weigh(&link, false)));
	assert_non_null(links_find(table, count, 7));
	link.kind = LINK_VIRTUAL;
	for (int i = 8; i <= 11;
	     i++) { /* four named ones: the last two take the places of others */
		link.ifindex = i;
		assert_true(links_take(table, weights, &count, 4, &link, links_weigh(&link, true)));
	}
	for (int i = 8; i <= 11; i++)
		assert_non_null(links_find(table, count, i));
	link.ifindex = 12;
	assert_true(links_take(table, weights, &count, 4, &link, links_weigh(&link, true)));
	assert_null(links_find(table, count, 12));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_counts_comes_before_what_is_merely_there),
		cmocka_unit_test(a_bond),
		cmocka_unit_test(a_vlan_and_one_whose_parent_is_elsewhere),
		cmocka_unit_test(others),
		cmocka_unit_test(limits_of_bonds),
		cmocka_unit_test(limits_of_others)
	};

	return cmocka_run_group_tests_name("links", tests, NULL, NULL);
}
