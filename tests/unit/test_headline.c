/* What the first line of the status says of one state: its sentence, its reason and its advice. */
#include "cmocka_test.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>

#include "core/history.h"
#include "publish/explain.h"
#include "publish/headline.h"
#include "publish/page.h"
#include "publish/public_page.h"

static struct status status;

/* One service; nothing is refused. */
static int setup(void **state)
{
	memset(&status, 0, sizeof(status));
	status.config.services = 1;
	status.config.service[0].reply_code = 451;
	status.view.admit_ratio = 1;
	status.view.demand_ratio = -1;
	status.view.pressure.any_known = true;
	for (int i = 0; i < PLAN_SERVICES; i++)
		status.view.window[i].reason = REASON_NONE;
	return 0;
}

/* The page for customers; valid until the next call. */
static const char *customers(void)
{
	static char page[16384];
	struct evbuffer *buffer = evbuffer_new();
	ssize_t n;

	public_page_render(&status, buffer);
	n = evbuffer_remove(buffer, page, sizeof(page) - 1);
	assert_in_range(n, 1, sizeof(page) - 2);
	page[n] = 0;
	evbuffer_free(buffer);
	return page;
}

/* The law refuses no client; the proxy does, as it cannot connect. */
static void a_server_that_cannot_be_reached_is_the_reason(void **state)
{
	struct headline h;

	status.view.admit_ratio = 0.5;
	status.view.level.number = LEVEL_SEVERE;
	status.lately[0] = (struct lately_service){
		.offered = 100,
		.deferred = 50,
		.deferred_by = { [REASON_BACKEND] = 45, [REASON_SOURCE] = 5 },
	};
	headline_tell(&status, &h);
	assert_int_equal(h.reason, REASON_BACKEND);
	assert_non_null(strstr(h.sentence, "cannot be reached"));
	assert_int_equal(headline_front_reason(&status), REASON_BACKEND);
	status.lately[0].deferred_by[REASON_CPU] = 60;
	status.lately[0].deferred += 60;
	assert_int_equal(headline_front_reason(&status), REASON_NONE);
}

/* Observe mode refuses no client for load, but a front refuses where it has no server. */
static void observe_mode_tells_what_a_front_refuses(void **state)
{
	struct headline h;

	status.view.mode = PLAN_OBSERVE;
	status.lately[0] = (struct lately_service){ .offered = 100 };
	headline_tell(&status, &h);
	assert_int_equal(h.reason, REASON_NONE);
	assert_non_null(strstr(h.sentence, "everything is admitted"));
	/* What was refused in enforce mode, some seconds ago, is over. */
	status.lately[0].deferred = 30;
	status.lately[0].deferred_by[REASON_CPU] = 30;
	headline_tell(&status, &h);
	assert_non_null(strstr(h.sentence, "everything is admitted"));
	status.lately[0].deferred = 93;
	status.lately[0].deferred_by[REASON_BACKEND] = 63;
	headline_tell(&status, &h);
	assert_int_equal(h.kind, HEADLINE_OBSERVING);
	assert_int_equal(h.reason, REASON_BACKEND);
	assert_float_equal(h.deferred_ratio, 0.63, 1e-9);
	assert_null(strstr(h.sentence, "everything is admitted"));
	assert_non_null(strstr(h.sentence, "63 %"));
	assert_non_null(strstr(h.sentence, "cannot be reached"));
	assert_non_null(strstr(customers(), "Delays"));
}

/* So does a penstockd that sees nothing. */
static void a_blind_penstockd_tells_what_a_front_refuses(void **state)
{
	struct headline h;

	status.view.state = STATE_BLIND;
	status.lately[0] = (struct lately_service){ .offered = 100 };
	headline_tell(&status, &h);
	assert_int_equal(h.kind, HEADLINE_BLIND);
	assert_non_null(strstr(h.sentence, "blind and admits everything."));
	assert_non_null(strstr(customers(), "Operational"));
	status.lately[0].deferred = status.lately[0].deferred_by[REASON_LIMIT] = 63;
	headline_tell(&status, &h);
	assert_int_equal(h.reason, REASON_LIMIT);
	assert_null(strstr(h.sentence, "admits everything"));
	assert_non_null(strstr(h.sentence, "blind and nothing is deferred for load, but 63 %"));
	assert_non_null(strstr(customers(), "Delays"));
}

