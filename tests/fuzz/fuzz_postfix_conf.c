#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check/postfix_conf.h"

/* The bytes as main.cf and as master.cf; everything that came of it is asked for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct postfix_conf conf;
	char value[POSTFIX_VALUE];

	memset(&conf, 0, sizeof(conf));
	postfix_parse_main(&conf, (const char *)data, size);
	postfix_parse_master(&conf, (const char *)data, size);
	if (conf.parameters > POSTFIX_PARAMETERS || conf.services > POSTFIX_SERVICES)
		abort();
	for (unsigned i = 0; i < conf.parameters; i++)
		if (strlen(postfix_value(&conf, conf.parameter[i].service, conf.parameter[i].name,
					 "", value)) >= POSTFIX_VALUE)
			abort();
	return 0;
}
