/* penstock-load: an open-loop SMTP load generator for tests and demonstrations. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/output.h"
#include "base/parse.h"
#include "penstock-load/generator.h"

static const char usage[] =
	"Usage: penstock-load --target ADDRESS:PORT --rate N --duration SECONDS [OPTION]...\n"
	"Sends mail at a rate that does not depend on the server (open loop); latency counts from the scheduled start.\n"
	"\n"
	"  --rate N                 messages a second\n"
	"  --schedule 0:N,10:M,...  the rate from each second on, instead of --rate\n"
	"  --duration SECONDS       of the schedule (most 3600)\n"
	"  --drain SECONDS          after that, wait for open sessions (default 30)\n"
	"  --even                   evenly spaced, not Poisson\n"
	"  --seed N                 default 1\n"
	"  --sources ADDRESS/BITS[+STEP]  IPv4 addresses of this host to send from, like 127.1.0.0/16; each STEP-th of them\n"
	"  --size BYTES             of the body (default 4KiB)\n"
	"  --recipients N           a message (default 1);  --recipient ADDRESS\n"
	"  --rtt DURATION           the client waits this long before each command\n"
	"  --retry 5s,10s,30s       pauses before a refused message is tried again\n"
	"  --greeting-timeout DURATION (default 30s), --command-timeout DURATION (default 60s)\n"
	"  --open-max N             sessions at once (default 20000)\n"
	"  --json FILE              the report as JSON (- for stdout) instead of text\n"
	"  --trace FILE             one CSV line an attempt\n"
	"  --help, --version\n"
	"\n"
	"Exit codes: 0 the run was made, 1 it could not be, 2 usage.\n";

enum {
	OPT_TARGET = 256,
	OPT_RATE,
	OPT_SCHEDULE,
	OPT_DURATION,
	OPT_DRAIN,
	OPT_EVEN,
	OPT_SEED,
	OPT_SOURCES,
	OPT_SIZE,
	OPT_RECIPIENTS,
	OPT_RECIPIENT,
	OPT_RTT,
	OPT_RETRY,
	OPT_GREETING,
	OPT_COMMAND,
	OPT_OPEN,
	OPT_JSON,
	OPT_TRACE
};

static const struct option longs[] = { { "target", required_argument, NULL, OPT_TARGET },
				       { "rate", required_argument, NULL, OPT_RATE },
				       { "schedule", required_argument, NULL, OPT_SCHEDULE },
				       { "duration", required_argument, NULL, OPT_DURATION },
				       { "drain", required_argument, NULL, OPT_DRAIN },
				       { "even", no_argument, NULL, OPT_EVEN },
				       { "seed", required_argument, NULL, OPT_SEED },
				       { "sources", required_argument, NULL, OPT_SOURCES },
				       { "size", required_argument, NULL, OPT_SIZE },
				       { "recipients", required_argument, NULL, OPT_RECIPIENTS },
				       { "recipient", required_argument, NULL, OPT_RECIPIENT },
				       { "rtt", required_argument, NULL, OPT_RTT },
				       { "retry", required_argument, NULL, OPT_RETRY },
				       { "greeting-timeout", required_argument, NULL,
					 OPT_GREETING },
				       { "command-timeout", required_argument, NULL, OPT_COMMAND },
				       { "open-max", required_argument, NULL, OPT_OPEN },
				       { "json", required_argument, NULL, OPT_JSON },
				       { "trace", required_argument, NULL, OPT_TRACE },
				       { "help", no_argument, NULL, 'h' },
				       { "version", no_argument, NULL, 'V' },
				       { NULL, 0, NULL, 0 } };

static int parse_seconds(const char *text, double *ret)
{
	uint64_t us;
	int r = parse_duration_us(text, &us);

	if (r == 0)
		*ret = (double)us / 1e6;
	return r;
}

static int parse_sources(const char *text, struct generator_config *c)
{
	char address[64];
	const char *slash = strchr(text, '/');
	struct in_addr base;
	const char *plus = slash ? strchr(slash, '+') : NULL;
	char width[16];
	uint64_t bits = 32, step = 1;

	if (slash) {
		snprintf(width, sizeof(width), "%.*s", plus ? (int)(plus - slash - 1) : 15,
			 slash + 1);
		if (parse_u64(width, &bits) < 0)
			return -EINVAL;
	}
	if (plus && (parse_u64(plus + 1, &step) < 0 || !step || step > 1u << 24))
		return -EINVAL;
	snprintf(address, sizeof(address), "%.*s", slash ? (int)(slash - text) : 63, text);
	if (inet_pton(AF_INET, address, &base) != 1 || bits < 8 || bits > 32)
		return -EINVAL;
	c->source_count = bits == 32 ? 1 : (1u << (32 - bits)) - 2;
	c->source_base = bits == 32 ? ntohl(base.s_addr)
				    : (ntohl(base.s_addr) & ~((1u << (32 - bits)) - 1)) + 1;
	c->source_step = (unsigned)step;
	c->source_count = (c->source_count + c->source_step - 1) / c->source_step;
	return c->source_count ? 0 : -EINVAL;
}

static int parse_retries(const char *text, struct generator_config *c)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *word;

	c->retries = 0;
	while (copy && (word = strsep(&rest, ","))) {
		if (c->retries == RETRIES_MAX || parse_seconds(word, &c->retry_s[c->retries++]) < 0)
			return -EINVAL;
	}
	return copy ? 0 : -ENOMEM;
}

static int parse_rate(const char *text, struct schedule *s)
{
	s->steps = 1;
	s->step[0].at_s = 0;
	return parse_double(text, &s->step[0].rate) < 0 || s->step[0].rate < 0 ||
			       s->step[0].rate > 1e6
		       ? -EINVAL
		       : 0;
}

struct outputs {
	const char *json, *trace;
};

static int take(int option, const char *value, struct generator_config *c, struct outputs *out)
{
	switch (option) {
	case OPT_TARGET:
		return endpoint_parse(value, &c->target);
	case OPT_RATE:
		return parse_rate(value, &c->schedule);
	case OPT_SCHEDULE:
		return schedule_parse(value, &c->schedule);
	case OPT_DURATION:
		return parse_seconds(value, &c->schedule.end_s) < 0 || c->schedule.end_s > 3600
			       ? -EINVAL
			       : 0;
	case OPT_DRAIN:
		return parse_seconds(value, &c->drain_s);
	case OPT_EVEN:
		c->schedule.poisson = false;
		return 0;
	case OPT_SEED:
		return parse_u64(value, &c->seed);
	case OPT_SOURCES:
		return parse_sources(value, c);
	case OPT_SIZE:
		return parse_bytes(value, &c->size);
	case OPT_RECIPIENTS:
		return parse_u64(value, &c->recipients);
	case OPT_RECIPIENT:
		return (size_t)snprintf(c->recipient, sizeof(c->recipient), "%s", value) <
					       sizeof(c->recipient) &&
				       !strpbrk(value, "\r\n<>")
			       ? 0
			       : -EINVAL;
	case OPT_RTT:
		return parse_seconds(value, &c->rtt_s);
	case OPT_RETRY:
		return parse_retries(value, c);
	case OPT_GREETING:
		return parse_seconds(value, &c->greeting_timeout_s);
	case OPT_COMMAND:
		return parse_seconds(value, &c->command_timeout_s);
	case OPT_OPEN:
		return parse_u64(value, &c->open_max);
	case OPT_JSON:
		out->json = value;
		return 0;
	case OPT_TRACE:
		out->trace = value;
		return 0;
	default:
		return -EINVAL;
	}
}

static int parse(int argc, char **argv, struct generator_config *c, struct outputs *out)
{
	int option, number = 0;

	output_check_at_exit("penstock-load", EXIT_FAILURE);
	while ((option = getopt_long(argc, argv, "h", longs, &number)) >= 0) {
		if (option == 'h') {
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		}
		if (option == 'V') {
			puts("penstock-load " PENSTOCK_VERSION);
			return EXIT_SUCCESS;
		}
		if (take(option, optarg, c, out) < 0) {
			if (option == '?')
				fputs("Try 'penstock-load --help'.\n", stderr);
			else
				fprintf(stderr,
					"penstock-load: --%s does not take \"%s\"; see --help\n",
					longs[number].name, optarg);
			return 2;
		}
	}
	if (optind < argc || !c->target.length || !c->schedule.steps || c->schedule.end_s <= 0) {
		fprintf(stderr,
			"penstock-load: give --target ADDRESS:PORT, --rate N (or --schedule) and --duration SECONDS; see --help\n");
		return 2;
	}
	c->schedule.random = c->seed;
	return -1;
}

static int write_json(struct report *report, double late_s, const char *path)
{
	json_t *json =
		report_json(report, late_s, (double)clock_read_us(CLOCK_PROCESS_CPUTIME_ID) / 1e6);
	size_t flags = JSON_INDENT(1) | JSON_REAL_PRECISION(6);
	int r = strcmp(path, "-") == 0 ? json_dumpf(json, stdout, flags)
				       : json_dump_file(json, path, flags);

	json_decref(json);
	if (r < 0)
		fprintf(stderr, "penstock-load: cannot write %s\n", path);
	return r;
}

int main(int argc, char **argv)
{
	static struct generator_config config = { .schedule = { .poisson = true },
						  .drain_s = 30,
						  .greeting_timeout_s = 30,
						  .command_timeout_s = 60,
						  .size = 4096,
						  .recipients = 1,
						  .open_max = 20000,
						  .seed = 1,
						  .recipient = "box@example.org" };
	struct outputs out = { 0 };
	_cleanup_fclose_ FILE *trace = NULL;
	struct report *report;
	double late_s = 0;
	int r = parse(argc, argv, &config, &out);

	if (r >= 0)
		return r;
	descriptors_raise(DESCRIPTORS_ALL, false);
	if (out.trace && !(trace = fopen(out.trace, "we"))) {
		fprintf(stderr, "penstock-load: cannot write %s: %s\n", out.trace, strerror(errno));
		return EXIT_FAILURE;
	}
	report = report_new(config.schedule.end_s + config.drain_s, trace);
	r = report ? generator_run(&config, report, &late_s) : -ENOMEM;
	if (r == 0 && out.json)
		r = write_json(report, late_s, out.json);
	else if (r == 0)
		report_text(report, late_s, stdout);
	else
		fprintf(stderr, "penstock-load: %s\n", strerror(-r));
	report_free(report);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
