/* Sets the value of an option from text. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/text.h"
#include "config/options.h"

/* A bound as people write it: "10ms", "64KiB", "1%". */
static void put_bound(const struct option_row *row, double value, struct text *out)
{
	static const struct unit {
		const char *name;
		double size;
	} times[] = { { "d", 86400e6 }, { "h", 3600e6 }, { "min", 60e6 },
		      { "s", 1e6 },	{ "ms", 1e3 },	 { "us", 1 } },
	  sizes[] = { { "TiB", 1099511627776.0 },
		      { "GiB", 1073741824.0 },
		      { "MiB", 1048576.0 },
		      { "KiB", 1024 },
		      { "", 1 } },
	  speeds[] = { { "T", 1e12 }, { "G", 1e9 }, { "M", 1e6 }, { "k", 1e3 }, { "", 1 } };
	const struct unit *unit = row->type == OPTION_DURATION ? times
				  : row->type == OPTION_BITS   ? speeds
							       : sizes;

	if (row->type == OPTION_RATIO) {
		text_append(out, "%.10g%%", value * 100);
		return;
	}
	if (value == 0 || (row->type != OPTION_DURATION && row->type != OPTION_BYTES &&
			   row->type != OPTION_BITS)) {
		text_append(out, "%.0f", value);
		return;
	}
	while (unit->size > 1 && value < unit->size)
		unit++;
	text_append(out, "%.4g%s", value / unit->size, unit->name);
}

bool option_is_bare(const char *value)
{
	return !value[strspn(value, "0123456789.")];
}

/* A number without a unit may have been meant in another one: 500 for 500ms. */
static int out_of_range(const struct option_row *row, const char *value, char *why)
{
	struct text out = { .data = why, .size = 256 };
	bool bare = option_is_bare(value);

	if (bare && row->type == OPTION_DURATION)
		text_append(&out, "'%.40s' has no unit, which means seconds, and that", value);
	else if (bare && row->type == OPTION_BYTES)
		text_append(&out, "'%.40s' has no unit, which means bytes, and that", value);
	else if (bare && row->type == OPTION_RATIO)
		text_append(&out, "'%.40s' has no %%, so that 1 means 100%%, and it", value);
	else
		text_append(&out, "'%.40s'", value);
	text_append(&out, " is out of range: ");
	put_bound(row, row->least, &out);
	text_append(&out, " to ");
	put_bound(row, row->most, &out);
	return -EINVAL;
}

static int set_number(const struct option_row *row, void *field, const char *value, char *why)
{
	uint64_t number = 0;
	int r;

	if (row->type == OPTION_DURATION)
		r = parse_duration_us(value, &number);
	else if (row->type == OPTION_U32)
		r = parse_u64(value, &number);
	else if (row->type == OPTION_BITS)
		r = parse_bits_per_s(value, &number);
	else
		r = parse_bytes(value, &number);
	if (r == -ERANGE)
		return out_of_range(row, value, why);
	if (r < 0) {
		snprintf(
			why, 256, "'%.60s' is not %s", value,
			row->type == OPTION_DURATION ? "a time such as 20ms, 1.5s, 10min, 2h, 1d"
			: row->type == OPTION_U32    ? "a whole number"
			: row->type == OPTION_BITS
				? "a speed in bits a second such as 1000000000, 100M, 2.5G (powers of ten)"
				: "a size such as 512, 64KiB, 8MiB, 2GiB");
		return -EINVAL;
	}
	if ((double)number < row->least || (double)number > row->most)
		return out_of_range(row, value, why);
	if (row->type == OPTION_DURATION && number && option_is_bare(value))
		snprintf(why, 256, OPTION_BARE_SECONDS, value);
	if (row->size == sizeof(uint32_t))
		*(uint32_t *)field = (uint32_t)number;
	else
		*(uint64_t *)field = number;
	return 0;
}

static int set_ratio(const struct option_row *row, void *field, const char *value, char *why)
{
	double ratio;
	int r = parse_ratio(value, &ratio);

	if (r < 0 && r != -ERANGE) {
		snprintf(why, 256, "'%.60s' is not a share such as 30%% or 0.3", value);
		return -EINVAL;
	}
	if (r == -ERANGE || ratio < row->least || ratio > row->most)
		return out_of_range(row, value, why);
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
	/* "unsaid" stands for an option that has to be written, and is no value to write. */
	snprintf(why, 256, "'%.60s' is not one of: %s%s", value,
		 strncmp(row->choices, "unsaid ", 7) == 0 ? row->choices + 7 : row->choices,
		 *value == '"' || *value == '\'' ? "; write it without quotes" : "");
	return -EINVAL;
}

/* A URL is sent to clients unchanged, so it must be printable ASCII without blanks (RFC 3986,
 * section 2). */
