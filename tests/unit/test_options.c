/* The table of options: each is explained, belongs to its front, and what it was called before is
 * known. */
#include "unit/config_text.h"

#include "base/array.h"
#include "base/text.h"
#include "config/guards.h"
#include "config/options.h"

/* Each front against each option that fronts have: its own are known, all others are refused. */
static void every_front_refuses_what_it_does_not_use(void **state)
{
	unsigned refused = 0;

	for (unsigned f = 0; f < option_rows_count; f++) {
		const char *front = option_rows[f].section;

		if (strncmp(front, "front.", 6) != 0 ||
		    (f > 0 && strcmp(option_rows[f - 1].section, front) == 0))
			continue;
		for (unsigned i = 0; i < option_rows_count; i++) {
			const char *key = option_rows[i].key;
			char override[128];

			if (strncmp(option_rows[i].section, "front.", 6) != 0 ||
			    option_find(front, key))
				continue;
			snprintf(override, sizeof(override), "%s.%s=1", front, key);
			assert_int_equal(load_text("", override), -22);
			if (!strstr(first_error(), "this front does not use the option"))
				fail_msg("%s gives %s", override, first_error());
			refused++;
		}
	}
	assert_true(refused > 100);
}

static bool is_reported(const char *key, const char *words)
{
	for (unsigned i = 0; i < errors.count && i < CONFIG_ERRORS; i++)
		if (strcmp(errors.error[i].key, key) == 0 && strstr(errors.error[i].reason, words))
			return true;
	return false;
}

/* Each front that can be enabled beside each other one. */
static void two_fronts_never_guard_one_service(void **state)
{
	static struct config defaults;
	struct config_guard one, other;
	unsigned fronts = 0;
	char text[256], key[64];

	config_defaults(&defaults);
	for (; config_guard(&defaults, fronts, &one); fronts++) {
		assert_false(one.enabled);
		assert_string_equal(one.service, "mx");
		snprintf(text, sizeof(text), "[front.%s]\nenabled = yes\nservice = mix\n",
			 one.name);
		snprintf(key, sizeof(key), "front.%s.service", one.name);
		assert_int_equal(load_text(text, NULL), -22);
		assert_true(is_reported(key, "there is no service 'mix'"));
		for (unsigned i = 0; i < fronts && config_guard(&defaults, i, &other); i++) {
			snprintf(text, sizeof(text),
				 "[front.%s]\nenabled = yes\n[front.%s]\nenabled = yes\n", one.name,
				 other.name);
			assert_int_equal(load_text(text, NULL), -22);
			if (!is_reported(key, "one enforcing front per service"))
				fail_msg("%s beside %s: %s", one.name, other.name, first_error());
		}
	}
	assert_true(fronts >= 7);
	/* A gate that only resets may stand beside two of them, and no other front may. */
	for (unsigned i = 0; config_guard(&defaults, i, &other); i++) {
		bool may = strcmp(other.name, "policy") == 0 || strcmp(other.name, "proxy") == 0;

		if (strcmp(other.name, "gate") == 0)
			continue;
		snprintf(text, sizeof(text),
			 "[front.gate]\nenabled = yes\nrepeat = reset\n[front.%s]\nenabled = yes\n",
			 other.name);
		load_text(text, NULL);
		snprintf(key, sizeof(key), "front.%s.service", other.name);
		assert_int_equal(!is_reported("front.gate.service", "one enforcing") &&
					 !is_reported(key, "one enforcing"),
				 may);
	}
}

/* --print-config and penstock.conf(5) have each of them. */
static void every_option_is_printed_once(void **state)
{
	static char printed[131072], section[64], line[128];
	struct text text = TEXT_OF(printed);
	unsigned found = 0;

	assert_int_equal(load_text("[pool.p]\nnetworks = 192.0.2.0/24\n", NULL), 0);
	config_print(&config, &text);
	for (unsigned i = 0; i < option_rows_count; i++) {
		const struct option_row *row = &option_rows[i];
		const char *from, *end, *at;

		if (!row->help)
			continue;
		snprintf(section, sizeof(section), "[%s%s]\n", row->section,
			 row->scope == SCOPE_SERVICE ? ".mx"
			 : row->scope == SCOPE_POOL  ? ".p"
						     : "");
		from = strstr(printed, section);
		if (!from)
			fail_msg("%s is not printed", section);
		assert_null(strstr(from + 1, section));
		end = strstr(from, "\n[");
		snprintf(line, sizeof(line), "\n%s = ", row->key);
		at = strstr(from, line);
		if (!at || (end && at > end))
			fail_msg("%s%s is not printed", section, row->key);
		found++;
	}
	assert_true(found > 60);
}

