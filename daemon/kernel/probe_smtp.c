/* SMTP sessions by socket states: bpf/smtp.bpf.c. Reads the counts, marks penstock's own refusals,
 * and audits the counts. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/overtaken.h"
#include "core/smtp_track.h"
#include "kernel/netns.h"
#include "kernel/kernel.h"
#include "kernel/probe.h"
#include "kernel/smtp_seed.h"
#include "shared.h"

#include "smtp.skel.h"

_Static_assert(SMTP_OVERTAKEN_MIN == OVERTAKEN_MIN && SMTP_BOUNDS_ONCE == BOUNDS_ONCE &&
		       SMTP_BOUNDS_MORE_MAX == BOUNDS_MORE_MAX &&
		       SMTP_OWED_LONG_NS == OWED_LONG_US * UINT64_C(1000) &&
		       SMTP_TURNS_PER_JOB == SMTP_TRACK_TURNS_PER_JOB,
	       "the probe counts as the proxy does");

#define MARKS 4096
#define MARK_US (120 * US_PER_S)
#define AUDIT_US (10 * US_PER_S)
#define AUDIT_MAX 8192 /* more sessions than this are not audited: the walk would take too long */

struct mark {
	struct smtp_tuple tuple;
	uint64_t made_us;
	unsigned slot;
};

struct smtp {
	struct smtp_bpf *bpf;
	/* the walk over the sessions; NULL: this kernel does not accept it */
	struct bpf_link *look;
	struct {
		unsigned service;
		uint16_t port;
	} slots[SMTP_PORTS];
	struct mark marks[MARKS]; /* a ring: the oldest first */
	unsigned marks_head, marks_count;
	uint64_t audited_us;
	uint64_t lost_said; /* lost sessions (no room in the map) that were logged already */
	unsigned taken_over; /* sessions that were open before this probe */
	struct {
		int64_t in_flight, ungreeted, busy, stuck;
	} drift[SMTP_PORTS];
};

/* Opens the MTA's network namespace: that of the gate if one is configured. A descriptor, or
 * negative: not available. */
static int open_mta_netns(const struct config *config)
{
	char why[256];

	return netns_open(config->gate.enabled ? config->gate.netns : "", why);
}

static void watch_ports(struct smtp *s, const struct config *config)
{
	unsigned slot = 0;

	for (unsigned i = 0; i < config->services; i++) {
		for (unsigned p = 0;
		     p < CONFIG_PORTS && config->service[i].ports[p] && slot < SMTP_PORTS; p++) {
			s->slots[slot].service = i;
			s->slots[slot].port = config->service[i].ports[p];
			s->bpf->rodata->client_first[slot] = config->service[i].tls == TLS_IMPLICIT;
			s->bpf->rodata->watched[slot++] = config->service[i].ports[p];
		}
	}
}

static int load(struct smtp *s, const struct config *config, bool with_send, bool with_look)
{
	_cleanup_close_ int netns_fd = open_mta_netns(config);
	struct smtp_seeding *seeding;
	uint16_t ports[SMTP_PORTS];
	int r;

	s->bpf = smtp_bpf__open();
	if (!s->bpf)
		return -ENOMEM;
	s->bpf->rodata->netns_inum = netns_fd >= 0 ? netns_inum(netns_fd) : 0;
	watch_ports(s, config);
	memcpy(ports, (const void *)s->bpf->rodata->watched, sizeof(ports));
	bpf_program__set_autoload(s->bpf->progs.smtp_send, with_send);
	bpf_program__set_autoload(s->bpf->progs.smtp_look, with_look);
	bpf_program__set_autoattach(s->bpf->progs.smtp_look, false);
	seeding = smtp_seeding_begin(s->bpf, netns_fd, ports);
	r = smtp_bpf__load(s->bpf);
	if (r == 0 && seeding)
		smtp_seeding_put(seeding);
	if (r == 0)
		r = smtp_bpf__attach(s->bpf);
	if (r == 0 && seeding)
		s->taken_over = smtp_seeding_settle(seeding);
	smtp_seeding_free(seeding);
	if (r < 0) {
		smtp_bpf__destroy(s->bpf);
		s->bpf = NULL;
	}
	return r;
}

/* The skeleton does not attach this program, because it belongs to a map and not to an event. */
static void attach_look(struct smtp *s)
{
	union bpf_iter_link_info info = { .map.map_fd =
						  (uint32_t)bpf_map__fd(s->bpf->maps.sessions) };
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));

	s->look = bpf_program__attach_iter(s->bpf->progs.smtp_look, &opts);
}

