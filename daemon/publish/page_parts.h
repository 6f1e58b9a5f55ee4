/* What the files of the page share: the page is put together as one JSON object, which fills
 * page.html (publish/template.h). */
#ifndef PENSTOCK_PUBLISH_PAGE_PARTS_H
#define PENSTOCK_PUBLISH_PAGE_PARTS_H

#include <jansson.h>

#include "publish/page.h"
#include "publish/status.h"

/* At most 1023 characters. */
void page_set(json_t *object, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Writes "3 min" into `buffer` and returns it. */
/* Planned maintenance within a week; NULL: none. */
const struct maintenance_span *page_planned(const struct status *status);
bool page_sensor_fails(const struct sensor_status *sensor);

/* The template of publish/public_page.h. */
const char *page_html_for_customers(void);

/* Services, resources, fronts, fleet, sensors. */
void page_tables(json_t *page, const struct status *status);
/* The charts of the span, and the last events of the day. Call it after page_tables(): each
 * resource gets its own chart. `now_s`: CLOCK_REALTIME. */
void page_charts(json_t *page, const struct page_past *past, uint64_t now_s);

#endif
