/* From a listening socket to its owner's control group and process, by walking cgroup and proc:
 * slow, for a helper thread. */
#ifndef PENSTOCK_SENSOR_MTA_PROCESS_H
#define PENSTOCK_SENSOR_MTA_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Finds the directory below `root` whose inode number is the cgroup's id. False: there is none. */
bool mta_group_by_id(int cgroup_fd, const char *root, uint64_t id, char *ret, size_t size);
/* The process of the group with the lowest number. 0: none. */
int mta_first_process(int cgroup_fd, const char *path);
/* The process that holds a socket, where /proc/PID/fd may be read. 0: none is visible. */
int mta_process_by_inode(int proc_fd, uint32_t inode);

#endif
