/* What is told of the history: sentences, a table, JSON. */
#include "cmocka_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "publish/history_tell.h"
#include "unit/history_world.h"

static void widths_are(const char *text, size_t most)
{
	while (*text) {
		size_t line = strcspn(text, "\n");

		assert_in_range(line, 0, most);
		text += line + (text[line] == '\n');
	}
}

static void it_tells_what_happened(void **state)
{
	static struct history_record r[1200];
	static char buffer[65536];
	struct text out = TEXT_OF(buffer);
	size_t n = 0;

	setenv("TZ", "UTC", 1);
	for (uint64_t at_s = NOON; at_s < NOON + 1200; at_s++)
		r[n++] = second(at_s, 20, at_s >= NOON + 300 && at_s < NOON + 720 ? 8 : 0);
	r[900].headline = HEADLINE_DRAINING;
	r[900].deferred = 20;
	r[0].flags = HISTORY_STARTED;
	history_sentences(r, n, &out);
	if (getenv("VERBOSE"))
		print_message("%s", buffer);
	assert_non_null(strstr(buffer, "penstockd started."));
	assert_non_null(strstr(
		buffer, "08:05:00 to 08:12:00 deferred 40 % (3,360 of 8,400 connections, about "));
	assert_non_null(strstr(buffer, "disk 100 %"));
	assert_non_null(strstr(buffer, "fsync_p99_us 1.9 s, driven by backup.service"));
	assert_non_null(strstr(buffer, "mx: 47 % of"));
	assert_non_null(strstr(buffer, "submission: 20 % of"));
	assert_non_null(strstr(buffer, "an operator drained the machine, deferred (20"));
	out.length = 0;
	r[900].offered = r[900].admitted = r[900].deferred = 0;
	history_sentences(r + 890, 20, &out);
	assert_non_null(strstr(buffer, "an operator drained the machine"));
	assert_null(strstr(buffer, "deferred ("));
	out.length = 0;
	history_table(r, n, 24, &out);
	assert_non_null(strstr(buffer, "severe"));
	widths_are(buffer, 79);
	out.length = 0;
	history_sentences(r + 1, 200, &out);
	assert_string_equal(buffer, "Nothing was deferred: all mail was admitted.\n");
}

static const char *told(const struct history_record *r, size_t n)
{
	static char buffer[8192];
	struct text out = TEXT_OF(buffer);

	setenv("TZ", "UTC", 1);
	history_sentences(r, n, &out);
	return buffer;
}

/* An admin who reads at night why clients were refused until three sees that the mode was changed
 * then, and whether penstockd was there at all. */
static void it_tells_what_operators_did(void **state)
{
	static struct history_record r[600];
	const char *text;
	size_t n = 0;

	for (uint64_t at_s = NOON; at_s < NOON + 600; at_s++)
		r[n++] = second(at_s, 20, at_s >= NOON + 60 && at_s < NOON + 120 ? 8 : 0);
	for (size_t i = 120; i < 300; i++)
		r[i].mode = PLAN_OBSERVE;
	text = told(r, n);
	assert_non_null(strstr(text, "08:01:00 to 08:02:00 deferred 40 %"));
	assert_non_null(
		strstr(text, " 08:02:00 the mode is observe now: nothing is refused for load.\n"));
	assert_non_null(strstr(text, " 08:05:00 the mode is enforce now"));
	assert_true(strstr(text, "deferred 40") < strstr(text, "observe now"));
	/* There and back within one record. */
	r[400].flags = HISTORY_MODE_CHANGED;
	assert_non_null(
		strstr(told(r, n), " 08:06:40 to 08:06:41 the mode was observe for a moment"));
	/* In the first record, too, which may be ten seconds long. */
	assert_non_null(strstr(told(r + 400, 100), " 08:06:40 the mode is enforce now"));
	/* What came before the records is not known. */
	assert_string_equal(told(r + 120, 100), "Nothing was deferred: all mail was admitted.\n");
	r[300].flags = HISTORY_STARTED;
	text = told(r + 200, 200);
	assert_non_null(strstr(text, "penstockd started.\n"));
	assert_non_null(strstr(text, "the mode is enforce now"));
	r[120].flags = HISTORY_STARTED;
	text = told(r + 100, 100);
	assert_non_null(strstr(text, "penstockd started in observe mode, which refuses nothing"));
	assert_null(strstr(text, "observe now"));
}

/* Clients that waited have a line of their own, also if none was refused. Without them there is no
 * line. */
static void it_tells_who_waited(void **state)
{
	static struct history_record r[600];
	const char *text;

	for (size_t i = 0; i < 600; i++) {
		r[i] = second(NOON + i, 20, 0);
		r[i].held = -1;
	}
	assert_string_equal(told(r, 600), "Nothing was deferred: all mail was admitted.\n");
	for (size_t i = 100; i < 200; i++) {
		r[i].held = i == 150 ? 210 : 3;
		r[i].held_admitted = 13;
		r[i].held_s = 26;
	}
	assert_non_null(strstr(told(r, 600),
			       " 08:01:40 to 08:03:20 1,300 clients waited for a place, 2 s on "
			       "average, up to 210 at once: 1,300 admitted.\n"));
	r[199].held_in_vain = 4;
	r[199].held_left = 1;
	assert_non_null(
		strstr(told(r, 600), ": 1,300 admitted, 4 refused after their wait, 1 left."));
	/* A pause of a minute ends it, and a stretch of refusals does not. */
	r[240].held = 1;
	r[400].held_left = 1;
	r[400].held_s = 0.25f;
	for (size_t i = 120; i < 130; i++) {
		r[i].headline = HEADLINE_DEFERRING;
		r[i].deferred = 8;
	}
	text = told(r, 600);
	assert_non_null(strstr(text, " 08:01:40 to 08:04:01 1,305 clients waited"));
	assert_non_null(strstr(text, " 08:02:00 to 08:02:10 deferred "));
	assert_non_null(strstr(text, " 08:06:40 to 08:06:41 1 client waited for a place, 0.2 s on "
				     "average: 1 left.\n"));
	/* They wait still. */
	r[590].held = 2;
	assert_non_null(
		strstr(told(r + 500, 100), "up to 2 clients waited for a place at once.\n"));
}

