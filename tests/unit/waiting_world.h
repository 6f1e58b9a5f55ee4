/* What the tests of waiting clients share: one session of the proxy in virtual time. */
#ifndef TEST_WAITING_WORLD_H
#define TEST_WAITING_WORLD_H

#include "cmocka_test.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/law.h"
#include "proxy/session_parts.h"

#define CONNECT_US (10 * US_PER_S)
#define LONGEST_S 300 /* RFC 5321 4.5.3.2.1 */
#define WAIT_S 5 /* objective.wait */
#define BEGAN_US (1000 * US_PER_S)

static const char *const stranger = "::ffff:203.0.113.9";
static struct tally tally;
static struct session s;
static int client; /* its end of the connection */

static inline void begin(const char *source)
{
	int pair[2];
	struct plan *plan = &tally.plan.plan;

	memset(&tally, 0, sizeof(tally));
	*plan = (struct plan){ .magic = PLAN_MAGIC, .version = PLAN_VERSION, .services = 1 };
	plan->mode = PLAN_ENFORCE;
	tally.config.proxy.connect_us = CONNECT_US;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	client = pair[1];
	s = (struct session){ .tally = &tally,
			      .phase = PHASE_CONNECT,
			      .client_fd = pair[0],
			      .backend_fd = -1,
			      .moved_us = BEGAN_US,
			      .deadline_us = BEGAN_US + CONNECT_US };
	s.track.began_us = BEGAN_US;
	tally.sessions = &s;
	tally.config.wait_us = WAIT_S * US_PER_S;
	assert_int_equal(inet_pton(AF_INET6, source, &s.addresses.source), 1);
}

static inline void end(void)
{
	close(s.client_fd);
	if (client >= 0)
		close(client);
}

/* The plan stays current, as penstockd writes it ten times a second. */
static inline enum next at(unsigned second, bool current)
{
	uint64_t now_us = BEGAN_US + second * US_PER_S;

	tally.plan.plan.heartbeat_us = current ? now_us : BEGAN_US;
	timeouts_look(&tally, now_us);
	return timeouts_check(&s, now_us);
}

/* The first second from `from` on in which the client is not left alone; 0: none up to `until`. */
static inline unsigned left_alone_until(unsigned from, unsigned until, bool current)
{
	for (unsigned second = from; second <= until; second++)
		if (at(second, current) != NEXT_STAY)
			return second;
	return 0;
}

/* As left_alone_until(), by a process that runs only every two seconds. */
static inline unsigned left_alone_on_a_starved_core(void)
{
	for (unsigned second = 0; second <= 2 * LONGEST_S; second += 2) {
		tally.full_us = BEGAN_US + second * US_PER_S; /* places are short */
		if (at(second, true) != NEXT_STAY)
			return second;
	}
	return 0;
}

#endif
