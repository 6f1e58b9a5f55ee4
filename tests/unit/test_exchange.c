/* What penstockd takes from the process that talks to the fleet's store, and what it knows of other
 * hosts by that. */
#include "fleet_memory.h"

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fleet_host.h"
#include "fleet/exchange.h"
#include "fleet/hosts.h"

/* ---- where there is room --------------------------------------------------------------------- */

static void a_host_has_room_that_serves_and_has_half_of_its_window_left(void **state)
{
	const struct fleet_host free = { .window = 20, .in_flight = 10, .demand = .5f };
	struct fleet_host h = free;

	assert_true(fleet_host_has_room(&h));
	h.in_flight = 11;
	assert_false(fleet_host_has_room(&h));
	h.window = -1; /* open */
	h.demand = -1; /* not known */
	assert_true(fleet_host_has_room(&h));
	h.level = LEVEL_ELEVATED;
	assert_false(fleet_host_has_room(&h));
	h = free;
	h.demand = .9f;
	assert_false(fleet_host_has_room(&h));
	for (uint8_t s = STATE_DRAINING; s < STATE__COUNT; s++) {
		h = free;
		h.state = s;
		assert_false(fleet_host_has_room(&h));
	}
}

/* The fronts use the nearest whole number of sessions, so a host reports the same. */
static void a_host_reports_the_window_that_its_fronts_use(void **state)
{
	static struct engine_view view;
	struct fleet_host h;

	view.window_sum = 9.6;
	view.in_flight = 5;
	fleet_host_from(&view, &h);
	assert_int_equal(h.window, 10);
	assert_true(fleet_host_has_room(&h));
	view.window_sum = 9.4;
	fleet_host_from(&view, &h);
	assert_int_equal(h.window, 9);
	assert_false(fleet_host_has_room(&h));
	view.window_sum = -1;
	fleet_host_from(&view, &h);
	assert_int_equal(h.window, -1);
	view.window_sum = 1e300;
	fleet_host_from(&view, &h);
	assert_int_equal(h.window, 1000000000);
}

static void what_a_host_said_is_true_for_seconds(void **state)
{
	const uint64_t now = NOW * UINT64_C(1000000);
	struct hosts *hosts = hosts_new();
	struct fleet_host own = { .name = "mx1", .id = 1, .realtime_us = now, .window = -1 };
	struct fleet_host other = { .name = "mx2", .id = 2, .realtime_us = now, .window = -1 };

	assert_non_null(hosts);
	hosts_hear(hosts, &own, now);
	assert_false(hosts_have_room(hosts, own.id, now));
	hosts_hear(hosts, &other, now + 1000000); /* its clock is behind */
	assert_true(hosts_have_room(hosts, own.id, now + 1000000));
	assert_true(hosts_have_room(hosts, own.id, now + 3900000));
	assert_false(hosts_have_room(hosts, own.id, now + 4000000));
	hosts_hear(hosts, &other, now + 4000000); /* nothing that is new */
	assert_false(hosts_have_room(hosts, own.id, now + 4000000));
	other.realtime_us++;
	hosts_hear(hosts, &other, now + 4000000);
	assert_true(hosts_have_room(hosts, own.id, now + 4000000));
	hosts_free(hosts);
}

/* Else its own line would stay as it was until that time comes. */
static void a_report_from_the_future_is_forgotten_when_the_clock_was_set_back(void **state)
{
	const uint64_t now = NOW * UINT64_C(1000000), year = 365 * UINT64_C(86400000000);
	struct fleet_line line[FLEET_HOSTS];
	struct hosts *hosts = hosts_new();
	struct fleet_host own = { .name = "mx1", .id = 1, .realtime_us = now + year, .window = 7 };

	assert_non_null(hosts);
	hosts_hear(hosts, &own, now + year);
	hosts_forget(hosts, now + year);
	assert_int_equal(hosts_list(hosts, own.id, now, line), 1);
	hosts_forget(hosts, now);
	own.realtime_us = now;
	own.window = 9;
	hosts_hear(hosts, &own, now);
	assert_int_equal(hosts_list(hosts, own.id, now, line), 1);
	assert_int_equal(line[0].host.window, 9);
	hosts_free(hosts);
}

