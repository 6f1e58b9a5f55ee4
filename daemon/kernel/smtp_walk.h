/* The walk over the sessions in the SMTP probe's map, from user space. */
#ifndef PENSTOCK_KERNEL_SMTP_WALK_H
#define PENSTOCK_KERNEL_SMTP_WALK_H

#include <stdint.h>

#include "shared.h"

struct smtp_bpf;

/* Calls take() for each session. `key` is the address of its socket in the kernel. A session that
 * begins or ends meanwhile may be left out. 0: all of them were read; negative errno: not all. */
int smtp_walk(struct smtp_bpf *bpf,
	      void (*take)(void *context, uint64_t key, const struct smtp_session *session),
	      void *context);

/* What smtp_look() keeps between its two passes. NULL: out of memory. */
struct smtp_looks;
struct smtp_looks *smtp_looks_open(void);
void smtp_looks_close(struct smtp_looks *looks);

/* Once a tick: runs smtp_look of bpf/smtp.bpf.c for each busy session, which takes from the busy
 * ones those whose server waits for the client, and those that are stuck. So are those slow ones
 * with which a source has more than count as load (core/overtaken.h), as the proxy judges, too. 0,
 * or negative errno: the kernel does not run it. */
int smtp_look(struct smtp_bpf *bpf, struct smtp_looks *looks, uint64_t now_ns);

#endif
