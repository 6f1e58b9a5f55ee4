/* Any message of the process that talks to the fleet's store. What it hands on is sealed by the
 * fuzzer now and then, so that what lies behind the seal is reached, too. */
#include <stdlib.h>
#include <string.h>

#include "core/fleet.h"
#include "fleet/exchange.h"

static const struct siphash_key key = { { 1, 2 } };

/* A record of the fuzzer's bytes, with the right seal. */
static size_t sealed(const uint8_t *data, size_t size, struct exchange_message *m)
{
	struct fleet_record record = { 0 };

	memcpy(&record, data, size < sizeof(record) ? size : sizeof(record));
	m->head = (struct exchange_head){ EXCHANGE_HEARD, EXCHANGE_LEDGER };
	return sizeof(m->head) + fleet_put_records(&key, 3, &record, 1, m->frame);
}

static void check(const struct exchange_heard *heard)
{
	if (heard->records > FLEET_FRAME_RECORDS || (heard->records && !heard->record))
		abort();
	if (heard->host &&
	    strnlen(heard->host->name, sizeof(heard->host->name)) == sizeof(heard->host->name))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct config_fleet config = { .servers.count = 2, .prefix = "{p}" };
	static struct exchange_message m;
	static struct fleet_record record;
	static struct exchange *exchange;
	struct exchange_heard heard;
	/* Of its own, so that a byte too many that is read is seen. */
	void *copy = malloc(size ? size : 1);

	if (!exchange && exchange_open(&config, &key, 77, &exchange) < 0)
		abort();
	exchange_give(exchange, &record, 1);
	if (size)
		memcpy(copy, data, size);
	if (exchange_take(exchange, copy, size, &heard) == 0)
		check(&heard);
	if (exchange_take(exchange, &m, sealed(data, size, &m), &heard) < 0 || heard.records != 1)
		abort();
	if (exchange_state(exchange)->why[EXCHANGE_WHY - 1] != 0)
		abort();
	free(copy);
	return 0;
}
