#include "config/options.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/text.h"

#define IN(type, field) offsetof(struct type, field), sizeof(((struct type *)0)->field)
#define CONFIG(section, key, type, field, least, most, choices, value, help)               \
	{                                                                                  \
		section, key, OPTION_##type, SCOPE_CONFIG, IN(config, field), least, most, \
			choices, value, help                                               \
	}
#define SERVICE(key, type, field, least, most, choices, value, help)                            \
	{                                                                                       \
		"service", key, OPTION_##type, SCOPE_SERVICE, IN(config_service, field), least, \
			most, choices, value, help                                              \
	}
#define FRONT(key, type, field, least, most, choices, value, help)                              \
	{                                                                                       \
		"front", key, OPTION_##type, SCOPE_FRONT, IN(config_front, field), least, most, \
			choices, value, help                                                    \
	}
#define POOL(key, type, field, least, most, choices, value, help)                            \
	{                                                                                    \
		"pool", key, OPTION_##type, SCOPE_POOL, IN(config_pool, field), least, most, \
			choices, value, help                                                 \
	}
#define SECONDS 1e6
#define MIB 1048576.0

/* clang-format off */
const struct option_row option_rows[] = {
	CONFIG("daemon", "mode", CHOICE, mode, 0, 0, "enforce observe", "enforce", "enforce, or observe: compute, publish, log and admit everything"),
	CONFIG("daemon", "tick", DURATION, tick_us, 0.01 * SECONDS, 1 * SECONDS, NULL, "100ms", "how often everything is measured and decided; while nobody is served and nothing presses every 0.2 s does"),
	CONFIG("daemon", "log_level", CHOICE, log_level, 0, 0, "error warning notice info debug", "info", "least important line that is logged"),
	CONFIG("daemon", "bpf", BOOL, bpf, 0, 0, NULL, "yes", "no: do not even try BPF, read the next best sources"),
	CONFIG("daemon", "run_dir", PATH, run_dir, 0, 0, NULL, "/run/penstock", "sockets, the plan and the counts of fronts"),
	CONFIG("daemon", "state_dir", PATH, state_dir, 0, 0, NULL, "/var/lib/penstock", "what outlives a restart"),
	CONFIG("daemon", "record", PATH, record, 0, 0, NULL, NULL, "file into which all that is measured and decided is recorded, for penstock-replay(1); in a directory that penstockd may write to; the one from before is kept as FILE.1; default: none"),
	CONFIG("daemon", "record_max", BYTES, record_max_bytes, MIB, 1e13, NULL, "256MiB", "size of that file at which recording ends: about 40 MiB an hour, and 80 bytes a connection"),
	SERVICE("ports", PORTS, ports, 1, 65535, NULL, NULL, "TCP ports on which the MTA listens: where sessions are counted"),
	SERVICE("tls", CHOICE, tls, 0, 0, "none starttls implicit", "starttls", "implicit: no plain text can be said, a deferred connection is closed"),
	SERVICE("shed", CHOICE, shed, 0, 0, "yes last no", "yes", "no: never deferred (submission: applications do not queue); last: only when every service with shed = yes is down to objective.window_least and refuses"),
	SERVICE("hostname", HOSTNAME, hostname, 0, 0, NULL, NULL, "name said in replies; default: this host's"),
	SERVICE("reply_code", CODE, reply_code, 0, 0, NULL, "451", "451 (dialogue stays open until QUIT) or 421 (said, then closed)"),
	SERVICE("cgroup", TEXT, cgroup, 0, 0, NULL, NULL, "control group of the MTA below the cgroup root; default: found from the listener's owner"),
	SERVICE("queue_dirs", PATHS, queue_dirs, 0, 0, NULL, NULL, "queue directories of the MTA: messages, space, inodes and the disks under them are watched; default: found by who listens (Postfix, Exim, Sendmail, OpenSMTPD)"),
	SERVICE("slots", U32, slots, 0, 1000000, NULL, "0", "processes that the MTA can have at once (Postfix: maxproc of smtpd); 0: not known"),
	CONFIG("objective", "banner_p99", DURATION, banner_p99_us, 0.01 * SECONDS, 60 * SECONDS, NULL, "500ms", "99th percentile from connection to greeting, above the learned unloaded time"),
	CONFIG("objective", "longest_deferral", DURATION, longest_deferral_us, 60 * SECONDS, 86400 * SECONDS, NULL, "2h", "a sender that retries properly is admitted before this wherever that is feasible; where it is not, an alarm says so"),
	CONFIG("objective", "longest_attempts", U32, longest_attempts, 1, 100, NULL, "3", "and by this attempt, where attempts that came sooner than source.retry_least do not count"),
	CONFIG("objective", "memory_reserve", BYTES, memory_reserve_bytes, 0, 1e15, NULL, "64MiB", "memory that sessions never take"),
	CONFIG("objective", "disk_reserve", BYTES, disk_reserve_bytes, 0, 1e18, NULL, "64MiB", "spool space that sessions never take"),
	CONFIG("objective", "window_least", U32, window_least, 1, 100000, NULL, "4", "the window never goes below"),
	CONFIG("objective", "window_most", U32, window_most, 0, 1000000, NULL, "0", "nor above; 0: no such bound"),
	CONFIG("source", "trusted", NETWORKS, sources.trusted, 0, 0, NULL, NULL, "networks that are never deferred for load: own relays, health checks of load balancers"),
	CONFIG("source", "refused", NETWORKS, sources.refused, 0, 0, NULL, NULL, "networks that are always deferred with 451 4.7.1, at any load and for every service; trusted wins"),
	CONFIG("source", "ledger_size", BYTES, sources.ledger_bytes, 65536, 17179869184.0, NULL, "8MiB", "memory for who waits since when, 16 bytes a source (8MiB: half a million; 256MiB: sixteen million); rounded down to a power of two; a change takes a restart, and begins an empty one"),
	CONFIG("source", "rate_size", BYTES, sources.rate_bytes, 65536, 17179869184.0, NULL, "16MiB", "memory for the rates of sources; rounded down to a power of two; a change takes a restart"),
	CONFIG("source", "rate_max", U32, sources.rate_max, 0, 1000000, NULL, "0", "connections a minute that one address (IPv6: /64) may open, at any load; past it 451 4.7.1; 0: no such limit"),
	CONFIG("source", "sessions_max", U32, sources.sessions_max, 0, 1000000, NULL, "0", "sessions that one address (IPv6: /64) may have open at once while the level is elevated or worse; 0: a quarter of the window, more where there are few sources"),
	CONFIG("source", "retry_least", DURATION, sources.proper_us, 1 * SECONDS, 3600 * SECONDS, NULL, "2min", "a retry counts for a source's seniority when the last one that counted is so long ago; sooner it neither gains nor loses"),
	POOL("networks", NETWORKS, networks, 0, 0, NULL, NULL, "networks of one large sender, which count as one source: a message may come back from any of them"),
	POOL("weight", U32, weight, 1, 1000, NULL, "4", "shares of the fair rate that it may have: how many ordinary sources it stands for"),
	POOL("patience", DURATION, patience_us, 0, 31 * 86400 * SECONDS, NULL, "0", "after how long its senders give a message up; 0: learned from those of the same retry interval that gave up"),
	CONFIG("nic", "interfaces", INTERFACES, interfaces, 0, 0, NULL, NULL, "interfaces that count; default: all that are physical and up"),
	CONFIG("nic", "speed", BITS, nic_speed_bits_per_s, 0, 1e13, NULL, "0", "bits a second, for links that do not tell the truth; 0: ask the kernel"),
	FRONT("enabled", BOOL, enabled, 0, 0, NULL, "no", "whether this front is served"),
	FRONT("service", TEXT, service, 0, 0, NULL, "mx", "service that it guards"),
	FRONT("listen", ENDPOINT, listen, 0, 0, NULL, NULL, "unix:PATH, ADDRESS:PORT or systemd:NAME"),
	FRONT("backend", ENDPOINT, backend, 0, 0, NULL, NULL, "where the MTA listens (proxy)"),
	FRONT("proxy_protocol", CHOICE, proxy_protocol, 0, 0, "none v1 v2", "none", "PROXY header towards the backend"),
	FRONT("accept_proxy_protocol", BOOL, accept_proxy_protocol, 0, 0, NULL, "no", "whether a PROXY header is expected on listen"),
	FRONT("connections_max", U32, connections_max, 1, 1000000, NULL, "20000", "the front's own limit, in force without a plan too"),
	FRONT("linger_max", U32, linger_max, 0, 1000000, NULL, "2000", "refused clients kept in dialogue; past it 421 and close"),
	FRONT("linger", DURATION, linger_us, 0.1 * SECONDS, 300 * SECONDS, NULL, "20s", "longest refusal dialogue"),
	FRONT("idle", DURATION, idle_us, 1 * SECONDS, 7200 * SECONDS, NULL, "330s", "a session in which nothing moves for so long is closed (RFC 5321 4.5.3.2: 5 minutes at least)"),
	FRONT("connect", DURATION, connect_us, 0.05 * SECONDS, 120 * SECONDS, NULL, "5s", "longest connect to the backend"),
	FRONT("socket_mode", TEXT, socket_mode, 0, 0, NULL, "0666", "permissions of a UNIX listen socket"),
	CONFIG("front.gate", "enabled", BOOL, gate.enabled, 0, 0, NULL, "no", "whether the kernel itself turns connections away before the MTA sees them"),
	CONFIG("front.gate", "service", TEXT, gate.service, 0, 0, NULL, "mx", "service that it guards, on the ports of that service"),
	CONFIG("front.gate", "netns", TEXT, gate.netns, 0, 0, NULL, NULL, "network namespace of the MTA: a path such as /proc/PID/ns/net, or a name under /run/netns; default: penstockd's own"),
	CONFIG("front.gate", "loopback", BOOL, gate.loopback, 0, 0, NULL, "no", "whether connections over loopback, from this host itself, are decided on too; no: they pass"),
	CONFIG("front.gate", "answer_down", BOOL, gate.answer_down, 0, 0, NULL, "no", "whether clients are answered 451 while nothing listens on the port (the MTA is stopped) rather than refused by the kernel"),
	CONFIG("front.gate", "listen", ENDPOINT, gate.listen, 0, 0, NULL, NULL, "an address where the responder answers 451 besides: the backend to which a load balancer sends what it turns away"),
	CONFIG("front.gate", "linger_max", U32, gate.linger_max, 0, 1000000, NULL, "20000", "refused clients kept in dialogue, an eighth of it while memory is short; past it 421 and close"),
	CONFIG("front.gate", "linger", DURATION, gate.linger_us, 0.1 * SECONDS, 300 * SECONDS, NULL, "20s", "longest refusal dialogue"),
	CONFIG("front.gate", "cpu", RATIO, gate.cpu_ratio, 0.01, 1, NULL, "30%", "of one CPU that answering may take; past it 421 and close at once, and when that is not enough connections pass to the MTA; 100%: no bound"),
	CONFIG("http", "listen", ENDPOINT, http_listen, 0, 0, NULL, "127.0.0.1:9825", "metrics and status; 'none': not served"),
	CONFIG("control", "group", TEXT, control_group, 0, 0, NULL, "penstock", "members may change state over the control socket"),
};
/* clang-format on */
const unsigned option_rows_count = ARRAY_SIZE(option_rows);

