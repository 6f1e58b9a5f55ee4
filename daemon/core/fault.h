/* Faults that stop or distort mail without an overload: a table with a name for metrics, and a
 * sentence, the consequence and the remedy for people. The code that meets a fault counts it
 * (struct faults, part of the counts of its front) and logs it once a minute. Status, explain,
 * metrics and `penstockctl check` show the counters. A new fault needs a row here, one in
 * penstock-faults(7), and one in the runbook (tests/check-docs holds them together).
 *
 * Example: docker-proxy accepts on port 2525 while the container of the mail server still starts,
 * and closes without a word. The proxy answers 451 and counts BACKEND_SILENT. */
#ifndef PENSTOCK_CORE_FAULT_H
#define PENSTOCK_CORE_FAULT_H

#include <stdint.h>

/* X(id, name, what, consequence, remedy) */
#define FAULT_TABLE(X) \
	X(BACKEND_DOWN, "backend_down", \
	  "Cannot connect to the mail server behind the proxy: it refuses connections, or its " \
	  "host cannot be reached", \
	  "These clients were answered 451", \
	  "Start the mail server, or correct front.proxy.backend; the log has the kernel's " \
	  "reason") \
	X(BACKEND_UNANSWERED, "backend_unanswered", \
	  "Cannot connect to the mail server behind the proxy: no answer comes, as its accept " \
	  "queue is full or its host does not answer", \
	  "These clients were answered 451", \
	  "If 'ss -ltn' (for a UNIX socket 'ss -lx') shows a Recv-Q above Send-Q for it, let the " \
	  "mail server accept faster or give it a longer queue; else look at its host, the " \
	  "network and the firewall") \
	X(BACKEND_SILENT, "backend_silent", \
	  "Cannot get a greeting from the mail server: it accepts the connection and closes " \
	  "without a word", \
	  "These clients were answered 451", \
	  "Look at the mail server's log; docker-proxy and TCP wrappers do this while nothing " \
	  "serves behind them") \
	X(BACKEND_DEFERS, "backend_defers", \
	  "The mail server itself greets with 421 or another 4yz reply", \
	  "The reply was passed on; the session counts neither as greeted nor as capacity", \
	  "Look at the mail server's own limits: Exim smtp_load_reserve and smtp_accept_max, " \
	  "Postfix anvil limits") \
	X(BACKEND_REJECTS, "backend_rejects", \
	  "The mail server itself greets with 554 or another 5yz reply", \
	  "The reply was passed on, and senders return these messages to their authors", \
	  "Correct the mail server: its log names the reason") \
	X(CONNECTIONS, "connections", "As many clients are connected as the front may have", \
	  "The proxy answered the others 451; a front that is asked closed their connections, " \
	  "and their mail server went on without a verdict", \
	  "Raise front.proxy.connections_max (or that of the policy service)") \
	X(DESCRIPTORS, "descriptors", "Too few file descriptors for connections_max of a front", \
	  "Fewer are served at once: the proxy answered the other clients 421; a front that is " \
	  "asked closed their connections, and their mail server went on without a verdict", \
	  "Raise LimitNOFILE= of the unit (systemctl edit penstock-proxy, or penstockd for a " \
	  "front that is asked)") \
	X(IDLE, "idle", "The mail server owed an answer for longer than front.proxy waits", \
	  "The session was cut; if the message was complete, the sender will deliver it twice", \
	  "Find out why the mail server takes more than 15 minutes for an answer") \
	X(HEADER_FOREIGN, "header_foreign", \
	  "Clients outside front.proxy.proxy_from connect where a PROXY header is expected", \
	  "They were closed: from them a header could name any address", \
	  "Add the load balancer's network to front.proxy.proxy_from, or keep clients away from " \
	  "this port") \
	X(HEADER_MISSING, "header_missing", \
	  "Cannot tell the client's address: no PROXY header came within 5 seconds", \
	  "These connections were closed, and no mail came through them", \
	  "Let the load balancer send the header at once (AWS NLB: target group attribute " \
	  "proxy_protocol_v2.client_to_server.header_placement = on_first_ack), or set " \
	  "front.proxy.accept_proxy_protocol = no") \
	X(HEADER_MALFORMED, "header_malformed", \
	  "Cannot read the PROXY header: something else came", \
	  "These connections were closed, and no mail came through them", \
	  "Let the load balancer send PROXY version 1 or 2, or set " \
	  "front.proxy.accept_proxy_protocol = no") \
	X(SHARED_ADDRESS, "shared_address", \
	  "One address brings most of the connections: it may stand for many clients", \
	  "They count as one source: in an overload they share one part of the window, and " \
	  "others come first", \
	  "Let docker-proxy's place be taken by host networking, or the balancer send PROXY " \
	  "headers " \
	  "(front.proxy.accept_proxy_protocol, proxy_from); for an own relay add it to " \
	  "source.trusted, for a " \
	  "provider make a pool") \
	X(ADDRESS_UNKNOWN, "address_unknown", \
	  "Postfix asks the policy service about clients without an address", \
	  "They are decided without a rank and blamed on no source", \
	  "If a proxy stands in front of Postfix, let it tell the addresses " \
	  "(smtpd_upstream_proxy_protocol)") \
	X(UNASKED, "unasked", \
	  "Clients were admitted without a verdict: penstockd-asks, which mail servers ask, " \
	  "ended, or penstockd did not answer it", \
	  "These clients were let in as if penstock were not there", \
	  "The log says why the process ended; if penstockd hung, look at what else this host " \
	  "did then") \
	X(UNTOLD, "untold", \
	  "Calls over the control socket were cut or turned away: penstockd-admin or " \
	  "penstockd-users, which parses them, ended", \
	  "penstockctl, check_penstock and watchers had to ask again; mail is not affected", \
	  "The log says why the process ended")

enum fault {
#define X(id, ...) FAULT_##id,
	FAULT_TABLE(X)
#undef X
		FAULT__COUNT
};

/* Plain 64-bit numbers: part of a block that other processes read (core/counts.h). */
struct faults {
	uint64_t count[FAULT__COUNT];
	uint64_t last_us[FAULT__COUNT]; /* CLOCK_MONOTONIC of the last one, 0: never */
};

const char *fault_name(enum fault fault);
/* Each returns a sentence without its full stop. */
const char *fault_what(enum fault fault);
const char *fault_consequence(enum fault fault);
const char *fault_remedy(enum fault fault);
/* sum += faults; the last time is the later one. */
void faults_add(struct faults *sum, const struct faults *faults);

#endif
