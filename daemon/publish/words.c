#include "publish/words.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/duration.h"
#include "core/plan.h"

/* A mean fades for hours after a load, to 1e-37 and less: below this it is shown as 0. */
#define SHOWN_FROM 0.005

static void scaled(struct text *out, double value, double step, const char *const *units)
{
	while (value >= step && units[1]) {
		value /= step;
		units++;
	}
	text_append(out, "%.*f %s", value < 10 ? 1 : 0, value, *units);
}

void words_value(struct text *out, enum unit unit, double value)
{
	static const char *const times[] = { "us", "ms", "s", NULL };
	static const char *const sizes[] = { "B", "KiB", "MiB", "GiB", "TiB", NULL };
	static const char *const rates[] = { "B/s", "KiB/s", "MiB/s", "GiB/s", NULL };
	static const char *const bits[] = { "bit/s", "kbit/s", "Mbit/s", "Gbit/s", NULL };

	switch (unit) {
	case UNIT_RATIO:
		text_append(out, "%.1f %%", value * 100);
		break;
	case UNIT_US:
		scaled(out, value, 1000, times);
		break;
	case UNIT_BYTES:
		scaled(out, value, 1024, sizes);
		break;
	case UNIT_BYTES_PER_S:
		scaled(out, value, 1024, rates);
		break;
	case UNIT_BITS_PER_S:
		scaled(out, value, 1000, bits);
		break;
	case UNIT_PER_S:
		text_append(out, "%.4g/s", fabs(value) < SHOWN_FROM ? 0 : value);
		break;
	case UNIT_S:
		words_duration(out, value);
		break;
	case UNIT_CORES:
		text_append(out, "%.2f cores", value);
		break;
	default:
		text_append(out, "%.4g", fabs(value) < SHOWN_FROM ? 0 : value);
	}
}

double words_server_time_s(double s)
{
	return fmin(s, SERVER_TIME_SHOWN_S);
}

double words_shown(enum signal signal, double value)
{
	return signal == SIGNAL_SERVER_TIME_US ? words_server_time_s(value / US_PER_S) * US_PER_S
					       : value;
}

void words_signal(struct text *out, enum signal signal, double value)
{
	if (signal == SIGNAL_SERVER_TIME_US && value >= SERVER_TIME_SHOWN_S * US_PER_S)
		text_append(out, "over %d s", SERVER_TIME_SHOWN_S);
	else
		words_value(out, signal_info[signal].unit, value);
}

void words_share(struct text *out, double ratio)
{
	text_append(out, "%.*f %%", ratio < 0.095 ? 1 : 0, ratio * 100);
}

double words_window(double sessions)
{
	return sessions < 0 ? -1 : floor(sessions + 0.5);
}

void words_times(struct text *out, double times)
{
	if (times > TIMES_SHOWN)
		text_append(out, "over %d times", TIMES_SHOWN);
	else
		text_append(out, "%.1f times", times);
}

void words_duration(struct text *out, double s)
{
	char lasting[DURATION_PRINTED];

	text_append(out, "%s", duration_print(s, lasting));
}

const char *words_time(uint64_t realtime_us, char *buf)
{
	time_t seconds = (time_t)(realtime_us / US_PER_S);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		buf[0] = 0;
	return buf;
}

const char *words_address(const uint8_t *address, char *buf)
{
	struct in6_addr a;

	memcpy(&a, address, sizeof(a));
	return address_print(&a, buf);
}

const char *words_group(const uint8_t *address, char *buf)
{
	struct in6_addr a;
	char text[INET6_ADDRSTRLEN];
	bool v4;

	memcpy(&a, address, sizeof(a));
	v4 = IN6_IS_ADDR_V4MAPPED(&a);
	memset(&a.s6_addr[v4 ? 15 : 8], 0, v4 ? 1 : 8);
	snprintf(buf, 64, "%s/%d", address_print(&a, text), v4 ? 24 : 64);
	return buf;
}

const char *words_band(unsigned band)
{
	static const char *const names[PLAN_BANDS] = { "general", "new", "promised" };

	return names[band % PLAN_BANDS];
}
