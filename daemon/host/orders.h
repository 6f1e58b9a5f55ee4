/* Orders to the running daemon: from operators, and from a shutdown of the machine. Each order goes
 * to the engine, is recorded and is logged here. A drain outlives a restart and an upgrade of the
 * daemon: RUN_DIR/order keeps it until it is ended, its time is over, or the machine restarts. */
#ifndef PENSTOCK_HOST_ORDERS_H
#define PENSTOCK_HOST_ORDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/engine.h"
#include "host/logind.h"

struct recording;

struct orders {
	struct engine *engine;
	struct recording *recording; /* NULL: orders are not recorded */
	const char *run_dir; /* the caller's; NULL: orders are not kept over a restart */
	/* Planned maintenance (host/maintenance.h), seconds of CLOCK_REALTIME: the end of the
	 * window in force (0: none), and of a window that an operator has ended early. */
	int64_t window_end_s, skipped_s;
	bool by_shutdown; /* the present drain was ordered by a shutdown of the machine */
};

/* The words of RUN_DIR/order: "drain BOOT_ID UNTIL_US REASON", where UNTIL_US is CLOCK_MONOTONIC,
 * 0: until it is ended; or "resumed BOOT_ID UNTIL_US": an operator ended the maintenance window
 * that would have ended then (CLOCK_REALTIME). */
struct kept_order {
	bool resumed;
	char boot_id[40];
	uint64_t until_us;
	char reason[128];
};

/* 0, or -EINVAL: the text is not such an order. Pure. */
int kept_order_parse(const char *text, struct kept_order *ret);
/* At the start: continues the drain of the previous process, if its time is not over. */
void orders_restore(struct orders *orders);
/* Changes the mode until the next restart or reload, which brings back the `configured` one. */
void orders_mode(struct orders *orders, enum plan_mode mode, enum plan_mode configured);
/* Defers every new connection for `for_us`, 0: until orders_resume(). `reason`: for people, NULL:
 * none. */
void orders_drain(struct orders *orders, uint64_t for_us, const char *reason);
/* Ends a drain, and the present maintenance window. */
void orders_resume(struct orders *orders);
/* Defers every new connection until `until_us` (CLOCK_MONOTONIC); 0: the window is over. */
void orders_maintenance(struct orders *orders, uint64_t until_us, const char *reason);
/* Called when the machine shuts down: begins a drain (in observe mode, too, since the mail server
 * is about to stop), and ends it if the shutdown is cancelled. Neither changes an operator's order.
 * The context is a struct orders. */
extern const struct logind_ops orders_logind_ops;

#endif