static bool section_matches(const char *row, const char *section)
{
	size_t n = strlen(row);

	if (strcmp(row, "front") == 0 && strcmp(section, "front.gate") == 0)
		return false; /* it has rows of its own */
	if (strcmp(row, "service") == 0 || strcmp(row, "front") == 0 || strcmp(row, "pool") == 0)
		return strncmp(section, row, n) == 0 && section[n] == '.';
	return strcmp(row, section) == 0;
}

const struct option_row *option_find(const char *section, const char *key)
{
	for (unsigned i = 0; i < option_rows_count; i++)
		if (section_matches(option_rows[i].section, section) &&
		    strcmp(option_rows[i].key, key) == 0)
			return &option_rows[i];
	return NULL;
}

/* Edit distance, bounded: keys are short. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[64], n = (unsigned)strlen(b);

	if (n >= ARRAY_SIZE(row))
		return 99;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; *a; i++, a++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= n; j++) {
			unsigned best = diagonal + (*a != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

const char *option_nearest(const char *section, const char *key)
{
	const char *best = NULL;
	unsigned least = 4;

	for (unsigned i = 0; i < option_rows_count; i++) {
		unsigned d;

		if (!section_matches(option_rows[i].section, section))
			continue;
		d = distance(key, option_rows[i].key);
		if (d < least) {
			least = d;
			best = option_rows[i].key;
		}
	}
	return best;
}

/* ---- one value -------------------------------------------------------------------------------------------------- */

