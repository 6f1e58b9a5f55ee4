/* Time zones from the files of tzdata. */
#ifndef PENSTOCK_CONFIG_ZONE_FILE_H
#define PENSTOCK_CONFIG_ZONE_FILE_H

#include "core/zone.h"

#define ZONE_DIRECTORY "/usr/share/zoneinfo"

/* `name`: as tzdata has it ("Europe/Berlin"); "UTC" needs no file; empty: this host's local time
 * (/etc/localtime; where that is not, UTC, as libc has it). 0, or -ENOENT: there is no such zone;
 * -EINVAL: the file is none; -ENODATA: this host has no time zones at all (package tzdata); another
 * -errno of reading. */
int zone_file_load(const char *name, struct zone *ret);

#endif
