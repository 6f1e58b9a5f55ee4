/* The placeholders of the status page. */
#include <errno.h>
#include <event2/buffer.h>

#include "cmocka_test.h"

#include "base/array.h"
#include "publish/template.h"

static int render(const char *template, const char *json, char *ret, size_t size)
{
	json_t *root = json_loads(json, 0, NULL);
	struct evbuffer *out = evbuffer_new();
	int r = template_render(template, root, out);
	int n = evbuffer_remove(out, ret, size - 1);

	ret[n > 0 ? n : 0] = 0;
	evbuffer_free(out);
	json_decref(root);
	return r;
}

static void gives(const char *template, const char *json, const char *expected)
{
	char text[512];

	assert_int_equal(render(template, json, text, sizeof(text)), 0);
	assert_string_equal(text, expected);
}

static void values_are_escaped(void **state)
{
	gives("a {{x}} b", "{\"x\": \"<b a=\\\"1\\\">&'\"}",
	      "a &lt;b a=&quot;1&quot;&gt;&amp;&#39; b");
	gives("{{n}} {{r}} {{none}}.", "{\"n\": 7, \"r\": 1.5}", "7 1.5 .");
}

static void sections_repeat_and_nest(void **state)
{
	gives("{{#rows}}[{{name}}{{#tags}}-{{.}}{{/tags}}{{unit}}]{{/rows}}",
	      "{\"unit\": \"s\", \"rows\": [{\"name\": \"a\", \"tags\": [\"x\", \"y\"]}, {\"name\": \"b\", \"unit\": \"ms\"}]}",
	      "[a-x-ys][bms]");
	gives("{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{}", "no");
	gives("{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\": []}", "no");
	gives("{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\": \"\"}", "no");
	gives("{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\": false}", "no");
	gives("{{#a}}yes {{a}}{{/a}}{{^a}}no{{/a}}", "{\"a\": \"x\"}", "yes x");
	gives("{{#a}}{{#b}}in{{/b}}{{^b}}out{{/b}}{{/a}}", "{\"a\": true}", "out");
	gives("{{^a}}{{#b}}deep{{/b}}{{/a}}", "{\"a\": true, \"b\": true}", "");
}

static void what_does_not_end_is_an_error(void **state)
{
	static const char *const wrong[] = { "{{",     "{{name",       "{{#a}}",
					     "{{/a}}", "{{#a}}{{/b}}", "{{}}" };
	static const char deep[] =
		"{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}x{{/a}}{{/a}}{{/a}}{{/a}}{{/a}}{{/a}}{{/a}}{{/a}}{{/a}}";
	char text[512];

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(render(wrong[i], "{\"a\": true}", text, sizeof(text)), -EINVAL);
	assert_int_equal(render(deep, "{\"a\": true}", text, sizeof(text)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_escaped),
		cmocka_unit_test(sections_repeat_and_nest),
		cmocka_unit_test(what_does_not_end_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
