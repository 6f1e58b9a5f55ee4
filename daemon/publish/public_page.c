#include "publish/public_page.h"

#include <jansson.h>

#include "base/clock.h"
#include "core/law.h"
#include "publish/headline.h"
#include "publish/page_parts.h"
#include "publish/template.h"
#include "publish/words.h"

enum public_state public_state(const struct engine_view *view)
{
	switch (headline_kind(view)) {
	case HEADLINE_DRAINING:
	case HEADLINE_MAINTENANCE:
		return PUBLIC_MAINTENANCE;
	case HEADLINE_DEFERRING:
		return PUBLIC_DELAYED;
	default:
		return PUBLIC_WORKS;
	}
}

/* "2026-01-31 02:00 UTC" for people; the attribute is for programs. */
static void set_time(json_t *page, const char *key, uint64_t realtime_us)
{
	char iso[32];
	json_t *time = json_object();

	words_time(realtime_us, iso);
	page_set(time, "at", "%s", iso);
	page_set(time, "words", "%.10s %.5s UTC", iso, iso[0] ? iso + 11 : "");
	json_object_set_new(page, key, time);
}

/* What customers see now. A front refuses by itself in observe mode and blind, too, and through a
 * proxy that does not run no client gets in. `ret_since_us`: CLOCK_REALTIME, 0: not known. */
static enum public_state state_now(const struct status *s, uint64_t *ret_since_us)
{
	enum public_state state = public_state(&s->view);
	struct status_front proxy;
	struct headline h;
	bool refused;

	*ret_since_us = s->public_since_us;
	if (state != PUBLIC_WORKS)
		return state;
	headline_tell(s, &h);
	refused = (h.kind == HEADLINE_OBSERVING || h.kind == HEADLINE_BLIND) &&
		  h.deferred_ratio > SHEDDING_REFUSED;
	if (!refused && (!headline_proxy_is_down(s, &proxy) || proxy.passes))
		return state;
	*ret_since_us = 0;
	return PUBLIC_DELAYED;
}

void public_page_render(const struct status *s, struct evbuffer *out)
{
	static const struct {
		const char *name, *class, *sentence;
	} states[] = {
		[PUBLIC_WORKS] = { "Operational", "works", "Mail is accepted as usual." },
		[PUBLIC_DELAYED] = { "Delays", "delayed",
				     "The mail service is busy. Some mail arrives later than usual: "
				     "sending servers try again by themselves." },
		[PUBLIC_MAINTENANCE] = { "Maintenance", "maintenance",
					 "The mail service accepts no new mail during maintenance. "
					 "Mail that is sent now arrives afterwards: sending servers "
					 "try again by themselves." },
	};
	uint64_t since_us;
	enum public_state state = state_now(s, &since_us);
	const struct maintenance_span *next = page_planned(s);
	json_t *page = json_object();

	page_set(page, "state", "%s", states[state].name);
	page_set(page, "class", "%s", states[state].class);
	page_set(page, "sentence", "%s", states[state].sentence);
	if (since_us)
		set_time(page, "since", since_us);
	if (state == PUBLIC_MAINTENANCE && s->view.order_until_us)
		set_time(page, "until", s->view.order_until_us);
	else if (state != PUBLIC_WORKS)
		json_object_set_new(page, "until_unknown", json_true());
	if (next) {
		json_t *planned = json_object();

		set_time(planned, "begin", (uint64_t)next->begin_s * US_PER_S);
		set_time(planned, "end", (uint64_t)next->end_s * US_PER_S);
		json_object_set_new(page, "planned", planned);
	}
	set_time(page, "now", s->realtime_us);
	template_render(page_html_for_customers(), page, out);
	json_decref(page);
}
