/* The inside of the daemon, shared by the few files that are it: daemon.c (life and tick), ask.c (verdicts for its own fronts),
 * listeners.c (sockets of its own), orders.c (what operators ask), reload.c. Nobody else includes this. */
#ifndef PENSTOCK_DAEMON_PARTS_H
#define PENSTOCK_DAEMON_PARTS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/engine.h"
#include "daemon.h"
#include "front/front.h"
#include "front/remote.h"
#include "front/responder.h"
#include "front/standin.h"
#include "host/logind.h"
#include "kernel/gate.h"
#include "kernel/kernel.h"
#include "pace.h"
#include "publish/control.h"
#include "publish/status.h"
#include "refuse/refusals.h"
#include "sensor/sensor.h"
#include "store/planfile.h"
#include "store/recorder.h"
#include "store/sourcefile.h"
#include "store/warmstart.h"

/* A listener of this process: opened at start, and again and again while its address is not to be had. */
struct listener {
	const char *name;
	bool wanted, up;
	uint64_t retry_us;
	char why[256];
};

/* The gate in the kernel and its responder. */
struct gating {
	struct gate *gate;
	struct responder *responder;
	struct standin *standin;
	struct counts counts;
	struct listener listener;
	unsigned service;
	int netns_fd; /* of the MTA */
	bool kept; /* the service manager holds the gate's descriptors */
	bool down; /* nothing listens on the port, and the responder is to say so */
	uint64_t looked_us, said_us, netns_looked_us;
	bool passing; /* the responder cannot be had: everything passes */
	char passing_why[160];
	uint64_t responder_errors; /* that are in counts */
	struct refusals refusals;
};

#define SOURCES_HEARD_BITS 14
#define SOURCES_HEARD (1u << SOURCES_HEARD_BITS)

/* Who connects: sources.c. */
struct sources {
	struct sourcefile *file;
	struct source_table *table; /* NULL: no memory, all are ranked alike */
	struct source_event *batch; /* room to read a proxy's ring into */
	struct source_stats stats; /* of the last tick */
	bool stats_known, told_ranks;
	struct in6_addr heard[SOURCES_HEARD]; /* by the gate, one a slot of their groups' hashes */
	unsigned next_heard;
};

struct daemon {
	struct config config;
	const struct config_source *source;
	struct event_base *base;
	struct event *signals[4];
	struct pace *pace;
	int lock_fd;

	struct kernel *kernel;
	char bpf_why[256];
	struct registry *registry;
	int proc_fd, sys_fd, cgroup_fd; /* its directories */
	uint32_t sensors_netns; /* inode of front.gate.netns as the sensors found it, 0: none */
	struct remote *remote;
	struct planfile *planfile;
	struct engine engine;

	struct sample sample;
	struct load load;
	struct plan plan;

	struct front_env policy_env;
	struct counts policy_counts;
	void *policy;
	uint64_t policy_admitted; /* since the last tick: not yet in the kernel's count */
	struct plan_bucket policy_bucket;
	struct gating gating;
	struct sources sources;
	struct warmstart_file *warmstart; /* NULL: nothing is kept */
	uint64_t warmed_us;
	struct recorder *recorder; /* NULL: nothing is recorded */
	struct control *control;
	struct http *http;
	struct logind *logind;
	struct listener policy_listener, control_listener, http_listener;

	struct status status; /* the picture of the last tick: daemon_status() */
	bool status_stale; /* not all of it was taken since */
	uint64_t started_us, level_since_realtime_us, reloaded_us, notified_us, petted_us;
	uint64_t stirred_us; /* when somebody was served or something pressed */
	uint64_t offered; /* up to the last tick */
	uint64_t tick_durations[COUNTS_SLOTS], tick_sum_us;
	bool reload_ok, ready, shutdown_drain;
	int result;
};

/* ask.c */
/* The verdict for a client of one of the daemon's own fronts, counted in `env->counts`; see front.h. */
struct verdict daemon_ask(void *context, struct front_env *env, const struct front_client *client,
			  char *reply);
