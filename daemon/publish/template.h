/* Fills a text with placeholders from a JSON object: the part of Mustache (mustache(5)) that the
 * page needs.
 *
 *   {{name}}                  the string or number, escaped for HTML text and for attributes in
 *                             double quotes; nothing if it is not there
 *   {{#name}}...{{/name}}     once for each element of an array; once for an object, a string that
 *                             is not empty, or true
 *   {{^name}}...{{/name}}     when {{#name}} would give nothing
 *
 * A name is looked up in the innermost object first, then in those around it. {{.}} is the element
 * itself. */
#ifndef PENSTOCK_PUBLISH_TEMPLATE_H
#define PENSTOCK_PUBLISH_TEMPLATE_H

#include <jansson.h>

struct evbuffer;

/* 0, or -EINVAL: a placeholder or section does not end, or sections are deeper than 8. What was
 * written until then stays. */
int template_render(const char *template, const json_t *root, struct evbuffer *out);

#endif
