#include "fleet/fleet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/random.h"
#include "core/fleet_host.h"
#include "core/fleet_ledger.h"
#include "fleet/exchange.h"
#include "fleet/hosts.h"
#include "fleet/secret.h"

#define TAKE_MAX 2048u /* records a tick: about a millisecond */
#define TAKE_MESSAGES 256u /* a tick; many hold one record */
#define QUEUE 65536u /* changes that wait while the store is not available */
#define KEY_MIN 16u
#define SAY_EVERY_US (60 * US_PER_S)
#define STEP_US INT64_C(5000000) /* the wall clock was set if it moves by more in a tick */

struct fleet {
	struct config_fleet config;
	struct source_table *table; /* NULL: there is none */
	struct siphash_key key;
	bool hidden;
	uint64_t id;
	char name[64];
	struct exchange *exchange; /* NULL: this host is alone */
	char why[EXCHANGE_WHY]; /* why there is no exchange although fleet.servers is set */
	struct fleet_memory memory;
	struct hosts *hosts;
	struct exchange_state state;
	uint64_t since_us, said_us, told_us, joined, refused;
	bool was_connected;
	bool elsewhere; /* another host has room */
	int64_t wall_offset_us; /* CLOCK_REALTIME minus CLOCK_BOOTTIME; 0: no tick yet */
	struct fleet_record batch[TAKE_MAX];
};

/* ---- both ways ------------------------------------------------------------------------------ */

static uint32_t seconds(uint64_t realtime_us)
{
	return (uint32_t)(realtime_us / US_PER_S);
}

void fleet_events(void *context, const struct source_event *events, unsigned count, uint64_t now_us)
{
	struct fleet *f = context;
	uint32_t now_s = seconds(clock_realtime_us());

	if (!f->exchange || !f->table)
		return;
	f->joined += fleet_ledger_events(f->table, &f->memory, events, count, now_us, now_s);
}

static void take_records(struct fleet *f, const struct exchange_heard *heard, uint64_t now_us,
			 uint64_t realtime_us)
{
	for (unsigned i = 0; f->table && i < heard->records; i++) {
		int r = fleet_ledger_take(f->table, &f->memory, &heard->record[i], now_us,
					  seconds(realtime_us));

		f->joined += r > 0;
		f->refused += r < 0;
	}
}

static void take(struct fleet *f, uint64_t now_us, uint64_t realtime_us)
{
	struct exchange_heard heard;
	unsigned records = 0;

	for (unsigned i = 0; i < TAKE_MESSAGES && records < TAKE_MAX; i++) {
		if (!exchange_hear(f->exchange, &heard))
			return;
		take_records(f, &heard, now_us, realtime_us);
		records += heard.records;
		if (heard.host)
			hosts_hear(f->hosts, heard.host, realtime_us);
	}
}

static void tell(struct fleet *f, const struct engine_view *view, uint64_t realtime_us)
{
	struct fleet_host own;
	unsigned room = exchange_room(f->exchange), count;

	fleet_host_from(view, &own);
	own.id = f->id;
	own.realtime_us = realtime_us;
	snprintf(own.name, sizeof(own.name), "%s", f->name);
	hosts_hear(f->hosts, &own, realtime_us);
	exchange_host(f->exchange, &own);
	count = fleet_changes(&f->memory, f->batch, room < TAKE_MAX ? room : TAKE_MAX);
	if (count)
		exchange_give(f->exchange, f->batch, count);
}

/* ---- what this host sends ------------------------------------------------------------------- */

static void say(struct fleet *f, uint64_t now_us)
{
	struct exchange_state *s = &f->state;
	bool changed;

	*s = *exchange_state(f->exchange);
	changed = s->connected != f->was_connected;
	if (changed)
		f->since_us = now_us;
	f->was_connected = s->connected;
	if (s->connected && changed) {
		log_notice("The fleet's store %s answers. What the hosts know is shared.",
			   s->server);
		f->said_us = 0;
	} else if (!s->connected && s->up && s->failures &&
		   (!f->said_us || now_us - f->said_us >= SAY_EVERY_US)) {
		log_warning(
			"Cannot use the fleet's store %s: %s. This host decides alone; mail is not affected. Start the store, or correct [fleet].",
			s->server, s->why);
		f->said_us = now_us;
	}
}

