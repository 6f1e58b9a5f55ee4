/* The senders: groups with a way to retry each, and the messages that are not delivered yet. A
 * sender is a mail queue elsewhere that has mail for this destination; it has one address or
 * several. State is compact: 10 million senders are 160 MB of untouched memory. */
#ifndef PENSTOCK_SIM_SENDERS_H
#define PENSTOCK_SIM_SENDERS_H

#include <stdint.h>

#include "penstock-sim/retry.h"

#define SENDERS_GROUPS 24
#define SENDERS_MX 8 /* most hosts of a fleet that one attempt tries */

struct sender_group {
	char name[24];
	double count; /* number of senders */
	double share; /* weight of the group in what is offered */
	double addresses; /* of each sender */
	double zipf; /* 0: all send alike; 1: the n-th sends 1/n of the first */
	/* hosts that one attempt tries, in random order; with one host each of them is that one */
	double mx;
	double size_sigma; /* of the logarithm of a message's size; the mean is 1 */
	double pool; /* the operator has a pool of this weight for its networks; 0: none */
	double fresh; /* share of messages from senders never seen before */
	enum retry retry;
};

struct sender {
	uint32_t rests_until_s;
	uint8_t refusals; /* in a row */
	uint8_t known;
	uint16_t spare;
	uint32_t sent, served; /* during the overload */
};

struct message {
	uint64_t first_us; /* time of its first attempt; 0: there is no message */
	uint32_t sender, next_free;
	uint32_t address; /* of its latest attempt */
	float size;
	uint8_t group, tries;
	uint8_t deferred, seen; /* seen: it has been tried at all */
	uint8_t walks; /* hosts of a fleet that this attempt has tried */
	uint16_t walked[SENDERS_MX]; /* their numbers, in ascending order */
};

struct senders {
	struct sender_group group[SENDERS_GROUPS];
	unsigned groups;
	double weight; /* sum of the shares */
	uint32_t base[SENDERS_GROUPS]; /* first sender of a group */
	double zipf_span[SENDERS_GROUPS]; /* of pick_sender(): what does not change */
	struct sender *sender;
	uint32_t senders;
	struct message *message; /* [0] is none */
	uint32_t messages, room, free, waiting;
	uint32_t fresh; /* new senders so far */
	uint64_t random;
};

/* `groups` may be 0: connections without a sender. */
void senders_init(struct senders *senders, const struct sender_group *group, unsigned groups,
		  uint64_t seed);
void senders_done(struct senders *senders);
/* Call it when the shares have changed. */
void senders_weigh(struct senders *senders);
/* Makes a message of a random sender. */
uint32_t senders_message(struct senders *senders, uint64_t now_us);
/* Time of the first attempt of the mail that waits longest; 0: no mail was put off. */
uint64_t senders_oldest_us(const struct senders *senders);
void senders_forget(struct senders *senders, uint32_t message);
/* The network of the n-th sender of a group, /24. */
uint32_t senders_network(const struct senders *senders, unsigned group, uint32_t n);
/* The address from which the next attempt comes. */
uint32_t senders_address(struct senders *senders, uint32_t message);
/* The state of a message's sender; NULL: a newcomer has none. */
struct sender *senders_of(struct senders *senders, uint32_t message);

#endif