static void an_option_of_another_front_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *section, *option, *right;
	} wrong[] = {
		{ "front.policy", "backend = 127.0.0.1:2525", "[front.proxy]" },
		{ "front.policy", "proxy_protocol = v1", "[front.proxy]" },
		{ "front.policy", "linger = 5s", "Take it out" },
		{ "front.proxy", "socket_mode = 0666", "[front.policy]" },
		{ "front.gate", "backend = 127.0.0.1:2525", "[front.proxy]" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		char text[256];

		snprintf(text, sizeof(text), "[%s]\n%s\n", wrong[i].section, wrong[i].option);
		assert_int_equal(load_text(text, NULL), -EINVAL);
		assert_int_equal(errors.error[0].line, 2);
		assert_non_null(strstr(first_error(), "does not use the option"));
		assert_non_null(strstr(first_error(), wrong[i].right));
	}
}

/* A file of the release before must not keep the mail server's proxy from starting. */
static void an_old_name_is_taken_with_a_warning(void **state)
{
	char line[640];

	assert_int_equal(load_text("[objective]\nwindow_most = 9\n", NULL), 0);
	assert_int_equal(config.window_max, 9);
	assert_int_equal(errors.warnings, 1);
	config_error_print(&errors.warning[0], line, sizeof(line));
	assert_non_null(strstr(line, ":2: objective.window_most: is called objective.window_max"));
	assert_int_equal(load_text("", "objective.window_least=3"), 0);
	assert_int_equal(errors.warnings, 1);
	assert_non_null(strstr(errors.warning[0].reason, "write window_min = 3."));
	assert_int_equal(load_text("[objective]\nwindow_max = 9\n", NULL), 0);
	assert_int_equal(errors.warnings, 0);
	assert_int_equal(load_text("[objective]\nwindow_most = x\n", NULL), -EINVAL);
	assert_int_equal(errors.warnings, 0);
}

/* Two of the old values meant the same. */
static void an_old_value_is_taken_with_a_warning(void **state)
{
	static const struct {
		const char *before, *now;
	} values[] = { { "none", "no" }, { "starttls", "no" }, { "implicit", "yes" } };
	char text[64], says[64];

	for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
		snprintf(text, sizeof(text), "[service.mx]\ntls = %s\n", values[i].before);
		snprintf(says, sizeof(says),
			 "is called service.mx.implicit_tls now: write implicit_tls = %s.",
			 values[i].now);
		assert_int_equal(load_text(text, NULL), 0);
		assert_int_equal(config.service[0].implicit_tls, strcmp(values[i].now, "yes") == 0);
		assert_int_equal(errors.warnings, 1);
		assert_non_null(strstr(errors.warning[0].reason, says));
	}
	assert_int_equal(load_text("[service.mx]\ntls = ssl\n", NULL), -EINVAL);
	assert_int_equal(load_text("[service.submissions]\nslots = 9\n", NULL), 0);
	assert_true(config.service[1].implicit_tls);
	/* Only the service has had it: the fleet's is another one. */
	assert_int_equal(load_text("[fleet]\ntls = implicit\n", NULL), -EINVAL);
}

static void a_trace_of_an_older_penstock_still_loads(void **state)
{
	static const char text[] = "[front.policy]\nlinger = 5s\nlisten = 127.0.0.1:10030\n";
	struct config_source source = { .text = text, .text_length = sizeof(text) - 1 };

	memset(&errors, 0, sizeof(errors));
	assert_int_equal(config_load(&source, &config, &errors), 0);
	assert_int_equal(config.policy.listen.count, 1);
}

/* The part of a help behind "Example: ", up to one of its commas, is a value that the option takes
 * and that is not its default: "2s, when senders may wait". */
static bool has_an_example(const struct option_row *row)
{
	static union {
		struct config config;
		struct config_service service;
		struct config_pool pool;
	} base;
	char example[512], why[256];

	snprintf(example, sizeof(example), "%s", strstr(row->help, ". Example: ") + 11);
	while (true) {
		char *comma = strrchr(example, ',');

		memset(&base, 0, sizeof(base));
		if (option_set(row, &base, example, why) == 0)
			return !row->value || strcmp(example, row->value) != 0;
		if (!comma)
			return false;
		*comma = 0;
	}
}

