#include "cmocka_test.h"

#include "core/smtp_track.h"
#include "smtp/dialogues.h"
#include "smtp/reference.h"

#define QUIET 40000
#define NEVER UINT64_MAX / 2

static struct smtp_track t;
static int busy, stuck;
static unsigned jobs, turns;
static uint64_t unseen_us, now_us;

static void add(struct smtp_track_change c)
{
	busy += c.busy;
	stuck += c.stuck;
	jobs += c.jobs;
	turns += c.turns;
	unseen_us += c.unseen_busy_us;
}

static void begin(bool tls)
{
	busy = stuck = 0;
	jobs = turns = 0;
	unseen_us = 0;
	now_us = 1000;
	add(smtp_track_begin(&t, now_us, tls));
}

static int setup(void **state)
{
	begin(false);
	return 0;
}

static void client(uint64_t at, const char *text)
{
	now_us = at;
	add(smtp_track_client(&t, at, text, strlen(text)));
}

static void server(uint64_t at, const char *text)
{
	now_us = at;
	add(smtp_track_server(&t, at, text, strlen(text)));
}

/* ---- the table ------------------------------------------------------------------------------ */

/* A step in two pieces, cut at `cut`: what is owed after the first half is the reference's to
 * say. */
static void take_step(const struct step *s, size_t cut, struct reference *r)
{
	size_t at = 0;

	for (int half = 0; half < 2; half++) {
		size_t end = half ? s->length : cut < s->length ? cut : s->length;

		add(s->who == 'C' ? smtp_track_client(&t, now_us, s->bytes + at, end - at)
				  : smtp_track_server(&t, now_us, s->bytes + at, end - at));
		for (; at < end; at++) {
			if (s->who == 'C')
				reference_client(r, s->bytes[at], now_us);
			else
				reference_server(r, s->bytes[at], now_us);
		}
		assert_int_equal(t.busy, r->busy);
		assert_int_equal(busy, r->busy);
		now_us += QUIET;
		add(smtp_track_tick(&t, now_us, NEVER));
		reference_tick(r, now_us, NEVER);
		assert_int_equal(t.busy, r->busy);
		assert_int_equal(t.server_us, r->server_us);
		assert_int_equal(t.server_turns, r->turns);
	}
}

static void hold(const struct dialogue *d, size_t cut)
{
	struct reference r;
	unsigned n = 0;

	begin(d->implicit_tls);
	reference_begin(&r, now_us, d->implicit_tls);
	for (const struct step *s = d->step; s->who; s++, n++) {
		take_step(s, cut, &r);
		if (busy != s->owes)
			fail_msg("%s: step %u cut at %zu: owes %d, not %d", d->name, n + 1, cut,
				 busy, s->owes);
	}
	add(smtp_track_end(&t, now_us, true));
	reference_end(&r, now_us, true);
	assert_int_equal(busy, 0);
	assert_int_equal(t.jobs, r.jobs);
	if ((int)jobs != d->jobs)
		fail_msg("%s: %u jobs, not %d", d->name, jobs, d->jobs);
	reference_free(&r);
}

/* Wherever each step is cut in two. */
static void hold_all(const struct dialogue *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t cut = 0; cut < 130; cut++)
			hold(&list[i], cut);
}

static void what_is_owed_in_each_dialogue_of_the_table(void **state)
{
	hold_all(dialogues, sizeof(dialogues) / sizeof(*dialogues));
	hold_all(early_dialogues, sizeof(early_dialogues) / sizeof(*early_dialogues));
}

/* ---- times and counts ----------------------------------------------------------------------- */

static void the_servers_time_is_from_the_line_to_the_answer(void **state)
{
	assert_int_equal(busy, 1);
	server(5000, "220 x\r\n");
	assert_true(t.greeted);
	assert_int_equal(busy, 0);
	client(100000, "EHLO x");
	client(110000, "\r\n");
	server(112000, "250 x\r\n");
	client(200000, "QUIT\r\n");
	server(201000, "221 bye\r\n");
	add(smtp_track_end(&t, 201000, true));
	assert_int_equal(jobs, 1);
	assert_int_equal(turns, 3);
	assert_int_equal(t.server_us, 4000 + 2000 + 1000);
}

