/* Every figure of the law, with its unit, the reason for it, and the scenario (tests/sim/NAME.sim)
 * or unit test (tests/unit/NAME.c) that fails without it. The files of the law (tests/law-files)
 * contain no other numbers than 0, 1 and 2; `make check-law` holds them to it.
 * packaging/doc/sensitivity.md shows the effect of half and twice of each figure; `make
 * sensitivity` writes it.
 *
 * Example: SATURATED, .95, is a share of the time in which tasks stall. If it is changed,
 * foreign-cpu.sim fails: there a neighbour takes CPU, and mail must not be refused for it.
 *
 * With LAW_VARIABLE the figures are variables, defined in tests/sim/law_variable.c. Only the
 * simulator that `make sensitivity` builds uses that; everything that is shipped has constants. */
#ifndef PENSTOCK_CORE_LAW_H
#define PENSTOCK_CORE_LAW_H

/* clang-format off */
/* X(name, value, unit, reason, fixed by) */
#define LAW_TABLE(X) \
	/* What the machine does (enum machine) and what stands for the server (enum server). */ \
	X(IDLE_BELOW, 0.5, "saturation", \
	  "below it the machine is idle: what is slow then is no queue, and neither CPU nor " \
	  "disk is the reason", "tarpit") \
	X(UNSATURATED, 0.90, "saturation", \
	  "below it growth is eager, and a slow server has a bound of its own", "one-thread") \
	X(SATURATED, 0.95, "saturation", \
	  "from here on the machine does all it can", "foreign-cpu") \
	X(WORKS, 0.80, "saturation, cores used", \
	  "the CPUs do what they can: those who wait do get through", "onset-10x") \
	X(CORES_FULL, 0.93, "of the cores", \
	  "used so far, stalls of several cores count wholly", "many-cores") \
	X(QUEUE_STANDS, 0.1, "of the backlog", \
	  "an accept queue over it stands: slots are short", "slots-gate") \
	X(UNGREETED_S, 30, "s", \
	  "longer than greet waits and DNS lists take; senders wait 300 s (RFC 5321, " \
	  "4.5.3.2.1)", "test_window") \
	/* Filters. */ \
	X(TAU_BUSY_S, 0.2, "s", "busy sessions", "spike10x") \
	X(TAU_SATURATION_S, 0.3, "s", "saturation", "spike10x") \
	X(TAU_RATE_S, 1, "s", \
	  "rates; a refusal within it is one of now", "spike10x") \
	X(TAU_COST_S, 3, "s", "CPU and think time a job", "cost-unknown") \
	/* T, the time that a session costs the server, and its unloaded part. */ \
	X(JOBS_FOR_BASE, 50, "jobs", \
	  "until then the unloaded time is followed fast", "warm-start") \
	X(BASE_SLACK, 1.5, "times", \
	  "an unloaded time varies by so much: of a session, of a greeting", "tarpit") \
	X(GREETING_SHARE, 0.8, "of the busy", \
	  "so many wait for their greeting: that is where the time goes", "greet-wait") \
	X(TELLS_MIN_PER_S, 0.2, "jobs/s", \
	  "fewer say nothing of the time and CPU of one, nor of a share; so many the queue " \
	  "always lets in", "hang") \
	X(CONFINED_BUSY, 6, "least windows", \
	  "so few on an idle machine, or at a disk, queue for nothing", "slow-commits-cold") \
	X(UNGREETED_IDLE_SHARE, 0.1, "of those in flight", \
	  "so many may wait for a greeting while nothing queues", "greet-wait") \
	X(THROUGH_SHARE, 0.25, "of the admitted", \
	  "so many complete: they get through, late as they are greeted", "hang") \
	X(COMMIT_MEANS_S, 20, "s", \
	  "regression of the time at a disk on the busy", "commits-step") \
	X(COMMIT_SPREAD, 0.1, "of the busy", \
	  "they hardly vary: nothing is learned of the disk", "commits-step") \
	X(COMMIT_JUMPS, 2, "times", "what was seen of the disk before is void", "commits-jump") \
	X(COMMIT_FADES_S, 60, "s", \
	  "what was learned of it while it cannot be seen any more", "fsync-step") \
	X(TRUST_VOID_S, 2, "s", \
	  "what was made of completions with the wrong figure fades", "slow-commits-cold") \
	X(BASE_GREETING_S, 5, "s", "unloaded time, learned from late greetings", "greet-wait") \
	X(BASE_FAST_S, 1, "s", \
	  "unloaded time downwards, before JOBS_FOR_BASE, and behind a nearly shut window", \
	  "slow-lookup") \
	X(BASE_UP_S, 20, "s", "unloaded time upwards, while the machine is idle", "tarpit") \
	/* Xcap: what the server can complete a second. */ \
	X(PROBE_PLACES, 8, "sessions", \
	  "let in above a full window on an idle machine, a tick", "slow-names-sudden") \
	X(PROBE_TIMES, 3, "times", \
	  "as long as those that ended took, by T: others fill the window", "one-thread") \
	X(TIME_GOOD_S, 0.10, "s above unloaded", \
	  "the mail objective plainly holds; while nothing presses twice as long is aimed at: " \
	  "with .5 a real Postfix took .7 s in a step, with .15 crests are refused", \
	  "foreign-cpu") \
	X(TIME_GOOD_DISK_S, 0.50, "s above unloaded", \
	  "the same on a disk: who waits there for a shared commit makes it carry more", \
	  "fsync-bound") \
	X(TIME_BAD_S, 0.60, "s above unloaded", "plainly over the knee", "thrash") \
	X(BUSY_MIN, 3, "sessions", \
	  "fewer busy ones are no overload, however long they take", "below") \
	X(CORES_USABLE, 0.97, "of the cores", "goes into sessions at the knee", "steady2x") \
	X(JOB_GUESS_S, 0.010, "CPU s", "a job, before any was seen", "onset-cold") \
	X(JOBS_FOR_COST, 30, "jobs", \
	  "before so many, figures of one are no more than a guess", "cost-unknown") \
	X(AHEAD, 2, "times", \
	  "what is seen is tried where CPU predicts nothing: without a CPU figure, and of what " \
	  "the disk carries if stalls grow with the messages", "fsync-bound") \
	X(AHEAD_PER_S, 20, "jobs/s", "and so much more", "late-sensors") \
	X(LAG_MAX_S, 4, "s", \
	  "completions show an admission after this at the latest: what a machine completes " \
	  "while it makes processes is not its capacity", "slow-senders") \
	X(QUICK_MIN_S, 0.7, "s", \
	  "Xcap moves no faster, nor is a bound of the server's own learned faster: a faster " \
	  "controller oscillates", "one-thread") \
	X(CLOSING_S, 4, "s", "Xcap towards X in CLOSING", "steady2x") \
	X(OPENING_S, 1, "s", "Xcap upwards in FREE", "step-back") \
	X(OPENING_REFUSING_S, 5, "s", "the same while something is refused", "steady2x") \
	X(TRUST_MIN, 0.02, "of the prediction", \
	  "below it the server hangs, and says nothing of what it can do", "hang") \
	X(TRUST_RISES_S, 20, "s", "a bound of the server's own is forgotten", "one-thread") \
	X(TRUST_RISES_REFUSING_S, 60, "s", "the same while something is refused", "one-thread-16") \
	/* Z: the time in which sessions wait for their senders; and what is aimed at. */ \
	X(THINK_GUESS_S, 0.2, "s", "before any was seen", "onset-cold") \
	X(THINK_FROM, 0.7, "of the window", \
	  "so full, open sessions are believed before they end", "slow-senders") \
	X(THINK_OPEN_S, 0.5, "s", "how fast they are", "slow-senders") \
	X(SPREAD, 2, "standard deviations", \
	  "more at the server for the chance of the senders (square-root staffing)", "away") \
	X(TIME_SPREAD_MAX_S, 0.40, "s", "of that, at most", "away") \
	X(CALM_FADES, 0.15, "capacities", "beyond it calm fades by e", "crests") \
	/* How long may be waited in front of the server. */ \
	X(TAU_OFFERED_S, 0.3, "s", "what is offered", "bursts") \
	X(LASTS_S, 4, "s", \
	  "a load above capacity for so long leaves a queue that stands", "steady2x") \
	X(LASTS_EXCESS, 0.75, "rooms", \
	  "if it has filled so much: one just above capacity takes long for that", "nearly-1x") \
	X(LASTS_OVER, 1.1, "capacities", \
	  "offered: less may be chance, or an error of the prediction, and does not press", \
	  "bursts") \
	X(LASTS_FORGETS, 4, "times", \
	  "as fast as found: the end of an overload is seen within a second", "bursts") \
	X(EXCESS_MAX, 1.2, "rooms", \
	  "beyond it no place is found in time however soon the load ends", "bursts") \
	X(FULL, 0.95, "of the window", \
	  "what is completed is what the server can do now, and the servo may grow; of what " \
	  "the queue allows: the queue is the reason", "half-speed") \
	X(ROOM_STANDS_S, 10, "s", \
	  "of long waits and refusals on end: the waiting room stands, until so long nothing " \
	  "is refused", "room-stands") \
	X(ROOM_LONG_PART, 0.5, "of the objective", "such a wait is long", "room-stands") \
	X(SHORT_WAIT_S, 0.2, "s", \
	  "when the queue stands: keeps the server busy between ticks", "steady2x") \
	X(STEEP, 4, "capacities", "a load so far beyond capacity is no crest", "spike10x") \
	X(STEEP_EXCESS, 0.4, "rooms", "it may fill so much", "spike10x") \
	/* The plan: bursts, those who wait for a greeting, late refusal. */ \
	X(BUCKET_SHARE, 1.25, "capacities", \
	  "the bucket's rate: it bounds bursts between two ticks", "test_law") \
	X(BUCKET_MORE_PER_S, 3, "sessions/s", "the same, of a small server", "test_law") \
	X(BURST_MIN, 5, "sessions", "may come at once, and wait for their greeting", "test_law") \
	X(AT_ONCE_S, 0.25, "s", \
	  "of capacity may wait for their greeting; of what the queue allows may come at once", \
	  "slots") \
	X(GREETINGS_BORNE, 3, "times", "a usual greeting: so long is waited", "greet-wait") \
	/* W_hard: memory and space. */ \
	X(MEMORY_GUESS_BYTES, 10485760, "bytes", \
	  "a session with a scanner, before any was seen", "memory-cliff") \
	X(RESERVE_USUAL_BYTES, 67108864, "bytes", \
	  "the default; more is an operator's own word, and holds", "memory-neighbour") \
	X(RESERVE_SIGMAS, 2, "standard deviations", \
	  "of what sessions hold in all, and of the readings: kept back", "memory-spread") \
	X(CHANCE_SIGMAS, 3, "standard deviations", \
	  "more is no chance: others took it, or gave it back", "memory-neighbour") \
	X(SESSION_MIN_BYTES, 1048576, "bytes", \
	  "need of a session, at least: of memory, and of the spool", "test_law") \
	X(SESSION_MAX_BYTES, 67108864, "bytes", "and at most", "memory-cliff") \
	X(MEMORY_MEANS_S, 20, "s", "regression of memory on sessions", "memory-cliff") \
	X(MEMORY_VARIANCE_MIN, 4, "sessions^2", \
	  "in flight hardly varies: nothing is learned", "memory-cliff") \
	X(SESSION_UP_S, 5, "s", "need of a session upwards", "test_law") \
	X(SESSION_DOWN_S, 60, "s", \
	  "downwards: a session takes its memory late, at the end of DATA", "memory-cliff") \
	X(IDLE_MEAN_S, 0.5, "s", "the same, without the chance of a reading", "memory-gulp") \
	X(IDLE_RATE_S, 2, "s", "how fast others take memory", "memory-gulp") \
	X(IDLE_DOWN_S, 0.5, "s", "what is free without sessions, downwards", "memory-neighbour") \
	X(IDLE_UP_S, 5, "s", \
	  "upwards: sessions just admitted have not taken what they will", "memory-noise") \
	X(EXHAUSTS_AHEAD_S, 5, "s", \
	  "so long those in flight stay: what others take until then is theirs", "memory-gulp") \
	/* When not to grow; whose pressure it is; the queue behind the server. */ \
	X(GROWTH_FREEZE_S, 30, "s", "no growth after a sensor was lost", "sensor-loss") \
	X(LITTLE_PART, 0.5, "of the whole", \
	  "less is a little part in what presses", "foreign-cpu") \
	X(QUEUE_TAU_S, 5, "s", \
	  "length of the queue; no look for twice as long: nothing is known of it", \
	  "after-queue-filter") \
	X(QUEUE_FEW, 50, "messages", "under way are no backlog", "after-queue-filter") \
	X(DRAIN_WANTED, 0.5, "of the target", \
	  "time to drain; below half of it the queue is no concern", "after-queue-filter") \
	X(ALLOWED_MIN, 0.05, "of the rate", \
	  "something leaves, else it could not be seen to, and is let in", \
	  "after-queue-filter") \
	X(FILTER_COST_MIN_S, 1e-4, "CPU s", \
	  "a message: less is no load, and tells nothing of what leaves", "test_second_stage") \
	X(FILTER_BEHIND_S, 4, "s", \
	  "of what server and filter carry together may wait for the filter", "filter-cpu") \
	X(FILTER_FULL, 0.75, "of the cores", \
	  "used by server and filter: less is CPU that is left", "test_second_stage") \
	X(FILTER_PROVEN_S, 2, "s", \
	  "after it was seen: what a message costs counts if nothing is behind", \
	  "test_second_stage") \
	X(FILTER_TAU_S, 30, "s", "CPU that a message costs the filter", "test_second_stage") \
	X(PASSING_AHEAD, 2.5, "times", \
	  "the window's own rate, for the ranks: sessions may be shorter than the law " \
	  "reckons", "heavy-memory") \
	/* The servo: where neither completions nor dialogue can be seen. */ \
	X(SERVO_PER_CORE, 100, "sessions", "where it begins, a core", "servo") \
	X(SERVO_UP, 0.2, "a second", "upwards, with no pressure", "test_law") \
	X(SERVO_DOWN, 1.5, "a second", "downwards, at twice the target", "test_law") \
	X(SERVO_MIN, 0.7, "of the window, of those in flight", \
	  "no step goes below it: a tick is long after the machine was suspended, and a window " \
	  "cannot evict", "test_law") \
	/* Pressure, and what people are told. */ \
	X(SIGNAL_TAU_S, 0.5, "s", "a signal", "test_pressure") \
	X(GREETING_DOWN_S, 2, "s", "unloaded time to the greeting, downwards", "test_pressure") \
	X(GREETING_UP_S, 300, "s", "upwards: overload is what comes on top", "test_pressure") \
	X(LEVEL_UP_S, 1, "s", \
	  "a level is entered after (shedding by refusals: at once), and load said to be a neighbour's", \
	  "test_level") \
	X(LEVEL_DOWN_S, 3, "s", \
	  "and left after: with the smoothing of the rates that is under ten", "test_level") \
	X(LEVEL_REST_S, 120, "s", \
	  "a level that comes back within it is at its threshold, and left after it", "test_level") \
	X(LEVEL_EXIT, 0.8, "of the entry", "below it", "test_level") \
	X(CRITICAL_REFUSED, 0.9, "of the offered", "refused: critical", "test_level") \
	X(SEVERE_REFUSED, 0.5, "of the offered", "refused: severe", "test_level") \
	X(SHEDDING_REFUSED, 0.01, "of the offered", "refused: shedding", "test_level") \
	X(ELEVATED_PRESSURE, 0.8, "targets", "pressure: elevated", "test_level") \
	X(BLIND_S, 2, "s", \
	  "without a reading of memory: it bounds nothing; without any sensor and any " \
	  "sight of a session: blind", "test_law") \
	/* Trends, hours ahead. */ \
	X(TREND_WINDOW_S, 2, "s", "of a point in the shortest look", "test_trend") \
	X(TREND_LOOK_TIMES, 10, "times", \
	  "from one look to the next; as far ahead as it was seen a fall is believed", \
	  "test_trend") \
	X(TREND_FALLING, 0.9, "of the pairs", "fall (Kendall's tau = 2 x this - 1)", "test_trend") \
	X(TREND_ALIKE, 3, "times", \
	  "neither half of a look falls faster than the other by more, nor a look than the " \
	  "next shorter one", "test_trend") \
	X(TREND_HELD, 6, "evaluations", "it has held for so many; twice as many are counted", \
	  "test_trend")
/* clang-format on */

#ifdef LAW_VARIABLE
#define X(name, ...) extern double name;
#else
#define X(name, value, ...) static const double name = value;
#endif
LAW_TABLE(X)
#undef X

/* Units, sizes and bounds of what can be represented: no decision depends on these. */
#define US_IN_S 1e6
#define MILLI 1e3
#define HALF 0.5 /* for rounding */
#define PLAN_MAX 4e9 /* below UINT32_MAX: rates in thousandths and times in us */
#define WINDOW_MAX 1e6 /* sessions */
#define TIME_MAX_S 86400 /* of a session, or until a queue is empty: a day is enough */
/* Bounds of learned figures in a file; figures outside are ignored. */
#define WARM_RATE_MIN 0.1 /* a second */
#define WARM_RATE_MAX 1e6
#define WARM_CPU_MIN_S 1e-6
#define WARM_CPU_MAX_S 1e3
#define WARM_BASE_MIN_S 1e-9
#define WARM_BASE_MAX_S 600
#define WARM_BYTES_MAX 1e12
#define WARM_GREETING_MAX_US 1e9

#endif
