/* Pieces that more than one part of show.h prints. Its files: show.c (status), show_sources.c
 * (sources), show_fleet.c (fleet), show_words.c (numbers, durations, wrapped text). */
#ifndef PENSTOCKCTL_SHOW_PARTS_H
#define PENSTOCKCTL_SHOW_PARTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* "NAME 3.25 s"; below 0: "NAME unknown". */
void show_number(FILE *out, const char *name, double value, const char *unit);
/* Right-aligned in a column eight wide, or in a sentence; below 0: "-". */
void show_duration(FILE *out, double s, bool column);
/* Prints how many sources wait, from `sources` of the status. */
void show_who_waits(const json_t *sources, FILE *out);

#endif
