#include "penstock-sim/retry.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define MINUTE 60.0
#define HOUR 3600.0
#define DAY 86400.0

/* Ages of the tries after the first, in minutes; 0 ends the list. After that a try every `then`
 * minutes; 0: it gives up. */
static const struct timetable {
	const char *name;
	double at[16];
	double then, patience_s;
	bool is_mail, bounces;
	unsigned refusals; /* after so many, a pause */
	double pause_s;
} table[RETRY__COUNT] = {
	/* delay = age, between 300 s and 4000 s; the destination rests after four refusals */
	[RETRY_POSTFIX] = { "postfix", { 0 }, 0, 5 * DAY, true, true, 4, 300 },
	/* F,2h,15m; G,16h,1h,1.5; F,4d,6h; a retry record for each host */
	[RETRY_EXIM] = { "exim", { 0 }, 0, 4 * DAY, true, true, 1, 900 },
	[RETRY_QMAIL] = { "qmail", { 0 }, 0, 7 * DAY, true, true, 0, 0 }, /* 400 n^2 s */
	/* Seen in 2016 for at least 7 h; a day is assumed. */
	[RETRY_GMAIL] = { "gmail",
			  { 6, 29, 57, 99, 162, 230, 309, 435 },
			  126,
			  DAY,
			  true,
			  true,
			  0,
			  0 },
	[RETRY_YAHOO] = { "yahoo",
			  { 2, 6, 13, 27, 55, 110, 217, 431 },
			  214,
			  DAY,
			  true,
			  true,
			  0,
			  0 },
	[RETRY_HOTMAIL] = { "hotmail", { 1, 2, 3, 5, 8, 12, 16 }, 4, DAY, true, true, 0, 0 },
	[RETRY_EXCHANGE] = { "exchange",
			     { 5, 10, 15, 30, 45, 60, 90, 120 },
			     60,
			     DAY,
			     true,
			     true,
			     0,
			     0 },
	[RETRY_GMX] = { "gmx",
			{ 5, 12.5, 24, 41, 66, 105, 161, 248, 376 },
			128,
			2 * DAY,
			true,
			true,
			0,
			0 },
	[RETRY_AOL] = { "aol", { 4, 10, 19, 31 }, 0, 31 * MINUTE, true, true, 0, 0 },
	[RETRY_QQ] = { "qq",
		       { 2, 5, 10, 18, 30, 46, 66, 92, 124, 162, 204 },
		       0,
		       204 * MINUTE,
		       true,
		       true,
		       0,
		       0 },
	[RETRY_ADVICE] = { "advice", { 5, 30, 120 }, 240, 5 * DAY, true, true, 0, 0 },
	[RETRY_APP] = { "app", { 0 }, 0, 0, true, false, 0, 0 },
	[RETRY_BOT] = { "bot", { 0 }, 0, 0, false, false, 0, 0 },
	[RETRY_HAMMER] = { "hammer", { 0 }, 0, 10 * MINUTE, false, false, 0, 0 },
};

static double postfix_next(double age_s)
{
	return age_s + fmax(300, fmin(4000, age_s));
}

static double exim_next(double age_s)
{
	double at = 2 * HOUR, step = HOUR;

	if (age_s < 2 * HOUR)
		return age_s + 15 * MINUTE;
	for (; at <= age_s; step *= 1.5)
		at += step;
	return age_s < 16 * HOUR ? fmax(at, age_s + 15 * MINUTE) : age_s + 6 * HOUR;
}

double retry_next_s(enum retry retry, unsigned tries, double age_s)
{
	const struct timetable *t = &table[retry];
	double next = -1;

	switch (retry) {
	case RETRY_POSTFIX:
		next = postfix_next(age_s);
		break;
	case RETRY_EXIM:
		next = exim_next(age_s);
		break;
	case RETRY_QMAIL:
		next = fmax(400.0 * tries * tries, age_s + 60);
		break;
	case RETRY_HAMMER:
		next = age_s + 5;
		break;
	default:
		for (size_t i = 0; i < sizeof(t->at) / sizeof(t->at[0]) && t->at[i] > 0; i++)
			if (t->at[i] * MINUTE > age_s + 30) {
				next = t->at[i] * MINUTE;
				break;
			}
		if (next < 0 && t->then > 0)
			next = age_s + t->then * MINUTE;
	}
	return next > t->patience_s * 1.0001 ? -1 : next;
}

double retry_patience_s(enum retry retry)
{
	return table[retry].patience_s;
}

bool retry_is_mail(enum retry retry)
{
	return table[retry].is_mail;
}

bool retry_bounces(enum retry retry)
{
	return table[retry].bounces;
}

void retry_back_off(enum retry retry, unsigned *ret_refusals, double *ret_pause_s)
{
	*ret_refusals = table[retry].refusals;
	*ret_pause_s = table[retry].pause_s;
}

const char *retry_name(enum retry retry)
{
	return retry < RETRY__COUNT ? table[retry].name : "none";
}

enum retry retry_by_name(const char *name)
{
	for (int i = 0; i < RETRY__COUNT; i++)
		if (strcmp(name, table[i].name) == 0)
			return (enum retry)i;
	return RETRY__COUNT;
}
