/* SMTP sessions by socket states: loads bpf/smtp.bpf.c and reads its counts. */
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
#include "core/law.h"
#include "core/overtaken.h"
#include "core/smtp_track.h"
#include "kernel/netns.h"
#include "kernel/kernel.h"
#include "kernel/probe.h"
#include "kernel/smtp_audit.h"
#include "kernel/smtp_refusals.h"
#include "kernel/smtp_seed.h"
#include "kernel/smtp_walk.h"
#include "kernel/open_sum.h"
#include "kernel/wheel.h"
#include "shared.h"

#include "smtp.skel.h"

/* The figures of the law as whole numbers, which an assertion can read. */
enum {
#define X(name, value, ...) WHOLE_##name = (int)(value),
	LAW_TABLE(X)
#undef X
};
_Static_assert(SMTP_OVERTAKEN_MIN == WHOLE_OVERTAKEN_MIN && SMTP_BOUNDS_ONCE == BOUNDS_ONCE &&
		       SMTP_BOUNDS_MORE_MAX == (WHOLE_BOUNDS_TIMES_MAX - 1) * SMTP_BOUNDS_ONCE &&
		       1 << SMTP_BOUNDS_FADE_SHIFT == WHOLE_BOUNDS_FADE_JOBS &&
		       SMTP_OWED_LONG_NS == WHOLE_OWED_LONG_S * UINT64_C(1000000000) &&
		       SMTP_SLOW_PARTS == WHOLE_SLOW_PARTS &&
		       SMTP_TURNS_PER_JOB == SMTP_TRACK_TURNS_PER_JOB,
	       "the probe counts as the proxy does");

struct smtp {
	struct smtp_bpf *bpf;
	struct smtp_looks *looks;
	bool can_look; /* this kernel runs smtp_look */
	struct {
		unsigned service;
		uint16_t port;
	} slots[SMTP_PORTS];
	struct smtp_refusals refusals;
	struct smtp_audit audit;
	uint64_t lost_said; /* lost sessions (no room in the map) that were logged already */
	unsigned taken_over; /* sessions that were open before this probe */
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
			s->bpf->rodata->client_first[slot] = config->service[i].implicit_tls;
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

static void look(struct smtp *s, uint64_t now_us)
{
	int64_t busy = 0;

	for (unsigned i = 0; i < SMTP_PORTS; i++)
		busy += s->bpf->bss->ports[i].busy;
	if (s->can_look && busy > 0)
		smtp_look(s->bpf, s->looks, now_us * 1000);
}

static void close_smtp(void *state)
{
	struct smtp *s = state;

	smtp_bpf__destroy(s->bpf);
	smtp_looks_close(s->looks);
	free(s);
}

/* Tells how the probe works here. `look`: 0, or the error with which the kernel refused
 * smtp_look. */
static void say_form(bool with_send, int look, char *form)
{
	char why[96] = "";

	if (look < 0)
		snprintf(why, sizeof(why),
			 "; no smtp_look (%s): a sender that stalls counts as busy",
			 strerror(-look));
	snprintf(form, PROBE_FORM_MAX, "tp_btf/inet_sock_set_state, tcp_probe%s%s",
		 with_send ? ", sock_send_length" : "", why);
}

static int open_smtp(const struct probe_env *env, void **ret_state, char *form)
{
	bool with_send = probe_has_tracepoint(env->btf, "sock_send_length");
	struct smtp *s;
	int r, look;

	if (!probe_has_tracepoint(env->btf, "inet_sock_set_state") ||
	    !probe_has_tracepoint(env->btf, "tcp_probe"))
		return -EOPNOTSUPP;
	s = calloc(1, sizeof(*s));
	if (s)
		s->looks = smtp_looks_open();
	if (!s || !s->looks) {
		free(s);
		return -ENOMEM;
	}
	/* Tries everything first, then with fewer parts: an old kernel may refuse one. */
	r = look = load(s, env->config, with_send, true);
	if (r == 0)
		look = smtp_look(s->bpf, s->looks, clock_monotonic_us() * 1000);
	else
		r = load(s, env->config, with_send, false);
	if (r < 0 && with_send)
		r = load(s, env->config, with_send = false, false);
	if (r < 0) {
		close_smtp(s);
		return r;
	}
	s->can_look = look == 0;
	say_form(with_send, look, form);
	if (!s->can_look)
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

static uint64_t busy_us(const struct smtp_port *p, uint64_t now_us)
{
	struct open_sum sum =
		open_sum_read(&p->busy, &p->seeded_busy, &p->busy_ns, &p->busy_since_ns);

	return (sum.finished_ns + open_sum_ns(&sum, now_us * 1000)) / 1000;
}

int kernel_smtp_read(const struct kernel *k, unsigned service, uint64_t now_us,
		     struct kernel_smtp *ret)
{
	const struct smtp *s = kernel_probe_state(k, PROBE_SMTP);
	unsigned n = 0;

	memset(ret, 0, sizeof(*ret));
	if (!s)
		return -ENODATA;
	ret->sees_waits = s->can_look;
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
		oldest = p->ungreeted > 0 ? wheel_oldest_us(p->wheel, now_us) : 0;
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

void kernel_smtp_mark_refused(struct kernel *k, unsigned service, const struct in6_addr *address,
			      uint16_t port, uint64_t now_us)
{
	struct smtp *s = kernel_probe_state(k, PROBE_SMTP);

	/* Which of the service's ports the client came to is not known; mostly there is one. */
	for (unsigned i = 0; s && i < SMTP_PORTS; i++) {
		if (!s->slots[i].port || s->slots[i].service != service)
			continue;
		smtp_refusals_add(&s->refusals, s->bpf, i, address, port, now_us);
		return;
	}
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
	smtp_refusals_expire(&s->refusals, s->bpf, now_us);
	look(s, now_us);
	say_lost(s);
	return smtp_audit_step(&s->audit, s->bpf, now_us);
}
