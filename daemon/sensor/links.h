/* Network links as rtnetlink reports them, and the speed that limits each. Pure functions on
 * messages and tables, fuzzed (tests/fuzz/fuzz_links.c). linux/if_link.h; bonding modes:
 * Documentation/networking/bonding.rst. */
#ifndef PENSTOCK_SENSOR_LINKS_H
#define PENSTOCK_SENSOR_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINKS_MAX 128
#define LINK_NAME_MAX 16

enum link_kind {
	LINK_PLAIN, /* a physical device, or a kind that is not listed below */
	LINK_BOND,
	LINK_TEAM,
	LINK_BRIDGE,
	LINK_ON_PARENT, /* vlan, macvlan, macvtap, ipvlan: rides on the link `parent` */
	LINK_VIRTUAL, /* veth, tun, dummy, ifb: the speed that it reports means nothing */
};

enum link_bond_mode {
	LINK_BOND_ACTIVE_BACKUP = 1,
	LINK_BOND_BROADCAST = 3, /* all others share the load */
};

struct link {
	int ifindex;
	int parent, master; /* ifindex; 0: none, or in another network namespace */
	char name[LINK_NAME_MAX];
	enum link_kind kind;
	uint8_t bond_mode;
	int active_slave; /* ifindex; 0: none */
	bool up, running, loopback; /* switched on; has a carrier */
	bool physical; /* has a bus device; netlink reports that from 5.14 on */
	uint64_t rx_bytes, tx_bytes, drops;
	double own_bps; /* as its driver reports; the caller fills it in; 0: not known */
};

/* One RTM_NEWLINK or RTM_DELLINK message with its header. 1 (new), 0 (gone: only ifindex and name
 * count), -EINVAL. */
int links_parse(const void *message, size_t length, struct link *ret);
/* Bits a second that limit the link `ifindex`; 0: not known. Bond: the speed of the active slave;
 * if all slaves carry traffic, the sum over those with a carrier; if it broadcasts, the slowest.
 * VLAN, macvlan and ipvlan: the parent's. Bridge: the fastest port that is not virtual, since
 * traffic leaves through that. */
double links_limit_bps(const struct link *links, unsigned count, int ifindex);
/* The order of links when there are too many: those that the configuration names, then those
 * that are not the virtual end of something, then the rest. */
enum link_weight { LINK_MERELY_THERE, LINK_REAL, LINK_NAMED };
enum link_weight links_weigh(const struct link *link, bool named);
/* Puts a link into a table of `most`. If the table is full, it replaces a link of less weight.
 * `weights` are those of the table. Returns whether some link has no place: the new one, or the one
 * that it replaced. */
bool links_take(struct link *links, enum link_weight *weights, unsigned *count, unsigned most,
		const struct link *link, enum link_weight weight);
const struct link *links_find(const struct link *links, unsigned count, int ifindex);

#endif