static void look(struct smtp *s)
{
	int64_t busy = 0;
	char scrap[64];
	int fd;

	for (unsigned i = 0; i < SMTP_PORTS; i++)
		busy += s->bpf->bss->ports[i].busy;
	if (!s->look || busy <= 0)
		return;
	fd = bpf_iter_create(bpf_link__fd(s->look));
	if (fd < 0)
		return;
	while (read(fd, scrap, sizeof(scrap)) > 0)
		;
	close(fd);
}

static void close_smtp(void *state)
{
	bpf_link__destroy(((struct smtp *)state)->look);
	smtp_bpf__destroy(((struct smtp *)state)->bpf);
	free(state);
}

/* Logs that without the walk over the sessions a sender that stalls looks busy. */
static void say_form(const struct smtp *s, bool with_send, int look_error, char *form)
{
	char why[96] = "";

	if (!s->look)
		snprintf(why, sizeof(why),
			 "; no smtp_look (%s): a sender that stalls counts as busy",
			 strerror(look_error ? look_error : errno));
	snprintf(form, PROBE_FORM_MAX, "tp_btf/inet_sock_set_state, tcp_probe%s%s",
		 with_send ? ", sock_send_length" : "", why);
}

static int open_smtp(const struct probe_env *env, void **ret_state, char *form)
{
	bool with_send = probe_has_tracepoint(env->btf, "sock_send_length"), with_look = true;
	struct smtp *s;
	int r, look_error;

	if (!probe_has_tracepoint(env->btf, "inet_sock_set_state") ||
	    !probe_has_tracepoint(env->btf, "tcp_probe"))
		return -EOPNOTSUPP;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	/* Tries everything first, then with fewer parts: an old kernel may refuse one. */
	r = load(s, env->config, with_send, with_look);
	look_error = r;
	if (r < 0)
		r = load(s, env->config, with_send, with_look = false);
	if (r < 0 && with_send)
		r = load(s, env->config, with_send = false, false);
	if (r < 0) {
		free(s);
		return r;
	}
	if (with_look)
		attach_look(s);
	say_form(s, with_send, with_look ? 0 : -look_error, form);
	if (!s->look)
		log_warning(
			"Cannot see which SMTP sessions wait for their client: this kernel does not take smtp_look. A sender that stalls counts as busy. "
			"A newer kernel takes it; penstock-proxy does without it.");
	if (s->taken_over)
		log_info("%u SMTP sessions were open already and are counted", s->taken_over);
	*ret_state = s;
	return 0;
}

const struct probe probe_smtp = { .name = "SMTP sessions",
				  .instead =
					  "what the proxy sees, and the accept queue by sock_diag",
				  .open = open_smtp,
				  .close = close_smtp };

static uint64_t oldest_on_wheel(const struct smtp_port *port, uint64_t now_ns)
{
	uint64_t now = now_ns >> SMTP_WHEEL_SHIFT;

	for (uint64_t age = SMTP_WHEEL - 1; age > 0; age--)
		if (now >= age && __atomic_load_n(&port->wheel[(now - age) & (SMTP_WHEEL - 1)],
						  __ATOMIC_RELAXED) > 0)
			return (age << SMTP_WHEEL_SHIFT) / 1000;
	return 0;
}

/* The three numbers change while they are read. So the sum may be off by some microseconds now, and
 * is right at the next reading. */
static uint64_t busy_us(const struct smtp_port *p, uint64_t now_us)
{
	int64_t open_ns =
		(p->busy - p->seeded_busy) * (int64_t)(now_us * 1000) - (int64_t)p->busy_since_ns;

	return (p->busy_ns + (open_ns > 0 ? (uint64_t)open_ns : 0)) / 1000;
}

int kernel_smtp_read(const struct kernel *k, unsigned service, uint64_t now_us,
		     struct kernel_smtp *ret)
{
	const struct smtp *s = kernel_probe_state(k, PROBE_SMTP);
	unsigned n = 0;