static void the_dot_counts_from_its_end_on_whatever_follows(void **state)
{
	server(2000, "220 x\r\n");
	client(3000, "DATA\r\n");
	server(4000, "354 go on\r\n");
	client(10000, "x\r\n.\r\nQUIT\r\n");
	assert_int_equal(busy, 1);
	server(210000, "250 queued\r\n");
	assert_int_equal(busy, 1); /* the 221 */
	server(211000, "221 bye\r\n");
	assert_int_equal(t.server_us, 1000 + 1000 + 201000);
}

static void a_message_by_bare_lf_counts_when_it_is_answered(void **state)
{
	server(2000, "220 x\r\n");
	client(3000, "DATA\n");
	server(4000, "354 go on\r\n");
	client(10000, "x\n.\n");
	assert_int_equal(busy, 0);
	server(60000, "250 queued\r\n");
	assert_int_equal(unseen_us, 50000);
	assert_int_equal(t.server_us, 1000 + 1000 + 50000);
}

static void silence_and_a_scan_are_no_job(void **state)
{
	server(2000, "220 x\r\n");
	add(smtp_track_end(&t, 3000, true));
	assert_int_equal(jobs, 0);
	setup(NULL);
	add(smtp_track_end(&t, 3000, false)); /* never greeted */
	assert_int_equal(jobs, 0);
	assert_int_equal(busy, 0);
	setup(NULL);
	server(2000, "220 x\r\n");
	client(3000, "EHLO x\r\n");
	server(4000, "250 x\r\n");
	add(smtp_track_end(&t, 5000, false)); /* aborted */
	assert_int_equal(jobs, 0);
}

static void a_server_that_turns_away_has_done_no_job(void **state)
{
	struct smtp_track_change c = smtp_track_server(&t, 2000, "421 busy\r\n", 10);

	assert_true(c.greeted);
	assert_int_equal(c.turned_away, '4');
	client(3000, "QUIT\r\n");
	server(4000, "221 bye\r\n");
	add(smtp_track_end(&t, 5000, true));
	assert_int_equal(jobs, 0);
}

static void inside_tls_the_turn_ends_with_quiet(void **state)
{
	static const char hello[] = "\x16\x03\x01\x00\x01h", data[] = "\x17\x03\x03\x00\x01x";

	server(2000, "220 x\r\n");
	client(3000, "STARTTLS\r\n");
	server(4000, "220 go\r\n");
	add(smtp_track_client(&t, 5000, hello, 6));
	add(smtp_track_tick(&t, 5000 + SMTP_TRACK_QUIET_US - 1, NEVER));
	assert_int_equal(busy, 0);
	add(smtp_track_tick(&t, 5000 + SMTP_TRACK_QUIET_US, NEVER));
	assert_int_equal(busy, 1);
	assert_int_equal(unseen_us, SMTP_TRACK_QUIET_US); /* busy since its last octet */
	add(smtp_track_server(&t, 100000, data, 6));
	assert_int_equal(busy, 0);
	add(smtp_track_client(&t, 200000, data, 6)); /* TLS 1.3: Finished */
	add(smtp_track_client(&t, 200000, data, 5)); /* half a record */
	add(smtp_track_tick(&t, 300000, NEVER));
	assert_int_equal(busy, 0);
	add(smtp_track_client(&t, 400000, data + 5, 1));
	add(smtp_track_server(&t, 405000, data, 6));
	assert_int_equal(unseen_us, SMTP_TRACK_QUIET_US + 5000);
}

/* ---- stuck ---------------------------------------------------------------------------------- */

