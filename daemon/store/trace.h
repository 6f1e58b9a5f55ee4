/* The format of a recorded trace (daemon.record): frames (store/frame.h) one behind the other, each
 * summed, so that a file that was cut off or damaged keeps every frame that is whole. First
 * TRACE_HEAD, TRACE_CONFIG, the table of sources in TRACE_TABLE; then what the engine was given and
 * what it answered, in the order in which it happened. TRACE_ENGINE is the engine's whole state
 * just before the tick that follows: at the start, every minute, and behind whatever was lost.
 *
 * Signals and answers stand by name in the head, so that a build with others still reads the trace:
 * what it does not know is left out. Numbers are in the byte order of the machine that recorded.
 *
 * Pure: bytes in, bytes out. trace_next() and trace_get() are fuzzed. */
#ifndef PENSTOCK_STORE_TRACE_H
#define PENSTOCK_STORE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/engine_checkpoint.h"
#include "core/source.h"
#include "store/frame.h"
#include "store/trace_answer.h"

#define TRACE_PAYLOAD_MAX (256u << 10) /* of one frame */
#define TRACE_EVENTS_MAX 1024u /* in one frame */
#define TRACE_PAGE 4096u /* of the table of sources; pages of zeros are not written */
#define TRACE_PAGES_MAX 48u /* in one frame */
#define TRACE_TABLE_LARGEST (UINT64_C(1) << 36)

extern const struct frame_kind trace_kind;

enum trace_type {
	TRACE_HEAD = 1,
	TRACE_CONFIG, /* at the start, and with every reload */
	TRACE_TABLE, /* pages of the table of sources, before the first tick */
	TRACE_ENGINE,
	TRACE_ORDER, /* an operator's */
	TRACE_EVENTS, /* what fronts saw, before the tick that follows */
	TRACE_TICK,
	TRACE_LOST, /* the recorder could not keep up: so much is missing here */
	TRACE_END, /* recording was stopped, and why */
	TRACE__COUNT
};

struct trace_head {
	char version[32]; /* of the penstock that recorded */
	char recorder[16]; /* "penstockd", "penstock-sim" */
	uint64_t now_us, realtime_us;
	double cores;
	uint64_t seed; /* of the salts */
	struct trace_names answers; /* filled by trace_get(): what stands where */
	uint16_t signals; /* in the file */
	uint8_t signal[256]; /* index in the file -> enum signal; SIGNAL__COUNT: not known here */
};

struct trace_config {
	double cores;
	const char *text; /* as config_print() gives it; inside the payload, not terminated */
	size_t length;
};

struct trace_table {
	uint64_t size; /* of the whole table */
	unsigned pages;
	const uint8_t *page; /* inside the payload: u32 number, TRACE_PAGE bytes each */
};

struct trace_engine {
	uint64_t layout;
	const void *bytes; /* inside the payload */
	size_t size;
};

enum trace_order_kind { TRACE_ORDER_STATE, TRACE_ORDER_MODE, TRACE_ORDER__COUNT };

struct trace_order {
	uint64_t now_us;
	enum trace_order_kind kind;
	unsigned value; /* enum engine_state, or enum plan_mode */
	uint64_t until_us; /* CLOCK_MONOTONIC; 0: until told otherwise */
	char reason[96];
};

struct trace_event {
	uint64_t now_us;
	struct source_event event;
};

struct trace_events {
	unsigned count;
	struct trace_event event[TRACE_EVENTS_MAX];
};

struct trace_tick {
	uint64_t realtime_us;
	struct sample sample; /* as the sensors gave it */
	struct load load;
	bool ranked; /* the table of sources took part in the plan */
	struct plan plan; /* what came of it */
	bool plan_known; /* false: of another version, only the answers can be compared */
	struct trace_answer answer;
};

struct trace_lost {
	uint64_t ticks, events;
};

enum trace_end { TRACE_END_STOPPED, TRACE_END_FULL, TRACE_END__COUNT };

struct trace_record {
	enum trace_type type;
	union {
		struct trace_head head;
		struct trace_config config;
		struct trace_table table;
		struct trace_engine engine;
		struct trace_order order;
		struct trace_events events;
		struct trace_tick tick;
		struct trace_lost lost;
		enum trace_end end;
	};
};

/* ---- writing: a bounded buffer that remembers when something did not fit */
struct trace_out {
	uint8_t *bytes;
	size_t size, length;
	bool cut;
};

void trace_put_head(struct trace_out *out, const struct trace_head *head);
void trace_put_config(struct trace_out *out, double cores, const char *text, size_t length);
/* Begins a frame of pages; trace_put_page() then adds up to TRACE_PAGES_MAX. */
void trace_put_table(struct trace_out *out, uint64_t size);
void trace_put_page(struct trace_out *out, uint32_t number, const void *bytes);
void trace_put_engine(struct trace_out *out, const struct engine *engine);
void trace_put_order(struct trace_out *out, const struct trace_order *order);
void trace_put_events(struct trace_out *out, const struct trace_event *events, unsigned count);
/* In two parts, since a step changes the sample: what goes in, and what comes out. */
void trace_put_tick(struct trace_out *out, uint64_t realtime_us, const struct sample *sample,
		    const struct load *load, unsigned services);
void trace_put_answer(struct trace_out *out, const struct engine *engine, const struct plan *plan,
		      bool ranked);
void trace_put_lost(struct trace_out *out, const struct trace_lost *lost);
void trace_put_end(struct trace_out *out, enum trace_end end);

/* ---- reading */
struct trace_reader {
	const uint8_t *bytes;
	size_t size, at;
};

/* Maps a trace for reading; the caller unmaps it. 0; -ENODATA: it is empty, or no
 * regular file; or -errno of the system. Does not wait for a FIFO. */
int trace_map(const char *path, struct trace_reader *ret_reader);
void trace_unmap(struct trace_reader *reader);

/* The next whole frame. 1 with its payload; 0: the end; -ENODATA: the rest is cut short (and the
 * end); -EBADMSG: `ret_skipped` bytes were damaged, the next call goes on behind them;
 * -EPROTONOSUPPORT: of another version, as -EBADMSG. */
int trace_next(struct trace_reader *reader, const void **ret_payload, size_t *ret_length,
	       size_t *ret_skipped);
/* One payload -> record. `head` is that of the file (NULL for the head itself). 0, or -EBADMSG: it
 * says nothing that makes sense. Pointers in `*ret` go into the payload. */
int trace_get(const void *payload, size_t length, const struct trace_head *head,
	      struct trace_record *ret);

#endif
