#include "fleet/exchange_wire.h"

#include <errno.h>
#include <string.h>

static int check_why(const char *why)
{
	size_t length = strnlen(why, EXCHANGE_WHY);

	if (length == EXCHANGE_WHY)
		return -EBADMSG;
	for (size_t i = 0; i < length; i++)
		if (why[i] < ' ' || why[i] > '~')
			return -EBADMSG;
	return 0;
}

static int check_report(const struct exchange_report *r, uint32_t servers)
{
	if (r->connected > 1 || r->caught_up > 1 || r->server >= servers ||
	    r->frames > FLEET_FRAMES || r->frames > r->messages)
		return -EBADMSG;
	return check_why(r->why);
}

int exchange_check(const struct exchange_message *m, size_t length, uint32_t servers)
{
	if (length < sizeof(m->head) || length > sizeof(m->head) + FLEET_FRAME_BYTES)
		return -EBADMSG;
	length -= sizeof(m->head);
	switch (m->head.word) {
	case EXCHANGE_BEGUN:
		return length == 0 ? 0 : -EBADMSG;
	case EXCHANGE_WANT:
		return length == 0 && m->head.value < servers ? 0 : -EBADMSG;
	case EXCHANGE_HEARD:
		return m->head.value < EXCHANGE_STREAMS ? 0 : -EBADMSG;
	case EXCHANGE_REPORT:
		return length == sizeof(m->report) ? check_report(&m->report, servers) : -EBADMSG;
	default:
		return -EBADMSG;
	}
}
