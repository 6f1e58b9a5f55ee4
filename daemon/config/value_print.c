/* Prints the value of an option as text that can be read back. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "config/options.h"

/* Not longer than the administrator wrote it, since lines of a file have a maximal length. */
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

/* Prints in the largest unit that gives a whole number, so that reading it back gives the same
 * value. */
static void print_unit(uint64_t value, const struct unit_name *units, struct text *out)
{
	while (units->size > 1 && (value == 0 || value % units->size))
		units++;
	text_append(out, "%llu%s", (unsigned long long)(value / units->size), units->name);
}

void option_print_duration(uint64_t us, struct text *out)
{
	static const struct unit_name units[] = { { "h", UINT64_C(3600000000) },
						  { "min", 60000000 },
						  { "s", 1000000 },
						  { "ms", 1000 },
						  { "us", 1 } };

	if (us)
		print_unit(us, units, out);
	else
		text_append(out, "0"); /* in any unit */
}

static void print_bytes(uint64_t bytes, struct text *out)
{
	static const struct unit_name units[] = {
		{ "GiB", 1u << 30 }, { "MiB", 1u << 20 }, { "KiB", 1u << 10 }, { "", 1 }
	};

	print_unit(bytes, units, out);
}

/* `field`: an enum, the index of a word of `choices`. */
static void print_choice(const char *choices, const void *field, struct text *out)
{
	char copy[128], *save = NULL, *word;
	unsigned index;

	memcpy(&index, field, sizeof(index));
	snprintf(copy, sizeof(copy), "%s", choices);
	for (word = strtok_r(copy, " ", &save); word && index--;)
		word = strtok_r(NULL, " ", &save);
	text_append(out, "%s", word ? word : "?");
}

static void print_ports(const uint16_t *port, struct text *out)
{
	for (unsigned i = 0; i < CONFIG_PORTS && port[i]; i++)
		text_append(out, "%s%u", i ? " " : "", port[i]);
}

/* Words in places of `size` bytes; an empty one ends the list. */
static void print_words(const char *words, size_t size, unsigned most, struct text *out)
{
	for (unsigned i = 0; i < most && words[i * size]; i++)
		text_append(out, "%s%s", i ? " " : "", words + i * size);
}

static void print_windows(const struct config *config, const char *key, struct text *out)
{
	for (unsigned i = 0; i < config->maintenance.windows; i++) {
		if (i)
			text_append(out, "\n%s = ", key);
		text_append(out, "%s", config->maintenance.window[i].words);
	}
}

static void print_networks(const struct config_networks *networks, struct text *out)
{
	for (unsigned i = 0; i < networks->count; i++) {
		text_append(out, "%s", i ? " " : "");
		print_network(&networks->network[i], out);
	}
}

static void print_endpoint(const struct endpoint *endpoint, struct text *out)
{
	text_append(out, "%s", endpoint->kind == ENDPOINT_NONE ? "none" : endpoint->text);
}

static void print_endpoints(const struct endpoints *endpoints, struct text *out)
{
	text_append(out, "%s", endpoints->count ? endpoints->text : "none");
}

void option_print(const struct option_row *row, const void *base, struct text *out)
{
	const void *field = (const char *)base + row->offset;
	const struct config *config = base;

	switch (row->type) {
	case OPTION_BOOL:
		text_append(out, "%s", *(const bool *)field ? "yes" : "no");
		break;
	case OPTION_U32:
		text_append(out, "%u", *(const uint32_t *)field);
		break;
	case OPTION_DURATION:
		option_print_duration(*(const uint64_t *)field, out);
		break;
	case OPTION_BYTES:
		print_bytes(*(const uint64_t *)field, out);
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
		print_choice(row->choices, field, out);
		break;
	case OPTION_ENDPOINT:
		print_endpoint(field, out);
		break;
	case OPTION_ENDPOINTS:
		print_endpoints(field, out);
		break;
	case OPTION_PORTS:
		print_ports(field, out);
		break;
	case OPTION_PATHS:
		print_words(field, CONFIG_PATH_MAX, CONFIG_QUEUE_DIRS, out);
		break;
	case OPTION_INTERFACES:
		print_words(config->interfaces[0], sizeof(config->interfaces[0]), CONFIG_INTERFACES,
			    out);
		break;
	case OPTION_WINDOWS:
		print_windows(config, row->key, out);
		break;
	case OPTION_NETWORKS:
		print_networks(field, out);
		break;
	default:
		text_append(out, "%s", (const char *)field);
	}
}
