#include "front/gate_heard.h"

#include <string.h>

#include "base/log.h"

#define RANKS 128u /* ranks sent to the kernel in a tick */
#define PLACES 2048u /* slots looked at in a tick to find them */

void gate_heard_add(struct gate_heard *h, const struct in6_addr *client)
{
	uint64_t group = plan_group(client->s6_addr);
	struct in6_addr *slot =
		&h->slot[(group * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - GATE_HEARD_BITS)];

	if (memcmp(slot, client, sizeof(*slot)) == 0)
		return;
	*slot = *client;
	if (h->fresh_count < GATE_FRESH)
		h->fresh[h->fresh_count++] = *client;
}

void gate_heard_push(struct gate_heard *h, const struct front_env *env, struct gate *gate,
		     uint64_t now_us)
{
	static const struct in6_addr unknown = IN6ADDR_ANY_INIT;
	uint64_t groups[GATE_FRESH + RANKS];
	struct plan_source ranks[GATE_FRESH + RANKS], absent;
	unsigned count = 0, most = h->fresh_count + RANKS;
	int r;

	if (!env->desk->rank(env->context, &unknown, now_us, &absent))
		return;
	while (h->fresh_count) {
		const struct in6_addr *a = &h->fresh[--h->fresh_count];

		groups[count] = plan_group(a->s6_addr);
		env->desk->rank(env->context, a, now_us, &ranks[count++]);
	}
	for (unsigned n = 0; n < PLACES && count < most; n++) {
		const struct in6_addr *a = &h->slot[h->next++ & (GATE_HEARD - 1)];

		if (IN6_IS_ADDR_UNSPECIFIED(a))
			continue;
		groups[count] = plan_group(a->s6_addr);
		env->desk->rank(env->context, a, now_us, &ranks[count++]);
	}
	r = gate_ranks(gate, groups, ranks, count, &absent);
	if (r < 0 && !h->told_ranks) {
		h->told_ranks = true;
		log_warning(
			"Cannot give the gate the ranks of all sources: %s. The oldest ranks stay in force there.",
			strerror(-r));
	}
}
