#include "host/signals.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "host/notify.h"

static const int numbers[] = { SIGHUP, SIGTERM, SIGINT };

struct signals {
	struct event_base *base;
	void (*reload)(void *context);
	void *context;
	struct event *event[ARRAY_SIZE(numbers)];
};

static void on_signal(evutil_socket_t number, short what, void *context)
{
	struct signals *s = context;

	if (number == SIGHUP) {
		s->reload(s->context);
		return;
	}
	notify_stopping();
	event_base_loopexit(s->base, NULL);
}

int signals_open(struct event_base *base, void (*reload)(void *context), void *context,
		 struct signals **ret_signals)
{
	struct signals *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->base = base;
	s->reload = reload;
	s->context = context;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		s->event[i] = evsignal_new(base, numbers[i], on_signal, s);
		if (!s->event[i] || event_add(s->event[i], NULL) < 0) {
			signals_close(s);
			return -ENOMEM;
		}
	}
	*ret_signals = s;
	return 0;
}

void signals_close(struct signals *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++)
		if (s->event[i])
			event_free(s->event[i]);
	free(s);
}
