/* The gate: a BPF program in front of the guarded ports. It passes admitted connections to the MTA
 * unchanged, and hands the others to penstock's responder. plan_decide() (core/plan.h) gives the
 * verdict in the kernel, from the plan that is pushed each tick and a count of sessions in flight
 * that the kernel keeps itself (see bpf/gate.bpf.c).
 *
 * It fails open. The connection goes to the MTA as if penstock were not there when the plan is
 * older than PLAN_STALE_US, when a map is full, and when the responder is gone, hangs or has a full
 * accept queue. When the process dies the kernel removes the gate, unless systemd's descriptor
 * store holds its link.
 *
 * The responder owns the listening sockets. They are in the MTA's network namespace
 * (kernel/netns.h), on any address and a port of their own. Their SO_MARK is GATE_MARK; accepted
 * sockets inherit it, which distinguishes their connections from the MTA's. An accepted socket
 * has the client's address as its peer and the guarded port as its own. */
#ifndef PENSTOCK_KERNEL_GATE_H
#define PENSTOCK_KERNEL_GATE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/counts.h"
#include "core/plan.h"
#include "kernel/kernel.h"

#define GATE_MARK 0x70736772u /* "psgr" */
#define GATE_PORTS 16
#define GATE_KEPT 8 /* most descriptors that gate_kept() gives */

struct gate;
struct text;

struct gate_options {
	unsigned service; /* index into plan.service[] */
	uint16_t ports[GATE_PORTS]; /* guarded ports, 0 ends the list */
	int netns_fd; /* of the MTA, -1: ours; stays the caller's */
	int listener_v4,
		/* listening sockets of the responder, -1: that family is not guarded; stay the
		 * caller's */
		listener_v6;
	bool beside; /* another front decides: gate_beside() gives its state once a tick */
	/* decide on clients of 127.0.0.0/8 and ::1 too; by default they pass */
	bool loopback;
	/* kernel_smtp_live() of the service, so that sessions that wait for their greeting are
	 * limited between two ticks, too; slots 0: gate_push() gives their number. */
	struct kernel_live live;
	/* What an earlier penstockd left in the descriptor store: fds with the names that
	 * gate_kept() gave. `kept[]` is taken over, used or closed, whether opening succeeds or
	 * not. */
	unsigned kept_count;
	struct {
		const char *name;
		int fd;
	} kept[GATE_KEPT];
};

/* 0, or -errno with a sentence in `why` (256) that says what is missing, and that the proxy does
 * not need it. */
int gate_open(const struct gate_options *options, struct gate **ret_gate, char *why);
/* Detaches the program. With `keep` it stays attached for the next penstockd if its descriptors are
 * in the descriptor store; if they are not, closing detaches it. Sessions of the MTA go on in any
 * case. NULL is fine. */
void gate_close(struct gate *gate, bool keep);
/* The descriptors that must outlive this process so that verdicts go on, with their names: those
 * that the descriptor store does not have yet. A gate that was taken over goes on with what the
 * store has, but for two links. Returns how many. The gate still owns them. */
unsigned gate_kept(const struct gate *gate, const char *ret_names[GATE_KEPT],
		   int ret_fds[GATE_KEPT]);
/* Gives the gate new listening sockets of the responder (after it was opened again). -1: none, and
 * that family passes. 0 or -errno. */
int gate_listeners(struct gate *gate, int listener_v4, int listener_v6);

/* Once a tick: the plan and with it the heartbeat. `ungreeted`: sessions that wait for their
 * greeting, used where gate_options.live has none. No system call. `answer_all`: nothing listens on
 * the port, and the responder has to answer every client. */
void gate_push(struct gate *gate, const struct plan *plan, uint32_t ungreeted, bool answer_all);
/* True: the responder takes no clients, and every connection passes until a call with false. No
 * system call. */
void gate_pause(struct gate *gate, bool paused);

/* Whether a client that has had its whole refusal is reset, without a socket, when it is refused
 * again in the same epoch. It is never reset while the gate is paused, its responder is overloaded,
 * or the plan is old. No system call. */
