/* The verbs that give orders to penstockd. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "penstockctl/verb_history.h"
#include "penstockctl/verbs_run.h"

/* With --until: the time from now until then. 0, or -1 with a message. */
static int drain_until(const struct options *o, uint64_t *for_s)
{
	int r;

	if (!o->until)
		return 0;
	if (o->for_us) {
		fprintf(stderr, "penstockctl: give --for or --until, not both\n");
		return -1;
	}
	r = history_parse_until(o->until, clock_realtime_us() / US_PER_S, for_s);
	if (r == -ERANGE)
		fprintf(stderr, "penstockctl: --until %s: this time is over\n", o->until);
	else if (r < 0)
		fprintf(stderr,
			"penstockctl: --until %s: give a time like 04:00 or \"2026-01-31 04:00\"\n",
			o->until);
	return r < 0 ? -1 : 0;
}

int verb_drain(const struct options *o)
{
	json_t *parameters;
	char done[128] = "draining: every new connection is deferred; `penstockctl resume` ends it";
	uint64_t for_s = o->for_us / US_PER_S;
	time_t end;
	struct tm tm;

	if (drain_until(o, &for_s) < 0)
		return EXIT_USAGE;
	parameters = json_object();
	end = time(NULL) + (time_t)for_s;
	if (for_s && gmtime_r(&end, &tm))
		strftime(
			done, sizeof(done),
			"draining until %FT%TZ: every new connection is deferred; `penstockctl resume` ends it earlier",
			&tm);
	if (for_s)
		json_object_set_new(parameters, "for_s", json_integer((json_int_t)for_s));
	if (o->reason)
		json_object_set_new(parameters, "reason", json_string(o->reason));
	return ask_order(o, "io.penstock.Drain", parameters, done);
}

int verb_resume(const struct options *o)
{
	return ask_order(o, "io.penstock.Resume", NULL, "serving");
}

int verb_mode(const struct options *o)
{
	const char *wanted = o->words[1], *configured = "";
	json_t *message, *answer;
	int r;

	if (o->count != 2 ||
	    (strcmp(o->words[1], "observe") != 0 && strcmp(o->words[1], "enforce") != 0)) {
		fprintf(stderr, "penstockctl: mode needs one word: observe or enforce\n");
		return EXIT_USAGE;
	}
	r = ask_order(o, "io.penstock.SetMode", json_pack("{s:s}", "mode", wanted), NULL);
	if (r != EXIT_FINE)
		return r;
	r = ask(o, "io.penstock.Status", NULL, &message, &answer);
	if (r != EXIT_FINE)
		return r;
	json_unpack(answer, "{s:{s:{s:s}}}", "status", "config", "mode", &configured);
	if (strcmp(configured, wanted) == 0)
		printf("mode is %s, as configured\n", wanted);
	else
		printf("mode is %s until the next restart or reload, which brings back %s\n",
		       wanted, configured[0] ? configured : "what is configured");
	json_decref(message);
	return EXIT_FINE;
}

int verb_reload(const struct options *o)
{
	int r = ask_order(o, "io.penstock.Reload", NULL, "reloaded");

	if (r == EXIT_SAID_NO)
		fprintf(stderr, "penstockctl: the previous configuration stays in force\n");
	return r;
}
