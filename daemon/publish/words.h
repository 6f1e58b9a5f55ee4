/* Numbers, units, durations and times as people read them: the one formatter of status, explain,
 * the page, the journal and penstockctl. Knows nothing of the status. */
#ifndef PENSTOCK_PUBLISH_WORDS_H
#define PENSTOCK_PUBLISH_WORDS_H

#include <stdint.h>

#include "base/text.h"
#include "core/sample.h"

/* A value in the unit that people read: "12 ms", "64 MiB", "83.0 %", "2.50 cores". */
void words_value(struct text *out, enum unit unit, double value);
/* A server time, busy sessions by completions a second, is shown up to here. Beyond it next to
 * nothing is completed, and the figure is about as high as the number of busy sessions. */
#define SERVER_TIME_SHOWN_S 60
/* Seconds that a server time is shown with; -1 (not known) stays. */
double words_server_time_s(double s);
/* The same for a value of any signal, in its unit. */
double words_shown(enum signal signal, double value);
/* That value in words; a server time of SERVER_TIME_SHOWN_S and more: "over 60 s". */
void words_signal(struct text *out, enum signal signal, double value);
/* A window or a hard limit, as whole sessions: as window_plan() rounds it for the fronts; -1 (none)
 * stays. */
double words_window(double sessions);
/* "2.3 times"; beyond TIMES_SHOWN, where next to nothing is completed: "over 100 times". */
#define TIMES_SHOWN 100
void words_times(struct text *out, double times);
/* "41 %", "0.6 %" */
void words_share(struct text *out, double ratio);
/* Seconds, as duration_print() of base/duration.h has them. */
void words_duration(struct text *out, double s);
/* CLOCK_REALTIME as "2026-01-31T12:00:00Z" into `buf` (32); returns it. */
const char *words_time(uint64_t realtime_us, char *buf);
/* An address (IPv4 mapped) as "203.0.113.9" or "2001:db8::1" into `buf` (46); returns it. */
const char *words_address(const uint8_t *address, char *buf);
/* The group as which an address counts: "203.0.113.0/24", "2001:db8::/64" into `buf` (64); returns
 * it. */
const char *words_group(const uint8_t *address, char *buf);
/* The name of a band of ranks. */
const char *words_band(unsigned band);

#endif
