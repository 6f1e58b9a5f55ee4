/* The configuration as plain data. config_load() fills it from the table of options in
 * config/options.c and validates the whole; then it replaces the one before. All parts read it, and
 * none changes it. */
#ifndef PENSTOCK_CONFIG_CONFIG_H
#define PENSTOCK_CONFIG_CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "base/log.h"
#include "core/calendar.h"
#include "core/plan.h"
#include "core/reply.h"
#include "core/sample.h"

#define CONFIG_PATH_MAX 256
#define CONFIG_PORTS 8
#define CONFIG_QUEUE_DIRS 4
#define CONFIG_NETWORKS 64
#define CONFIG_POOLS 32
#define CONFIG_INTERFACES 16
#define CONFIG_ERRORS 32
#define CONFIG_WINDOWS 16

/* There is no default: a server that does not learn the client's address takes every client for
 * this host, and relays mail for all of them. */
enum config_proxy_protocol {
	PROXY_PROTOCOL_UNSAID,
	PROXY_PROTOCOL_NONE,
	PROXY_PROTOCOL_V1,
	PROXY_PROTOCOL_V2
};

struct config_service {
	char name[32];
	uint16_t ports
		/* ports of the MTA, which BPF and sock_diag watch; 0 ends the list */
		[CONFIG_PORTS];
	bool implicit_tls; /* from the first byte, so that no reply is possible */
	enum plan_shed shed;
	struct reply_style reply; /* its hostname: this host's name, unless the option is set */
	uint16_t reply_code; /* 451 or 421 */
	/* of the MTA, below /sys/fs/cgroup; empty: the one of the process that listens */
	char cgroup[CONFIG_PATH_MAX];
	char queue_dirs[CONFIG_QUEUE_DIRS][CONFIG_PATH_MAX];
	uint32_t slots; /* sessions that the MTA can serve at once, 0: not known */
};

struct config_network {
	struct in6_addr address; /* IPv4 as ::ffff:0:0/96 */
	uint8_t bits; /* of 128 */
};

struct config_networks {
	unsigned count;
	struct config_network network[CONFIG_NETWORKS];
};

struct config_front {
	bool enabled;
	char service[32];
	struct endpoints listen;
	struct endpoint backend;
	enum config_proxy_protocol proxy_protocol; /* towards the backend */
	/* the operator has confirmed what proxy_protocol = none means */
	bool client_addresses_hidden;
	bool accept_proxy_protocol; /* on listen */
	struct config_networks proxy_from; /* only these networks may send such a header */
	bool loopback; /* decide on this host's own connections too */
	uint32_t connections_max; /* the front's own limit; also in force without a plan */
	uint32_t linger_max; /* refused clients kept in dialogue; past it 421 and close */
	uint64_t linger_us; /* longest refusal dialogue */
	uint64_t idle_us; /* client idle */
	/* Until a connect to the backend counts as not answered. A full accept queue drops the SYN;
	 * the kernel sends it again after 1, 3 and 7 s, so that the server has four chances. */
	uint64_t connect_us;
	char socket_mode[8]; /* octal, of a UNIX listen socket */
};

/* What the gate does with a client that has got its refusal in this epoch. */
enum config_repeat { REPEAT_DIALOGUE, REPEAT_RESET };

/* The gate in the kernel, and the responder that talks to the clients that the gate defers. */
struct config_gate {
	bool enabled;
	char service[32];
	/* of the MTA: a path or a name under /run/netns; empty: ours */
	char netns[CONFIG_PATH_MAX];
	bool loopback; /* decide on this host's own connections too */
	enum config_repeat repeat;
	bool answer_down; /* while nothing listens on the port, the responder answers */
	struct endpoints listen; /* one more address of the responder, for a load balancer */
	uint32_t linger_max; /* refused clients in dialogue at once; past it 421 and close */
	uint64_t linger_us; /* longest dialogue */
	double cpu_ratio; /* share of one CPU that the responder may take */
};

