/* SipHash-2-4: 64 bits of any bytes under a key of 128 bits. Without the key no value can be made
 * or predicted, so it seals what hosts tell each other, and hides addresses.
 *
 * Source: Aumasson and Bernstein 2012, "SipHash: a fast short-input PRF"; the vectors of its
 * appendix A are in the unit test. */
#ifndef PENSTOCK_CORE_SIPHASH_H
#define PENSTOCK_CORE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t half[2];
};

static inline uint64_t siphash_rotated(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static inline void siphash_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = siphash_rotated(v[1], 13) ^ v[0];
	v[0] = siphash_rotated(v[0], 32);
	v[2] += v[3];
	v[3] = siphash_rotated(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = siphash_rotated(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = siphash_rotated(v[1], 17) ^ v[2];
	v[2] = siphash_rotated(v[2], 32);
}

static inline uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t length)
{
	const uint8_t *p = bytes;
	uint64_t v[4] = { key->half[0] ^ UINT64_C(0x736f6d6570736575),
			  key->half[1] ^ UINT64_C(0x646f72616e646f6d),
			  key->half[0] ^ UINT64_C(0x6c7967656e657261),
			  key->half[1] ^ UINT64_C(0x7465646279746573) };

	for (size_t at = 0; at <= length; at += 8) {
		size_t left = length - at < 8 ? length - at : 8;
		uint64_t word = 0;

		for (size_t i = 0; i < left; i++)
			word |= (uint64_t)p[at + i] << (8 * i);
		if (left < 8)
			word |= (uint64_t)length << 56;
		v[3] ^= word;
		siphash_round(v);
		siphash_round(v);
		v[0] ^= word;
		if (left < 8)
			break;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		siphash_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
