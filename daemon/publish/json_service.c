#include "publish/json_service.h"

#include "publish/json_number.h"
#include "publish/words.h"

/* The share of each reason in what was deferred in the last seconds: 0..1. */
static json_t *shares_json(const struct lately_service *l)
{
	json_t *object = json_object();

	for (int r = 0; r < REASON__COUNT; r++)
		if (l->deferred_by[r] && l->deferred)
			json_object_set_new(
				object, reason_name((enum reason)r),
				json_number((double)l->deferred_by[r] / (double)l->deferred));
	return object;
}

static void put_law(const struct window_view *w, json_t *object)
{
	char doing[SERVER_NAMES_MAX];

	json_object_set_new(object, "law", json_string(window_law_name(w->law)));
	json_object_set_new(object, "regime", json_string(regime_name(w->regime)));
	json_object_set_new(object, "machine", json_string(machine_name(w->machine)));
	json_object_set_new(object, "server", json_string(server_names(w->server, doing)));
	json_object_set_new(object, "window",
			    w->law == LAW_OPEN ? json_null()
					       : json_number(words_window(w->window)));
	json_object_set_new(object, "window_max", json_number_or_null(words_window(w->hard)));
}

static json_t *known(const struct load_service *l, unsigned what, double number)
{
	return l->known & what ? json_number(number) : json_null();
}

static void put_sessions(const struct load_service *l, uint64_t hold_us, json_t *object)
{
	json_object_set_new(object, "in_flight", known(l, LOAD_IN_FLIGHT, l->in_flight));
	json_object_set_new(object, "busy", known(l, LOAD_BUSY, l->busy));
	json_object_set_new(object, "stuck", known(l, LOAD_BUSY, l->stuck));
	json_object_set_new(object, "ungreeted", known(l, LOAD_UNGREETED, l->ungreeted));
	/* Also under the name of the previous release, which the next one removes. */
	json_object_set(object, "waiting", json_object_get(object, "ungreeted"));
	json_object_set_new(object, "held", known(l, LOAD_HELD, l->held));
	json_object_set_new(object, "held_longest_s", known(l, LOAD_HELD, l->held_longest_s));
	json_object_set_new(object, "hold_s", json_number((double)hold_us / 1e6));
}

static void put_terms(const struct window_view *w, json_t *object)
{
	json_object_set_new(object, "offered_per_s", json_number_or_null(w->offered_per_s));
	json_object_set_new(object, "admitted_per_s", json_number_or_null(w->admitted_per_s));
	json_object_set_new(object, "completed_per_s", json_number_or_null(w->completed_per_s));
	json_object_set_new(object, "capacity_per_s", json_number_or_null(w->capacity_per_s));
	json_object_set_new(object, "server_time_s",
			    json_number_or_null(words_server_time_s(w->server_time_s)));
	json_object_set_new(object, "target_time_s", json_number_or_null(w->target_time_s));
	json_object_set_new(object, "unloaded_s", json_number_or_null(w->unloaded_s));
	json_object_set_new(object, "think_time_s", json_number_or_null(w->think_time_s));
	json_object_set_new(object, "cpu_per_job_s", json_number_or_null(w->cpu_per_job_s));
	json_object_set_new(object, "predicted_per_s", json_number_or_null(w->prediction.per_s));
	json_object_set_new(object, "trust", json_number_or_null(w->trust));
	json_object_set_new(object, "saturation", json_number_or_null(w->saturation));
}

static void put_limits(const struct window_view *w, bool spared, json_t *object)
{
	json_object_set_new(object, "refusing", json_boolean(w->refusing));
	json_object_set_new(object, "growth_frozen", json_boolean(w->growth_frozen));
	json_object_set_new(object, "foreign", json_boolean(w->foreign));
	json_object_set_new(object, "hard_limit_binds", json_boolean(w->hard_binds));
	json_object_set_new(object, "queue_allowed_per_s",
			    json_number_or_null(w->queue_allowed_per_s));
	json_object_set_new(object, "queue_binds", json_boolean(w->queue_binds));
	json_object_set_new(object, "spared", json_boolean(spared));
}

static void put_verdicts(const struct status *s, unsigned i, json_t *object)
{
	const struct counts_service *c = &s->total[i];

	json_object_set_new(object, "admitted", json_integer((json_int_t)c->admitted));
	json_object_set_new(object, "deferred", json_integer((json_int_t)c->deferred));
	json_object_set_new(object, "would_defer", json_integer((json_int_t)c->would_defer));
	json_object_set_new(object, "deferred_ratio", json_number(s->view.deferred_ratio[i]));
	json_object_set_new(object, "deferred_shares", shares_json(&s->lately[i]));
	json_object_set_new(object, "held_admitted", json_integer((json_int_t)c->held_admitted));
	json_object_set_new(object, "held_in_vain", json_integer((json_int_t)c->held_in_vain));
	json_object_set_new(object, "held_left", json_integer((json_int_t)c->held_left));
	json_object_set_new(object, "would_hold", json_integer((json_int_t)c->would_hold));
}

json_t *json_service(const struct status *s, unsigned i)
{
	const struct window_view *w = &s->view.window[i];
	json_t *object = json_object();

	put_law(w, object);
	put_sessions(&s->load.service[i], s->plan.service[i].hold_us, object);
	put_terms(w, object);
	put_limits(w, s->view.spared[i], object);
	put_verdicts(s, i, object);
	return object;
}