/* The engine admits all, and no client gets through. */
static void a_proxy_that_does_not_run_is_told_first(void **state)
{
	struct headline h;

	status.fronts = 1;
	status.front[0] = (struct status_front){ .name = "proxy", .up = true };
	headline_tell(&status, &h);
	assert_non_null(strstr(h.sentence, "all mail is admitted"));
	assert_non_null(strstr(customers(), "Operational"));
	status.front[0].up = false;
	snprintf(status.front[0].why, sizeof(status.front[0].why), "it hangs");
	headline_tell(&status, &h);
	assert_string_equal(h.sentence, "The front proxy is down: it hangs.");
	assert_non_null(strstr(h.advice, "systemctl status penstock-proxy"));
	assert_non_null(strstr(customers(), "Delays"));
	/* Of another version: clients get through. */
	status.front[0].passes = true;
	assert_non_null(strstr(customers(), "Operational"));
	status.view.state = STATE_DRAINING;
	headline_tell(&status, &h);
	assert_non_null(strstr(h.sentence, "An operator drains this machine"));
	/* Mail flows past another front that is down. */
	status.view.state = STATE_SERVING;
	snprintf(status.front[0].name, sizeof(status.front[0].name), "gate");
	headline_tell(&status, &h);
	assert_non_null(strstr(h.sentence, "all mail is admitted"));
}

/* The plan admits all, and a front cannot. */
static void explain_tells_what_a_front_refuses(void **state)
{
	static char explained[32768];
	struct text out = TEXT_OF(explained);

	status.view.mode = PLAN_OBSERVE;
	status.lately[0] = (struct lately_service){
		.offered = 100,
		.deferred = 63,
		.deferred_by = { [REASON_BACKEND] = 63 },
	};
	explain_status(&status, NULL, NULL, &out);
	assert_non_null(strstr(explained, "mode observe (nothing is refused for load)"));
	assert_non_null(strstr(explained, "refuses it, as it refused 63 in the last seconds: the "
					  "mail server behind the front cannot be reached"));
}

/* The level is held for two minutes. What is said of the present and of the past is true. */
static void the_last_refusal_has_its_time(void **state)
{
	struct headline h;

	status.view.level.number = LEVEL_CRITICAL;
	status.view.admit_ratio = 1;
	status.deferred_us = UINT64_C(1769860800000000);
	headline_tell(&status, &h);
	assert_int_equal(h.kind, HEADLINE_DEFERRING);
	assert_string_equal(h.sentence,
			    "No new connection is deferred now, and none has been since "
			    "2026-01-31T12:00:00Z. The level stays critical for up to two minutes "
			    "after that.");
}

/* A sentence names one resource: the one that limits. */
static void the_resource_that_limits_is_the_one_named(void **state)
{
	struct headline h;

	status.view.level.number = LEVEL_SEVERE;
	status.view.admit_ratio = 0.5;
	status.view.window[0].refusing = true;
	status.view.window[0].reason = REASON_CPU;
	status.view.pressure.any_known = true;
	status.view.pressure.combined = 47;
	status.view.pressure.driver = RESOURCE_SMTP;
	status.view.pressure.driver_signal = SIGNAL_SERVER_TIME_US;
	status.sample.value[SIGNAL_SERVER_TIME_US] = 5e6;
	status.sample.via[SIGNAL_SERVER_TIME_US] = VIA_FRONT;
	headline_tell(&status, &h);
	assert_non_null(strstr(h.sentence, "the CPU limits"));
	assert_null(strstr(h.sentence, "smtp"));
	status.view.window[0].reason = REASON_SMTP;
	headline_tell(&status, &h);
	assert_non_null(strstr(h.sentence, "47.00, of the resource smtp"));
}