/* A sentence that says when to change it, or a reason behind the example. */
static bool says_when(const char *help)
{
	static const char *const sentences[] = {
		". Raise ", ". Set ",  ". Change ", ". Begin ",		". Name ",
		". Keep ",  ": keep ", ". Needed ", ". If you change ",
	};
	static const char *const reasons[] = { ", when ", ", for ", ", to ", ", behind ",
					       ", on a " };
	const char *example = strstr(help, ". Example: ");

	for (unsigned i = 0; i < ARRAY_SIZE(sentences); i++)
		if (strstr(help, sentences[i]))
			return true;
	for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++)
		if (strstr(example, reasons[i]))
			return true;
	return false;
}

/* A front is chosen by README's table and set up by its page; the others follow from it. */
static bool goes_without_saying(const struct option_row *row)
{
	return strcmp(row->key, "enabled") == 0;
}

/* What it does, what holds if it is not set, when to change it, and an example. */
static void every_option_is_explained(void **state)
{
	for (unsigned i = 0; i < option_rows_count; i++) {
		const struct option_row *row = &option_rows[i];
		size_t n = row->help ? strlen(row->help) : 0;

		if (!row->help) {
			assert_non_null(option_gone(row->section, row->key));
			continue;
		}
		if (n < 40 || row->help[n - 1] == '.' || !strstr(row->help, ". Example: "))
			fail_msg("%s.%s: %s", row->section, row->key, row->help);
		if (!row->value && !strstr(row->help, "Unset: ") && !strstr(row->help, "Needed "))
			fail_msg(
				"%s.%s has no default, and its help does not say what then holds: %s",
				row->section, row->key, row->help);
		if (!says_when(row->help) && !goes_without_saying(row))
			fail_msg("%s.%s: its help does not say when to change it: %s", row->section,
				 row->key, row->help);
		if (!has_an_example(row))
			fail_msg("%s.%s: the example is no value of it, or the default: %s",
				 row->section, row->key, row->help);
	}
}

/* What was read, what is allowed, and an example that can be copied. */
static void every_wrong_value_is_answered_with_an_example(void **state)
{
	static const char *const bad[OPTION_WINDOWS + 1] = {
		[OPTION_BOOL] = "maybe",	 [OPTION_U32] = "ten",
		[OPTION_DURATION] = "5 bars",	 [OPTION_BYTES] = "much",
		[OPTION_BITS] = "fast",		 [OPTION_RATIO] = "half",
		[OPTION_PATH] = "relative",	 [OPTION_CHOICE] = "perhaps",
		[OPTION_ENDPOINT] = "somewhere", [OPTION_ENDPOINTS] = "somewhere",
		[OPTION_PORTS] = "smtp",	 [OPTION_PATHS] = "relative",
		[OPTION_NETWORKS] = "10/40",	 [OPTION_HOSTNAME] = "a_name",
		[OPTION_URL] = "our page",	 [OPTION_CODE] = "550",
		[OPTION_MODE_BITS] = "rw",	 [OPTION_WINDOWS] = "soon",
	};
	char text[640], longest[480], quoted[64];

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	for (unsigned i = 0; i < option_rows_count; i++) {
		const struct option_row *row = &option_rows[i];
		const char *value = bad[row->type] ? bad[row->type] : longest;
		const char *example = row->help ? strstr(row->help, "Example: ") : NULL;
		bool named = row->scope != SCOPE_CONFIG;

		if (!example || row->size > sizeof(longest))
			continue;
		snprintf(text, sizeof(text), "%s%s.%s=%s", row->section, named ? ".mx" : "",
			 row->key, value);
		assert_int_equal(load_text("", text), -EINVAL);
		snprintf(quoted, sizeof(quoted), "'%.20s", value);
		if (!strstr(first_error(), quoted) || !strstr(first_error(), example))
			fail_msg("%s gives %s", text, first_error());
	}
}

