/* A probe as the loader sees it, for kernel/ only. Each has a file (probe_NAME.c), a line in
 * kernel.c and an object in bpf/.
 *
 * An object holds each of its programs twice: "tp_btf/TRACEPOINT", which reads kernel structs
 * directly, and "raw_tp/TRACEPOINT" for kernels whose BTF does not describe the tracepoint (one of
 * a module, for instance). */
#ifndef PENSTOCK_KERNEL_PROBE_H
#define PENSTOCK_KERNEL_PROBE_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "kernel/probes.h"

struct btf;

/* What a probe needs to load itself. */
struct probe_env {
	const struct config *config;
	const struct btf *btf; /* of the running kernel; NULL: it has none */
	int cpus; /* number of possible CPUs */
};

#define PROBE_FORM_MAX 192

struct probe {
	const char *name; /* for people */
	const char *instead; /* what is used when the probe is not available */
	bool is_spare; /* opened only when `spare_for` is not available */
	enum kernel_probe spare_for;
	/* Loads and attaches. 0 with the state and the form that was taken (PROBE_FORM_MAX), or
	 * -errno, with nothing left behind. */
	int (*open)(const struct probe_env *env, void **ret_state, char *form);
	void (*close)(void *state);
	/* NULL: the probe has no histogram. Cumulative, see kernel_histogram(). */
	int (*histogram)(const void *state, unsigned which, uint64_t slots[KERNEL_SLOTS],
			 uint64_t *ret_sum_us);
};

extern const struct probe probe_runq, probe_blkio, probe_smtp, probe_fsync, probe_jbd2,
	probe_reclaim, probe_oom;

struct kernel {
	struct {
		void *state; /* NULL: not available, for the reason in `why` */
		char why[224];
		char form[PROBE_FORM_MAX];
	} probe[PROBE__COUNT];
};

/* The state of a probe, or NULL if it is not open. */
static inline void *kernel_probe_state(const struct kernel *kernel, enum kernel_probe probe)
{
	return kernel->probe[probe].state;
}

/* Whether the kernel's BTF describes a tracepoint for tp_btf. */
bool probe_has_tracepoint(const struct btf *btf, const char *name);

/* A libbpf skeleton without its type. `prepare` runs between open and load, and sets sizes of maps
 * and constants; NULL: nothing to set. */
struct probe_skeleton {
	void *(*open)(void);
	struct bpf_object *(*object)(void *skeleton);
	int (*load)(void *skeleton);
	int (*attach)(void *skeleton);
	void (*destroy)(void *skeleton);
	int (*prepare)(void *skeleton, const struct probe_env *env);
};

/* Defines `static const struct probe_skeleton NAME_skeleton` for the skeleton NAME.skel.h. */
#define PROBE_SKELETON(name, prepare_function) \
	static void *name##_skeleton_open(void) \
	{ \
		return name##_bpf__open(); \
	} \
	static struct bpf_object *name##_skeleton_object(void *skeleton) \
	{ \
		return ((struct name##_bpf *)skeleton)->obj; \
	} \
	static int name##_skeleton_load(void *skeleton) \
	{ \
		return name##_bpf__load(skeleton); \
	} \
	static int name##_skeleton_attach(void *skeleton) \
	{ \
		return name##_bpf__attach(skeleton); \
	} \
	static void name##_skeleton_destroy(void *skeleton) \
	{ \
		name##_bpf__destroy(skeleton); \
	} \
	static const struct probe_skeleton name##_skeleton = { \
		name##_skeleton_open,	name##_skeleton_object,	 name##_skeleton_load, \
		name##_skeleton_attach, name##_skeleton_destroy, prepare_function \
	}

/* Loads each program as tp_btf if BTF has its tracepoint, else as raw_tp. If the kernel refuses
 * that, loads all as raw_tp. */
int probe_open_two_forms(const struct probe_skeleton *type, const struct probe_env *env,
			 void **ret_skeleton, char *form);

/* A probe that is open, with the values of one of its arrays (BPF_F_MMAPABLE) mapped for
 * reading. */
struct probe_mapped {
	const struct probe_skeleton *type;
	void *skeleton;
	const void *values;
	size_t size; /* mapped */
};

/* Opens the probe, and maps the array of that name. 0, or -errno with nothing left behind. */
int probe_open_mapped(const struct probe_skeleton *type, const struct probe_env *env,
		      const char *array, struct probe_mapped *ret, char *form);
void probe_close_mapped(struct probe_mapped *mapped);

#endif