/* The counts of the daemon's own fronts join what the kernel and the other fronts see: once a tick. */
void daemon_put_own_load(struct daemon *daemon);

/* sources.c */
void daemon_open_sources(struct daemon *daemon, const uint64_t seed[2]);
void daemon_close_sources(struct daemon *daemon);
/* After daemon->config was swapped; `before` is what it was. */
void daemon_reload_sources(struct daemon *daemon, const struct config_source_options *before);
/* Puts what is known of an address into the request. */
void daemon_rank(const struct daemon *daemon, const struct in6_addr *address,
		 struct plan_request *request);
void daemon_note_verdict(struct daemon *daemon, const struct in6_addr *address, unsigned service,
			 struct verdict verdict, uint64_t now_us);
void daemon_note_proxies(struct daemon *daemon, uint64_t now_us);
void daemon_note_gate(struct daemon *daemon, const struct gate_event *event, uint64_t now_us);
/* Tells the gate the ranks of those it has heard of, some each tick. */
void daemon_rank_gate(struct daemon *daemon, uint64_t now_us);
/* Cut-offs into daemon->plan: after engine_step(), before the plan goes out. */
void daemon_plan_sources(struct daemon *daemon, uint64_t now_us, uint64_t realtime_us);

/* What is known of one address, for people; false: there is no table. */
bool daemon_picture(const struct daemon *daemon, const struct in6_addr *address,
		    struct source_picture *ret);
unsigned daemon_list_sources(const struct daemon *daemon, enum source_sort sort,
			     struct source_picture *list, unsigned most);
void daemon_note_sources(struct daemon *daemon);

/* orders.c */
extern const struct control_ops daemon_control_ops;
/* And what the machine's shutdown does. */
extern const struct logind_ops daemon_logind_ops;

/* gating.c */
/* 0, or -errno with a sentence in `why` (256). */
int daemon_open_gate(struct daemon *daemon, char *why);
/* The inode of the namespace that front.gate.netns leads to now, 0: none is named, or there is none. */
uint32_t daemon_gate_netns(const struct daemon *daemon);
/* No gate is wanted: what an earlier penstockd left with the service manager goes, and its program with it. */
void daemon_forget_gate(void);
/* `stay`: this process is restarted, the program stays in the kernel if the service manager keeps it. */
void daemon_close_gate(struct daemon *daemon, bool stay);
/* What may change while it is open. */
void daemon_reload_gate(struct daemon *daemon);
/* Once a tick, before the engine: what the kernel counted; and after it: the plan. */
void daemon_poll_gate(struct daemon *daemon, uint64_t now_us);
void daemon_push_gate(struct daemon *daemon, uint64_t now_us);

/* recording.c */
void daemon_open_recorder(struct daemon *daemon);
void daemon_close_recorder(struct daemon *daemon);
/* After daemon->config was swapped and the engine told: with what daemon.record and record_max were. */
void daemon_reload_recorder(struct daemon *daemon, const char *before, uint64_t before_bytes);
/* engine_order() and engine_set_mode(), and they are recorded. */
void daemon_order(struct daemon *daemon, enum engine_state state, uint64_t until_us,
		  const char *reason);
void daemon_order_mode(struct daemon *daemon, enum plan_mode mode);

/* listeners.c */
void daemon_want_listeners(struct daemon *daemon);
/* Opens what is wanted and not open, when its time has come. */
void daemon_open_listeners(struct daemon *daemon, uint64_t now_us);
void daemon_close_policy(struct daemon *daemon);

/* daemon.c */
/* CPUs that this process may use. */
double daemon_cores(void);
/* The picture of the last tick, whole. */
const struct status *daemon_status(struct daemon *daemon);
void daemon_open_sensors(struct daemon *daemon);
void daemon_close_sensors(struct daemon *daemon);

/* reload.c */
/* Reads the configuration anew. 0, or -errno with a sentence in `why` (256): then the one in force stays. */
int daemon_reload(struct daemon *daemon, char *why);

#endif