static void a_number_that_lacks_its_unit_is_told_so(void **state)
{
	static const struct {
		const char *override, *says;
	} wrong[] = {
		{ "objective.banner_p99=500",
		  "'500' has no unit, which means seconds, and that is out of range: 10ms to 1min. "
		  "Example: 2s" },
		{ "objective.banner_p99=5min", "'5min' is out of range: 10ms to 1min" },
		{ "objective.longest_deferral=9", "no unit, which means seconds" },
		{ "daemon.record_max=256",
		  "'256' has no unit, which means bytes, and that is out of range: 1MiB to" },
		{ "source.ledger_size=99999999999999999999999GiB", "out of range: 64KiB to 16GiB" },
		{ "front.gate.cpu=30", "'30' has no %, so that 1 means 100%, and it is out of" },
		{ "objective.window_min=0", "'0' is out of range: 1 to 100000. Example: 20" },
		{ "nic.speed=1GiB",
		  "'1GiB' is not a speed in bits a second such as 1000000000, 100M, 2.5G (powers "
		  "of ten). Example: 1G" },
		{ "nic.speed=100T", "'100T' is out of range: 0 to 10T. Example: 1G" },
		{ "target.runq_p99_us=fast", "is not a target for runq_p99_us: write a time such" },
		{ "target.cpu_stall_ratio=fast", "write a share such as 90%" },
		{ "target.runq_p99=20ms", "did you mean 'runq_p99_us'?" },
	};
	static const char *const taken[] = { "objective.banner_p99=5", "target.runq_p99_us=20000",
					     "front.proxy.idle=600" };
	static const char *const fine[] = { "objective.banner_p99=5s", "objective.wait=0",
					    "target.runq_p99_us=0", "daemon.record_max=1048576" };

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(load_text("", wrong[i].override), -EINVAL);
		if (!strstr(first_error(), wrong[i].says))
			fail_msg("%s gives %s", wrong[i].override, first_error());
	}
	for (unsigned i = 0; i < ARRAY_SIZE(taken); i++) {
		assert_int_equal(load_text("", taken[i]), 0);
		assert_int_equal(errors.warnings, 1);
		assert_non_null(strstr(errors.warning[0].reason, "has no unit"));
	}
	for (unsigned i = 0; i < ARRAY_SIZE(fine); i++) {
		assert_int_equal(load_text("", fine[i]), 0);
		assert_int_equal(errors.warnings, 0);
	}
}

/* Once for all of its keys, at its own line, with the section that was meant. */
static void an_unknown_section_is_reported_once(void **state)
{
	static const struct {
		const char *section, *says;
	} wrong[] = {
		{ "objectiv", "did you mean [objective]?" },
		{ "front.proyx", "did you mean [front.proxy]?" },
		{ "gate", "did you mean [front.gate]?" },
		{ "servcie.mx", "did you mean [service.mx]?" },
		{ "service", "[service] needs a name, such as [service.mx]" },
		{ "pool", "[pool] needs a name" },
		{ "targets", "did you mean [target]?" },
		{ "xyz", "there are target, daemon, service.NAME, objective, source, pool.NAME" },
	};
	char text[256];

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(text, sizeof(text),
			 "# a comment\n[%s]\n\na = 1\nb = 2\nc = 3\n[daemon]\nd = 4\n",
			 wrong[i].section);
		assert_int_equal(load_text(text, NULL), -EINVAL);
		assert_int_equal(errors.count, 2);
		assert_int_equal(errors.error[0].line, 2);
		assert_string_equal(errors.error[0].key, wrong[i].section);
		if (!strstr(first_error(), wrong[i].says))
			fail_msg("%s gives %s", text, first_error());
		assert_string_equal(errors.error[1].key, "daemon.d");
	}
	/* Each place of it is reported, as each must be corrected. */
	assert_int_equal(load_text("[xyz]\na = 1\n[daemon]\n[xyz]\na = 1\nb = 2\n", NULL), -EINVAL);
	assert_int_equal(errors.count, 2);
	assert_int_equal(errors.error[1].line, 4);
	assert_int_equal(load_text("a = 1\nb = 2\n[daemon]\ntick = 1s\n", NULL), -EINVAL);
	assert_int_equal(errors.count, 1);
	assert_int_equal(load_text("", "deamon.mode=observe"), -EINVAL);
	assert_non_null(
		strstr(first_error(), "-o: deamon.mode: there is no section [deamon]; did "));
}