static int set_number(const struct option_row *row, void *field, const char *value, char *why)
{
	uint64_t number = 0;
	int r;

	if (row->type == OPTION_DURATION)
		r = parse_duration_us(value, &number);
	else if (row->type == OPTION_U32)
		r = parse_u64(value, &number);
	else
		r = parse_bytes(value, &number);
	if (r < 0) {
		snprintf(why, 256, "'%.60s' is not %s", value,
			 row->type == OPTION_DURATION ? "a time such as 20ms, 1.5s, 2h"
			 : row->type == OPTION_U32    ? "a whole number"
			 : row->type == OPTION_BITS   ? "a number of bits a second"
						      : "a size such as 512, 64MiB, 2GiB");
		return -EINVAL;
	}
	if ((double)number < row->least || (double)number > row->most) {
		const char *unit = row->type == OPTION_DURATION ? " s" : "";
		double scale = row->type == OPTION_DURATION ? 1e6 : 1;

		snprintf(why, 256, "'%.60s' is out of range: %.10g%s to %.10g%s", value,
			 row->least / scale, unit, row->most / scale, unit);
		return -EINVAL;
	}
	if (row->size == sizeof(uint32_t))
		*(uint32_t *)field = (uint32_t)number;
	else
		*(uint64_t *)field = number;
	return 0;
}