/* When the wall clock is set, what this host noted before has wrong times. It is forgotten, and
 * what the hosts know is read from the store, as at the start. The ledger shifts its own times.
 * CLOCK_BOOTTIME goes on while the machine sleeps, as the wall clock does. */
static void follow_wall_clock(struct fleet *f, uint64_t realtime_us)
{
	int64_t boot_us = (int64_t)(clock_read_ns(CLOCK_BOOTTIME) / 1000);
	int64_t offset_us = (int64_t)realtime_us - boot_us;
	int64_t step_us = offset_us - f->wall_offset_us;
	bool first = f->wall_offset_us == 0;
	char step[DURATION_PRINTED];

	f->wall_offset_us = offset_us;
	if (first || (step_us <= STEP_US && step_us >= -STEP_US))
		return;
	log_notice(
		"The clock was set %s by %s. What this host has told the fleet has wrong times. It is forgotten here, and what the hosts know is read from the store again.",
		step_us > 0 ? "forward" : "back",
		duration_print_us((uint64_t)llabs(step_us), step));
	fleet_forget(&f->memory);
	exchange_restart(f->exchange, "the clock was set");
}

void fleet_tick(struct fleet *f, const struct engine_view *view, uint64_t now_us,
		uint64_t realtime_us)
{
	if (!f->exchange)
		return;
	follow_wall_clock(f, realtime_us);
	exchange_step(f->exchange, now_us);
	take(f, now_us, realtime_us);
	say(f, now_us);
	if (f->told_us && now_us - f->told_us < US_PER_S)
		return;
	f->told_us = now_us;
	tell(f, view, realtime_us);
	hosts_forget(f->hosts, realtime_us);
}

void fleet_steer(struct fleet *f, uint64_t realtime_us, struct plan *plan)
{
	f->elsewhere =
		f->exchange && f->state.caught_up && hosts_have_room(f->hosts, f->id, realtime_us);
	if (f->elsewhere && f->config.next_mx)
		fleet_shorten_wait(plan);
}

void fleet_view(const struct fleet *f, uint64_t realtime_us, struct fleet_view *ret)
{
	const struct exchange_state *s = &f->state;

	memset(ret, 0, sizeof(*ret));
	ret->enabled = f->config.servers.count > 0;
	if (!ret->enabled)
		return;
	ret->connected = f->exchange && s->connected;
	ret->elsewhere = ret->connected && f->elsewhere;
	ret->next_mx = ret->elsewhere && f->config.next_mx;
	ret->caught_up = f->exchange && s->caught_up;
	snprintf(ret->server, sizeof(ret->server), "%s",
		 s->server[0] ? s->server : f->config.servers.each[0].text);
	snprintf(ret->why, sizeof(ret->why), "%s", f->exchange ? s->why : f->why);
	ret->since_us = f->since_us;
	ret->restarts = s->restarts;
	ret->failures = s->failures;
	ret->messages_sent = s->messages_sent;
	ret->messages_read = s->messages_read;
	ret->messages_bad = s->messages_bad;
	ret->bytes_read = s->bytes_read;
	ret->records_sent = s->records_sent;
	ret->records_read = s->records_read;
	ret->round_us = s->round_us;
	ret->joined = f->joined;
	ret->refused = f->refused;
	ret->tracked = f->memory.tracked;
	ret->forgotten = f->memory.forgotten;
	ret->left_out = f->memory.left_out;
	ret->unsent = f->memory.queued;
	ret->hosts = hosts_list(f->hosts, f->id, realtime_us, ret->host);
}

/* ---- life ----------------------------------------------------------------------------------- */

static int open_memory(struct fleet *f)
{
	uint64_t slots = f->config.memory_bytes / sizeof(struct fleet_slot);
	uint32_t sets = 1;

	while ((uint64_t)sets * 2 * FLEET_SET_SLOTS <= slots)
		sets *= 2;
	f->memory.sets = sets;
	f->memory.slots = calloc((size_t)sets * FLEET_SET_SLOTS, sizeof(*f->memory.slots));
	f->memory.queue_size = QUEUE;
	f->memory.queue = calloc(QUEUE, sizeof(*f->memory.queue));
	return f->memory.slots && f->memory.queue ? 0 : -ENOMEM;
}

