#include "publish/outlets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/retry.h"
#include "publish/control.h"
#include "publish/http.h"

#define WEBS 2 /* one of each enum http_kind */

struct outlets {
	struct event_base *base;
	const struct config *config;
	const struct control_ops *ops;
	void *context;
	struct control *control; /* NULL: closed */
	struct retry control_retry;
	struct web {
		struct http *http; /* NULL: closed */
		struct retry retry;
		/* the addresses with which it was opened */
		char listen[sizeof(((struct endpoints *)0)->text)];
	} web[WEBS];
	uint64_t restarts; /* restarts of processes whose outlet was closed */
};

static const struct endpoints *listen_of(const struct outlets *o, enum http_kind kind)
{
	return kind == HTTP_CUSTOMERS ? &o->config->http_public : &o->config->http_listen;
}

int outlets_open(struct event_base *base, const struct config *config,
		 const struct control_ops *ops, void *context, struct outlets **ret_outlets)
{
	struct outlets *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->base = base;
	o->config = config;
	o->ops = ops;
	o->context = context;
	*ret_outlets = o;
	return 0;
}

void outlets_close(struct outlets *o)
{
	if (!o)
		return;
	control_close(o->control);
	for (int i = 0; i < WEBS; i++)
		http_close(o->web[i].http);
	free(o);
}

static void open_control(struct outlets *o, uint64_t now_us)
{
	struct retry *retry = &o->control_retry;

	if (retry_due(retry, now_us))
		retry_result(retry, "the control socket",
			     control_open(o->base, o->config, o->ops, o->context, &o->control,
					  retry->why),
			     now_us);
}

static void open_http(struct outlets *o, enum http_kind kind, uint64_t now_us)
{
	const struct endpoints *listen = listen_of(o, kind);
	struct web *web = &o->web[kind];

	if (listen->count == 0 || !retry_due(&web->retry, now_us))
		return;
	memcpy(web->listen, listen->text, sizeof(web->listen));
	retry_result(
		&web->retry, kind == HTTP_CUSTOMERS ? "the page for customers" : "HTTP",
		http_open(o->base, o->config, kind, o->ops, o->context, &web->http, web->retry.why),
		now_us);
}

static void open_closed(struct outlets *o, uint64_t now_us)
{
	open_control(o, now_us);
	for (int i = 0; i < WEBS; i++)
		open_http(o, (enum http_kind)i, now_us);
}

void outlets_configure(struct outlets *o, uint64_t now_us)
{
	for (int i = 0; i < WEBS; i++) {
		struct web *web = &o->web[i];

		if (web->http && strcmp(web->listen, listen_of(o, (enum http_kind)i)->text) != 0) {
			o->restarts += http_restarts(web->http);
			http_close(web->http);
			web->http = NULL;
		}
		if (web->http)
			http_configure(web->http, o->config);
		else
			retry_reset(&web->retry);
	}
	open_closed(o, now_us);
}

void outlets_http(const struct outlets *o, struct status_outlet *ret)
{
	ret->wanted = ret->up = false;
	ret->restarts = o->restarts;
	for (int i = 0; i < WEBS; i++) {
		const struct http *http = o->web[i].http;
		bool wanted = listen_of(o, (enum http_kind)i)->count > 0;
		bool up = http && http_is_up(http);

		/* Up: all that are wanted are up. */
		ret->up = wanted ? up && (ret->up || !ret->wanted) : ret->up;
		ret->wanted |= wanted;
		ret->restarts += http ? http_restarts(http) : 0;
	}
}

void outlets_control(const struct outlets *o, struct status_outlet *ret)
{
	*ret = (struct status_outlet){ .wanted = true,
				       .up = o->control && control_is_up(o->control),
				       .restarts = o->control ? control_restarts(o->control) : 0 };
}

void outlets_faults(const struct outlets *o, struct faults *sum)
{
	if (o->control)
		faults_add(sum, control_faults(o->control));
}

void outlets_step(struct outlets *o, const struct engine_view *view, uint64_t now_us)
{
	if (o->control)
		control_step(o->control, view, now_us);
	for (int i = 0; i < WEBS; i++)
		if (o->web[i].http)
			http_step(o->web[i].http, view, now_us);
	open_closed(o, now_us);
}
