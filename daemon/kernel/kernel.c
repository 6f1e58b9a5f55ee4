#include "kernel/kernel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "core/counts.h"
#include "shared.h"

#include "blkio.skel.h"
#include "runq.skel.h"
#include "smtp.skel.h"

#define MARKS 4096
#define MARK_US (120 * US_PER_S)
#define AUDIT_US (10 * US_PER_S)
#define AUDIT_MOST 8192 /* more sessions than this are not audited: the walk would take too long */

_Static_assert(TIME_SLOTS == COUNTS_SLOTS && TIME_SLOTS == KERNEL_SLOTS, "one histogram layout");

/* The session entry of smtp.bpf.c, as far as the audit reads it. */
struct session_value {
	uint64_t opened_ns, greeted_ns, turned_ns, sent, server_ns;
	uint32_t slot;
	uint8_t busy, spoke, wheeled;
};

struct mark {
	struct smtp_tuple tuple;
	uint64_t made_us;
	unsigned slot;
};

struct kernel {
	struct runq_bpf *runq;
	struct blkio_bpf *blkio;
	struct smtp_bpf *smtp;
	int cpus;
	uint64_t *scratch; /* one value a CPU */
	char why[PROBE__COUNT][160];
	const char *form[PROBE__COUNT];
	struct {
		unsigned service;
		uint16_t port;
	} slots[SMTP_PORTS];
	struct mark marks[MARKS]; /* a ring: the oldest first */
	unsigned marks_head, marks_count;
	uint64_t audited_us;
	struct {
		int64_t in_flight, waiting, busy;
	} drift[SMTP_PORTS];
};

static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	char text[4096], *rest = text, *line;

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(text, sizeof(text), format, args);
	while ((line = strsep(&rest, "\n")))
		if (*line)
			log_debug("libbpf: %s", line);
	return 0;
}

/* Whether the kernel's BTF describes a tracepoint for tp_btf. */
static bool has_tracepoint(const struct btf *btf, const char *name)
{
	char type[96];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return btf && btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
}

static void say_why(struct kernel *k, enum kernel_probe probe, int error, const char *instead)
{
	/* With the capability EACCES is the verifier's: see the log at debug level. */
	const char *cause = error == -EPERM    ? "refused: it needs CAP_BPF and CAP_PERFMON"
			    : error == -EACCES ? "this kernel's verifier rejects the program"
					       : strerror(-error);

	snprintf(k->why[probe], sizeof(k->why[probe]), "%s; instead: %s", cause, instead);
}

