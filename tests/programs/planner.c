/* Writes the plan that a test wants, in place of penstockd: planner RUN_DIR. A line on stdin is
 * what holds from then on:
 * WINDOW HOLD_MS PASS_PER_S ORDER MODE LATE_MS with ORDER serve or drain, MODE enforce or observe.
 * "stop": no heartbeat any more, as if penstockd were killed. Each is answered with "ok". */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/plan.h"

#define HEARTBEAT_MS 50

static void take(const char *line, struct plan *plan)
{
	struct plan_service *s = &plan->service[0];
	unsigned window, hold_ms, pass, late_ms;
	char order[16], mode[16];

	if (sscanf(line, "%u %u %u %15s %15s %u", &window, &hold_ms, &pass, order, mode,
		   &late_ms) != 6)
		exit(2);
	*s = (struct plan_service){ .window = window,
				    .ungreeted_max = PLAN_UNLIMITED,
				    .rate_milli = PLAN_UNLIMITED,
				    .greeting_timeout_us = late_ms * 1000,
				    .hold_us = hold_ms * 1000,
				    .pass_milli = pass * 1000,
				    .source_max = PLAN_UNLIMITED,
				    .source_share = PLAN_UNLIMITED,
				    .reply_code = 451,
				    .reason = REASON_CPU };
	plan->service_id[0] = plan_service_id("mx");
	plan->order = strcmp(order, "drain") == 0 ? PLAN_DRAIN : PLAN_SERVE;
	plan->mode = strcmp(mode, "observe") == 0 ? PLAN_OBSERVE : PLAN_ENFORCE;
}

int main(int argc, char **argv)
{
	struct plan plan = { .magic = PLAN_MAGIC, .version = PLAN_VERSION, .services = 1 };
	struct pollfd in = { .fd = 0, .events = POLLIN };
	struct plan *shared;
	char path[512], line[256];
	int fd, stopped = 1;

	if (argc != 2)
		return 2;
	snprintf(path, sizeof(path), "%s/plan", argv[1]);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof(plan)) < 0)
		return 1;
	shared = mmap(NULL, sizeof(plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		return 1;
	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		if (poll(&in, 1, HEARTBEAT_MS) > 0) {
			if (!fgets(line, sizeof(line), stdin))
				return 0;
			stopped = strncmp(line, "stop", 4) == 0;
			if (!stopped)
				take(line, &plan);
		} else {
			line[0] = 0;
		}
		if (!stopped) {
			plan.heartbeat_us = clock_monotonic_us();
			plan.tick++;
			plan_write(shared, &plan);
		}
		if (line[0]) {
			puts("ok");
			fflush(stdout);
		}
	}
}
