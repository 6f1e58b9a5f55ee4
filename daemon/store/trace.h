/* The format of a recorded trace (daemon.record): a series of frames (store/frame.h), each with a
 * checksum, so that every complete frame of a damaged or cut-off file can be read. First come
 * TRACE_HEAD, TRACE_CONFIG and the table of sources in TRACE_TABLE; then the inputs and answers of
 * the engine, in the order in which they happened. TRACE_ENGINE is the engine's whole state just
 * before the tick that follows: at the start, every minute, and after a loss.
 *
 * The head lists the names of signals and answers, so that a build with other ones can still read
 * the trace: it leaves out names that it does not know. Numbers are in the byte order of the
 * machine that recorded.
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

#define TRACE_PAYLOAD_MAX (256u << 10) /* bytes of one frame */
#define TRACE_EVENTS_MAX 1024u /* in one frame */
#define TRACE_PAGE 4096u /* of the table of sources; pages of zeros are not written */
#define TRACE_PAGES_MAX 48u /* in one frame */
#define TRACE_TABLE_LARGEST (UINT64_C(1) << 36)

extern const struct frame_kind trace_kind;

enum trace_type {
	TRACE_HEAD = 1,
	TRACE_CONFIG, /* at the start, and at every reload */
	TRACE_TABLE, /* pages of the table of sources, before the first tick */
	TRACE_ENGINE,
	TRACE_ORDER, /* an operator's order */
	TRACE_EVENTS, /* events from the fronts, before the tick that follows */
	TRACE_TICK,
	TRACE_LOST, /* the recorder could not keep up: how much is missing here */
	TRACE_END, /* the recording ended, and why */
	TRACE__COUNT
};

struct trace_head {
	char version[32]; /* of the penstock that recorded */
	char recorder[16]; /* "penstockd", "penstock-sim" */
	uint64_t now_us, realtime_us;
	double cores;
	uint64_t seed; /* of the salts */
	struct trace_names answers; /* filled by trace_get(): the names, in the file's order */
	uint16_t signals; /* how many are in the file */
	/* index in the file -> enum signal; SIGNAL__COUNT: this build does not know it */
	uint8_t signal[256];
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
	uint64_t until_us; /* CLOCK_MONOTONIC; 0: until the next order */
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
	struct sample sample; /* from the sensors */
	struct load load;
	bool ranked; /* the table of sources had a part in the plan */
	struct plan plan; /* the result */
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
/* In two parts, because a step changes the sample: the inputs, and the results. */
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

/* Maps a trace for reading; the caller unmaps it. 0; -ENODATA: it is empty, or not a regular file;
 * or -errno of the system. Does not wait for a FIFO. */
int trace_map(const char *path, struct trace_reader *ret_reader);
void trace_unmap(struct trace_reader *reader);

/* The next complete frame. 1 with its payload; 0: the end; -ENODATA: the rest is cut short, which
 * is the end, too; -EBADMSG: `ret_skipped` bytes were damaged, and the next call goes on after
 * them; -EPROTONOSUPPORT: the same for a frame of another version. */
int trace_next(struct trace_reader *reader, const void **ret_payload, size_t *ret_length,
	       size_t *ret_skipped);
/* Parses one payload. `head`: that of the file (NULL for the head itself). 0, or -EBADMSG: its
 * content makes no sense. Pointers in `*ret` point into the payload. */
int trace_get(const void *payload, size_t length, const struct trace_head *head,
	      struct trace_record *ret);

#endif