static void no_client_waits_for_longer_than_the_walk_to_the_next(void **state)
{
	struct plan plan = { .services = 3 };

	plan.service[0].hold_us = 5000000;
	plan.service[1].hold_us = 200000;
	fleet_shorten_wait(&plan);
	assert_int_equal(plan.service[0].hold_us, FLEET_WALK_US);
	assert_int_equal(plan.service[1].hold_us, 200000);
	assert_int_equal(plan.service[2].hold_us, 0); /* no client waits at all */
}

/* ---- what the process that talks to the store says ------------------------------------------- */

static struct exchange *open_exchange(void)
{
	struct config_fleet config = { .servers.count = 2, .prefix = "{p}" };
	struct exchange *e = NULL;

	snprintf(config.servers.each[0].text, sizeof(config.servers.each[0].text),
		 "192.0.2.1:6379");
	snprintf(config.servers.each[1].text, sizeof(config.servers.each[1].text),
		 "192.0.2.2:6379");
	assert_int_equal(exchange_open(&config, &key, 77, &e), 0);
	return e;
}

static int take_report(struct exchange *e, const struct exchange_report *report)
{
	struct exchange_message m = { .head.word = EXCHANGE_REPORT };
	struct exchange_heard heard;

	m.report = *report;
	return exchange_take(e, &m, sizeof(m.head) + sizeof(m.report), &heard);
}

static void a_report_is_taken_whose_every_field_can_be(void **state)
{
	const struct exchange_report good = {
		.connected = 1, .server = 1, .failures = 3, .messages = 2, .why = "it is away"
	};
	struct exchange *e = open_exchange();
	struct exchange_report r = good;

	assert_int_equal(take_report(e, &r), 0);
	assert_int_equal(take_report(e, &r), 0);
	assert_string_equal(exchange_state(e)->server, "192.0.2.2:6379");
	assert_string_equal(exchange_state(e)->why, "it is away");
	assert_int_equal(exchange_state(e)->failures, 6);
	assert_int_equal(exchange_state(e)->messages_sent, 4);
	r.server = 2;
	assert_int_equal(take_report(e, &r), -EBADMSG);
	r = good;
	r.connected = 2;
	assert_int_equal(take_report(e, &r), -EBADMSG);
	r = good;
	r.caught_up = 2;
	assert_int_equal(take_report(e, &r), -EBADMSG);
	r = good;
	r.frames = 1; /* it was given none */
	assert_int_equal(take_report(e, &r), -EBADMSG);
	r = good;
	r.why[3] = '\n';
	assert_int_equal(take_report(e, &r), -EBADMSG);
	memset(r.why, 'x', sizeof(r.why));
	assert_int_equal(take_report(e, &r), -EBADMSG);
	exchange_close(e);
}

static void what_it_hands_on_counts_with_the_seal_of_the_fleet_only(void **state)
{
	const struct siphash_key other = { { 1, 2 } };
	const struct fleet_record record = { .key = 7, .epoch = NOW };
	const struct fleet_host host = { .name = "mx2.example.org", .id = 3, .realtime_us = 4 };
	struct exchange *e = open_exchange();
	struct exchange_message m = { .head = { EXCHANGE_HEARD, EXCHANGE_LEDGER } };
	struct exchange_heard heard;
	size_t length;

	length = sizeof(m.head) + fleet_put_records(&key, 3, &record, 1, m.frame);
	assert_int_equal(exchange_take(e, &m, length, &heard), 0);
	assert_int_equal(heard.records, 1);
	assert_memory_equal(heard.record, &record, sizeof(record));
	assert_null(heard.host);
	fleet_put_records(&key, 77, &record, 1, m.frame); /* our own */
	assert_int_equal(exchange_take(e, &m, length, &heard), 0);
	assert_int_equal(heard.records, 0);
	assert_int_equal(exchange_state(e)->messages_bad, 0);
	fleet_put_records(&other, 3, &record, 1, m.frame);
	assert_int_equal(exchange_take(e, &m, length, &heard), 0);
	assert_int_equal(heard.records, 0);
	assert_int_equal(exchange_take(e, &m, sizeof(m.head), &heard), 0); /* without bytes */
	assert_int_equal(exchange_state(e)->messages_bad, 2);
	m.head.value = EXCHANGE_HOSTS;
	length = sizeof(m.head) + fleet_put_host(&key, &host, m.frame);
	assert_int_equal(exchange_take(e, &m, length, &heard), 0);
	assert_non_null(heard.host);
	assert_string_equal(heard.host->name, "mx2.example.org");
	m.head.value = EXCHANGE_STREAMS;
	assert_int_equal(exchange_take(e, &m, length, &heard), -EBADMSG);
	exchange_close(e);
}

