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
	case OPTION_ENDPOINTS:
		text_append(out, "%s",
			    ((const struct endpoints *)field)->count
				    ? ((const struct endpoints *)field)->text
				    : "none");
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
	case OPTION_WINDOWS:
		for (unsigned i = 0; i < config->maintenance.windows; i++) {
			if (i)
				text_append(out, "\n%s = ", row->key);
			text_append(out, "%s", config->maintenance.window[i].words);
		}
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