static void it_tells_what_is_missing(void **state)
{
	static struct history_record r[100];
	const char *text;

	for (size_t i = 0; i < 100; i++)
		r[i] = second(NOON + i + (i >= 50 ? 600 : 0), 20, 0);
	text = told(r, 100);
	assert_non_null(strstr(text, "08:00:50 to 08:10:50 there is no record: penstockd hung"));
	r[50].flags = HISTORY_STARTED;
	text = told(r, 100);
	assert_non_null(
		strstr(text, "08:10:50 penstockd started; there is no record since 08:00:50.\n"));
	/* A restart takes a few seconds. */
	r[50].at_s = NOON + 53;
	assert_non_null(strstr(told(r, 60), "08:00:53 penstockd started.\n"));
	for (size_t i = 0; i < 100; i++)
		r[i] = second(NOON + 10 * i, 200, 0), r[i].period_s = 10;
	assert_string_equal(told(r, 100), "Nothing was deferred: all mail was admitted.\n");
}

/* Clients that waited came before the stretch in which they were refused. */
static void no_share_is_above_all(void **state)
{
	char buffer[1024] = "";
	struct text out = TEXT_OF(buffer);
	struct history_record r = second(NOON, 1100, 0);

	r.deferred = r.by_reason[REASON_CPU] = 1200;
	r.admitted = 50;
	r.headline = HEADLINE_DEFERRING;
	r.service[0].offered = 1065;
	r.service[0].admitted = 10;
	r.service[0].deferred = 1190;
	r.service[1].offered = 35;
	r.service[1].admitted = 40;
	r.service[1].deferred = 10;
	history_sentences(&r, 1, &out);
	assert_non_null(strstr(buffer, "deferred 96 % (1,200 of 1,250 connections): cpu 100 %"));
	assert_non_null(strstr(buffer, ". mx: 99 % of 1,200; submission: 20 % of 50.\n"));
}

/* In observe mode each would have 0 %, beside the share that enforcing would have deferred. */
static void services_are_told_where_clients_were_deferred(void **state)
{
	struct history_record r = second(NOON, 20, 0);
	const char *text;

	r.would_defer = 8;
	r.headline = HEADLINE_OBSERVING;
	text = told(&r, 1);
	assert_non_null(strstr(text, "enforcing would have deferred up to 40 % (8 of 20 "));
	assert_null(strstr(text, "mx:"));
	r.would_defer = 0;
	r.headline = HEADLINE_NEIGHBOUR;
	text = told(&r, 1);
	assert_non_null(strstr(text, "another control group pressed, mail flowed"));
	assert_null(strstr(text, "mx:"));
	r = second(NOON, 20, 8);
	assert_non_null(strstr(told(&r, 1), " mx: "));
}

/* Its own dots are enough. */
static void a_name_that_was_cut_ends_the_sentence(void **state)
{
	char buffer[1024] = "";
	struct text out = TEXT_OF(buffer);
	struct history_record r = second(NOON, 20, 5);

	snprintf(r.unit, sizeof(r.unit), "a-name-that-is-too-long...");
	history_sentences(&r, 1, &out);
	assert_non_null(strstr(buffer, "driven by a-name-that-is-too-long... mx: "));
	memset(&r.service[1], 0, sizeof(r.service[1]));
	out.length = 0;
	history_sentences(&r, 1, &out);
	assert_non_null(strstr(buffer, "driven by a-name-that-is-too-long...\n"));
}

/* Figures as large as they get break no line. */
static void no_line_is_wider_than_a_terminal(void **state)
{
	static char buffer[8192];
	struct text out = TEXT_OF(buffer);
	struct history_record r[2] = { second(NOON, 4000000, 3999999), second(NOON + 1, 9, 9) };

	memset(r[0].unit, 'u', sizeof(r[0].unit) - 1);
	memset(r[0].signal, 's', sizeof(r[0].signal) - 1);
	memset(r[0].driver, 'd', sizeof(r[0].driver) - 1);
	r[0].window = r[0].in_flight = 99999;
	history_table(r, 2, 24, &out);
	widths_are(buffer, 79);
}

static void names_of_neighbours_are_for_root(void **state)
{
	struct history_record r = second(NOON, 20, 5);
	json_t *json = history_json(&r, 1, false);
	char *text = json_dumps(json, 0);

	assert_null(strstr(text, "backup"));
	free(text);
	json_decref(json);
	json = history_json(&r, 1, true);
	text = json_dumps(json, 0);
	assert_non_null(strstr(text, "backup"));
	free(text);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_tells_what_happened),
		cmocka_unit_test(it_tells_what_operators_did),
		cmocka_unit_test(it_tells_who_waited),
		cmocka_unit_test(it_tells_what_is_missing),
		cmocka_unit_test(no_share_is_above_all),
		cmocka_unit_test(services_are_told_where_clients_were_deferred),
		cmocka_unit_test(a_name_that_was_cut_ends_the_sentence),
		cmocka_unit_test(no_line_is_wider_than_a_terminal),
		cmocka_unit_test(names_of_neighbours_are_for_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
