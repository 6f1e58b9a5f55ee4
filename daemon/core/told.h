/* A front in a process of its own marks the connection of a client that it refuses, so that the
 * gate's program (bpf/gate.bpf.c) recognises the connection when its end is acknowledged. The mark
 * is the socket's TCP_USER_TIMEOUT, which needs no privilege. No other program is likely to set
 * this value, and it makes sense by itself: a client that acknowledges nothing for so long is gone.
 * A front sets no mark for a client that must get the dialogue when it comes again, because the
 * client is owed the next place or was refused late. */
#ifndef PENSTOCK_CORE_TOLD_H
#define PENSTOCK_CORE_TOLD_H

#define TOLD_USER_TIMEOUT_MS 45107u

#endif
