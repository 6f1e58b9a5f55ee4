#include "publish/headline_advice.h"

#include <ctype.h>

#include "publish/neighbour_words.h"

/* `who` NULL: the one that takes it is not known. */
static void add_neighbour_advice(const struct status *s, enum resource resource,
				 const struct neighbour *who, struct text *out)
{
	if (who)
		neighbour_advise(resource, who, &s->neighbours, out);
	else
		neighbour_search(resource, out);
	text_append(out, ".");
	out->data[0] = (char)toupper((unsigned char)out->data[0]);
}

void headline_advise(const struct status *s, const struct headline *h,
		     const struct neighbour *starving, struct text *out)
{
	struct status_front proxy;

	if (h->kind > HEADLINE_MAINTENANCE && headline_proxy_is_down(s, &proxy))
		text_append(out, "systemctl status penstock-proxy; "
				 "systemctl restart penstock-proxy.");
	else if (h->kind == HEADLINE_DRAINING)
		text_append(out, "penstockctl resume ends the drain.");
	else if (h->kind == HEADLINE_MAINTENANCE)
		text_append(out, "penstockctl resume ends it now.");
	else if (h->kind == HEADLINE_BLIND)
		text_append(
			out,
			"penstockctl support says what this kernel and these privileges allow.");
	else if (h->kind == HEADLINE_OBSERVING && h->deferred_ratio >= HEADLINE_SAID_RATIO)
		text_append(out, "penstockctl check names the fault and its remedy.");
	else if (h->kind == HEADLINE_OBSERVING && s->view.would_defer_ratio >= HEADLINE_SAID_RATIO)
		text_append(out, "penstockctl mode enforce does that%s",
			    s->config.mode == PLAN_OBSERVE
				    ? ", until the next restart or reload."
				    : ". So does the next restart or reload.");
	else if (starving)
		add_neighbour_advice(s, RESOURCE_CPU, starving, out);
	else if (h->kind == HEADLINE_DEFERRING)
		text_append(out, "penstockctl explain names the resource; "
				 "penstockctl sources --sort rate says who sends.");
	else if (h->kind == HEADLINE_NEIGHBOUR)
		add_neighbour_advice(s, s->view.pressure.driver,
				     neighbour_who(&s->view, &s->neighbours), out);
}
