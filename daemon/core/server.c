/* What the machine and the server do: the only place that decides it, once a tick. */
#include <string.h>

#include "core/window_parts.h"

enum machine machine_by(double saturation)
{
	return saturation < 0		  ? MACHINE_UNSEEN
	       : saturation < IDLE_BELOW  ? MACHINE_IDLE
	       : saturation < UNSATURATED ? MACHINE_LOADED
	       : saturation < SATURATED	  ? MACHINE_PRESSED
					  : MACHINE_SATURATED;
}

/* Whether the machine could do more. */
static bool has_time(const struct observation *o)
{
	return o->machine == MACHINE_IDLE || o->machine == MACHINE_LOADED;
}

/* Whether sessions are slow because the server delays its greetings (a greet wait, DNS lists) while
 * its machine could do more. A server without a process for such sessions leaves them in its accept
 * queue. A server that hangs looks the same; then the bound on ungreeted sessions and the late
 * refusal take effect, and no window would help. The accept queues are those of all listeners, so
 * one that stands counts for all services. */
static bool greets_late(const struct observation *o, const struct rates *r)
{
	/* Also looks at the gauge: a late refusal removes sessions at once, and the mean follows
	 * later. */
	double busy = fmin(r->busy, o->in->load->busy), ungreeted = o->in->load->ungreeted;
	double queued = sample_get(o->in->sample, SIGNAL_ACCEPT_QUEUE_COUNT, 0);

	return has_time(o) && o->in->load->known & LOAD_UNGREETED && ungreeted > 0 &&
	       ungreeted >= GREETING_SHARE * busy && 2 * (ungreeted - queued) >= ungreeted;
}

/* Follows how long sessions usually wait for their greeting (Little's law), slowly, while nothing
 * tells of an overload. The time to the greeting without load is the shortest, and half of the
 * sessions wait longer. */
static void learn_usual(struct greeting *greeting, const struct observation *o,
			const struct rates *r)
{
	if (o->refusing || !has_time(o) || !(o->in->load->known & LOAD_UNGREETED) ||
	    r->admitted < TELLS_MIN_PER_S)
		return;
	smooth_step(&greeting->usual_s, o->in->load->ungreeted / r->admitted, o->dt, BASE_UP_S);
}

uint32_t greeting_step(struct greeting *greeting, const struct observation *o,
		       const struct rates *r)
{
	uint32_t server = 0;

	if (sample_get(o->in->sample, SIGNAL_ACCEPT_QUEUE_RATIO, 0) > QUEUE_STANDS)
		server |= SERVER_SHORT_OF_SLOTS;
	else if (greets_late(o, r))
		server |= SERVER_GREETS_LATE;
	if (!(server & SERVER_SHORT_OF_SLOTS))
		learn_usual(greeting, o, r);
	/* No client has been greeted yet, and one has waited longer than any server delays its
	 * greeting on purpose: the server hangs. Then the waiting clients are refused, and a few
	 * are let in to see when the server greets. */
	if (o->in->connect_220_base_us > 0)
		greeting->never = false;
	else if (sample_get(o->in->sample, SIGNAL_OLDEST_WAITING_US, 0) > US_IN_S * UNGREETED_S)
		greeting->never = true;
	if (greeting->never)
		server |= SERVER_NEVER_GREETED;
	return server;
}

/* When almost nothing is completed, busy CPUs of the machine do not tell why: a server that is
 * short of CPU still gets some. The stall of the server's own control group does tell. */
bool server_hangs(const struct observation *o, const struct rates *r)
{
	return observed_slow(o, r, TIME_BAD_S) && r->completed < TELLS_MIN_PER_S &&
	       !sample_has(o->in->sample, SIGNAL_MTA_CPU_STALL_RATIO);
}

const char *machine_name(enum machine machine)
{
	static const char *const names[] = { "unseen", "idle", "loaded", "pressed", "saturated" };

	return names[machine];
}

static char *put(char *at, const char *word)
{
	size_t n = strlen(word);

	memcpy(at, word, n + 1);
	return at + n;
}

const char *server_names(uint32_t server, char *buf)
{
	static const char *const names[] = { "short of slots", "greets late", "never greeted",
					     "hangs" };
	char *at = buf;

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(server & 1u << i))
			continue;
		if (at != buf)
			at = put(at, " + ");
		at = put(at, names[i]);
	}
	if (at == buf)
		put(at, "serves");
	return buf;
}