/* The fronts that a mail server asks over a socket, a row each: what enum asked_kind calls it, and
 * its name, which is that of its section [front.NAME], of its settings in struct config, of its
 * protocol asked_NAME and of its front_NAME (how to add one: daemon/README.md, "Questions"). */
#define ASKED_FRONT_TABLE(X) \
	X(POLICY, policy) /* Postfix' policy protocol */ \
	X(LINE, line) /* plain lines */ \
	X(NGINX, nginx) /* auth_http of nginx */ \
	X(HAPROXY, haproxy) /* SPOE of HAProxy */ \
	X(MILTER, milter)

struct config_asked {
	bool enabled;
	char service[32];
	struct endpoints listen;
	uint32_t connections_max;
	uint64_t idle_us; /* of a connection; 0: for ever */
	char socket_mode[8]; /* octal, of a UNIX listen socket */
	/* Those that have the option: */
	bool loopback; /* decide on this host's own connections too */
	struct endpoint backend; /* the mail server, which the front is told to connect to */
	struct endpoints responder; /* for SMTP clients; empty: there is no responder */
};

/* penstock-agent, which answers HAProxy's agent-check. */
struct config_agent {
	char service[32];
	struct endpoints listen;
	uint32_t balancers; /* HAProxy processes that share this host */
	/* connections of all of them together; also in force without a plan; 0: no limit */
	uint32_t connections_max;
};

/* The store through which the hosts of a fleet exchange messages. */
struct config_fleet {
	struct endpoints servers; /* empty: this host is alone */
	char name[64]; /* of this host among the others; empty: its host name */
	char prefix[64]; /* beginning of the names of the streams */
	char user[64];
	char password_file[CONFIG_PATH_MAX];
	char key_file[CONFIG_PATH_MAX]; /* seals the messages; empty: they have a checksum only */
	bool hide_addresses; /* keyed hashes instead of networks */
	bool next_mx; /* clients wait here for a short time only while another host has room */
	bool tls;
	char tls_ca[CONFIG_PATH_MAX], tls_cert[CONFIG_PATH_MAX], tls_key[CONFIG_PATH_MAX];
	char tls_name[128]; /* name that the certificate must have; empty: any name */
	uint32_t stream_length; /* approximate number of messages that the store keeps */
	uint64_t memory_bytes;
};

/* A large sender: its networks count as one source. */
struct config_pool {
	char name[32];
	struct config_networks networks;
	uint32_t weight; /* how many shares of the fair rate it may have */
	uint64_t patience_us; /* time after which its senders give up; 0: learned */
};

struct config_source_options {
	struct config_networks trusted, refused;
	uint64_t ledger_bytes, rate_bytes;
	uint64_t proper_us; /* a retry counts if it comes so long after the last one that counted */
	uint32_t rate_max; /* connections a minute from one address, 0: no such limit */
	uint32_t sessions_max; /* at once from one address, 0: no such limit */
};

/* Memory for the rates of sources: half of the ledger's, at least 16 MiB. */
static inline uint64_t config_rate_bytes(const struct config_source_options *o)
{
	uint64_t least = 16u << 20;

	if (o->rate_bytes)
		return o->rate_bytes;
	return o->ledger_bytes / 2 > least ? o->ledger_bytes / 2 : least;
}

struct config_window {
	char words[200]; /* as written in the configuration */
	struct calendar when;
};

/* Planned maintenance: host/maintenance.h */
struct config_maintenance {
	unsigned windows;
	struct config_window window[CONFIG_WINDOWS];
	bool trusted_pass; /* sources of source.trusted are admitted during a window */
};

/* Where the values come from, so that penstockctl can read the same configuration. */
struct config_origin {
	bool known; /* false: it is hidden */
	char file[CONFIG_PATH_MAX]; /* empty: the default files */
	char overrides[4096]; /* the options -o, one on each line, as far as they fit */
	bool overrides_cut; /* not all of them fit */
};

