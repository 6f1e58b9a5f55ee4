/* The status as text, made from the JSON that `status --json` prints. */
#ifndef PENSTOCKCTL_SHOW_H
#define PENSTOCKCTL_SHOW_H

#include <jansson.h>
#include <stdio.h>

void show_status(const json_t *status, FILE *out);
/* A line for each source, under a head. */
void show_sources(const json_t *sources, FILE *out);
/* The hosts of the fleet, from `fleet` of the status. */
void show_fleet(const json_t *fleet, FILE *out);
/* One line. */
void show_change(const json_t *change, FILE *out);

#endif
