#include <stdlib.h>
#include <string.h>

#include "sensor/procparse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), path[64];
	const char *cursor = text;
	struct procparse_cpu cpu;
	struct procparse_disk disk;
	struct procparse_io io;
	uint64_t value, other;

	memcpy(text, data, size);
	text[size] = 0;
	procparse_psi_some(text, &value);
	procparse_cpu(text, &cpu);
	while (procparse_disk(&cursor, &disk) == 1)
		procparse_is_disk(disk.name);
	procparse_io_stat(text, &io);
	procparse_blkio(text, &value);
	procparse_softnet(text, &value, &other);
	procparse_netstat(text, "TcpExt", "ListenDrops", &value);
	procparse_cgroup(text, NULL, path, sizeof(path));
	procparse_cgroup(text, "memory", path, sizeof(path));
	procparse_cpu_used(text, false, &value);
	procparse_cpu_used(text, true, &value);
	procparse_meminfo(text, &value, &other);
	free(text);
	return 0;
}