	memset(ret, 0, sizeof(*ret));
	if (!s)
		return -ENODATA;
	ret->sees_waits = s->look != NULL;
	for (unsigned i = 0; i < SMTP_PORTS; i++) {
		const struct smtp_port *p = &s->bpf->bss->ports[i];
		uint64_t oldest;

		if (!s->slots[i].port || s->slots[i].service != service)
			continue;
		ret->opened += p->opened;
		ret->closed += p->closed;
		ret->greeted += p->greeted;
		ret->completed += p->completed;
		ret->session_us += p->session_us;
		ret->server_us += p->server_us;
		ret->busy_us += busy_us(p, now_us);
		ret->refused_open += (double)p->refused_open;
		ret->in_flight += (double)(p->in_flight - p->refused_open);
		ret->ungreeted += (double)p->ungreeted;
		ret->busy += (double)p->busy;
		ret->stuck += p->stuck > 0 ? (double)p->stuck : 0;
		oldest = p->ungreeted > 0 ? oldest_on_wheel(p, now_us * 1000) : 0;
		if (oldest > ret->oldest_waiting_us)
			ret->oldest_waiting_us = oldest;
		if (n < CONFIG_PORTS)
			ret->connect_220[n++] = p->connect_220;
	}
	if (ret->in_flight < 0)
		ret->in_flight = 0;
	if (ret->busy < 0)
		ret->busy = 0;
	if (ret->ungreeted < 0)
		ret->ungreeted = 0;
	return 0;
}

int kernel_smtp_live(const struct kernel *k, unsigned service, struct kernel_live *ret)
{
	const struct smtp *s = kernel_probe_state(k, PROBE_SMTP);

	memset(ret, 0, sizeof(*ret));
	if (!s)
		return -ENODATA;
	ret->map_fd = bpf_map__fd(s->bpf->maps.bss);
	ret->map_bytes = sizeof(*s->bpf->bss);
	ret->at = (uint32_t)((const char *)&s->bpf->bss->ports[0].ungreeted -
			     (const char *)s->bpf->bss);
	for (unsigned i = 0; i < SMTP_PORTS; i++)
		if (s->slots[i].port && s->slots[i].service == service)
			ret->slots |= 1u << i;
	return 0;
}

int kernel_smtp_work(const struct kernel *k, const struct in6_addr *client, uint16_t client_port,
		     uint16_t port, uint64_t *ret_us, uint8_t *ret_turns)
{
	const struct smtp *s = kernel_probe_state(k, PROBE_SMTP);
	struct smtp_tuple t = { .port = client_port, .local = port };
	uint64_t work;

	memcpy(t.address, client, sizeof(t.address));
	if (!s || bpf_map_lookup_elem(bpf_map__fd(s->bpf->maps.ended), &t, &work) < 0)
		return -ENOENT;
	*ret_us = (work & ((UINT64_C(1) << 56) - 1)) / 1000;
	*ret_turns = (uint8_t)(work >> 56);
	return 0;
}

static void unmark(struct smtp *s, const struct mark *mark)
{
	if (bpf_map_delete_elem(bpf_map__fd(s->bpf->maps.refused), &mark->tuple) == 0)
		__atomic_fetch_sub(&s->bpf->bss->ports[mark->slot].refused_open, 1,
				   __ATOMIC_RELAXED);
}

void kernel_smtp_mark_refused(struct kernel *k, unsigned service, const struct in6_addr *address,
			      uint16_t port, uint64_t now_us)
{
	struct smtp *s = kernel_probe_state(k, PROBE_SMTP);
	struct mark *mark;
	uint64_t one = 1;

	if (!s)
		return;
	/* Which of the service's ports the client came to is not known; mostly there is one. */
	for (unsigned i = 0; i < SMTP_PORTS; i++) {
		if (!s->slots[i].port || s->slots[i].service != service)
			continue;
		if (s->marks_count == MARKS) {
			unmark(s, &s->marks[s->marks_head]);
			s->marks_head = (s->marks_head + 1) % MARKS;
			s->marks_count--;
		}
		mark = &s->marks[(s->marks_head + s->marks_count) % MARKS];
		memset(mark, 0, sizeof(*mark));
		memcpy(mark->tuple.address, address, sizeof(mark->tuple.address));
		mark->tuple.port = port;
		mark->tuple.local = s->slots[i].port;
		mark->made_us = now_us;
		mark->slot = i;
		if (bpf_map_update_elem(bpf_map__fd(s->bpf->maps.refused), &mark->tuple, &one,
					BPF_NOEXIST) == 0) {
			__atomic_fetch_add(&s->bpf->bss->ports[i].refused_open, 1,
					   __ATOMIC_RELAXED);
			s->marks_count++;
		}
		return;
	}
}

