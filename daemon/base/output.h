/* Output that cannot be written: a full disk, say. Without this a program says nothing and ends as
 * if all was well, because what it prints is written when it ends. */
#ifndef PENSTOCK_BASE_OUTPUT_H
#define PENSTOCK_BASE_OUTPUT_H

/* Call it once, before anything is printed. When the program ends and its output could not be
 * written, that is said on stderr and the exit status is `failure`. A reader that has gone (a pipe)
 * is no failure. `program` stays the caller's. */
void output_check_at_exit(const char *program, int failure);

#endif
