#include "publish/json_fleet.h"

#include "publish/words.h"

static void set_count(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

static json_t *host_json(const struct fleet_line *line)
{
	const struct fleet_host *host = &line->host;
	json_t *object = json_object();

	json_object_set_new(object, "name", json_string(host->name));
	json_object_set_new(object, "own", json_boolean(line->own));
	json_object_set_new(object, "silent", json_boolean(line->age_s > FLEET_SILENT_S));
	set_count(object, "age_s", line->age_s);
	set_count(object, "level", host->level);
	json_object_set_new(object, "level_name", json_string(level_name(host->level)));
	json_object_set_new(object, "state",
			    json_string(host->state < STATE__COUNT
						? engine_state_name((enum engine_state)host->state)
						: "?"));
	json_object_set_new(object, "mode", json_string(host->observes ? "observe" : "enforce"));
	json_object_set_new(object, "window",
			    host->window < 0 ? json_null() : json_integer(host->window));
	set_count(object, "in_flight", host->in_flight);
	json_object_set_new(object, "demand_ratio",
			    host->demand < 0 ? json_null() : json_real((double)host->demand));
	return object;
}

json_t *json_fleet(const struct status *s)
{
	const struct fleet_view *x = &s->fleet;
	json_t *object = json_object(), *hosts = json_array();

	json_object_set_new(object, "enabled", json_boolean(x->enabled));
	if (!x->enabled) {
		json_decref(hosts);
		return object;
	}
	json_object_set_new(object, "connected", json_boolean(x->connected));
	json_object_set_new(object, "caught_up", json_boolean(x->caught_up));
	json_object_set_new(object, "room_elsewhere", json_boolean(x->elsewhere));
	json_object_set_new(object, "sends_on", json_boolean(x->next_mx));
	json_object_set_new(object, "server", json_string(x->server));
	if (!x->connected)
		json_object_set_new(object, "reason", json_string(x->why));
	set_count(object, "since_s",
		  s->now_us > x->since_us ? (s->now_us - x->since_us) / 1000000 : 0);
	set_count(object, "restarts", x->restarts);
	set_count(object, "failures", x->failures);
	set_count(object, "messages_sent", x->messages_sent);
	set_count(object, "messages_read", x->messages_read);
	set_count(object, "messages_bad", x->messages_bad);
	set_count(object, "records_sent", x->records_sent);
	set_count(object, "records_read", x->records_read);
	set_count(object, "records_refused", x->refused);
	set_count(object, "records_waiting", x->unsent);
	set_count(object, "records_left_out", x->left_out);
	set_count(object, "joined", x->joined);
	set_count(object, "tracked", x->tracked);
	json_object_set_new(object, "round_s", json_real((double)x->round_us / 1e6));
	for (unsigned i = 0; i < x->hosts; i++)
		json_array_append_new(hosts, host_json(&x->host[i]));
	json_object_set_new(object, "hosts", hosts);
	return object;
}
