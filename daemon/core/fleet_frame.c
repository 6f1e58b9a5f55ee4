/* The messages in which hosts report senders and themselves (core/fleet.h), as bytes:
 *
 *   0 "PSF1"   4 kind   5 zero   6 count (u16)   8 host (u64)   16 seal (u64)
 *   24 records or host */
#include <errno.h>
#include <string.h>

#include "core/fleet.h"

static const uint8_t magic[4] = { 'P', 'S', 'F', '1' };

static void put(uint8_t *to, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *from, int bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < bytes; i++)
		value |= (uint64_t)from[i] << (8 * i);
	return value;
}

/* The seal over all bytes; its own place counts as zero. */
static uint64_t seal_of(const struct siphash_key *key, const uint8_t *bytes, size_t length)
{
	uint64_t head = siphash(key, bytes, 16);
	const struct siphash_key inner = { { key->half[0] ^ head, key->half[1] } };

	return siphash(&inner, bytes + FLEET_HEAD_BYTES, length - FLEET_HEAD_BYTES);
}

static size_t close_frame(const struct siphash_key *key, enum fleet_kind kind, unsigned count,
			  uint64_t host, uint8_t *bytes, size_t length)
{
	memcpy(bytes, magic, sizeof(magic));
	put(bytes + 4, kind, 2);
	put(bytes + 6, count, 2);
	put(bytes + 8, host, 8);
	put(bytes + 16, seal_of(key, bytes, length), 8);
	return length;
}

/* Whether this is a whole frame of this kind. Returns the count in it. */
static int open_frame(const struct siphash_key *key, enum fleet_kind kind, const uint8_t *bytes,
		      size_t length, size_t item_bytes)
{
	unsigned count;

	if (length < FLEET_HEAD_BYTES || length > FLEET_FRAME_BYTES ||
	    memcmp(bytes, magic, sizeof(magic)) != 0 || get(bytes + 4, 2) != (uint64_t)kind)
		return -EBADMSG;
	count = (unsigned)get(bytes + 6, 2);
	if (count > FLEET_FRAME_RECORDS || length != FLEET_HEAD_BYTES + count * item_bytes ||
	    get(bytes + 16, 8) != seal_of(key, bytes, length))
		return -EBADMSG;
	return (int)count;
}

size_t fleet_put_records(const struct siphash_key *key, uint64_t host,
			 const struct fleet_record *records, unsigned count, uint8_t *bytes)
{
	uint8_t *at = bytes + FLEET_HEAD_BYTES;

	for (unsigned i = 0; i < count; i++, at += FLEET_RECORD_BYTES) {
		put(at, records[i].key, 8);
		put(at + 8, records[i].epoch, 4);
		put(at + 12, records[i].first, 4);
		put(at + 16, records[i].last, 4);
		put(at + 20, records[i].tries, 1);
		put(at + 21, records[i].classes, 1);
		put(at + 22, 0, 2);
	}
	return close_frame(key, FLEET_LEDGER, count, host, bytes,
			   FLEET_HEAD_BYTES + (size_t)count * FLEET_RECORD_BYTES);
}

int fleet_get_records(const struct siphash_key *key, const uint8_t *bytes, size_t length,
		      uint64_t *ret_host, struct fleet_record *ret)
{
	int count = open_frame(key, FLEET_LEDGER, bytes, length, FLEET_RECORD_BYTES);
	const uint8_t *at = bytes + FLEET_HEAD_BYTES;

	if (count < 0)
		return count;
	*ret_host = get(bytes + 8, 8);
	for (int i = 0; i < count; i++, at += FLEET_RECORD_BYTES)
		ret[i] = (struct fleet_record){ .key = get(at, 8),
						.epoch = (uint32_t)get(at + 8, 4),
						.first = (uint32_t)get(at + 12, 4),
						.last = (uint32_t)get(at + 16, 4),
						.tries = at[20],
						.classes = at[21] };
	return count;
}

size_t fleet_put_host(const struct siphash_key *key, const struct fleet_host *host, uint8_t *bytes)
{
	uint8_t *at = bytes + FLEET_HEAD_BYTES;
	double demand = host->demand < 0 ? -1 : host->demand < 1e6f ? (double)host->demand : 1e6;

	memset(at, 0, FLEET_HOST_BYTES);
	memcpy(at, host->name, strlen(host->name));
	put(at + 64, host->realtime_us, 8);
	put(at + 72, (uint32_t)host->window, 4);
	put(at + 76, host->in_flight, 4);
	put(at + 80, demand < 0 ? UINT32_MAX : (uint32_t)(demand * 1000), 4);
	at[84] = host->level;
	at[85] = host->state;
	at[86] = host->observes;
	return close_frame(key, FLEET_HOST, 1, host->id, bytes,
			   FLEET_HEAD_BYTES + FLEET_HOST_BYTES);
}

static bool is_name(const char *name, size_t size)
{
	size_t n = 0;

	while (n < size && name[n] > ' ' && name[n] < 0x7f && name[n] != '"' && name[n] != '\\' &&
	       name[n] != '<' && name[n] != '&')
		n++;
	return n > 0 && n < size && name[n] == 0;
}

int fleet_get_host(const struct siphash_key *key, const uint8_t *bytes, size_t length,
		   struct fleet_host *ret)
{
	const uint8_t *at = bytes + FLEET_HEAD_BYTES;
	int count = open_frame(key, FLEET_HOST, bytes, length, FLEET_HOST_BYTES);
	struct fleet_host host = { 0 };
	uint32_t demand;

	if (count != 1)
		return -EBADMSG;
	memcpy(host.name, at, sizeof(host.name));
	host.id = get(bytes + 8, 8);
	host.realtime_us = get(at + 64, 8);
	host.window = (int32_t)get(at + 72, 4);
	host.in_flight = (uint32_t)get(at + 76, 4);
	demand = (uint32_t)get(at + 80, 4);
	host.demand = demand == UINT32_MAX ? -1 : (float)demand / 1000;
	host.level = at[84];
	host.state = at[85];
	host.observes = at[86];
	if (!is_name(host.name, sizeof(host.name)) || host.window < -1 || host.level > 4 ||
	    host.state > 8 || host.observes > 1)
		return -EBADMSG;
	*ret = host;
	return 0;
}
