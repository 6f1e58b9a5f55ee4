#include "publish/json_neighbours.h"

#include "base/text.h"
#include "publish/filters.h"
#include "publish/neighbour_words.h"
#include "publish/json_number.h"

static json_t *neighbour_json(enum resource r, const struct neighbour *who)
{
	static const char *const keys[NEIGHBOUR_RESOURCES] = { [RESOURCE_CPU] = "cores",
							       [RESOURCE_MEMORY] = "bytes",
							       [RESOURCE_DISK] = "bytes_per_s" };
	json_t *object = json_object();

	json_object_set_new(object, "resource", json_string(resource_name(r)));
	json_object_set_new(object, "cgroup", json_string(who->path));
	json_object_set_new(object, "unit", json_string(who->unit));
	json_object_set_new(object, "share", json_number(who->share));
	json_object_set_new(object, keys[r], json_number(who->use));
	return object;
}

static json_t *cause_json(const struct status *s)
{
	const struct neighbour *who = neighbour_who(&s->view, &s->neighbours);
	char advice[400] = "";
	struct text text = TEXT_OF(advice);
	json_t *object;

	if (!who)
		return json_null();
	object = neighbour_json(s->view.pressure.driver, who);
	neighbour_advise(s->view.pressure.driver, who, &s->neighbours, &text);
	json_object_set_new(object, "advice", json_string(advice));
	return object;
}

static json_t *leak_json(const struct leak *leak)
{
	json_t *object;

	if (!leak->known)
		return json_null();
	object = json_object();
	json_object_set_new(object, "cgroup", json_string(leak->path));
	json_object_set_new(object, "unit", json_string(leak->unit));
	json_object_set_new(object, "mail_server", json_boolean(leak->mail));
	json_object_set_new(object, "bytes", json_number(leak->bytes));
	json_object_set_new(object, "growth_bytes_per_s", json_number(leak->growth_per_s));
	json_object_set_new(object, "seen_s", json_number(leak->seen_s));
	json_object_set_new(object, "left_s", json_number(leak->left_s));
	return object;
}

static json_t *second_stage_json(const struct second_stage_view *v)
{
	json_t *object = json_object();

	if (!v->known) {
		json_decref(object);
		return json_null();
	}
	json_object_set_new(object, "keeps_up", json_boolean(v->keeps_up));
	json_object_set_new(object, "cost_s", json_number(v->cost_s));
	json_object_set_new(object, "server_cost_s",
			    v->server_cost_s > 0 ? json_number(v->server_cost_s) : json_null());
	json_object_set_new(object, "leaving_per_s", json_number(v->leaving_per_s));
	json_object_set_new(object, "behind", json_number(v->behind));
	json_object_set_new(object, "behind_max", json_number(v->behind_max));
	json_object_set_new(object, "carries_per_s", json_number(v->carries_per_s));
	json_object_set_new(object, "allowed_per_s", json_number_or_null(v->allowed_per_s));
	return object;
}

void json_set_neighbours(json_t *object, const struct status *s)
{
	json_t *neighbours = json_object();

	for (int r = 0; r < NEIGHBOUR_RESOURCES; r++)
		if (s->neighbours.who[r].known)
			json_object_set_new(
				neighbours, resource_name((enum resource)r),
				neighbour_json((enum resource)r, &s->neighbours.who[r]));
	json_object_set_new(object, "foreign", cause_json(s));
	json_object_set_new(object, "leak", leak_json(&s->neighbours.leak));
	json_object_set_new(object, "neighbours", neighbours);
	json_object_set_new(object, "filters", filters_json(s));
	json_object_set_new(object, "second_stage", second_stage_json(&s->view.second_stage));
}
