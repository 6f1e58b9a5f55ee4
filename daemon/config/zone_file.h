/* Time zones from the files of tzdata. */
#ifndef PENSTOCK_CONFIG_ZONE_FILE_H
#define PENSTOCK_CONFIG_ZONE_FILE_H

#include "core/zone.h"

#define ZONE_DIRECTORY "/usr/share/zoneinfo"

/* `name`: a name of tzdata ("Europe/Berlin"); "UTC" needs no file; empty: this host's local time
 * (/etc/localtime; UTC if there is no such file, as in libc). 0; -ENOENT: there is no such zone;
 * -EINVAL: it is not a time zone file; -ENODATA: this host has no time zones at all (package
 * tzdata); or another -errno of reading. */
int zone_file_load(const char *name, struct zone *ret);

#endif