/* Makes the keys of the seal and of the hashes from the secret. Without one they are zero, and the
 * seal is only a checksum. */
static int read_key(struct fleet *f)
{
	static const struct siphash_key first = { { 0, 0 } }, second = { { 1, 1 } };
	struct secret secret;
	int r = secret_read(f->config.key_file, "fleet.key_file", &secret, f->why);

	memset(&f->key, 0, sizeof(f->key));
	if (r < 0)
		return r;
	if (!secret.length)
		return 0;
	if (secret.length < KEY_MIN) {
		snprintf(f->why, sizeof(f->why),
			 "fleet.key_file: the secret in it has less than %u bytes", KEY_MIN);
		return -EINVAL;
	}
	f->key.half[0] = siphash(&first, secret.bytes, secret.length);
	f->key.half[1] = siphash(&second, secret.bytes, secret.length);
	explicit_bzero(&secret, sizeof(secret));
	return 0;
}

static void begin(struct fleet *f)
{
	int r;

	f->why[0] = 0;
	f->wall_offset_us = 0;
	memset(&f->state, 0, sizeof(f->state));
	f->was_connected = false;
	f->said_us = f->told_us = 0;
	f->since_us = clock_monotonic_us();
	if (!f->config.servers.count)
		return;
	r = f->memory.slots ? 0 : open_memory(f);
	if (r < 0)
		snprintf(f->why, sizeof(f->why), "out of memory");
	if (r == 0)
		r = read_key(f);
	if (r == 0) {
		r = exchange_open(&f->config, &f->key, f->id, &f->exchange);
		if (r < 0)
			snprintf(f->why, sizeof(f->why), "out of memory");
	}
	if (r < 0)
		log_error(
			"Cannot join the fleet: %s. This host decides alone; mail is not affected. Correct it, then penstockctl reload.",
			f->why);
}

static void take_config(struct fleet *f, const struct config *config)
{
	f->config = config->fleet;
	if (config->fleet.name[0])
		snprintf(f->name, sizeof(f->name), "%s", config->fleet.name);
	else if (gethostname(f->name, sizeof(f->name) - 1) < 0 || !f->name[0])
		snprintf(f->name, sizeof(f->name), "unnamed");
}

static void hide(struct fleet *f)
{
	const struct siphash_key zero = { { 0, 0 } };

	f->hidden = f->config.hide_addresses && f->config.servers.count;
	if (!f->hidden || !f->table)
		return;
	if (memcmp(&zero, &f->key, sizeof(zero)) == 0) { /* the secret could not be read */
		f->hidden = false;
		exchange_close(f->exchange);
		f->exchange = NULL;
		return;
	}
	source_hide(f->table, &f->key);
}

int fleet_open(const struct config *config, struct source_table *table, struct fleet **ret_fleet)
{
	struct fleet *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->hosts = hosts_new();
	if (!f->hosts) {
		free(f);
		return -ENOMEM;
	}
	random_fill(&f->id, 1);
	f->table = table;
	take_config(f, config);
	begin(f);
	hide(f);
	*ret_fleet = f;
	return 0;
}

void fleet_configure(struct fleet *f, const struct config *config)
{
	if (memcmp(&f->config, &config->fleet, sizeof(f->config)) == 0 &&
	    (f->exchange || !f->why[0]))
		return;
	if (config->fleet.hide_addresses != f->config.hide_addresses)
		log_warning(
			"Cannot change fleet.hide_addresses in a reload: the ledger is keyed by it. It stays as it was. Restart penstockd.");
	exchange_close(f->exchange);
	f->exchange = NULL;
	take_config(f, config);
	f->config.hide_addresses = f->hidden;
	begin(f);
	f->config.hide_addresses = config->fleet.hide_addresses;
}

void fleet_close(struct fleet *f)
{
	if (!f)
		return;
	exchange_close(f->exchange);
	hosts_free(f->hosts);
	free(f->memory.slots);
	free(f->memory.queue);
	free(f);
}