static void an_unknown_key_names_the_one_that_was_meant(void **state)
{
	static const struct {
		const char *override, *says;
	} wrong[] = {
		{ "daemon.mdoe=observe", "unknown key; did you mean 'mode'?" },
		{ "service.mx.prots=25", "did you mean 'ports'?" },
		{ "daemon.banner_p99=1s", "is a key of [objective], not of this section" },
		{ "http.ports=25", "is a key of [service.NAME], not of this section" },
		{ "target.runq_p99_us.traget=1s", "did you mean 'target'?" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(load_text("", wrong[i].override), -EINVAL);
		if (!strstr(first_error(), wrong[i].says))
			fail_msg("%s gives %s", wrong[i].override, first_error());
	}
	/* Nothing is near to such a word: no guess. */
	assert_int_equal(load_text("", "service.mx.cpu=1"), -EINVAL);
	assert_null(strstr(first_error(), "did you mean"));
}

/* An option that was taken out has no effect, and the warning says what holds instead. */
static void an_option_that_is_gone_is_named(void **state)
{
	static char printed[65536];
	struct text out = TEXT_OF(printed);

	assert_int_equal(
		load_text(
			"[front.proxy]\nlinger = 7s\n[source]\nrate_size = 1MiB\nretry_least = 9min\n",
			NULL),
		0);
	assert_int_equal(errors.warnings, 3);
	assert_string_equal(errors.warning[0].key, "front.proxy.linger");
	assert_non_null(
		strstr(errors.warning[0].reason, "is gone and has no effect: a deferred client"));
	assert_non_null(strstr(errors.warning[1].reason, "take half of source.ledger_size"));
	assert_non_null(strstr(errors.warning[2].reason, "a retry counts if it comes 2 min"));
	assert_int_equal(config.sources.proper_us, 120000000);
	assert_int_equal(config.proxy.linger_us, 20000000);
	assert_int_equal(config.sources.rate_bytes, 0);
	config_print(&config, &out);
	assert_null(strstr(printed, "\nlinger = "));
	assert_null(strstr(printed, "rate_size"));
	assert_non_null(strstr(printed, "\nledger_size = 8MiB\n"));
}

/* On the command line as in a file; a test sets it under another name. */
static void an_option_that_is_gone_is_named_on_the_command_line(void **state)
{
	unsigned gone = 0;

	for (unsigned i = 0; i < option_rows_count; i++) {
		const struct option_row *row = &option_rows[i];
		const char *value = row->value ? row->value : "1MiB";
		char override[160];

		if (!option_gone(row->section, row->key))
			continue;
		gone++;
		snprintf(override, sizeof(override), "%s.%s=%s", row->section, row->key, value);
		assert_int_equal(load_text("", override), 0);
		assert_int_equal(errors.warnings, 1);
		assert_string_equal(errors.warning[0].file, "-o");
		assert_memory_equal(errors.warning[0].key, override, strlen(errors.warning[0].key));
		assert_non_null(strstr(errors.warning[0].reason, "is gone and has no effect"));
		snprintf(override, sizeof(override), "test.%s.%s=%s", row->section, row->key,
			 value);
		assert_int_equal(load_text("", override), 0);
		assert_int_equal(errors.warnings, 0);
	}
	assert_int_equal(gone, 5);
	assert_int_equal(load_text("", "source.retry_min=9min"), 0);
	assert_int_equal(config.sources.proper_us, 120000000);
	assert_int_equal(load_text("", "source.retry_least=9min"), 0);
	assert_int_equal(config.sources.proper_us, 120000000);
	assert_int_equal(errors.warnings, 1);
	assert_int_equal(load_text("", "test.source.retry_min=9min"), 0);
	assert_int_equal(config.sources.proper_us, 540000000);
	/* Only such an option has this second name, and only on the command line. */
	assert_int_equal(load_text("", "test.source.rate_max=9"), -EINVAL);
	assert_int_equal(load_text("[test.source]\nretry_min = 9min\n", NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_front_refuses_what_it_does_not_use),
		cmocka_unit_test(two_fronts_never_guard_one_service),
		cmocka_unit_test(every_option_is_printed_once),
		cmocka_unit_test(an_option_of_another_front_is_refused_with_its_place),
		cmocka_unit_test(an_old_name_is_taken_with_a_warning),
		cmocka_unit_test(an_old_value_is_taken_with_a_warning),
		cmocka_unit_test(a_trace_of_an_older_penstock_still_loads),
		cmocka_unit_test(every_option_is_explained),
		cmocka_unit_test(every_wrong_value_is_answered_with_an_example),
		cmocka_unit_test(a_number_that_lacks_its_unit_is_told_so),
		cmocka_unit_test(an_unknown_section_is_reported_once),
		cmocka_unit_test(an_unknown_key_names_the_one_that_was_meant),
		cmocka_unit_test(an_option_that_is_gone_is_named),
		cmocka_unit_test(an_option_that_is_gone_is_named_on_the_command_line),
	};

	return cmocka_run_group_tests_name("options", tests, setup, teardown);
}
