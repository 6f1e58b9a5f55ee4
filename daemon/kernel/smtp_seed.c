#include "kernel/smtp_seed.h"

#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "kernel/sockdiag.h"

#include "smtp.skel.h"

#define SESSIONS_MAX 65536
#define ROOM 256 /* room for sessions that open between the two dumps */

struct smtp_seeding {
	struct smtp_bpf *bpf;
	int fd;
	uint16_t ports[SMTP_PORTS];
	struct sockdiag_session *sessions;
	struct smtp_tuple *put;
	struct smtp_seed *seeds; /* sessions that were entered */
	unsigned room, count;
};

void smtp_seeding_free(struct smtp_seeding *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->sessions);
	free(s->put);
	free(s->seeds);
	free(s);
}

struct smtp_seeding *smtp_seeding_begin(struct smtp_bpf *bpf, int netns_fd, const uint16_t *ports)
{
	struct smtp_seeding *s = calloc(1, sizeof(*s));
	int n;

	if (!s)
		return NULL;
	s->bpf = bpf;
	memcpy(s->ports, ports, sizeof(s->ports));
	s->fd = sockdiag_open_in(netns_fd);
	s->sessions = s->fd < 0 ? NULL : calloc(SESSIONS_MAX, sizeof(*s->sessions));
	n = s->sessions ? sockdiag_sessions(s->fd, s->ports, SMTP_PORTS, s->sessions, SESSIONS_MAX)
			: -1;
	if (n < 0) {
		smtp_seeding_free(s);
		return NULL;
	}
	s->room = (unsigned)n + ROOM < SESSIONS_MAX ? (unsigned)n + ROOM : SESSIONS_MAX;
	s->put = calloc(s->room, sizeof(*s->put));
	s->seeds = calloc(s->room, sizeof(*s->seeds));
	if (!s->put || !s->seeds || bpf_map__set_max_entries(bpf->maps.seeds, s->room) < 0) {
		smtp_seeding_free(s);
		return NULL;
	}
	return s;
}

static int slot_of(const struct smtp_seeding *s, uint16_t port)
{
	for (int i = 0; i < SMTP_PORTS; i++)
		if (s->ports[i] == port)
			return i;
	return -1;
}

static struct smtp_tuple tuple_of(const struct sockdiag_session *session)
{
	struct smtp_tuple t;

	memcpy(t.address, &session->client, sizeof(t.address));
	t.port = session->client_port;
	t.local = session->port;
	return t;
}

static struct smtp_seed seed_of(const struct sockdiag_session *session, int slot, uint64_t now_ns)
{
	struct smtp_seed seed = { .slot = (uint32_t)slot,
				  .sent = session->bytes_sent,
				  .opened_ns = now_ns };

	/* The client has sent nothing: the last received packet is that of the handshake. */
	if (session->bytes_sent == 0) {
		uint64_t age_ns = session->received_ago_ms * 1000000ull;

		seed.ungreeted = seed.busy = 1;
		seed.opened_ns = now_ns > age_ns ? now_ns - age_ns : 1;
	} else if (session->received_ago_ms < session->sent_ago_ms) {
		seed.busy = 1; /* the client spoke last */
	}
	return seed;
}

/* Adds `by` (1 or -1) to the port's counts. */
static void count(struct smtp_seeding *s, const struct smtp_seed *seed, int64_t by)
{
	struct smtp_port *port = &s->bpf->bss->ports[seed->slot];

	__atomic_fetch_add(&port->in_flight, by, __ATOMIC_RELAXED);
	__atomic_fetch_add(&port->ungreeted, by * seed->ungreeted, __ATOMIC_RELAXED);
	__atomic_fetch_add(&port->busy, by * seed->busy, __ATOMIC_RELAXED);
	__atomic_fetch_add(&port->seeded, by, __ATOMIC_RELAXED);
	__atomic_fetch_add(&port->seeded_ungreeted, by * seed->ungreeted, __ATOMIC_RELAXED);
	__atomic_fetch_add(&port->seeded_busy, by * seed->busy, __ATOMIC_RELAXED);
	if (seed->ungreeted)
		__atomic_fetch_add(
			&port->wheel[(seed->opened_ns >> WHEEL_SHIFT) & (WHEEL_SLOTS - 1)],
			(int32_t)by, __ATOMIC_RELAXED);
	__atomic_fetch_add(&s->bpf->bss->seeds_left, by, __ATOMIC_RELAXED);
}

void smtp_seeding_put(struct smtp_seeding *s)
{
	int fd = bpf_map__fd(s->bpf->maps.seeds);
	int n = sockdiag_sessions(s->fd, s->ports, SMTP_PORTS, s->sessions, s->room);
	uint64_t now_ns = clock_monotonic_us() * 1000;

	for (int i = 0; i < n; i++) {
		int slot = slot_of(s, s->sessions[i].port);
		struct smtp_tuple t = tuple_of(&s->sessions[i]);
		struct smtp_seed seed;

		if (slot < 0 || s->sessions[i].mark == RESPONDER_MARK)
			continue;
		seed = seed_of(&s->sessions[i], slot, now_ns);
		if (bpf_map_update_elem(fd, &t, &seed, BPF_NOEXIST) < 0)
			continue;
		count(s, &seed, 1);
		s->seeds[s->count] = seed;
		s->put[s->count++] = t;
	}
}

static int compare_tuples(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct smtp_tuple));
}

unsigned smtp_seeding_settle(struct smtp_seeding *s)
{
	int fd = bpf_map__fd(s->bpf->maps.seeds), n;
	struct smtp_tuple *now;
	unsigned taken = s->count;

	if (!s->count)
		return 0;
	n = sockdiag_sessions(s->fd, s->ports, SMTP_PORTS, s->sessions, SESSIONS_MAX);
	now = n > 0 ? calloc((size_t)n, sizeof(*now)) : NULL;
	if (n < 0 || (n > 0 && !now))
		return taken;
	for (int i = 0; i < n; i++)
		now[i] = tuple_of(&s->sessions[i]);
	if (now)
		qsort(now, (size_t)n, sizeof(*now), compare_tuples);
	for (unsigned i = 0; i < s->count; i++) {
		if (now && bsearch(&s->put[i], now, (size_t)n, sizeof(*now), compare_tuples))
			continue;
		/* The session is gone, and the probe did not see it end, or it would have deleted
		 * the entry. */
		if (bpf_map_delete_elem(fd, &s->put[i]) == 0) {
			count(s, &s->seeds[i], -1);
			taken--;
		}
	}
	free(now);
	return taken;
}