/* Loads with tp_btf, else with raw_tp: one object, two entries. */
#define OPEN_TWO_FORMS(k, probe, name, tracepoint, instead)                                    \
	do {                                                                                   \
		int r_ = -ENOMEM;                                                              \
		for (int form_ = has_tracepoint(btf, tracepoint) ? 0 : 1; form_ < 2 && r_ < 0; \
		     form_++) {                                                                \
			(k)->name = name##_bpf__open();                                        \
			if (!(k)->name)                                                        \
				break;                                                         \
			bpf_program__set_autoload((k)->name->progs.name##_tp_btf, form_ == 0); \
			bpf_program__set_autoload((k)->name->progs.name##_raw_tp, form_ == 1); \
			r_ = name##_bpf__load((k)->name);                                      \
			if (r_ == 0)                                                           \
				r_ = name##_bpf__attach((k)->name);                            \
			if (r_ < 0) {                                                          \
				name##_bpf__destroy((k)->name);                                \
				(k)->name = NULL;                                              \
			}                                                                      \
			(k)->form[probe] =                                                     \
				form_ == 0 ? "tp_btf/" tracepoint : "raw_tp/" tracepoint;      \
		}                                                                              \
		if (r_ < 0)                                                                    \
			say_why(k, probe, r_, instead);                                        \
	} while (0)

static uint32_t own_netns(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) == 0 ? (uint32_t)st.st_ino : 0;
}

static int load_smtp(struct kernel *k, const struct config *config, const struct btf *btf,
		     bool with_send)
{
	unsigned slot = 0;
	int r;

	k->smtp = smtp_bpf__open();
	if (!k->smtp)
		return -ENOMEM;
	k->smtp->rodata->netns_inum = own_netns();
	for (unsigned s = 0; s < config->services; s++) {
		for (unsigned p = 0;
		     p < CONFIG_PORTS && config->service[s].ports[p] && slot < SMTP_PORTS; p++) {
			k->slots[slot].service = s;
			k->slots[slot].port = config->service[s].ports[p];
			k->smtp->rodata->watched[slot++] = config->service[s].ports[p];
		}
	}
	bpf_program__set_autoload(k->smtp->progs.smtp_send, with_send);
	r = smtp_bpf__load(k->smtp);
	if (r == 0)
		r = smtp_bpf__attach(k->smtp);
	if (r < 0) {
		smtp_bpf__destroy(k->smtp);
		k->smtp = NULL;
	}
	return r;
}

static void open_smtp(struct kernel *k, const struct config *config, const struct btf *btf)
{
	bool with_send = has_tracepoint(btf, "sock_send_length");
	int r = -EOPNOTSUPP;

	if (has_tracepoint(btf, "inet_sock_set_state") && has_tracepoint(btf, "tcp_probe")) {
		r = load_smtp(k, config, btf, with_send);
		if (r < 0 && with_send) {
			with_send = false;
			r = load_smtp(k, config, btf, false);
		}
	}
	k->form[PROBE_SMTP] = with_send ? "tp_btf/inet_sock_set_state, tcp_probe, sock_send_length"
					: "tp_btf/inet_sock_set_state, tcp_probe";
	if (r < 0)
		say_why(k, PROBE_SMTP, r, "what the proxy sees, and the accept queue by sock_diag");
}

int kernel_open(const struct config *config, struct kernel **ret_kernel, char *why)
{
	struct kernel *k = calloc(1, sizeof(*k));
	struct btf *btf;
	int loaded = 0;

	if (!k)
		return -ENOMEM;
	libbpf_set_print(print);
	k->cpus = libbpf_num_possible_cpus();
	if (k->cpus > 0)
		k->scratch = calloc((size_t)k->cpus, sizeof(uint64_t));
	if (!k->scratch) {
		free(k);
		return -ENOMEM;
	}
	btf = btf__load_vmlinux_btf();
	OPEN_TWO_FORMS(k, PROBE_RUNQ, runq, "sched_switch", "CPU stalls by PSI");
	OPEN_TWO_FORMS(k, PROBE_BLKIO, blkio, "block_rq_complete",
		       "disk_await_us from /proc/diskstats");
	open_smtp(k, config, btf);
	btf__free(btf);
	for (int i = 0; i < PROBE__COUNT; i++)
		loaded += !k->why[i][0];
	if (!loaded) {
		snprintf(why, 256, "%s", k->why[PROBE_RUNQ]);
		kernel_close(k);
		return -EPERM;
	}
	*ret_kernel = k;
	return 0;
}

void kernel_close(struct kernel *k)
{
	if (!k)
		return;
	runq_bpf__destroy(k->runq);
	blkio_bpf__destroy(k->blkio);
	smtp_bpf__destroy(k->smtp);
	free(k->scratch);
	free(k);
}

const char *kernel_probe_why(const struct kernel *k, enum kernel_probe probe)
{
	return k->why[probe][0] ? k->why[probe] : NULL;
}

void kernel_support(const struct kernel *k, struct text *out)
{
	static const char *const names[] = { "run-queue latency", "block I/O latency",
					     "SMTP sessions" };

	text_append(out, "probe                      form\n");
	for (int i = 0; i < PROBE__COUNT; i++)
		text_append(out, "%-26s %s\n", names[i], k->why[i][0] ? k->why[i] : k->form[i]);
}

int kernel_histogram(const struct kernel *k, enum kernel_probe probe, uint64_t slots[KERNEL_SLOTS],
		     uint64_t *ret_sum_us)
{
	struct bpf_map *map;
	int fd, r;

	if (k->why[probe][0] || probe == PROBE_SMTP)
		return -ENODATA;
	map = probe == PROBE_RUNQ ? k->runq->maps.runq_hist : k->blkio->maps.blkio_hist;
	fd = bpf_map__fd(map);
	for (uint32_t i = 0; i <= KERNEL_SLOTS; i++) {
		uint64_t sum = 0;

		r = bpf_map_lookup_elem(fd, &i, k->scratch);
		if (r < 0)
			return r;
		for (int c = 0; c < k->cpus; c++)
			sum += k->scratch[c];
		if (i < KERNEL_SLOTS)
			slots[i] = sum;
		else
			*ret_sum_us = sum;
	}
	return 0;
}

void kernel_runq_histogram(const struct kernel *k, uint64_t slots[32], uint64_t *ret_sum_us,
			   uint64_t *ret_count)
{
	uint64_t fine[KERNEL_SLOTS];

	*ret_count = 0;
	memset(slots, 0, 32 * sizeof(*slots));
	if (kernel_histogram(k, PROBE_RUNQ, fine, ret_sum_us) < 0)
		return;
	for (unsigned i = 0; i < KERNEL_SLOTS; i++) {
		uint64_t upper = counts_slot_upper(i);
		unsigned power = upper == 0 ? 0 : 64 - (unsigned)__builtin_clzll(upper);

		slots[power < 31 ? power : 31] += fine[i];
		*ret_count += fine[i];
	}
}

/* ---- SMTP sessions ---------------------------------------------------------------------------------------------- */

static uint64_t oldest_on_wheel(const struct smtp_port *port, uint64_t now_ns)
{
	uint64_t now = now_ns >> SMTP_WHEEL_SHIFT;

	for (uint64_t age = SMTP_WHEEL - 1; age > 0; age--)
		if (now >= age && __atomic_load_n(&port->wheel[(now - age) & (SMTP_WHEEL - 1)],
						  __ATOMIC_RELAXED) > 0)
			return (age << SMTP_WHEEL_SHIFT) / 1000;
	return 0;
}

int kernel_smtp_read(const struct kernel *k, unsigned service, uint64_t now_us,
		     struct kernel_smtp *ret)
{
	unsigned n = 0;

	memset(ret, 0, sizeof(*ret));
	if (!k->smtp)
		return -ENODATA;
	for (unsigned i = 0; i < SMTP_PORTS; i++) {
		const struct smtp_port *p = &k->smtp->bss->ports[i];
		uint64_t oldest;

		if (!k->slots[i].port || k->slots[i].service != service)
			continue;
		ret->opened += p->opened;
		ret->closed += p->closed;
		ret->greeted += p->greeted;
		ret->completed += p->completed;
		ret->session_us += p->session_us;
		ret->server_us += p->server_us;
		ret->refused_open += (double)p->refused_open;
		ret->in_flight += (double)(p->in_flight - p->refused_open);
		ret->waiting += (double)p->waiting;
		ret->busy += (double)p->busy;
		oldest = p->waiting > 0 ? oldest_on_wheel(p, now_us * 1000) : 0;
		if (oldest > ret->oldest_waiting_us)
			ret->oldest_waiting_us = oldest;
		if (n < CONFIG_PORTS)
			ret->connect_220[n++] = p->connect_220;
	}
	if (ret->in_flight < 0)
		ret->in_flight = 0;
	if (ret->busy < 0)
		ret->busy = 0;
	if (ret->waiting < 0)
		ret->waiting = 0;
	return 0;
}

static void unmark(struct kernel *k, const struct mark *mark)
{
	if (bpf_map_delete_elem(bpf_map__fd(k->smtp->maps.refused), &mark->tuple) == 0)
		__atomic_fetch_sub(&k->smtp->bss->ports[mark->slot].refused_open, 1,
				   __ATOMIC_RELAXED);
}

void kernel_smtp_mark_refused(struct kernel *k, unsigned service, const struct in6_addr *address,
			      uint16_t port, uint64_t now_us)
{
	struct mark *mark;
	uint64_t one = 1;

	if (!k->smtp)
		return;
	/* The client does not say which of the service's ports it came to: one port is the rule. */
	for (unsigned i = 0; i < SMTP_PORTS; i++) {
		if (!k->slots[i].port || k->slots[i].service != service)
			continue;
		if (k->marks_count == MARKS) {
			unmark(k, &k->marks[k->marks_head]);
			k->marks_head = (k->marks_head + 1) % MARKS;
			k->marks_count--;
		}
		mark = &k->marks[(k->marks_head + k->marks_count) % MARKS];
		memset(mark, 0, sizeof(*mark));
		memcpy(mark->tuple.address, address, sizeof(mark->tuple.address));
		mark->tuple.port = port;
		mark->tuple.local = k->slots[i].port;
		mark->made_us = now_us;
		mark->slot = i;
		if (bpf_map_update_elem(bpf_map__fd(k->smtp->maps.refused), &mark->tuple, &one,
					BPF_NOEXIST) == 0) {
			__atomic_fetch_add(&k->smtp->bss->ports[i].refused_open, 1,
					   __ATOMIC_RELAXED);
			k->marks_count++;
		}
		return;
	}
}

static void recount(struct kernel *k, int64_t in_flight[], int64_t waiting[], int64_t busy[],
		    bool *ret_whole)
{
	int fd = bpf_map__fd(k->smtp->maps.sessions);
	_cleanup_free_ uint64_t *keys = calloc(AUDIT_MOST, sizeof(*keys));
	_cleanup_free_ struct session_value *values = calloc(AUDIT_MOST, sizeof(*values));
	uint32_t count = AUDIT_MOST, batch = 0;
	int r;

	*ret_whole = false;
	if (!keys || !values)
		return;
	r = bpf_map_lookup_batch(fd, NULL, &batch, keys, values, &count, NULL);
	if (r != 0 && errno != ENOENT)
		return;
	*ret_whole = r != 0; /* ENOENT: the end was reached */
	for (uint32_t i = 0; i < count; i++) {
		const struct session_value *v = &values[i];

		if (v->slot >= SMTP_PORTS)
			continue;
		in_flight[v->slot]++;
		waiting[v->slot] += v->wheeled;
		busy[v->slot] += v->busy;
	}
}

/* What two audits agree on has drifted; what only one saw was traffic in between. */
static int64_t settle(int64_t *last, int64_t now)
{
	int64_t agreed = 0;

	if ((*last > 0 && now > 0) || (*last < 0 && now < 0))
		agreed = llabs(*last) < llabs(now) ? *last : now;
	*last = now - agreed;
	return agreed;
}

static unsigned audit(struct kernel *k)
{
	int64_t in_flight[SMTP_PORTS] = { 0 }, waiting[SMTP_PORTS] = { 0 },
		busy[SMTP_PORTS] = { 0 }, d;
	unsigned corrected = 0;
	bool whole;

	recount(k, in_flight, waiting, busy, &whole);
	if (!whole)
		return 0;
	for (unsigned i = 0; i < SMTP_PORTS; i++) {
		struct smtp_port *p = &k->smtp->bss->ports[i];

		if (!k->slots[i].port)
			continue;
		d = settle(&k->drift[i].in_flight, in_flight[i] - p->in_flight);
		__atomic_fetch_add(&p->in_flight, d, __ATOMIC_RELAXED);
		corrected += (unsigned)llabs(d);
		d = settle(&k->drift[i].waiting, waiting[i] - p->waiting);
		__atomic_fetch_add(&p->waiting, d, __ATOMIC_RELAXED);
		corrected += (unsigned)llabs(d);
		d = settle(&k->drift[i].busy, busy[i] - p->busy);
		__atomic_fetch_add(&p->busy, d, __ATOMIC_RELAXED);
		corrected += (unsigned)llabs(d);
		if (p->in_flight == 0 && in_flight[i] == 0)
			memset(p->wheel, 0, sizeof(p->wheel));
	}
	return corrected;
}

unsigned kernel_smtp_audit(struct kernel *k, uint64_t now_us)
{
	if (!k->smtp)
		return 0;
	while (k->marks_count && now_us - k->marks[k->marks_head].made_us > MARK_US) {
		unmark(k, &k->marks[k->marks_head]);
		k->marks_head = (k->marks_head + 1) % MARKS;
		k->marks_count--;
	}
	if (now_us - k->audited_us < AUDIT_US)
		return 0;
	k->audited_us = now_us;
	return audit(k);
}
