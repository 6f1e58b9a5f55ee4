#include "publish/filters.h"

void filters_describe(const struct filter *f, struct text *out)
{
	text_append(out, "%s%s%s%s", f->listener, f->unit[0] ? " (" : "", f->unit,
		    f->unit[0] ? ")" : "");
	if (!f->listens) {
		text_append(out, ", nothing listens");
		return;
	}
	text_append(out, ", queue %u of %u, %u connection%s from the mail server", f->queue,
		    f->limit, f->clients, f->clients == 1 ? "" : "s");
	if (f->cores >= 0)
		text_append(out, ", %.2f cores", f->cores);
}

static json_t *filter_json(const struct filter *f)
{
	json_t *object = json_object();
	char sentence[256] = "";
	struct text text = TEXT_OF(sentence);

	filters_describe(f, &text);
	json_object_set_new(object, "sentence", json_string(sentence));
	json_object_set_new(object, "listener", json_string(f->listener));
	json_object_set_new(object, "unit", f->unit[0] ? json_string(f->unit) : json_null());
	json_object_set_new(object, "queue", f->listens ? json_integer(f->queue) : json_null());
	json_object_set_new(object, "queue_limit",
			    f->listens ? json_integer(f->limit) : json_null());
	json_object_set_new(object, "connections", json_integer(f->clients));
	json_object_set_new(object, "cores", f->cores >= 0 ? json_real(f->cores) : json_null());
	return object;
}

json_t *filters_json(const struct status *s)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < s->filters.count; i++)
		json_array_append_new(array, filter_json(&s->filters.each[i]));
	return array;
}
