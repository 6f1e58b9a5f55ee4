#include "publish/metric_writer.h"

#include <event2/buffer.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "core/counts.h"

#define LABELS_MAX 512

const struct metric_info metric_info[METRIC__COUNT] = {
#define X(id, kind, name, unit, labels, replaced_by, help) \
	[METRIC_##id] = { KIND_##kind, name, unit, labels, replaced_by, help },
	METRIC_TABLE(X)
#undef X
};

const char *metric_kind_name(enum metric_kind kind)
{
	static const char *const names[] = { "gauge", "counter", "histogram", "info", "stateset" };

	return names[kind];
}

void metric_writer_init(struct metric_writer *w, struct evbuffer *out, bool openmetrics)
{
	*w = (struct metric_writer){ .out = out,
				     .openmetrics = openmetrics,
				     .last = METRIC__COUNT };
}

/* OpenMetrics names the family of a counter without _total and that of an info without _info. The
 * classic text has these endings, and no infos or state sets: there they are gauges. */
static void put_family(struct metric_writer *w, enum metric metric)
{
	const struct metric_info *m = &metric_info[metric];
	bool gauge = !w->openmetrics && (m->kind == KIND_INFO || m->kind == KIND_STATESET);
	int n = (int)strlen(m->name);

	if (w->last == metric)
		return;
	w->last = metric;
	if (w->openmetrics && m->kind == KIND_COUNTER)
		n -= (int)strlen("_total");
	if (w->openmetrics && m->kind == KIND_INFO)
		n -= (int)strlen("_info");
	evbuffer_add_printf(w->out, "# HELP %.*s ", n, m->name);
	if (m->replaced_by[0])
		evbuffer_add_printf(w->out, "Deprecated, use %s. ", m->replaced_by);
	evbuffer_add_printf(w->out, "%s\n# TYPE %.*s %s\n", m->help, n, m->name,
			    gauge ? "gauge" : metric_kind_name(m->kind));
	if (w->openmetrics && m->unit[0])
		evbuffer_add_printf(w->out, "# UNIT %.*s %s\n", n, m->name, m->unit);
}

static void add_label(struct text *text, const char *name, const char *value)
{
	text_append(text, "%s%s=\"", text->length ? "," : "", name);
	for (; *value; value++)
		if (*value == '\n')
			text_append(text, "\\n");
		else
			text_append(text, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
	text_append(text, "\"");
}

static void add_labels(struct text *text, va_list labels)
{
	const char *name;

	while ((name = va_arg(labels, const char *)))
		add_label(text, name, va_arg(labels, const char *));
}

static void put_sample(struct metric_writer *w, const char *name, const char *suffix,
		       const char *labels, double value)
{
	bool braces = labels[0] != 0;

	evbuffer_add_printf(w->out, "%s%s%s%s%s ", name, suffix, braces ? "{" : "", labels,
			    braces ? "}" : "");
	/* Counters are written with all digits: a rounded counter would stand still and jump. */
	evbuffer_add_printf(w->out,
			    value == floor(value) && fabs(value) < 1e15 ? "%.0f\n"
			    : fabs(value) < 1e6				? "%.9g\n"
						: "%.15g\n", /* times since 1970 */
			    value);
}

static void put(struct metric_writer *w, enum metric metric, double value, va_list list)
{
	char buffer[LABELS_MAX] = "";
	struct text labels = TEXT_OF(buffer);

	if (!isfinite(value))
		return;
	add_labels(&labels, list);
	put_family(w, metric);
	put_sample(w, metric_info[metric].name, "", buffer, value);
}

void metric_put(struct metric_writer *w, enum metric metric, double value, ...)
{
	va_list labels;

	va_start(labels, value);
	put(w, metric, value, labels);
	va_end(labels);
}

void metric_put_known(struct metric_writer *w, enum metric metric, double value, ...)
{
	va_list labels;

	va_start(labels, value);
	if (value >= 0)
		put(w, metric, value, labels);
	va_end(labels);
}

/* OpenMetrics requires the state in a label with the metric's own name. The other label stays
 * beside it, so that queries work with both formats. */
void metric_put_states(struct metric_writer *w, enum metric metric, const char *label,
		       const char *value, const struct metric_states *states)
{
	for (unsigned i = 0; i < states->count; i++) {
		char buffer[LABELS_MAX] = "";
		struct text labels = TEXT_OF(buffer);

		if (label)
			add_label(&labels, label, value);
		add_label(&labels, states->label, states->names[i]);
		if (w->openmetrics)
			add_label(&labels, metric_info[metric].name, states->names[i]);
		put_family(w, metric);
		put_sample(w, metric_info[metric].name, "", buffer, i == states->which);
	}
}

static void put_bucket(struct metric_writer *w, const char *name, const char *labels, double bound,
		       double count)
{
	char buffer[LABELS_MAX] = "", le[32];
	struct text text = TEXT_OF(buffer);

	/* "120.0" in both formats: a different `le` would make another series. */
	snprintf(le, sizeof(le), bound == floor(bound) ? "%.1f" : "%.9g", bound);
	text_append(&text, "%s", labels);
	add_label(&text, "le", isinf(bound) ? "+Inf" : le);
	put_sample(w, name, "_bucket", buffer, count);
}

void metric_put_histogram(struct metric_writer *w, enum metric metric,
			  const struct metric_histogram *h, ...)
{
	const char *name = metric_info[metric].name;
	char buffer[LABELS_MAX] = "";
	struct text labels = TEXT_OF(buffer);
	uint64_t count = 0;
	va_list list;

	va_start(list, h);
	add_labels(&labels, list);
	va_end(list);
	put_family(w, metric);
	for (unsigned i = 0; i < h->count; i++) {
		count += h->slots[i];
		if (i >= h->from && i <= h->to && i % h->every == h->every - 1)
			put_bucket(w, name, buffer, h->bound(i), (double)count);
	}
	put_bucket(w, name, buffer, INFINITY, (double)count);
	put_sample(w, name, "_sum", buffer, h->sum);
	put_sample(w, name, "_count", buffer, (double)count);
}

void metric_writer_end(struct metric_writer *w)
{
	if (w->openmetrics)
		evbuffer_add(w->out, "# EOF\n", 6);
}

static double bound_us(unsigned slot)
{
	return (double)(counts_slot_upper(slot) + 1) / 1e6;
}

struct metric_histogram metric_histogram_us(const uint64_t *slots, uint64_t sum_us, unsigned from,
					    unsigned to)
{
	return (struct metric_histogram){ slots, COUNTS_SLOTS,	      bound_us, from, to,
					  8,	 (double)sum_us / 1e6 };
}
