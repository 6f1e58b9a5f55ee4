/* What is said about a name that stands in no table: the one that was probably meant.
 *
 * Example: "[deamon]": "there is no section [deamon]; did you mean [daemon]?" */
#ifndef PENSTOCK_CONFIG_UNKNOWN_H
#define PENSTOCK_CONFIG_UNKNOWN_H

/* Each writes its sentence to `why` (256). */
void unknown_section(const char *section, char *why);
/* A key of a section that there is. */
void unknown_key(const char *section, const char *key, char *why);
void unknown_signal(const char *name, char *why);

#endif
