/* The process that mail servers ask, from its beginning to its end; and the protocols that it
 * speaks. */
#include <event2/event.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/helper.h"
#include "front/asked_protocol.h"

const struct asked_protocol *const asked_protocols[ASKED__COUNT] = {
#define X(kind, name) [ASKED_##kind] = &asked_##name,
	ASKED_FRONT_TABLE(X)
#undef X
};

int asked_process_main(int argc, char **argv)
{
	struct asked_process *process;
	struct event_base *base;
	int fds[HELPER_FDS];

	if (helper_begin(argc, argv, ASKED_ARGUMENT, 1, fds) < 0)
		return EX_USAGE;
	base = event_base_new();
	if (!base || asked_process_open(base, fds[0], asked_protocols, &process) < 0)
		_exit(EX_OSERR);
	asked_process_run(process, helper_confine());
	_exit(EXIT_SUCCESS); /* the kernel frees everything at the end of the process */
}