static bool is_url(const char *value)
{
	const char *host = strncmp(value, "https://", 8) == 0  ? value + 8
			   : strncmp(value, "http://", 7) == 0 ? value + 7
							       : NULL;

	if (!host || !isalnum((unsigned char)*host))
		return false;
	for (; *host; host++)
		if (!isgraph((unsigned char)*host))
			return false;
	return true;
}

static int set_text(const struct option_row *row, void *field, const char *value, char *why)
{
	if (strlen(value) >= row->size) {
		snprintf(why, 256, "'%.40s...' is too long: at most %zu characters", value,
			 row->size - 1);
		return -EINVAL;
	}
	if (row->type == OPTION_PATH && value[0] != '/' && (value[0] || row->value)) {
		snprintf(why, 256, "'%.60s' is not an absolute path", value);
		return -EINVAL;
	}
	if (row->type == OPTION_MODE_BITS &&
	    (strlen(value) > 4 || value[strspn(value, "01234567")])) {
		snprintf(why, 256, "'%.60s' is not octal: digits from 0 to 7, at most four", value);
		return -EINVAL;
	}
	if (row->type == OPTION_HOSTNAME &&
	    value[strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"0123456789.-")]) {
		snprintf(why, 256, "'%.60s' is not a host name: letters, digits, '-' and '.'",
			 value);
		return -EINVAL;
	}
	if (row->type == OPTION_URL && value[0] && !is_url(value)) {
		snprintf(why, 256,
			 "'%.60s' is not an address of the web: http:// or https://, in ASCII "
			 "and with no blanks",
			 value);
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

/* Sets a list, separated by blanks or commas, in place of the list before. */
static int set_list(const struct option_row *row, void *field, const char *value, char *why)
{
	struct config_networks *networks = field; /* only for NETWORKS: the list after its count */
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
			snprintf(why, 256, "at most %zu entries; '%.60s' is one more", most, word);
			return -EINVAL;
		}
		if (row->type == OPTION_PORTS) {
			if (parse_u64(word, &port) < 0 || port < 1 || port > 65535) {
				snprintf(why, 256, "'%.60s' is not a port: 1 to 65535", word);
				return -EINVAL;
			}
			*(uint16_t *)to = (uint16_t)port;
		} else if (row->type == OPTION_NETWORKS) {
			if (parse_network(word, (struct config_network *)to) < 0) {
				snprintf(
					why, 256,
					"'%.60s' is not a network: ADDRESS or ADDRESS/BITS, as 2001:db8::/32",
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

static int set_endpoints(void *field, const char *value, char *why)
{
	char bad[128] = "";
	int r = endpoints_parse(value, field, bad);

	if (r == -E2BIG)
		snprintf(why, 256, "at most %d addresses, %zu characters", ENDPOINTS_MAX,
			 sizeof(((struct endpoints *)0)->text) - 1);
	else if (r < 0)
		snprintf(
			why, 256,
			"'%.60s' is not unix:/PATH, ADDRESS:PORT (numeric, [::1]:25 for IPv6) or systemd:NAME",
			bad);
	return r < 0 ? -EINVAL : 0;
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

/* Adds a value, like systemd for a setting that may be given several times. */
static int add_window(struct config_maintenance *m, const char *value, char *why)
{
	struct config_window *window = &m->window[m->windows];

	if (!value[0]) {
		m->windows = 0;
		return 0;
	}
	if (m->windows == CONFIG_WINDOWS || strlen(value) >= sizeof(window->words)) {
		snprintf(why, 256, "at most %d windows, of %zu characters each", CONFIG_WINDOWS,
			 sizeof(window->words) - 1);
		return -EINVAL;
	}
	if (calendar_parse(value, &window->when, why) < 0)
		return -EINVAL;
	memset(window->words, 0, sizeof(window->words));
	memcpy(window->words, value, strlen(value));
	m->windows++;
	return 0;
}

static int set_typed(const struct option_row *row, void *base, const char *value, char *why)
{
	void *field = (char *)base + row->offset;
	uint64_t code;

	switch (row->type) {
	case OPTION_WINDOWS:
		return add_window(field, value, why);
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
	case OPTION_ENDPOINTS:
		return set_endpoints(field, value, why);
	case OPTION_PORTS:
	case OPTION_PATHS:
	case OPTION_NETWORKS:
	case OPTION_INTERFACES:
		return set_list(row, field, value, why);
	default:
		return set_text(row, field, value, why);
	}
}

/* What the help ends with: "Example: 2s, when senders may wait". Leaves it out if it does not
 * fit. */
static void add_example(const struct option_row *row, char *why)
{
	const char *example = row->help ? strstr(row->help, "Example: ") : NULL;
	size_t n = strlen(why);

	if (example && n + 2 + strlen(example) < 256)
		snprintf(why + n, 256 - n, ". %s", example);
}

int option_set(const struct option_row *row, void *base, const char *value, char *why)
{
	int r = set_typed(row, base, value, why);

	if (r == -EINVAL)
		add_example(row, why);
	return r;
}
