/* Recognises names in a queue directory, and reads the beginnings of control files: pure
 * functions. */
#include <ctype.h>
#include <string.h>

#include "sensor/queue_walk.h"

static int base62(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 36;
	return -1;
}

/* How many base 62 digits stand at the beginning. */
static size_t span62(const char *text)
{
	size_t n = 0;

	while (base62(text[n]) >= 0)
		n++;
	return n;
}

int64_t queue_exim_time(const char *name)
{
	size_t process, sub;
	int64_t seconds = 0;

	if (span62(name) != 6 || name[6] != '-')
		return -1;
	process = span62(name + 7);
	/* 6-6-2 digits; 6-11-4 from 4.97 on */
	if ((process != 6 && process != 11) || name[7 + process] != '-')
		return -1;
	sub = span62(name + 8 + process);
	if (sub != (process == 6 ? 2u : 4u) || name[8 + process + sub] != '-')
		return -1;
	for (int i = 0; i < 6; i++)
		seconds = seconds * 62 + base62(name[i]);
	return seconds;
}

bool queue_is_postfix_id(const char *name)
{
	size_t n = strlen(name);
	const char *z;

	if (n >= 6 && n <= 20 && strspn(name, "0123456789ABCDEF") == n)
		return true;
	z = strrchr(name, 'z'); /* no z in the inode's digits */
	/* no vowels: 6 digits of seconds at least, 4 of microseconds */
	return z && z - name >= 10 && z[1] && n <= 40 &&
	       strspn(name, "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz") == n;
}

bool queue_is_sendmail_control(const char *name)
{
	size_t n = strlen(name);

	if (strncmp(name, "qf", 2) != 0 || n < 10 || n > 40)
		return false;
	for (const char *p = name + 2; *p; p++)
		if (!isalnum((unsigned char)*p))
			return false;
	return true;
}

bool queue_exim_tried(const char *head)
{
	return !strstr(head, "\n-deliver_firsttime\n");
}

bool queue_sendmail_tried(const char *head)
{
	const char *attempts = strstr(head, "\nN");

	return attempts && attempts[2] >= '1' && attempts[2] <= '9';
}

bool queue_opensmtpd_tried(const char *head)
{
	const char *last = strstr(head, "\nlast-try: ");

	return last && last[11] >= '1' && last[11] <= '9';
}

bool queue_is_opensmtpd_message(const char *name)
{
	return strlen(name) == 8 && strspn(name, "0123456789abcdef") == 8;
}
