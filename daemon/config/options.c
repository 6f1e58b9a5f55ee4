#include "config/options.h"

#include "base/array.h"

#define IN(type, field) offsetof(struct type, field), sizeof(((struct type *)0)->field)
#define CONFIG(section, key, type, field, least, most, choices, value, help) \
	{ \
		section, key, OPTION_##type, SCOPE_CONFIG, IN(config, field), least, most, \
			choices, value, help \
	}
#define SERVICE(key, type, field, least, most, choices, value, help) \
	{ \
		"service", key, OPTION_##type, SCOPE_SERVICE, IN(config_service, field), least, \
			most, choices, value, help \
	}
#define POOL(key, type, field, least, most, choices, value, help) \
	{ \
		"pool", key, OPTION_##type, SCOPE_POOL, IN(config_pool, field), least, most, \
			choices, value, help \
	}
#define SECONDS 1e6
#define MIB 1048576.0

/* clang-format off */
const struct option_row option_rows[] = {
	CONFIG("daemon", "mode", CHOICE, mode, 0, 0, "enforce observe", "enforce",
		"whether decisions take effect. enforce: connections are deferred when the machine "
		"is overloaded. observe: penstock measures, decides, logs and publishes in the "
		"same way, but admits every connection. Begin with observe on a server in use; "
		"penstockctl status shows what would be deferred. Example: observe"),
	CONFIG("daemon", "tick", DURATION, tick_us, 0.01 * SECONDS, 1 * SECONDS, NULL, "100ms",
		"time between two measurements and decisions. On an idle machine it is 200ms at "
		"least. A larger value saves CPU time and reacts later. Raise it on a machine "
		"where penstockd's 1 % of a CPU is too much. Example: 200ms"),
	CONFIG("daemon", "log_level", CHOICE, log_level, 0, 0, "error warning notice info debug",
		"info",
		"least important messages that are logged. Example: debug, to follow every sensor "
		"and decision for a while"),
	CONFIG("daemon", "bpf", BOOL, bpf, 0, 0, NULL, "yes",
		"whether BPF is used. no: penstock measures with /proc, PSI and sock_diag only, "
		"sees less, and the gate cannot be used; penstockctl support shows what is lost. "
		"Set it if a kernel has a fault that a probe meets: mail stays protected until "
		"that kernel is replaced. Example: no"),
	CONFIG("daemon", "run_dir", PATH, run_dir, 0, 0, NULL, "/run/penstock",
		"directory of the sockets, the plan and the fronts' counts. If you change it, give "
		"it to fronts and penstockctl, too. It cannot change in a running daemon. Example: "
		"/run/penstock-test"),
	CONFIG("daemon", "state_dir", PATH, state_dir, 0, 0, NULL, "/var/lib/penstock",
		"directory of what outlives a restart: the ledger of sources, what was learned, "
		"and the history. Example: /srv/penstock, when /var is read-only"),
	CONFIG("daemon", "record", PATH, record, 0, 0, NULL, NULL,
		"file into which everything that is measured and decided is recorded, for "
		"penstock-replay(1). penstockd must be able to write into its directory; an "
		"existing file is kept as FILE.1. Unset: nothing is recorded. Example: "
		"/var/lib/penstock/trace, to hand in with a fault report"),
	CONFIG("daemon", "record_max", BYTES, record_max_bytes, MIB, 1e13, NULL, "256MiB",
		"space for that file and FILE.1 together. Recording takes about 40MiB an hour, and "
		"80 bytes a connection; a file that has reached half of the space becomes FILE.1, "
		"and another begins. Raise it to catch a fault that is rarer than once in six "
		"hours. Recording ends if half of the space is full within two seconds (a large "
		"table of sources). Example: 2GiB, for a day at least"),
	SERVICE("ports", PORTS, ports, 1, 65535, NULL, NULL,
		"TCP ports on which the mail server listens; penstock counts the sessions of "
		"these. Unset: 25 for mx, 587 for submission, 465 for submissions. Set it if the "
		"mail server listens elsewhere, or on several ports that share its limits. "
		"Example: 25, 2525"),
	SERVICE("implicit_tls", BOOL, implicit_tls, 0, 0, NULL, "no",
		"whether TLS begins with the first byte on these ports, as on port 465 (yes for "
		"the service submissions). No reply is possible then, and a deferred connection is "
		"closed. Set it if there is no STARTTLS on these ports. Example: yes"),
	SERVICE("shed", CHOICE, shed, 0, 0, "yes last no", "yes",
		"whether connections are deferred in an overload. no: never; right for submission, "
		"where applications have no queue. last: only when every service with shed = yes "
		"is down to objective.window_min and refuses. Example: last, for submission by "
		"people"),
	SERVICE("hostname", HOSTNAME, reply.hostname, 0, 0, NULL, NULL,
		"name in the replies to deferred clients. Unset: the name of this host. Set it to "
		"the name that the mail server greets with, if that is another. Example: "
		"mx1.example.org"),
	SERVICE("help_url", URL, reply.help_url, 0, 0, NULL, NULL,
		"address of a page for people, put behind every reply to a deferred client; at "
		"most 150 characters, http or https. Unset: none. Senders' tools search replies "
		"for words such as blocked or policy: avoid them in it. Set it if such a page "
		"says what a sender can do. Example: https://mx.example.org/busy"),
	SERVICE("reason_id", BOOL, reply.reason_id, 0, 0, NULL, "no",
		"whether replies name the reason as metrics and penstockctl do: '(id cpu)'. It "
		"helps both postmasters to find the cause, and tells strangers which resource is "
		"short. Set it if senders ask you why. Example: yes"),
	SERVICE("reply_code", CODE, reply_code, 0, 0, NULL, "451",
		"code of a deferral. 451: the dialogue stays open until the client quits. 421: the "
		"reply is sent and the connection closed, which costs less. Both let the sender "
		"retry. Example: 421, when answering deferred clients takes too much CPU time"),
	SERVICE("cgroup", TEXT, cgroup, 0, 0, NULL, NULL,
		"control group of the mail server, below /sys/fs/cgroup; its CPU time, memory and "
		"stalls are read there. Unset: the group of the program that listens on the "
		"ports. Set it if the mail server's processes are in another group than the "
		"program that listens. Example: system.slice/postfix@-.service"),
	SERVICE("queue_dirs", PATHS, queue_dirs, 0, 0, NULL, NULL,
		"queue directories of the mail server: messages, space, inodes and the disks under "
		"them are watched. Unset: those of the program that listens (Postfix, Exim, "
		"Sendmail, OpenSMTPD). Set it for another server. Example: /srv/mail/queue"),
	SERVICE("slots", U32, slots, 0, 1000000, NULL, "0",
		"sessions that the mail server can serve at once on these ports; the window of "
		"this service stays at 95 % of it. 0: not known, penstock learns from the "
		"greetings. Example: 100, for Postfix with 100 as maxproc of smtpd in master.cf"),
	CONFIG("objective", "banner_p99", DURATION, banner_p99_us, 0.01 * SECONDS, 60 * SECONDS,
		NULL, "500ms",
		"target for the time from connection to greeting (99th percentile), beyond what an "
		"idle server takes. A smaller value defers earlier. Example: 2s, when senders may "
		"wait"),
	CONFIG("objective", "wait", DURATION, wait_us, 0, 60 * SECONDS, NULL, "5s",
		"longest time that a connection without a place waits for one in penstock-proxy, "
		"before its greeting. If its expected wait is longer, it gets 451 at once. A "
		"lasting overload shortens the wait. 0: no connection waits. Example: 2s, when "
		"health checks give up after 3 s"),
	CONFIG("objective", "longest_deferral", DURATION, longest_deferral_us, 60 * SECONDS,
		86400 * SECONDS, NULL, "2h",
		"a sender that retries properly is admitted within this time, wherever that is "
		"feasible; an alarm says where it is not. Example: 4h, for a server that is "
		"overloaded for hours each day"),
	CONFIG("objective", "longest_attempts", U32, longest_attempts, 1, 100, NULL, "3",
		"a sender that retries properly is admitted at the latest by this attempt. An "
		"attempt counts if it comes two minutes or more after the last one that counted. "
		"Raise it together with longest_deferral: of the two, the one that is reached "
		"first holds, and a sender that retries each 15 minutes has made its third attempt "
		"after half an hour. Example: 16, with longest_deferral = 4h"),
	CONFIG("objective", "memory_reserve", BYTES, memory_reserve_bytes, 0, 1e15, NULL, "64MiB",
		"memory that sessions leave free, in bytes. Up to 64MiB it shrinks to one session "
		"and what their need varies by, once that is known; a larger value is always left "
		"free. Raise it if programs of this machine need memory suddenly. Example: 1GiB"),
	CONFIG("objective", "disk_reserve", BYTES, disk_reserve_bytes, 0, 1e18, NULL, "64MiB",
		"space in the queue's file system that sessions leave free, in bytes. Example: "
		"2GiB, when large messages are usual"),
	CONFIG("objective", "window_min", U32, window_min, 1, 100000, NULL, "4",
		"sessions that are always allowed, however overloaded the machine is. Raise it if "
		"so few sessions are no load for the machine. Example: 20"),
	CONFIG("objective", "window_max", U32, window_max, 0, 1000000, NULL, "0",
		"sessions that each service is allowed at most, however idle the machine is; 0: no "
		"such limit. Set it for a limit of your own, such as a licence; service.slots must "
		"be what the mail server can serve, and penstockctl check compares it with that. "
		"The lower of both holds. Example: 500"),
	CONFIG("source", "trusted", NETWORKS, sources.trusted, 0, 0, NULL, NULL,
		"networks that are never deferred for load. Name your own relays and the health "
		"checks of load balancers. Unset: none. Example: 192.0.2.0/24, 2001:db8::/32"),
	CONFIG("source", "refused", NETWORKS, sources.refused, 0, 0, NULL, NULL,
		"networks that are always deferred with 451 4.7.1, at any load and for every "
		"service; source.trusted wins. Unset: none. Set it for senders that you never "
		"want, as long as they come. Example: 203.0.113.0/24"),
	CONFIG("source", "ledger_size", BYTES, sources.ledger_bytes, 65536, 17179869184.0, NULL,
		"8MiB",
		"memory for the ledger of waiting sources, 16 bytes for each (8MiB: half a million "
		"sources), rounded down to a power of two. The rates of sources take half as much "
		"again, at least 16MiB. A change needs a restart and begins with an empty ledger. "
		"Example: 256MiB, for sixteen million sources"),
	CONFIG("source", "rate_size", BYTES, sources.rate_bytes, 65536, 17179869184.0, NULL, NULL,
		NULL),
	CONFIG("source", "rate_max", U32, sources.rate_max, 0, 1000000, NULL, "0",
		"connections a minute that one address (IPv6: one /64) may open, at any load; "
		"more are answered 451 4.7.1. 0: no such limit. Set it if single clients open "
		"thousands of connections in vain; the rank of sources does the rest. Example: "
		"600"),
	CONFIG("source", "sessions_max", U32, sources.sessions_max, 0, 1000000, NULL, "0",
		"sessions that one address (IPv6: one /64) may have open at once, at any load; "
		"more are answered 451 4.7.1. Only the gate and penstock-proxy count sessions; the "
		"other fronts do not apply it. 0: no such limit. Set it if single clients keep "
		"many sessions open. Example: 20"),
	CONFIG("source", "retry_min", DURATION, sources.proper_us, 1 * SECONDS, 3600 * SECONDS,
		NULL, "2min", NULL),
	POOL("networks", NETWORKS, networks, 0, 0, NULL, NULL,
		"networks of one large sender. They count as one source, as a message may come "
		"back from any of them. Needed in each pool. Example: 192.0.2.0/24, "
		"198.51.100.0/24"),
	POOL("weight", U32, weight, 1, 1000, NULL, "4",
		"for how many ordinary sources this sender stands: its shares of the fair rate. "
		"Example: 20, for a provider from which a fifth of your mail comes"),
	POOL("patience", DURATION, patience_us, 0, 31 * 86400 * SECONDS, NULL, "0",
		"after how long this sender gives a message up. 0: learned from senders with the "
		"same retry interval. Set it if you know it of this sender. Example: 12h"),
	CONFIG("nic", "interfaces", INTERFACES, interfaces, 0, 0, NULL, NULL,
		"network interfaces that count as load. Unset: all that are physical and up. Set "
		"it if mail uses only some of these. Example: eth0, eth1"),
	CONFIG("nic", "speed", BITS, nic_speed_bits_per_s, 0, 1e13, NULL, "0",
		"speed of the interfaces in bits a second, instead of what their drivers report; "
		"0: ask the driver. Set it on virtual machines with a limited link. Example: 1G, "
		"for 1 Gbit/s"),
#include "config/options_fronts.h"
	CONFIG("fleet", "servers", ENDPOINTS, fleet.servers, 0, 0, NULL, NULL,
		"Redis or Valkey servers through which the hosts of a fleet share which sources "
		"wait, and for how long: ADDRESS:PORT or unix:PATH. If there are several, they "
		"are replicas of one server, and the first that takes writes is used. Unset: this "
		"host is alone. Without the store each host decides alone. Set it if several "
		"hosts serve the same domains. Example: 192.0.2.7:6379, 192.0.2.8:6379"),
	CONFIG("fleet", "name", HOSTNAME, fleet.name, 0, 0, NULL, NULL,
		"name of this host among the others. Unset: its host name. Set it if two hosts "
		"have the same host name. Example: mx1.example.org"),
	CONFIG("fleet", "prefix", TEXT, fleet.prefix, 0, 0, NULL, "{penstock}",
		"beginning of the names of the two streams in the store, PREFIX:ledger and "
		"PREFIX:hosts. The braces keep them together in a cluster. Example: {mail-eu}, for "
		"a second fleet in the same store"),
	CONFIG("fleet", "user", TEXT, fleet.user, 0, 0, NULL, NULL,
		"user of the store (ACL of Redis 6 and later). Unset: the default user. Set it if "
		"the store has a user for penstock, which is safer. Example: penstock"),
	CONFIG("fleet", "password_file", PATH, fleet.password_file, 0, 0, NULL, NULL,
		"file with the password of the store in its first line. It must belong to root or "
		"to penstockd's user, and others must not be able to read it. Unset: no password. "
		"Set it if the store asks for a password. Example: /etc/penstock/fleet.password"),
	CONFIG("fleet", "key_file", PATH, fleet.key_file, 0, 0, NULL, NULL,
		"file with a secret of at least 16 bytes that is the same on all hosts: messages "
		"in the store are sealed with it, and a message sealed with another secret is "
		"ignored. The same rules as for password_file. Unset: the seal is only a "
		"checksum, and any program that can write into the store is believed. Set it if "
		"other programs can write into the store. Example: /etc/penstock/fleet.key"),
	CONFIG("fleet", "next_mx", BOOL, fleet.next_mx, 0, 0, NULL, "no",
		"whether a connection without a place waits for 1 s at most (objective.wait) while "
		"another host has room. A sender that tries all MX hosts is then served there "
		"within a second. A sender that tries only one host at a time is deferred, "
		"although it would have got a place here within seconds. So do not set it behind a "
		"load balancer. Example: yes, when each host has an MX record of its own"),
	CONFIG("fleet", "hide_addresses", BOOL, fleet.hide_addresses, 0, 0, NULL, "no",
		"whether keyed hashes of the senders' networks are stored instead of the networks. "
		"It needs key_file, must be the same on all hosts, and a change needs a restart. A "
		"change begins with an empty ledger. Example: yes, when others may read the store"),
	CONFIG("fleet", "tls", BOOL, fleet.tls, 0, 0, NULL, "no",
		"whether the connection to the store uses TLS. Set tls_ca too, and tls_name. "
		"Example: yes, for a store that is reached over a network"),
	CONFIG("fleet", "tls_ca", PATH, fleet.tls_ca, 0, 0, NULL, NULL,
		"file with the certificates of the trusted authorities, in PEM. Unset: those of "
		"this system. Set it if an authority of your own signed the store's certificate. "
		"Example: /etc/penstock/fleet-ca.pem"),
	CONFIG("fleet", "tls_name", TEXT, fleet.tls_name, 0, 0, NULL, NULL,
		"name that the certificate of the store must have. Unset: any name that the "
		"authority has signed. Set it to the store's name, if the authority signs for "
		"others, too. Example: redis.example.org"),
	CONFIG("fleet", "tls_cert", PATH, fleet.tls_cert, 0, 0, NULL, NULL,
		"certificate of this host, in PEM, for stores that require one "
		"(tls-auth-clients). Unset: none. Set it together with tls_key. Example: "
		"/etc/penstock/fleet.pem"),
	CONFIG("fleet", "tls_key", PATH, fleet.tls_key, 0, 0, NULL, NULL,
		"private key of tls_cert. Needed with tls_cert. Example: "
		"/etc/penstock/fleet.key.pem"),
	CONFIG("fleet", "stream_length", U32, fleet.stream_length, 100, 1000000, NULL, "10000",
		"messages that the store keeps, of at most 12 KiB each; a host writes one a second "
		"while senders are deferred. A new host learns what is in them. Example: 100000, "
		"for 30 hosts"),
	CONFIG("fleet", "memory", BYTES, fleet.memory_bytes, 65536, 1073741824.0, NULL, "8MiB",
		"memory for what the hosts share, 32 bytes for each source, rounded down to a "
		"power of two. A change needs a restart. Example: 64MiB, for two million sources"),
	CONFIG("http", "listen", ENDPOINTS, http_listen, 0, 0, NULL, "127.0.0.1:9825",
		"addresses that serve metrics and status over HTTP; none: not served. Without a "
		"password: keep it on loopback or behind a firewall. Example: 192.0.2.10:9825, for "
		"a Prometheus on another host"),
	CONFIG("http", "public", ENDPOINTS, http_public, 0, 0, NULL, NULL,
		"addresses that serve a page for customers, and nothing else: whether mail is "
		"accepted, since when, the expected end, planned maintenance. It shows nothing "
		"about this host or the reasons. Unset: not served. Set it if customers ask "
		"whether mail works. Example: 0.0.0.0:8025, or 127.0.0.1:8025 behind a web server "
		"that speaks HTTPS"),
	CONFIG("http", "hosts", TEXT, http_hosts, 0, 0, NULL, NULL,
		"host names to which HTTP answers, in addition to addresses, localhost, this "
		"host's name and those of its services. Unset: no others. Set it if a browser or "
		"a web server asks by another name, and gets 421. Example: mx1.internal "
		"metrics.example.org"),
	CONFIG("maintenance", "window", WINDOWS, maintenance, 0, 0, NULL, NULL,
		"planned maintenance: from begin to end every new connection is answered 451 "
		"4.3.2 and when it ends. [WEEKDAYS] [DATE] BEGIN..END [ZONE] [TEXT in double "
		"quotes], as systemd.time(7) writes calendar events, with an end. Several lines "
		"are several windows; an empty one removes those before it. penstockctl status "
		"announces the next one. Unset: none. Set it when work on this host is planned. "
		"Example: Sun *-*-* 02:00..04:00 Europe/Berlin, or *-*~1 22:00..02:00 UTC for the "
		"last night of each month"),
	CONFIG("maintenance", "trusted_pass", BOOL, maintenance.trusted_pass, 0, 0, NULL, "no",
		"whether networks of source.trusted are admitted during maintenance. Example: yes, "
		"when your own relays deliver to what is not maintained"),
	CONFIG("control", "group", TEXT, control_group, 0, 0, NULL, "penstock",
		"members of this group may drain, resume, set the mode, reload and see sources "
		"with penstockctl, as root may. Change it if the people who operate mail have a "
		"group of their own. Example: mailadmin"),
};
/* clang-format on */
const unsigned option_rows_count = ARRAY_SIZE(option_rows);
