/* Loads tests/bench/softirq.bpf.c (argv[1]: the object) and, for each line on stdin, prints what
 * its meter has summed up: ns of CPU 0, ns of CPU 1, ... */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdint.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct bpf_object *object = argc > 1 ? bpf_object__open_file(argv[1], NULL) : NULL;
	struct bpf_program *program;
	uint64_t sum[1024];
	uint32_t one = 1;
	char line[16];
	int map, cpus = libbpf_num_possible_cpus();

	if (!object || cpus < 1 || cpus > 1024 || bpf_object__load(object) < 0)
		return 1;
	bpf_object__for_each_program(program, object) if (!bpf_program__attach(program)) return 1;
	map = bpf_object__find_map_fd_by_name(object, "meter");
	while (fgets(line, sizeof(line), stdin)) {
		if (bpf_map_lookup_elem(map, &one, sum) < 0)
			return 1;
		for (int i = 0; i < cpus; i++)
			printf("%llu ", (unsigned long long)sum[i]);
		printf("\n");
		fflush(stdout);
	}
	return 0;
}
