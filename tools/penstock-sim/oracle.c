#include "penstock-sim/oracle.h"

#include <math.h>

/* Each class is a queue in order of arrival, which is its order of deadlines. The head is the
 * second of its first message, and what is left of that second. */
struct head {
	uint32_t second;
	double left;
};

static double deadline(const struct oracle_class *c, uint32_t second)
{
	return second + floor(c->patience_s);
}

/* Moves a head past empty seconds, up to now; messages past their deadline are lost. */
static double settle(const struct oracle_class *c, struct head *h, uint32_t now)
{
	double lost = 0;

	while (h->second <= now) {
		if (h->left > 0 && deadline(c, h->second) < now) {
			lost += h->left;
			h->left = 0;
		}
		if (h->left > 0 || h->second == now)
			break;
		h->second++;
		h->left = c->arrived[h->second];
	}
	return lost;
}

uint64_t oracle_lost(const struct oracle_class *classes, unsigned count, const double *capacity,
		     uint32_t seconds)
{
	struct head head[ORACLE_CLASSES] = { { 0 } };
	double lost = 0, credit = 0;

	for (unsigned i = 0; i < count && seconds; i++)
		head[i].left = classes[i].arrived[0];
	for (uint32_t now = 0; now < seconds; now++) {
		credit = fmin(credit, 1) +
			 capacity[now]; /* a part of a message is carried over, idle time is not */
		for (unsigned i = 0; i < count; i++)
			lost += settle(&classes[i], &head[i], now);
		while (credit > 0) {
			unsigned best = count;
			double take;

			for (unsigned i = 0; i < count; i++)
				if (head[i].left > 0 &&
				    (best == count ||
				     deadline(&classes[i], head[i].second) <
					     deadline(&classes[best], head[best].second)))
					best = i;
			if (best == count)
				break;
			take = fmin(credit, head[best].left);
			head[best].left -= take;
			credit -= take;
			settle(&classes[best], &head[best], now);
		}
	}
	return (uint64_t)(lost + 0.5);
}