/* All of them would have got a place after a wait: "enforcing would defer 50 %" was not true. */
static void observe_mode_tells_of_the_waiting_room(void **state)
{
	struct headline h;

	status.view.mode = PLAN_OBSERVE;
	status.view.would_defer_ratio = 0.5;
	headline_tell(&status, &h);
	assert_string_equal(h.sentence, "Observe mode: everything is admitted; enforcing would "
					"defer 50 % now.");
	status.config.services = 1;
	status.total[0].would_hold = 210;
	headline_tell(&status, &h);
	assert_string_equal(h.sentence,
			    "Observe mode: everything is admitted; enforcing would "
			    "defer up to 50 % now, and let them wait for a place first.");
}

static void the_advice_to_enforce_says_what_a_restart_does(void **state)
{
	struct headline h;

	status.view.mode = PLAN_OBSERVE;
	status.view.would_defer_ratio = 0.5;
	status.config.mode = PLAN_OBSERVE;
	headline_tell(&status, &h);
	assert_string_equal(h.advice, "penstockctl mode enforce does that, until the next "
				      "restart or reload.");
	status.config.mode = PLAN_ENFORCE;
	headline_tell(&status, &h);
	assert_string_equal(h.advice, "penstockctl mode enforce does that. So does the next "
				      "restart or reload.");
}

/* What has no unit has no property to set. */
static void processes_in_no_group_are_to_be_found(void **state)
{
	struct neighbour *who = &status.neighbours.who[RESOURCE_CPU];
	struct headline h;

	status.view.foreign = true;
	status.view.admit_ratio = 1;
	status.view.pressure.any_known = true;
	status.view.pressure.driver = RESOURCE_CPU;
	who->known = true;
	who->use = 2;
	snprintf(who->path, sizeof(who->path), "/");
	snprintf(who->unit, sizeof(who->unit), "%s", NEIGHBOUR_OUTSIDE);
	snprintf(status.neighbours.mail_unit, sizeof(status.neighbours.mail_unit),
		 "postfix@-.service");
	headline_tell(&status, &h);
	assert_string_equal(h.advice,
			    "Give the mail server a larger weight: systemctl set-property "
			    "postfix@-.service CPUWeight=1000; to see which processes they are, "
			    "type: top -o %CPU.");
	assert_non_null(strstr(h.sentence, "The machine is loaded by processes in no control"));
	/* The name is kept whole in the history. */
	assert_true(sizeof(NEIGHBOUR_OUTSIDE) <= sizeof(((struct history_record *)0)->unit));
}