struct config {
	struct config_origin origin;
	enum plan_mode mode;
	uint64_t tick_us;
	enum log_level log_level;
	char run_dir[CONFIG_PATH_MAX], state_dir[CONFIG_PATH_MAX];
	char record[CONFIG_PATH_MAX]; /* daemon.record; empty: nothing is recorded */
	uint64_t record_max_bytes;
	bool bpf; /* daemon.bpf; no: do not try to use BPF */

	unsigned services;
	struct config_service service[PLAN_SERVICES];

	uint64_t banner_p99_us, wait_us, longest_deferral_us;
	uint32_t longest_attempts;
	uint64_t memory_reserve_bytes, disk_reserve_bytes;
	uint32_t window_min, window_max; /* 0: not set */
	double target[SIGNAL__COUNT]; /* defaults from signal_info */

	struct config_source_options sources;
	unsigned pools;
	struct config_pool pool[CONFIG_POOLS];

	char interfaces[CONFIG_INTERFACES]
		       [16]; /* [nic] interfaces: empty = all that are physical and up */
	/* [nic] speed, for drivers that report a wrong one; 0: ask the kernel */
	uint64_t nic_speed_bits_per_s;

	struct config_front proxy;
#define X(kind, name) struct config_asked name;
	ASKED_FRONT_TABLE(X)
#undef X
	struct config_gate gate;
	struct config_agent agent;
	struct config_fleet fleet;
	struct endpoints http_listen, http_public;
	char http_hosts[CONFIG_PATH_MAX]; /* names, separated by blanks or commas */
	char control_group[32];
	struct config_maintenance maintenance;
};

struct config_error {
	char file[CONFIG_PATH_MAX]; /* "-o" for the command line */
	unsigned line;
	char key[96]; /* section.key */
	char reason[320];
};

struct config_errors {
	unsigned count; /* may be more than CONFIG_ERRORS, which is the number that is kept */
	struct config_error error[CONFIG_ERRORS];
	/* Accepted, but should be changed. Kept even if there is no error. */
	unsigned warnings;
	struct config_error warning[CONFIG_ERRORS];
};

/* Where the configuration comes from; pointers stay the caller's. */
struct config_source {
	/* NULL: /usr/lib/penstock/penstock.conf (the package's defaults),
	 * /etc/penstock/penstock.conf and /etc/penstock/penstock.conf.d, in this order and all
	 * optional; the last value counts. */
	const char *file;
	/* A file of penstock.conf.d that cannot be read is a warning, and not an error: for the
	 * start of a program without which no mail comes in. */
	bool may_lack_fragments;
	const char *const *overrides; /* "section.key=value" */
	unsigned overrides_count;
	const char *run_dir, *state_dir; /* command line, NULL: from file or default */
	const char *
		/* not NULL: read this text of `text_length` bytes instead of files (from a recorded
		 * trace) */
		text;
	size_t text_length;
};

void config_defaults(struct config *config);
/* Reads and validates the whole configuration. 0, or -EINVAL with at least one error; then `*ret`
 * is untouched. */
int config_load(const struct config_source *source, struct config *ret,
		struct config_errors *ret_errors);
/* Prints every option with its present value, as a file that config_load() can read. */
struct text;
void config_print(const struct config *config, struct text *out);
/* Index of a service by name; -1: there is none. */
int config_service_index(const struct config *config, const char *name);
/* plan_service_id() of each service, 0 behind the last one. */
void config_service_ids(const struct config *config, uint64_t ret_ids[PLAN_SERVICES]);
/* Whether an address lies in a trusted network. IPv4 as mapped. O(networks). */
bool config_trusted(const struct config *config, const struct in6_addr *address);
/* The same for networks that the operator always defers. An address that is also trusted is not
 * deferred. */
bool config_refused(const struct config *config, const struct in6_addr *address);
/* Whether the proxy accepts a PROXY header from this address. */
bool config_sends_headers(const struct config *config, const struct in6_addr *address);
void config_error_print(const struct config_error *error, char *buf, unsigned size);
/* Logs the warnings about options that were accepted but should be changed (reload.c). */
void config_log_warnings(const struct config_errors *errors);

#endif
