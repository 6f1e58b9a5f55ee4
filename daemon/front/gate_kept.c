#include "front/gate_kept.h"

#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/fdstore.h"
#include "base/manager.h"

static const char *const kept_names[] = { "gate-lookup",    "gate-state",	"gate-destroy",
					  "gate-map-state", "gate-map-tickets", "gate-map-sessions",
					  "gate-map-held" };

void gate_kept_take(struct gate_options *o)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kept_names); i++) {
		int fd = fdstore_take(kept_names[i]);

		if (fd < 0)
			continue;
		o->kept[o->kept_count].name = kept_names[i];
		o->kept[o->kept_count++].fd = fd;
	}
}

bool gate_kept_store(const struct gate *gate)
{
	const char *names[GATE_KEPT];
	int fds[GATE_KEPT];
	unsigned n = gate_kept(gate, names, fds);
	bool kept = manager_is_there();

	for (unsigned i = 0; i < n && kept; i++) {
		kept = fdstore_remove(names[i]) == 0 && fdstore_push(names[i], fds[i]) == 0;
	}
	return kept;
}

void gate_kept_remove(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kept_names); i++)
		if (fdstore_remove(kept_names[i]) < 0)
			return;
}

void gate_kept_forget(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kept_names); i++) {
		int fd = fdstore_take(kept_names[i]);

		if (fd < 0)
			continue;
		close(fd);
		fdstore_remove(kept_names[i]);
	}
}