/* A neighbour takes the CPU time for which the mail server waits. */
static void a_starved_server_is_not_to_blame(void **state)
{
	struct neighbour *who = &status.neighbours.who[RESOURCE_CPU];
	static struct status hidden;
	static char explained[32768];
	struct text out = TEXT_OF(explained);
	struct headline h;

	status.view.admit_ratio = 0.6;
	status.view.level.number = LEVEL_SEVERE;
	status.view.window[0].refusing = true;
	status.view.window[0].reason = REASON_SMTP;
	status.view.pressure.driver = RESOURCE_SMTP;
	status.sample.value[SIGNAL_CPU_BUSY_RATIO] = 0.99;
	status.sample.via[SIGNAL_CPU_BUSY_RATIO] = VIA_PROCFS;
	status.sample.value[SIGNAL_MTA_CPU_CORES] = 0.14;
	status.sample.via[SIGNAL_MTA_CPU_CORES] = VIA_CGROUP;
	*who = (struct neighbour){ .known = true, .use = 1.86, .path = "/x/backup.service" };
	snprintf(who->unit, sizeof(who->unit), "backup.service");
	headline_tell(&status, &h);
	assert_non_null(strstr(h.sentence,
			       "40 % of the new connections are deferred: the mail server lacks "
			       "CPU time; backup.service takes 1.86 cores, the mail server 0.14"));
	assert_null(strstr(h.sentence, "itself"));
	assert_non_null(strstr(h.advice, "set-property backup.service CPUWeight=20"));
	explain_status(&status, NULL, NULL, &out);
	assert_non_null(strstr(explained, "of the CPU time, backup.service takes 1.86 cores"));
	/* Other users learn no name. */
	status_hide_neighbours(&status, &hidden);
	headline_tell(&hidden, &h);
	assert_non_null(strstr(h.sentence, "another control group takes 1.86 cores"));
	assert_null(strstr(h.advice, "backup"));
	/* What has no name is the same for all. */
	snprintf(who->unit, sizeof(who->unit), "%s", NEIGHBOUR_OUTSIDE);
	status_hide_neighbours(&status, &hidden);
	headline_tell(&hidden, &h);
	assert_non_null(strstr(h.sentence, "processes in no control group take 1.86 cores"));
	snprintf(who->unit, sizeof(who->unit), "backup.service");

	status.view.window[0].reason = REASON_CPU;
	headline_tell(&status, &h);
	assert_non_null(strstr(h.sentence, "the CPU limits what this machine can carry; "
					   "backup.service takes 1.86 cores, the mail server"));
	/* Less than mail, but some: it is named, and the advice is about senders. */
	who->use = 0.3;
	status.sample.value[SIGNAL_MTA_CPU_CORES] = 1.6;
	headline_tell(&status, &h);
	assert_non_null(strstr(h.sentence, "backup.service takes 0.30 cores, the mail server 1.6"));
	assert_non_null(strstr(h.advice, "sources --sort rate"));
	/* Not worth a word: a twentieth of what mail takes, and of a core. */
	who->use = 0.07;
	headline_tell(&status, &h);
	assert_null(strstr(h.sentence, "backup"));
	/* The CPUs are idle: the server is slow for another reason. */
	who->use = 1.86;
	status.view.window[0].reason = REASON_SMTP;
	status.sample.value[SIGNAL_CPU_BUSY_RATIO] = 0.5;
	headline_tell(&status, &h);
	assert_null(strstr(h.sentence, "backup"));
	assert_non_null(strstr(h.sentence, "the mail server itself"));
	assert_null(strstr(h.sentence, "CPUs"));
	/* Processes outside any group, and the mail server may be one of them. */
	status.sample.value[SIGNAL_CPU_BUSY_RATIO] = 0.99;
	status.sample.via[SIGNAL_MTA_CPU_CORES] = VIA_NONE;
	snprintf(who->path, sizeof(who->path), "/");
	headline_tell(&status, &h);
	assert_null(strstr(h.sentence, "takes"));
	assert_non_null(strstr(h.sentence, "; the CPUs are full."));
	status.sample.via[SIGNAL_MTA_CPU_CORES] = VIA_CGROUP;
	/* No client is refused yet. */
	status.sample.value[SIGNAL_CPU_BUSY_RATIO] = 0.99;
	status.sample.value[SIGNAL_MTA_CPU_CORES] = 0.14;
	status.view.level.number = LEVEL_ELEVATED;
	status.view.admit_ratio = 1;
	headline_tell(&status, &h);
	assert_int_equal(h.kind, HEADLINE_PRESSED);
	assert_non_null(strstr(h.sentence, "Of the CPU time, backup.service takes 1.86 cores"));
}

/* A load that is not mail's, by a group that is not known: what to type. */
static void an_unknown_neighbour_is_to_be_found(void **state)
{
	struct headline h;

	status.view.foreign = true;
	status.view.pressure.driver = RESOURCE_DISK;
	headline_tell(&status, &h);
	assert_int_equal(h.kind, HEADLINE_NEIGHBOUR);
	assert_non_null(strstr(h.sentence, "The machine is loaded by other programs than mail."));
	assert_string_equal(h.advice, "To see which control group it is, type: systemd-cgtop -i.");
}

static size_t one_start(void *context, uint64_t since_s, uint64_t until_s, uint32_t step_s,
			struct history_record *ret, size_t most)
{
	uint64_t at_s = *(const uint64_t *)context;

