#include <stdlib.h>
#include <string.h>

#include "sensor/queue_walk.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char *name = malloc(size + 1);

	memcpy(name, data, size);
	name[size] = 0;
	if (queue_exim_time(name) < -1)
		abort();
	queue_exim_tried(name);
	queue_sendmail_tried(name);
	queue_opensmtpd_tried(name);
	queue_is_postfix_id(name);
	queue_is_sendmail_control(name);
	queue_is_opensmtpd_message(name);
	free(name);
	return 0;
}