static int set_ratio(const struct option_row *row, void *field, const char *value, char *why)
{
	double ratio;

	if (parse_ratio(value, &ratio) < 0) {
		snprintf(why, 256, "'%.60s' is not a share such as 30%% or 0.3", value);
		return -EINVAL;
	}
	if (ratio < row->least || ratio > row->most) {
		snprintf(why, 256, "'%.60s' is out of range: %g%% to %g%%", value, row->least * 100,
			 row->most * 100);
		return -EINVAL;
	}
	memcpy(field, &ratio, sizeof(ratio));
	return 0;
}

static int set_choice(const struct option_row *row, void *field, const char *value, char *why)
{
	char copy[128], *save = NULL;
	unsigned i = 0;

	snprintf(copy, sizeof(copy), "%s", row->choices);
	for (char *word = strtok_r(copy, " ", &save); word;
	     word = strtok_r(NULL, " ", &save), i++) {
		if (strcmp(word, value) == 0) {
			memcpy(field, &i, sizeof(i));
			return 0;
		}
	}
	snprintf(why, 256, "'%.60s' is not one of: %s", value, row->choices);
	return -EINVAL;
}

static int set_text(const struct option_row *row, void *field, const char *value, char *why)
{
	if (strlen(value) >= row->size) {
		snprintf(why, 256, "too long: at most %zu characters", row->size - 1);
		return -EINVAL;
	}
	if (row->type == OPTION_PATH && value[0] != '/' && (value[0] || row->value)) {
		snprintf(why, 256, "'%.60s' is not an absolute path", value);
		return -EINVAL;
	}
	if (row->type == OPTION_HOSTNAME &&
	    value[strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"0123456789.-")]) {
		snprintf(why, 256, "'%.60s' is not a host name", value);
		return -EINVAL;
	}
	memset(field, 0, row->size);
	memcpy(field, value, strlen(value));
	return 0;
}

static int parse_network(const char *word, struct config_network *ret)
{
	struct config_network network = { 0 };
	char copy[64], *slash;
	uint64_t bits;
	struct in_addr v4;
	bool is_v4;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", word) >= sizeof(copy))
		return -EINVAL;
	slash = strchr(copy, '/');
	if (slash)
		*slash++ = 0;
	is_v4 = inet_pton(AF_INET, copy, &v4) == 1;
	bits = is_v4 ? 32 : 128;
	if (slash && (parse_u64(slash, &bits) < 0 || bits > (is_v4 ? 32 : 128)))
		return -EINVAL;
	if (is_v4) {
		network.address.s6_addr[10] = network.address.s6_addr[11] = 0xff;
		memcpy(&network.address.s6_addr[12], &v4, 4);
		bits += 96;
	} else if (inet_pton(AF_INET6, copy, &network.address) != 1) {
		return -EINVAL;
	}
	network.bits = (uint8_t)bits;
	*ret = network;
	return 0;
}