static void recount(struct smtp *s, int64_t in_flight[], int64_t ungreeted[], int64_t busy[],
		    int64_t stuck[], bool *ret_whole)
{
	int fd = bpf_map__fd(s->bpf->maps.sessions);
	_cleanup_free_ uint64_t *keys = calloc(AUDIT_MAX, sizeof(*keys));
	_cleanup_free_ struct smtp_session *values = calloc(AUDIT_MAX, sizeof(*values));
	uint32_t count = AUDIT_MAX, batch = 0;
	int r;

	*ret_whole = false;
	if (!keys || !values)
		return;
	r = bpf_map_lookup_batch(fd, NULL, &batch, keys, values, &count, NULL);
	if (r != 0 && errno != ENOENT)
		return;
	*ret_whole = r != 0; /* ENOENT: the end of the map */
	for (uint32_t i = 0; i < count; i++) {
		const struct smtp_session *v = &values[i];

		if (v->slot >= SMTP_PORTS)
			continue;
		in_flight[v->slot]++;
		ungreeted[v->slot] += v->wheeled;
		busy[v->slot] += v->busy;
		stuck[v->slot] += v->stuck;
	}
}

/* A difference that two audits find is drift. A difference that only one of them saw was traffic
 * during the walk. */
static int64_t settle(int64_t *last, int64_t now)
{
	int64_t agreed = 0;

	if ((*last > 0 && now > 0) || (*last < 0 && now < 0))
		agreed = llabs(*last) < llabs(now) ? *last : now;
	*last = now - agreed;
	return agreed;
}

static unsigned audit(struct smtp *s)
{
	int64_t in_flight[SMTP_PORTS] = { 0 }, ungreeted[SMTP_PORTS] = { 0 },
		busy[SMTP_PORTS] = { 0 }, stuck[SMTP_PORTS] = { 0 }, d;
	unsigned corrected = 0;
	bool whole;

	recount(s, in_flight, ungreeted, busy, stuck, &whole);
	if (!whole)
		return 0;
	for (unsigned i = 0; i < SMTP_PORTS; i++) {
		struct smtp_port *p = &s->bpf->bss->ports[i];

		if (!s->slots[i].port)
			continue;
		in_flight[i] += p->seeded;
		ungreeted[i] += p->seeded_ungreeted;
		busy[i] += p->seeded_busy;
		d = settle(&s->drift[i].in_flight, in_flight[i] - p->in_flight);
		__atomic_fetch_add(&p->in_flight, d, __ATOMIC_RELAXED);
		corrected += (unsigned)llabs(d);
		d = settle(&s->drift[i].ungreeted, ungreeted[i] - p->ungreeted);
		__atomic_fetch_add(&p->ungreeted, d, __ATOMIC_RELAXED);
		corrected += (unsigned)llabs(d);
		d = settle(&s->drift[i].stuck, stuck[i] - p->stuck);
		__atomic_fetch_add(&p->stuck, d, __ATOMIC_RELAXED);
		corrected += (unsigned)llabs(d);
		d = settle(&s->drift[i].busy, busy[i] - p->busy);
		__atomic_fetch_add(&p->busy, d, __ATOMIC_RELAXED);
		__atomic_fetch_add(&p->busy_since_ns, (uint64_t)d * clock_monotonic_us() * 1000,
				   __ATOMIC_RELAXED);
		corrected += (unsigned)llabs(d);
		if (p->in_flight == 0 && in_flight[i] == 0)
			memset(p->wheel, 0, sizeof(p->wheel));
	}
	return corrected;
}

/* Logs lost sessions: the first, and each time their number has doubled. */
static void say_lost(struct smtp *s)
{
	uint64_t lost = s->bpf->bss->sessions_lost;

	if (!lost || lost < 2 * s->lost_said)
		return;
	s->lost_said = lost;
	log_warning(
		"Cannot count all SMTP sessions: the kernel's table has room for %u, and %llu found none. They are missing in the count of sessions in flight. "
		"Put penstock-proxy in front of the mail server: it counts them all.",
		bpf_map__max_entries(s->bpf->maps.sessions), (unsigned long long)lost);
}

unsigned kernel_smtp_audit(struct kernel *k, uint64_t now_us)
{
	struct smtp *s = kernel_probe_state(k, PROBE_SMTP);

	if (!s)
		return 0;
	while (s->marks_count && now_us - s->marks[s->marks_head].made_us > MARK_US) {
		unmark(s, &s->marks[s->marks_head]);
		s->marks_head = (s->marks_head + 1) % MARKS;
		s->marks_count--;
	}
	look(s);
	say_lost(s);
	if (now_us - s->audited_us < AUDIT_US)
		return 0;
	s->audited_us = now_us;
	return audit(s);
}