static void it_says_nothing_else(void **state)
{
	struct exchange *e = open_exchange();
	struct exchange_message m = { .head = { EXCHANGE_WANT, 1 } };
	struct exchange_heard heard;

	assert_int_equal(exchange_take(e, &m, sizeof(m.head), &heard), 0);
	m.head.value = 2; /* there is no such server */
	assert_int_equal(exchange_take(e, &m, sizeof(m.head), &heard), -EBADMSG);
	assert_int_equal(exchange_take(e, &m, sizeof(m.head) - 1, &heard), -EBADMSG);
	assert_int_equal(exchange_take(e, &m, sizeof(m) + 1, &heard), -EBADMSG);
	for (uint32_t word = 0; word < 20; word++) {
		if (word >= EXCHANGE_BEGUN && word <= EXCHANGE_REPORT)
			continue;
		m.head = (struct exchange_head){ word, 0 };
		assert_int_equal(exchange_take(e, &m, sizeof(m.head), &heard), -EBADMSG);
	}
	exchange_close(e);
}

/* Without a process: a few frames of them, and then the caller keeps its changes. */
static void records_are_kept_while_there_is_no_process(void **state)
{
	static struct fleet_record records[FLEET_FRAME_RECORDS];
	struct exchange *e = open_exchange();

	for (unsigned i = 0; i < FLEET_FRAMES; i++) {
		assert_int_equal(exchange_room(e), (FLEET_FRAMES - i) * FLEET_FRAME_RECORDS);
		exchange_give(e, records, i + 1);
	}
	assert_int_equal(exchange_room(e), 0);
	exchange_close(e);
}

/* It says nothing, and ends with this program. */
static int be_the_process(int channel)
{
	char octet;

	while (read(channel, &octet, 1) > 0)
		;
	return 0;
}

/* A child process. It may have ended, but no wait() has collected it yet. */
static bool has_child(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* When the wall clock is set, what waits is dropped and another process begins; the call does not
 * wait for the end of the one before. */
static void a_restart_drops_what_waits_and_does_not_wait(void **state)
{
	static const struct fleet_record records[1];
	struct exchange *e = open_exchange();
	uint64_t now_us = 1000000000;

	exchange_step(e, now_us);
	assert_true(has_child());
	exchange_give(e, records, 1);
	assert_int_equal(exchange_room(e), (FLEET_FRAMES - 1) * FLEET_FRAME_RECORDS);
	exchange_restart(e, "the clock was set");
	assert_true(has_child());
	assert_int_equal(exchange_room(e), FLEET_FRAMES * FLEET_FRAME_RECORDS);
	assert_false(exchange_state(e)->caught_up);
	for (int i = 0; i < 60000 && exchange_state(e)->up; i++) {
		exchange_step(e, now_us);
		usleep(1000);
	}
	assert_non_null(strstr(exchange_state(e)->why, "ended: the clock was set"));
	exchange_step(e, now_us + 60000000);
	assert_true(exchange_state(e)->up);
	assert_int_equal(exchange_state(e)->restarts, 1);
	exchange_close(e);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_has_room_that_serves_and_has_half_of_its_window_left),
		cmocka_unit_test(a_host_reports_the_window_that_its_fronts_use),
		cmocka_unit_test(what_a_host_said_is_true_for_seconds),
		cmocka_unit_test(a_report_from_the_future_is_forgotten_when_the_clock_was_set_back),
		cmocka_unit_test(no_client_waits_for_longer_than_the_walk_to_the_next),
		cmocka_unit_test(a_report_is_taken_whose_every_field_can_be),
		cmocka_unit_test(what_it_hands_on_counts_with_the_seal_of_the_fleet_only),
		cmocka_unit_test(it_says_nothing_else),
		cmocka_unit_test(records_are_kept_while_there_is_no_process),
		cmocka_unit_test(a_restart_drops_what_waits_and_does_not_wait),
	};

	if (argc == 3 && strcmp(argv[1], EXCHANGE_ARGUMENT) == 0)
		return be_the_process(atoi(argv[2]));

	return cmocka_run_group_tests(tests, NULL, NULL);
}
