#include <stdlib.h>
#include <string.h>

#include "front/smtpd_codec.h"

/* Line after line, as penstock-opensmtpd takes them; whatever penstockd answers makes one line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[700] = { 0 }, answer[SMTPD_ANSWER_MAX];
	struct smtpd_line l = { .session = "1", .token = "2" };
	size_t at = 0, taken = 0, n;

	memcpy(text, data, size < sizeof(text) - 1 ? size : sizeof(text) - 1);
	do {
		n = smtpd_answer(answer, &l, text);
		if (n >= sizeof(answer) || strchr(answer, '\n') != answer + n - 1)
			abort();
		if (at == size || !smtpd_parse((const char *)data + at, size - at, &l, &taken))
			break;
		if (taken == 0 || taken > size - at || taken > SMTPD_LINE_MAX)
			abort();
		at += taken;
	} while (1);
	return 0;
}
