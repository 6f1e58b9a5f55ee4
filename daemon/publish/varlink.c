#include "publish/varlink.h"

#include <errno.h>
#include <string.h>

int varlink_frame(const char *bytes, size_t length, size_t max, size_t *ret_length)
{
	const char *end = memchr(bytes, 0, length);

	if (end && (size_t)(end - bytes) <= max) {
		*ret_length = (size_t)(end - bytes);
		return 1;
	}
	return end || length > max ? -EMSGSIZE : 0;
}

static int flag(const json_t *message, const char *key, bool *ret)
{
	const json_t *value = json_object_get(message, key);

	if (value && !json_is_boolean(value) && !json_is_null(value))
		return -EBADMSG;
	*ret = json_is_true(value);
	return 0;
}

int varlink_parse_call(const char *bytes, size_t length, struct varlink_call *ret_call)
{
	struct varlink_call call = { 0 };
	json_t *message = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, NULL);
	const char *method = json_string_value(json_object_get(message, "method"));
	json_t *parameters = json_object_get(message, "parameters");
	int r = -EBADMSG;

	if (method && strlen(method) < sizeof(call.method) &&
	    (!parameters || json_is_object(parameters) || json_is_null(parameters)) &&
	    flag(message, "more", &call.more) == 0 && flag(message, "oneway", &call.oneway) == 0 &&
	    flag(message, "upgrade", &call.upgrade) == 0) {
		strcpy(call.method, method);
		call.parameters =
			json_is_object(parameters) ? json_incref(parameters) : json_object();
		*ret_call = call;
		r = call.parameters ? 0 : -ENOMEM;
	}
	json_decref(message);
	return r;
}

void varlink_call_done(struct varlink_call *call)
{
	json_decref(call->parameters);
	call->parameters = NULL;
}

char *varlink_reply(const char *error, json_t *parameters, bool continues)
{
	json_t *message = json_object();
	char *text;

	if (error)
		json_object_set_new(message, "error", json_string(error));
	json_object_set_new(message, "parameters", parameters ? parameters : json_object());
	if (continues)
		json_object_set_new(message, "continues", json_true());
	text = json_dumps(message, JSON_COMPACT | JSON_REAL_PRECISION(6));
	json_decref(message);
	return text;
}