/* Lists, split at blanks and commas: the whole list replaces the one before. */
static int set_list(const struct option_row *row, void *field, const char *value, char *why)
{
	struct config_networks *networks = field; /* NETWORKS only: the list behind its count */
	size_t item = row->type == OPTION_PORTS	       ? sizeof(uint16_t)
		      : row->type == OPTION_NETWORKS   ? sizeof(struct config_network)
		      : row->type == OPTION_INTERFACES ? sizeof(((struct config *)0)->interfaces[0])
						       : (size_t)CONFIG_PATH_MAX;
	size_t size = row->type == OPTION_NETWORKS ? sizeof(networks->network) : row->size;
	size_t most = size / item, count = 0;
	_cleanup_free_ char *copy = strdup(value), *list = calloc(1, row->size);
	char *save = NULL;
	uint64_t port;

	if (!copy || !list)
		return -ENOMEM;
	for (char *word = strtok_r(copy, ", \t", &save); word;
	     word = strtok_r(NULL, ", \t", &save)) {
		char *to = list + count * item;

		if (count++ == most) {
			snprintf(why, 256, "at most %zu entries", most);
			return -EINVAL;
		}
		if (row->type == OPTION_PORTS) {
			if (parse_u64(word, &port) < 0 || port < 1 || port > 65535) {
				snprintf(why, 256, "'%.60s' is not a port from 1 to 65535", word);
				return -EINVAL;
			}
			*(uint16_t *)to = (uint16_t)port;
		} else if (row->type == OPTION_NETWORKS) {
			if (parse_network(word, (struct config_network *)to) < 0) {
				snprintf(
					why, 256,
					"'%.60s' is not a network such as 192.0.2.0/24 or 2001:db8::/32",
					word);
				return -EINVAL;
			}
		} else if (strlen(word) >= item || (row->type == OPTION_PATHS && word[0] != '/')) {
			snprintf(why, 256, "'%.60s' is not %s", word,
				 row->type == OPTION_PATHS ? "an absolute path"
							   : "an interface name");
			return -EINVAL;
		} else {
			memcpy(to, word, strlen(word));
		}
	}
	if (row->type == OPTION_NETWORKS) {
		networks->count = (unsigned)count;
		field = networks->network;
	}
	memcpy(field, list, size);
	return 0;
}

static int set_endpoint(void *field, const char *value, char *why)
{
	struct endpoint none = { 0 };

	if (strcmp(value, "none") == 0) {
		memcpy(field, &none, sizeof(none));
		return 0;
	}
	if (endpoint_parse(value, field) < 0) {
		snprintf(
			why, 256,
			"'%.60s' is not unix:/PATH, ADDRESS:PORT (numeric, [::1]:25 for IPv6) or systemd:NAME",
			value);
		return -EINVAL;
	}
	return 0;
}

int option_set(const struct option_row *row, void *base, const char *value, char *why)
{
	void *field = (char *)base + row->offset;
	uint64_t code;

	switch (row->type) {
	case OPTION_BOOL:
		if (parse_bool(value, field) < 0) {
			snprintf(why, 256, "'%.60s' is neither yes nor no", value);
			return -EINVAL;
		}
		return 0;
	case OPTION_U32:
	case OPTION_DURATION:
	case OPTION_BYTES:
	case OPTION_BITS:
		return set_number(row, field, value, why);
	case OPTION_RATIO:
		return set_ratio(row, field, value, why);
	case OPTION_CHOICE:
		return set_choice(row, field, value, why);
	case OPTION_CODE:
		if (parse_u64(value, &code) < 0 || (code != 451 && code != 421)) {
			snprintf(why, 256, "'%.60s' is neither 451 nor 421", value);
			return -EINVAL;
		}
		*(uint16_t *)field = (uint16_t)code;
		return 0;
	case OPTION_ENDPOINT:
		return set_endpoint(field, value, why);
	case OPTION_PORTS:
	case OPTION_PATHS:
	case OPTION_NETWORKS:
	case OPTION_INTERFACES:
		return set_list(row, field, value, why);
	default:
		return set_text(row, field, value, why);
	}
}

