/* What the tests of explain's terms share: a window under a load, what explain prints of it, and
 * the window that this text makes. */
#ifndef PENSTOCK_TESTS_UNIT_TERMS_WORLD_H
#define PENSTOCK_TESTS_UNIT_TERMS_WORLD_H

#include "cmocka_test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "core/law.h"
#include "publish/explain_terms.h"
#include "window_world.h"

#define FLIGHT (LOAD_IN_FLIGHT | LOAD_OFFERED)
#define ALL (FLIGHT | LOAD_COMPLETED | LOAD_BUSY | LOAD_STUCK)

static char buf[4096];
static double server_time_s; /* of a session that ends */

/* Seconds of a load: 20 messages a second, each of which costs 30 ms of CPU. */
static void run(double seconds, double in_flight, double busy)
{
	for (int i = 0; i < seconds * 10; i++) {
		load.offered += 2;
		load.admitted += 2;
		load.completed += 2;
		load.finished += 2;
		load.busy_us += (uint64_t)(busy * 100000);
		load.server_us += (uint64_t)(2e6 * server_time_s);
		load.session_us += 2 * 80000;
		load.in_flight = in_flight;
		load.busy = busy;
		step(0.1);
	}
}

static const char *explain(void)
{
	static struct status status;
	struct text out = TEXT_OF(buf);

	memset(&status, 0, sizeof(status));
	status.config.services = 1;
	status.config.window_min = config.min;
	status.view.window[0] = window.view;
	status.view.pressure = pressure;
	status.sample = sample;
	status.load.service[0] = load;
	explain_terms(&status, 0, &out);
	return buf;
}

static bool says(const char *words)
{
	return strstr(explain(), words) != NULL;
}

/* Computes the window from the text, from left to right. */
static double computed(const char *text)
{
	double ret = WINDOW_MAX, first, capacity, aimed, unloaded, senders, value;
	char behind;

	if (sscanf(text, " %lf = capacity %lf/s x (%lf ms aimed at + %lf ms unloaded + %lf ms",
		   &first, &capacity, &aimed, &unloaded, &senders) == 5) {
		ret = capacity * (aimed + unloaded + senders) / 1000;
		assert_true(fabs(ret - first) < .05 + .0002 * capacity);
	} else if (sscanf(text, " %lf = what the servo has come to", &first) == 1) {
		ret = first;
	}
	for (; (text = strstr(text, "; ")); text++) {
		if (sscanf(text, "; at least %lf", &value) == 1)
			ret = fmax(ret, value);
		if (sscanf(text, "; at most %lf", &value) == 1)
			ret = fmin(ret, value);
		if (sscanf(text, "; %lf more for%c", &value, &behind) == 2)
			ret += value;
	}
	return ret;
}

static void assert_window(void)
{
	double window_of_text = computed(explain());

	if (fabs(window_of_text - window.view.window) > .1)
		print_error("%f is not the window %f:\n%s\n", window_of_text, window.view.window,
			    buf);
	assert_true(fabs(window_of_text - window.view.window) <= .1);
}

#endif