static void who_is_owed_for_ever_is_no_load(void **state)
{
	server(2000, "220 x\r\n");
	client(3000, "NOOP\r\n");
	add(smtp_track_tick(&t, 9002999, 9000000));
	assert_int_equal(busy, 1);
	add(smtp_track_tick(&t, 9003000, 9000000));
	assert_int_equal(busy, 0);
	assert_int_equal(stuck, 1);
	client(9004000, "NOOP\r\nNOOP\r\n"); /* does not make it load again */
	assert_int_equal(busy, 0);
	server(9100000, "250 ok\r\n250 ok\r\n");
	assert_int_equal(stuck, 1);
	server(9100000, "250 ok\r\n");
	assert_int_equal(stuck, 0);
	assert_int_equal(t.server_us, 1000 + 9000000);
	client(9200000, "NOOP\r\n"); /* and like anybody from here on */
	assert_int_equal(busy, 1);
}

/* One record now and then begins the turn again each time, and does not keep it from being
 * stuck. */
static void records_that_trickle_in_are_stuck_in_the_end(void **state)
{
	static const char data[] = "\x16\x03\x01\x00\x01x";

	server(2000, "220 x\r\n");
	client(3000, "STARTTLS\r\n");
	server(4000, "220 go\r\n");
	for (uint64_t at = 10000; at < 11000000; at += 100000) {
		add(smtp_track_client(&t, at, data, 6));
		add(smtp_track_tick(&t, at + 50000, 9000000));
	}
	assert_int_equal(busy, 0);
	assert_int_equal(stuck, 1);
	add(smtp_track_end(&t, 11000000, true));
	assert_int_equal(stuck, 0);
}

/* ---- the fuzzer's corpus -------------------------------------------------------------------- */

static void write_piece(FILE *out, const struct step *s)
{
	for (size_t at = 0; at < s->length;) {
		size_t n = s->length - at < 63 ? s->length - at : 63;

		fputc((int)(n << 2 | (s->who == 'S')), out);
		fputc(10, out);
		fwrite(s->bytes + at, 1, n, out);
		at += n;
	}
	fputc(2, out); /* a silence */
	fputc(50, out);
}

static int write_corpus(const char *directory, const char *prefix, const struct dialogue *list,
			size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char path[4096];
		FILE *out;

		snprintf(path, sizeof(path), "%s/%s-%02zu", directory, prefix, i);
		out = fopen(path, "wb");
		if (!out)
			return 1;
		fputc(list[i].implicit_tls, out);
		for (const struct step *s = list[i].step; s->who; s++)
			write_piece(out, s);
		fclose(out);
	}
	return 0;
}

/* With a folder as its argument: writes the table as the fuzzer's corpus
 * (tests/fuzz/corpus/smtp_track). */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_owed_in_each_dialogue_of_the_table),
		cmocka_unit_test_setup(the_servers_time_is_from_the_line_to_the_answer, setup),
		cmocka_unit_test_setup(the_dot_counts_from_its_end_on_whatever_follows, setup),
		cmocka_unit_test_setup(a_message_by_bare_lf_counts_when_it_is_answered, setup),
		cmocka_unit_test_setup(silence_and_a_scan_are_no_job, setup),
		cmocka_unit_test_setup(a_server_that_turns_away_has_done_no_job, setup),
		cmocka_unit_test_setup(inside_tls_the_turn_ends_with_quiet, setup),
		cmocka_unit_test_setup(who_is_owed_for_ever_is_no_load, setup),
		cmocka_unit_test_setup(records_that_trickle_in_are_stuck_in_the_end, setup),
	};

	if (argc > 1)
		return write_corpus(argv[1], "dialogue", dialogues,
				    sizeof(dialogues) / sizeof(*dialogues)) ||
		       write_corpus(argv[1], "early", early_dialogues,
				    sizeof(early_dialogues) / sizeof(*early_dialogues));
	return cmocka_run_group_tests_name("smtp_track", tests, NULL, NULL);
}
