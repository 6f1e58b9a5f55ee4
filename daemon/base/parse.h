/* Numbers with units as people write them. All: 0, or -EINVAL (not that form) or -ERANGE (does not
 * fit); `*ret` is written only on success; the whole string must be consumed. */
#ifndef PENSTOCK_BASE_PARSE_H
#define PENSTOCK_BASE_PARSE_H

#include <stdbool.h>
#include <stdint.h>

int parse_u64(const char *text, uint64_t *ret);
int parse_double(const char *text, double *ret); /* finite, plain decimal */
int parse_duration_us(const char *text,
		      uint64_t *ret); /* 250us 20ms 1.5s 5min 2h 1d; a bare number is seconds */
int parse_bytes(const char *text,
		uint64_t *ret); /* 512 64KiB 1.5MiB 2GiB 1TiB, also K M G T (binary) */
int parse_bits_per_s(const char *text,
		     uint64_t *ret); /* 1000000 100M 2.5Gbit/s, also k and T (decimal) */
int parse_ratio(const char *text, double *ret); /* 90% or 0.9; 0 and up */
int parse_bool(const char *text, bool *ret); /* yes no true false on off 1 0 */

#endif
