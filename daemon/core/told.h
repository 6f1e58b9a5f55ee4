/* How a front that is a process of its own marks a connection whose client it refuses, so that the
 * gate's program (bpf/gate.bpf.c) knows it when its end is acknowledged: by the socket's
 * TCP_USER_TIMEOUT, which takes no privilege. The value is one that no other program sets, and
 * sensible: a client that acknowledges nothing for so long is gone. A front leaves the mark out for
 * those who must be spoken to when they come again: who is owed the next place, who was told
 * late. */
#ifndef PENSTOCK_CORE_TOLD_H
#define PENSTOCK_CORE_TOLD_H

#define TOLD_USER_TIMEOUT_MS 45107u

#endif
