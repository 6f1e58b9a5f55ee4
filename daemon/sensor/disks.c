#include "sensor/disks.h"

#include <string.h>

void disks_set_spool(struct disk_table *table, const struct spool_device *spool,
		     const dev_t *file_systems, unsigned file_systems_count)
{
	if (file_systems_count > DISKS_FILE_SYSTEMS)
		file_systems_count = DISKS_FILE_SYSTEMS;
	if (table->generation && table->file_systems == file_systems_count &&
	    memcmp(table->file_system, file_systems, file_systems_count * sizeof(*file_systems)) ==
		    0 &&
	    memcmp(&table->spool, spool, sizeof(*spool)) == 0)
		return;
	table->spool = *spool;
	table->spool_known = spool->count > 0;
	table->file_systems = file_systems_count;
	memcpy(table->file_system, file_systems, file_systems_count * sizeof(*file_systems));
	table->generation++;
}
