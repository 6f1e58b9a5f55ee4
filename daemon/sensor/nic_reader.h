/* Reads the links by rtnetlink: rates, drops, queueing-discipline backlog, speed. Two dumps, links
 * and qdiscs; after the kernel reports a change of a link (carrier, speed, a bond's active slave),
 * speeds are read again, too. Each of these calls waits in the kernel for the lock of the network
 * configuration (rtnl). Any program that configures a link may hold that lock for seconds, so never
 * call this in the tick.
 *
 * Some drivers report a wrong speed (veth and tap 10 Gb/s, virtio -1, loopback nothing). [nic]
 * speed overrides it. A link without a known speed has rates but no use ratio. links.c finds which
 * speed limits a bond or a VLAN. */
#ifndef PENSTOCK_SENSOR_NIC_READER_H
#define PENSTOCK_SENSOR_NIC_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "sensor/sensor.h"

/* What one reading found, of the links that count. */
struct nic_figures {
	uint64_t read_us; /* when it ended (CLOCK_MONOTONIC); 0: nothing was read yet */
	int error; /* -errno: the links could not be read */
	char why[SENSOR_WHY_MAX]; /* the text of the error; or which links are left out */
	bool any, rates_known, use_known; /* which of the figures below are valid */
	double rx, tx, drops; /* a second: bytes, bytes, packets */
	double use; /* use of the busiest link, ratio */
	double backlog, backlog_s; /* bytes; at its link's speed, seconds */
	double speed, down; /* bits a second; links without carrier */
};

struct nic_reader;
/* 0, or -errno with a sentence in `why` (SENSOR_WHY_MAX). `config`, `sys_fd` (a directory, -1:
 * none) and `stop` belong to the caller, and must outlive a reading that is under way when *stop is
 * set. */
int nic_reader_open(const struct config *config, int sys_fd, const volatile bool *stop,
		    struct nic_reader **ret_reader, char *why);
/* Takes a reading. False: it was told to stop. */
bool nic_reader_look(struct nic_reader *reader, struct nic_figures *ret_figures);
void nic_reader_close(struct nic_reader *reader);

#endif