void gate_resets(struct gate *gate, bool resets);

/* The present state of the front that decides beside the gate. */
struct gate_other {
	uint32_t in_flight;
	uint32_t tokens_milli; /* tokens in its bucket */
	uint32_t room; /* so many more clients may wait there for a place */
};
/* Once a tick, if another front decides for the service: then the gate only resets clients that the
 * other front refused before (if gate_resets() allows it), and counts no other client. It stays so
 * until the gate is opened again; gate_options.beside says so from the beginning. No system
 * call. */
void gate_beside(struct gate *gate, const struct gate_other *other, uint64_t now_us);
/* Reports that the other front refuses a client. The client counts as told once it has acknowledged
 * the mail server's answer. A front that marks its refused connections (core/told.h) need not call
 * this. */
void gate_refused_elsewhere(struct gate *gate, const struct in6_addr *client, uint64_t epoch);

/* Networks whose clients are never deferred, and networks whose clients always are; IPv4 as
 * ::ffff:0:0/96. Replaces the earlier ones. 0, or -errno: networks for which there is no room have
 * no effect. */
struct gate_network {
	struct in6_addr address;
	uint8_t bits;
};
int gate_trusted(struct gate *gate, const struct gate_network *networks, unsigned count);
int gate_refused(struct gate *gate, const struct gate_network *networks, unsigned count);

/* Adds and changes, in bulk, what core/source.h knows of sources, by plan_group() of their
 * addresses. A source that is not there counts as `absent` (with its own group). Before the first
 * call no source is ranked, and all pass the cut-off. The map is limited: the kernel drops the
 * sources that were least recently used. 0 or -errno. */
int gate_ranks(struct gate *gate, const uint64_t *groups, const struct plan_source *sources,
	       unsigned count, const struct plan_source *absent);

/* One client. It is reported when its handshake is complete, so that a flood of SYNs is not
 * reported as clients. */
struct gate_event {
	struct in6_addr client;
	uint16_t client_port, port;
	uint8_t finished; /* an admitted session ended: session_us is set, the verdict is not */
	struct verdict verdict;
	uint64_t session_us;
	uint64_t server_us; /* the server's part of it; the gate does not know it and leaves 0 */
	uint8_t turns; /* answers of the server in it; the gate does not know them and leaves 0 */
	uint64_t at_us; /* CLOCK_MONOTONIC */
};
/* Once a tick: adds what the kernel has counted since to `counts` (front "gate": offered, admitted,
 * deferred and their reasons, in_flight, shadow_in_flight), and calls `on_event` (may be NULL) for
 * each client. Also expires tickets and repairs the count. Events that were not read in time still
 * count, and are reported in `errors`. */
void gate_poll(struct gate *gate, uint64_t now_us, struct counts *counts,
	       void (*on_event)(void *context, const struct gate_event *event), void *context);

/* Why the client of one of the responder's sockets was deferred: the reason of the verdict, which
 * determines the reply. One system call. REASON_NONE: no longer known. */
enum reason gate_reason(struct gate *gate, const struct in6_addr *client, uint16_t client_port,
			uint16_t port);

/* The gate's state, for status and support. */
struct gate_view {
	const char *form; /* which variant of the program this kernel accepted */
	/* let through because of an old plan; a full map or accept queue; no responder */
	uint64_t lookups_stale, passed_full, passed_closed;
	uint64_t tickets_expired, events_lost, sessions_lost, repaired;
	uint32_t tickets, sessions; /* now */
	/* many SYNs never become sessions (forged, a scan), so only a small share of the tickets
	 * counts */
	bool syns_fail;
	bool taken_over; /* the program of an earlier penstockd was taken over */
};
void gate_view(const struct gate *gate, struct gate_view *ret_view);
/* Whether this kernel and the privileges of this process allow a gate in the configured namespace:
 * opens one that guards no port, and closes it. 0 with the form that would be used, or -errno with
 * a sentence in `why` (256). */
int gate_possible(const struct config *config, const char **ret_form, char *why);
/* The same as a line of text. */
void gate_support(const struct config *config, struct text *out);

#endif
