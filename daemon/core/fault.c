#include "core/fault.h"

struct row {
	const char *name, *what, *consequence, *remedy;
};

static const struct row rows[FAULT__COUNT] = {
#define X(id, name, what, consequence, remedy) [FAULT_##id] = { name, what, consequence, remedy },
	FAULT_TABLE(X)
#undef X
};

const char *fault_name(enum fault fault)
{
	return rows[fault].name;
}

const char *fault_what(enum fault fault)
{
	return rows[fault].what;
}

const char *fault_consequence(enum fault fault)
{
	return rows[fault].consequence;
}

const char *fault_remedy(enum fault fault)
{
	return rows[fault].remedy;
}

void faults_add(struct faults *sum, const struct faults *faults)
{
	for (int i = 0; i < FAULT__COUNT; i++) {
		sum->count[i] += faults->count[i];
		if (faults->last_us[i] > sum->last_us[i])
			sum->last_us[i] = faults->last_us[i];
	}
}
