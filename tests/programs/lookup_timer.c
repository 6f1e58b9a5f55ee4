/* How long a loaded sk_lookup program (argv[1]: its id) takes for a new client, by BPF_PROG_RUN:
 * argv[2] runs, each with another client, to port argv[3] of 10.77.0.1. Prints "MEDIAN P99 MOST" in
 * ns; the two readings of the clock around it are in it. */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	int fd, runs = argc > 3 ? atoi(argv[2]) : 0;
	uint32_t *ns = calloc((size_t)(runs > 0 ? runs : 1), sizeof(*ns));

	fd = runs > 0 && ns ? bpf_prog_get_fd_by_id((uint32_t)atoi(argv[1])) : -1;
	if (fd < 0)
		return 1;
	for (int i = -100; i < runs; i++) {
		struct bpf_sk_lookup ctx = { .family = 2,
					     .protocol = 6,
					     .remote_ip4 =
						     htobe32(0x0a4d8000u + (uint32_t)(i + 100)),
					     .local_ip4 = htobe32(0x0a4d0001u),
					     .local_port = (uint32_t)atoi(argv[3]) };
		LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
			    .repeat = 1);

		ctx.remote_port = htobe16((uint16_t)(20000 + (i + 100) % 20000));
		if (bpf_prog_test_run_opts(fd, &opts) < 0) {
			perror("BPF_PROG_RUN");
			return 1;
		}
		if (i >= 0)
			ns[i] = opts.duration;
	}
	qsort(ns, (size_t)runs, sizeof(*ns), by_value);
	printf("%u %u %u\n", ns[runs / 2], ns[(size_t)runs * 99 / 100], ns[runs - 1]);
	return 0;
}
