/* daemon.record: what the engine is given and what it answers goes to the recorder, which writes it down for penstock-replay. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "config/engine_config.h"
#include "daemon_parts.h"

#define CONFIG_TEXT (TRACE_PAYLOAD_MOST - 16384u)
#define CLOSE_US (2 * US_PER_S) /* how long the end waits for a disk */

/* The configuration in force as text; NULL: no memory, or more than a trace takes (then its size is said). */
static char *config_text(const struct daemon *d, size_t *ret_length)
{
	char *buffer = malloc(CONFIG_TEXT);
	struct text text = { .data = buffer, .size = CONFIG_TEXT };

	if (!buffer)
		return NULL;
	buffer[0] = 0;
	config_print(&d->config, &text);
	if (text.cut) {
		free(buffer);
		return NULL;
	}
	*ret_length = text.length;
	return buffer;
}

/* The size of the table as it was opened: what a reload wants of another size has to wait for a restart. */
static size_t table_size(const struct daemon *d)
{
	return d->sources.table ? source_table_size(d->sources.table) : 0;
}

void daemon_open_recorder(struct daemon *d)
{
	_cleanup_free_ char *text = NULL;
	struct recorder_options options = { .path = d->config.record,
					    .most_bytes = d->config.record_max_bytes,
					    .version = PENSTOCK_VERSION,
					    .now_us = clock_monotonic_us(),
					    .realtime_us = clock_realtime_us(),
					    .cores = daemon_cores(),
					    .table = d->sources.table,
					    .table_size = table_size(d),
					    .seed = d->engine.seed };
	int r = -ENOMEM;

	if (!d->config.record[0])
		return;
	text = config_text(d, &options.config_length);
	options.config = text;
	if (text)
		r = recorder_open(&options, &d->recorder);
	if (r < 0)
		log_warning("daemon.record: %s: nothing is recorded, mail is not affected",
			    strerror(-r));
}

void daemon_close_recorder(struct daemon *d)
{
	recorder_close(d->recorder, CLOSE_US);
	d->recorder = NULL;
}

void daemon_reload_recorder(struct daemon *d, const char *before, uint64_t before_bytes)
{
	_cleanup_free_ char *text = NULL;
	size_t length;

	if (strcmp(before, d->config.record) != 0 || before_bytes != d->config.record_max_bytes) {
		recorder_close(d->recorder,
			       0); /* it ends by itself: mail does not wait for its disk */
		d->recorder = NULL;
		daemon_open_recorder(d);
	} else if (d->recorder && (text = config_text(d, &length))) {
		recorder_config(d->recorder, daemon_cores(), text, length);
	}
}

void daemon_order(struct daemon *d, enum engine_state state, uint64_t until_us, const char *reason)
{
	struct trace_order order = { .now_us = clock_monotonic_us(),
				     .kind = TRACE_ORDER_STATE,
				     .value = state,
				     .until_us = until_us };

	engine_order(&d->engine, state, until_us, reason);
	memcpy(order.reason, d->engine.view.order_reason, sizeof(order.reason));
	recorder_order(d->recorder, &order);
}

void daemon_order_mode(struct daemon *d, enum plan_mode mode)
{
	struct trace_order order = { .now_us = clock_monotonic_us(),
				     .kind = TRACE_ORDER_MODE,
				     .value = mode };

	engine_set_mode(&d->engine, mode);
	recorder_order(d->recorder, &order);
}
