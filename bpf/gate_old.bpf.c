/* The gate for kernels without fetching atomics (before 5.12). */
#define GATE_NO_FETCH
#include "gate.bpf.c"
