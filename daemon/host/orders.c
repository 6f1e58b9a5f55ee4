#include "host/orders.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/readfile.h"
#include "base/text.h"
#include "base/wholefile.h"
#include "store/recording.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

int kept_order_parse(const char *text, struct kept_order *ret)
{
	struct kept_order order = { 0 };
	int at = 0;

	order.resumed = strncmp(text, "resumed ", 8) == 0;
	if (sscanf(text, order.resumed ? "resumed %39s %" SCNu64 "%n" : "drain %39s %" SCNu64 "%n",
		   order.boot_id, &order.until_us, &at) != 2 ||
	    (text[at] != ' ' && text[at] != '\n'))
		return -EINVAL;
	text += at + (text[at] == ' ');
	snprintf(order.reason, sizeof(order.reason), "%.*s", (int)strcspn(text, "\n"), text);
	*ret = order;
	return 0;
}

static void read_boot_id(char *ret)
{
	if (readfile_at(AT_FDCWD, BOOT_ID, ret, 40) < 0)
		snprintf(ret, 40, "unknown");
	ret[strcspn(ret, "\n")] = 0;
}

static void forget(const struct orders *o)
{
	char path[300];

	if (!o->run_dir)
		return;
	snprintf(path, sizeof(path), "%s/order", o->run_dir);
	unlink(path);
}

static void keep(const struct orders *o, const char *what, uint64_t until_us, const char *reason)
{
	char path[300], boot_id[40], content[512] = "";
	struct text text = TEXT_OF(content);
	struct iovec whole = { content, 0 };
	int r;

	if (!o->run_dir)
		return;
	read_boot_id(boot_id);
	snprintf(path, sizeof(path), "%s/order", o->run_dir);
	text_append(&text, "%s %s %" PRIu64 " %.*s\n", what, boot_id, until_us,
		    reason ? (int)strcspn(reason, "\n") : 0, reason ? reason : "");
	whole.iov_len = text.length;
	r = wholefile_write(AT_FDCWD, path, 0, &whole, 1, false);
	if (r < 0)
		log_warning(
			"Cannot write %s: %s. The order is in force, but a restart of penstockd forgets it. Free space in %s and give the order again.",
			path, strerror(-r), o->run_dir);
}

static void order(struct orders *o, enum engine_state state, uint64_t until_us, const char *reason)
{
	engine_order(o->engine, state, until_us, reason);
	if (o->recording)
		recording_state(o->recording, state, until_us);
}

void orders_mode(struct orders *o, enum plan_mode mode, enum plan_mode configured)
{
	engine_set_mode(o->engine, mode);
	recording_mode(o->recording, mode);
	log_notice("mode is now %s, by order of an operator%s",
		   mode == PLAN_OBSERVE ? "observe" : "enforce",
		   mode == configured
			   ? ", as it is configured"
			   : ". The next restart or reload brings back the configured one");
}

void orders_drain(struct orders *o, uint64_t for_us, const char *reason)
{
	uint64_t until_us = for_us ? clock_monotonic_us() + for_us : 0;

	/* so that the operator's order stays if the shutdown is cancelled */
	o->by_shutdown = false;
	order(o, STATE_DRAINING, until_us, reason);
	keep(o, "drain", until_us, reason);
}

void orders_restore(struct orders *o)
{
	char path[300], text[512], boot_id[40];
	struct kept_order kept;

	snprintf(path, sizeof(path), "%s/order", o->run_dir);
	if (readfile_at(AT_FDCWD, path, text, sizeof(text)) < 0)
		return;
	read_boot_id(boot_id);
	if (kept_order_parse(text, &kept) < 0 || strcmp(kept.boot_id, boot_id) != 0 ||
	    (kept.until_us &&
	     kept.until_us <= (kept.resumed ? clock_realtime_us() : clock_monotonic_us()))) {
		forget(o);
		return;
	}
	if (kept.resumed) {
		o->skipped_s = (int64_t)(kept.until_us / US_PER_S);
		log_notice(
			"The maintenance window in force was ended by penstockctl resume before this start: mail is admitted.");
		return;
	}
	order(o, STATE_DRAINING, kept.until_us, kept.reason[0] ? kept.reason : NULL);
	log_notice(
		"The drain that was ordered before this start goes on. End it with penstockctl resume.");
}

void orders_resume(struct orders *o)
{
	forget(o);
	if (o->window_end_s) {
		o->skipped_s = o->window_end_s;
		keep(o, "resumed", (uint64_t)o->window_end_s * US_PER_S, NULL);
	}
	order(o, STATE_SERVING, 0, NULL);
}

void orders_maintenance(struct orders *o, uint64_t until_us, const char *reason)
{
	order(o, until_us ? STATE_MAINTENANCE : STATE_SERVING, until_us, reason);
}

static void going_down(void *context)
{
	struct orders *o = context;
	enum engine_state state = o->engine->view.state;

	log_notice(
		"the machine shuts down: new connections get \"451 4.3.2 ... server shutdown in progress\"");
	if (state == STATE_DRAINING || state == STATE_MAINTENANCE)
		return;
	o->by_shutdown = true;
	order(o, STATE_DRAINING, 0, "the machine shuts down");
}

static void stays_up(void *context)
{
	struct orders *o = context;

	log_notice("the shutdown of the machine was cancelled");
	if (o->by_shutdown && o->engine->view.state == STATE_DRAINING)
		order(o, STATE_SERVING, 0, NULL);
	o->by_shutdown = false;
}

const struct logind_ops orders_logind_ops = { .going_down = going_down, .stays_up = stays_up };