/* No longer than it was written: a line of the file has its length, and this has to be read back. */
static void print_network(const struct config_network *network, struct text *out)
{
	char address[INET6_ADDRSTRLEN];

	if (IN6_IS_ADDR_V4MAPPED(&network->address) && network->bits >= 96) {
		inet_ntop(AF_INET, &network->address.s6_addr[12], address, sizeof(address));
		text_append(out, "%s", address);
		if (network->bits < 128)
			text_append(out, "/%u", network->bits - 96u);
	} else {
		inet_ntop(AF_INET6, &network->address, address, sizeof(address));
		text_append(out, "%s", address);
		if (network->bits < 128)
			text_append(out, "/%u", network->bits);
	}
}

struct unit_name {
	const char *name;
	uint64_t size;
};

/* In the largest unit that it is a whole number of, so that it reads back the same. */
static void print_unit(uint64_t value, const struct unit_name *units, struct text *out)
{
	while (units->size > 1 && (value == 0 || value % units->size))
		units++;
	text_append(out, "%llu%s", (unsigned long long)(value / units->size), units->name);
}

void option_print(const struct option_row *row, const void *base, struct text *out)
{
	static const struct unit_name durations[] = { { "h", UINT64_C(3600000000) },
						      { "min", 60000000 },
						      { "s", 1000000 },
						      { "ms", 1000 },
						      { "us", 1 } };
	static const struct unit_name sizes[] = {
		{ "GiB", 1u << 30 }, { "MiB", 1u << 20 }, { "KiB", 1u << 10 }, { "", 1 }
	};
	const void *field = (const char *)base + row->offset;
	const struct config *config = base;
	char copy[128], *save = NULL, *word;
	unsigned choice;

	switch (row->type) {
	case OPTION_BOOL:
		text_append(out, "%s", *(const bool *)field ? "yes" : "no");
		break;
	case OPTION_U32:
		text_append(out, "%u", *(const uint32_t *)field);
		break;
	case OPTION_DURATION:
		print_unit(*(const uint64_t *)field, durations, out);
		break;
	case OPTION_BYTES:
		print_unit(*(const uint64_t *)field, sizes, out);
		break;
	case OPTION_BITS:
		text_append(out, "%llu", (unsigned long long)*(const uint64_t *)field);
		break;
	case OPTION_RATIO:
		text_append(out, "%.10g%%", *(const double *)field * 100);
		break;
	case OPTION_CODE:
		text_append(out, "%u", *(const uint16_t *)field);
		break;
	case OPTION_CHOICE:
		memcpy(&choice, field, sizeof(choice));
		snprintf(copy, sizeof(copy), "%s", row->choices);
		for (word = strtok_r(copy, " ", &save); word && choice--;)
			word = strtok_r(NULL, " ", &save);
		text_append(out, "%s", word ? word : "?");
		break;
	case OPTION_ENDPOINT:
		text_append(out, "%s",
			    ((const struct endpoint *)field)->kind == ENDPOINT_NONE
				    ? "none"
				    : ((const struct endpoint *)field)->text);
		break;
	case OPTION_PORTS:
		for (unsigned i = 0; i < CONFIG_PORTS && ((const uint16_t *)field)[i]; i++)
			text_append(out, "%s%u", i ? " " : "", ((const uint16_t *)field)[i]);
		break;
	case OPTION_PATHS:
		for (unsigned i = 0;
		     i < CONFIG_QUEUE_DIRS && ((const char *)field)[i * CONFIG_PATH_MAX]; i++)
			text_append(out, "%s%s", i ? " " : "",
				    (const char *)field + i * CONFIG_PATH_MAX);
		break;
	case OPTION_INTERFACES:
		for (unsigned i = 0; i < CONFIG_INTERFACES && config->interfaces[i][0]; i++)
			text_append(out, "%s%s", i ? " " : "", config->interfaces[i]);
		break;
	case OPTION_NETWORKS:
		for (unsigned i = 0; i < ((const struct config_networks *)field)->count; i++) {
			text_append(out, "%s", i ? " " : "");
			print_network(&((const struct config_networks *)field)->network[i], out);
		}
		break;
	default:
		text_append(out, "%s", (const char *)field);
	}
}