	if (at_s < since_s || at_s >= until_s)
		return 0;
	ret[0] = (struct history_record){ .at_s = at_s,
					  .period_s = step_s,
					  .seconds = 1,
					  .headline = HEADLINE_NORMAL,
					  .flags = HISTORY_STARTED };
	return 1;
}

/* The page shows the end of a drain. It is not the end of each event below it. */
static void an_event_does_not_end_with_the_drain(void **state)
{
	static char page[262144];
	struct evbuffer *buffer = evbuffer_new();
	uint64_t start_s = 1800000000;
	struct page_past past = { .history = one_start, .context = &start_s, .span_s = 300 };
	char *event;
	ssize_t n;

	status.version = "test";
	status.realtime_us = (start_s + 600) * 1000000;
	status.view.state = STATE_DRAINING;
	status.view.order_until_us = (start_s + 3600) * 1000000;
	page_render(&status, &past, buffer);
	n = evbuffer_remove(buffer, page, sizeof(page) - 1);
	assert_in_range(n, 1, sizeof(page) - 2);
	page[n] = 0;
	evbuffer_free(buffer);
	event = strstr(page, "penstockd started.");
	assert_non_null(event);
	assert_memory_equal(event - 9, "</time>: ", 9);
	*event = 0;
	while (strncmp(event, "<li>", 4) != 0)
		event--;
	assert_non_null(strstr(event, "08:00:00Z"));
	assert_null(strstr(event, "09:00:00Z"));
}

/* Two services of 77.4: each shows 77, and there is no 155th place. */
static void the_sum_of_windows_is_of_what_is_shown(void **state)
{
	status.config.services = 3;
	for (int i = 0; i < 3; i++) {
		status.view.window[i].law = LAW_CAPACITY;
		status.view.window[i].window = 77.4;
	}
	status.config.service[2].shed = PLAN_SHED_NO;
	assert_true(status_window(&status) == 154);
	status.view.window[0].law = status.view.window[1].law = LAW_OPEN;
	assert_true(status_window(&status) == -1);
}

/* The pressure of the machine alone may look small beside what is refused. */
static void demand_drives_when_it_is_what_presses(void **state)
{
	struct headline h;

	status.view.level.number = LEVEL_SEVERE;
	status.view.pressure.any_known = true;
	status.view.pressure.combined = 0.3;
	status.view.demand_ratio = 1.8;
	status.view.admit_ratio = 0.45;
	headline_tell(&status, &h);
	assert_string_equal(h.driver, "demand");
	assert_true(h.pressure > 1.79);
	assert_non_null(strstr(h.sentence, "55 % of the new connections are deferred"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_server_that_cannot_be_reached_is_the_reason, setup),
		cmocka_unit_test_setup(observe_mode_tells_what_a_front_refuses, setup),
		cmocka_unit_test_setup(a_blind_penstockd_tells_what_a_front_refuses, setup),
		cmocka_unit_test_setup(a_proxy_that_does_not_run_is_told_first, setup),
		cmocka_unit_test_setup(explain_tells_what_a_front_refuses, setup),
		cmocka_unit_test_setup(the_last_refusal_has_its_time, setup),
		cmocka_unit_test_setup(the_resource_that_limits_is_the_one_named, setup),
		cmocka_unit_test_setup(observe_mode_tells_of_the_waiting_room, setup),
		cmocka_unit_test_setup(the_advice_to_enforce_says_what_a_restart_does, setup),
		cmocka_unit_test_setup(processes_in_no_group_are_to_be_found, setup),
		cmocka_unit_test_setup(a_starved_server_is_not_to_blame, setup),
		cmocka_unit_test_setup(an_unknown_neighbour_is_to_be_found, setup),
		cmocka_unit_test_setup(an_event_does_not_end_with_the_drain, setup),
		cmocka_unit_test_setup(the_sum_of_windows_is_of_what_is_shown, setup),
		cmocka_unit_test_setup(demand_drives_when_it_is_what_presses, setup),
	};

	return cmocka_run_group_tests_name("headline", tests, NULL, NULL);
}
