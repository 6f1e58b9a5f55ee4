#include "core/reason.h"

static const struct {
	const char *name, *sentence;
} reasons[REASON__COUNT] = {
#define X(id, reason_text, reason_sentence) [REASON_##id] = { reason_text, reason_sentence },
	REASON_TABLE(X)
#undef X
};

const char *reason_name(enum reason reason)
{
	return reason < REASON__COUNT ? reasons[reason].name : "unknown";
}

const char *reason_sentence(enum reason reason)
{
	return reason < REASON__COUNT ? reasons[reason].sentence : "unknown";
}
