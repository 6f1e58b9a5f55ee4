/* Every figure of the law, with its unit, the reason for it, and the scenario
 * (tests/sim/SUBJECT/NAME.sim) or unit test (tests/unit/NAME.c) that fixes it: the test fails with
 * half or with twice of the figure, the scenario with half, twice, a tenth or ten times of it
 * (`make law-fixed`). The files of the law (tests/law-files) contain no other numbers than 0, 1 and
 * 2; `make check-law` holds them to it. packaging/doc/sensitivity.md shows the effect of half and
 * twice of each figure; `make sensitivity` writes it.
 *
 * Example: GREETING_SHARE, .8, is a share of the busy sessions. With twice of it no greeting is
 * ever late, and greet-wait.sim fails.
 *
 * With LAW_VARIABLE the figures are variables, defined in tests/sim/law_variable.c. Only the
 * simulator that `make sensitivity` builds uses that; everything that is shipped has constants. */
#ifndef PENSTOCK_CORE_LAW_H
#define PENSTOCK_CORE_LAW_H

/* clang-format off */
/* X(name, value, unit, what it is for and why, fixed by). "The same", "that" and "it" without a
 * noun stand for the row before. "How fast" is the time constant of a smoothing (63 % in that
 * time). */
#define LAW_TABLE(X) \
	/* What the machine does (enum machine) and what stands for the server (enum server). */ \
	X(IDLE_BELOW, 0.5, "saturation", \
	  "Below this the machine is idle. What is slow then does not queue for the CPU or the " \
	  "disk.", "slow-names-sudden") \
	X(UNSATURATED, 0.90, "saturation", \
	  "Below this the capacity grows fast, and a slow server has a bound of its own.", \
	  "filter-cpu") \
	X(SATURATED, 0.95, "saturation", \
	  "From here on the machine does all that it can.", "spike10x") \
	X(WORKS, 0.80, "saturation, cores used", \
	  "From here on the CPUs do what they can, and sessions that wait for them still get " \
	  "through.", "filter-cpu") \
	X(CORES_FULL, 0.93, "of the cores", \
	  "From this use on, stalls of a machine with several cores count in full.", \
	  "hang-told") \
	X(QUEUE_STANDS, 0.1, "of the backlog", \
	  "A longer accept queue is a standing one: the server is short of slots.", "slots") \
	X(UNGREETED_S, 30, "s", \
	  "A greeting that takes longer counts as missing. Greet delays and DNS lists take " \
	  "less; senders wait for 300 s (RFC 5321, 4.5.3.2.1).", "hang-cold") \
	/* Filters. */ \
	X(TAU_BUSY_S, 0.2, "s", "Smooths the number of busy sessions.", "onset-250") \
	X(TAU_QUICK_S, 0.3, "s", "Smooths the saturation and the offered load.", "spike10x") \
	X(TAU_RATE_S, 1, "s", \
	  "Smooths rates. A refusal that is no older counts as one of now.", "steady2x") \
	X(TAU_COST_S, 3, "s", \
	  "Smooths the CPU time and the think time of a job.", "fsync-step") \
	/* T, the time that a session costs the server, and its unloaded part. */ \
	X(JOBS_FOR_BASE, 50, "jobs", \
	  "Before so many jobs the unloaded time is followed fast.", "few-filters") \
	X(BASE_SLACK, 1.5, "times", \
	  "The unloaded time of a session, and of a greeting, varies by this factor.", \
	  "slow-filter-step") \
	X(GREETING_SHARE, 0.8, "of the busy", \
	  "If so many wait for their greeting, greetings are where the time goes.", "greet-wait") \
	X(TELLS_MIN_PER_S, 0.2, "jobs/s", \
	  "Fewer jobs say nothing of the time or CPU of one, nor of a share. The queue always " \
	  "lets in so many.", "onset-cold") \
	X(CONFINED_BUSY, 6, "least windows", \
	  "So few sessions do not queue, on an idle machine or at a disk.", "slow-filter-ramp") \
	X(UNGREETED_IDLE_SHARE, 0.1, "of those in flight", \
	  "So many may wait for a greeting although nothing queues.", "test_delay") \
	X(THROUGH_SHARE, 0.25, "of the admitted", \
	  "If so many complete, sessions get through, even if they are greeted late.", \
	  "greet-wait") \
	X(REGRESSION_S, 20, "s", \
	  "Means for the regressions: of the time at a disk on the busy sessions, and of memory " \
	  "on sessions.", "memory-spread") \
	X(COMMIT_SPREAD, 0.1, "of the busy", \
	  "If the busy sessions vary less, nothing is learned of the disk.", "commits-step") \
	X(COMMIT_JUMPS, 2, "times", \
	  "If the time at the disk changes by this factor, what was learned before is " \
	  "discarded.", "commits-jump") \
	X(COMMIT_FADES_S, 60, "s", \
	  "How fast the constant part of a disk's time is forgotten while it cannot be seen.", \
	  "fsync-step") \
	X(TRUST_VOID_S, 2, "s", \
	  "How fast trust is forgotten that was learned with a wrong unloaded time.", \
	  "slow-filter-ramp") \
	X(BASE_GREETING_S, 5, "s", \
	  "How fast the unloaded time is learned from late greetings.", "greet-wait") \
	X(BASE_FAST_S, 1, "s", \
	  "How fast the unloaded time falls. Also before JOBS_FOR_BASE, and behind a nearly " \
	  "shut window.", "onset-10x") \
	X(BASE_UP_S, 20, "s", \
	  "How fast the unloaded time rises, while the machine is idle.", "one-thread") \
	X(ENDED_JOBS, 30, "sessions", \
	  "T of so few sessions is nearly the mean, where few end a second.", \
	  "slow-filter-slower") \
	X(DELAY_GROWN_S, 6, "s", \
	  "A T that has grown longer is not believed at first: with a wait in front, a client " \
	  "should have its 250 within ten.", "few-filters") \
	X(DELAY_JUMPED_S, 9, "s", "The same of a T that has jumped: a queue cannot.", \
	  "test_delay") \
	X(DELAY_JUMPS_S, 0.5, "s", \
	  "In this time T must have become longer by more than in a queue, to have jumped.", \
	  "test_delay") \
	X(DELAY_STAYS, 0.8, "times", \
	  "T has stayed if it is still so long. In two thirds of a queue it is two thirds.", \
	  "test_delay") \
	X(DELAY_TRIED_TIMES, 3, "times T", \
	  "So long after T was taken for a delay it may turn out to be a queue.", "test_delay") \
	X(DELAY_PAUSE_S, 60, "s", \
	  "After that no T is taken for a delay for so long.", "test_delay") \
	/* Xcap: what the server can complete a second. */ \
	X(PROBE_PLACES, 8, "sessions", \
	  "So many are let in each tick above a full window on an idle machine.", \
	  "slow-names-sudden") \
	X(PROBE_TIMES, 3, "times", \
	  "T is so many times what ended sessions took: those that fill the window wait for " \
	  "something else.", "one-thread") \
	X(TIME_GOOD_S, 0.10, "s above unloaded", \
	  "The mail objective holds well. Twice as long is aimed at while nothing is under " \
	  "pressure. With .5 a real Postfix took .7 s in a step; with .15 crests are refused.", \
	  "room-stands") \
	X(TIME_GOOD_DISK_S, 0.50, "s above unloaded", \
	  "The same at a disk. Sessions that wait there share commits, so that the disk " \
	  "carries more.", "fsync-full") \
	X(TIME_BAD_S, 0.60, "s above unloaded", "Clearly beyond the knee.", "one-thread") \
	X(BUSY_MIN, 3, "sessions", \
	  "Fewer busy sessions are no overload, however long they take.", "onset-10x") \
	X(CORES_USABLE, 0.97, "of the cores", \
	  "Share of the CPU that sessions can use at the knee.", "steady2x") \
	X(JOB_GUESS_S, 0.010, "CPU s", "A job, before any was seen.", "onset-cold") \
	X(JOBS_FOR_COST, 30, "jobs", \
	  "Before so many jobs, the figures of one are only a guess.", "filter-restart") \
	X(AHEAD, 2, "times", \
	  "So many times what was seen is tried where the CPU predicts nothing: without a CPU " \
	  "figure, and at a disk whose stalls grow with the messages.", "commits-jump") \
	X(AHEAD_PER_S, 20, "jobs/s", \
	  "Added to that, for servers that complete few jobs.", "commits-jump") \
	X(LAG_MAX_S, 4, "s", \
	  "Completions show an admission after this at the latest. What a machine completes " \
	  "while it starts processes is not its capacity.", "slots") \
	X(QUICK_MIN_S, 0.7, "s", \
	  "Xcap and the trust move no faster: completions lag, and a faster controller " \
	  "oscillates.", "one-thread") \
	X(CLOSING_S, 4, "s", "How fast Xcap follows X in CLOSING.", "onset-10x") \
	X(OPENING_S, 1, "s", "How fast Xcap rises in FREE.", "onset-250") \
	X(OPENING_REFUSING_S, 5, "s", "The same while connections are refused.", "slots") \
	X(TRUST_MIN, 0.002, "of the prediction", \
	  "If the server does less of what the CPU predicts, it hangs, and its rate says " \
	  "nothing of its capacity. A server with few slots on many cores does more.", \
	  "slots-32") \
	X(TRUST_RISES_S, 20, "s", \
	  "How fast a bound of the server's own is forgotten.", "test_law_parts") \
	X(TRUST_RISES_REFUSING_S, 60, "s", \
	  "The same while connections are refused.", "one-thread-16") \
	/* A server that stops. */ \
	X(STOP_SHORT_S, 3.5, "s", \
	  "A server that completes nothing for so long may go on as before.", "stops") \
	X(STOP_LONG_S, 15, "s", \
	  "A stop of more than twice this is a hang, even if the server has gone on after one " \
	  "before: clients would be told late.", "test_law_parts") \
	/* Z: the time in which sessions wait for their senders; and what is aimed at. */ \
	X(THINK_GUESS_S, 0.2, "s", "Think time before any was seen.", "onset-10x") \
	X(THINK_FROM, 0.7, "of the window", \
	  "If the window is so full, open sessions count for the think time before they end.", \
	  "slow-senders") \
	X(THINK_OPEN_S, 0.5, "s", \
	  "How fast the think time follows the open sessions.", "test_law_parts") \
	X(SPREAD, 2, "standard deviations", \
	  "Margin for the varying number of sessions that wait for their senders (square-root " \
	  "staffing).", "away") \
	X(TIME_SPREAD_MAX_S, 0.40, "s", "Largest margin for that.", "away") \
	X(CALM_FADES, 0.15, "capacities", \
	  "Beyond LASTS_OVER, so much more offered load divides the calm by e. Calm lengthens " \
	  "the aimed-at time.", "steady2x") \
	/* How long may be waited in front of the server. */ \
	X(LASTS_S, 4, "s", \
	  "A load above the capacity for so long leaves a standing queue.", "steady2x") \
	X(LASTS_EXCESS, 0.75, "rooms", \
	  "The load lasts only if it has filled so much of the room. One just above the " \
	  "capacity takes long for that.", "nearly-1x") \
	X(LASTS_OVER, 1.1, "capacities", \
	  "Less offered load may be chance, or an error of the prediction, and is no pressure.", \
	  "bursts") \
	X(LASTS_FORGETS, 4, "times", \
	  "An overload is forgotten so much faster than found, so that its end is seen within " \
	  "a second.", "burst-of-quick") \
	X(EXCESS_MAX, 1.2, "rooms", \
	  "If more waits, no place comes free in time, however soon the load ends.", "nearly-1x") \
	X(FULL, 0.95, "of the window", \
	  "So full, completions show what the server can do now, and the servo may grow. At so " \
	  "much of what the queue allows, the queue is the reason. So full the credits of light " \
	  "sources aim to keep the window.", "memory-spread") \
	X(ROOM_STANDS_S, 10, "s", \
	  "After so long with long waits and refusals the room stands, until for so long none " \
	  "is refused.", "room-stands") \
	X(ROOM_LONG_PART, 0.5, "of the objective", \
	  "A wait of so much of objective.wait is a long one.", "room-stands") \
	X(SHORT_WAIT_S, 0.2, "s", \
	  "Longest wait while the queue stands. It keeps the server busy between ticks.", \
	  "steady2x") \
	X(STEEP, 4, "capacities", "A load so far beyond the capacity is no crest.", "nearly-1x") \
	X(STEEP_EXCESS, 0.4, "rooms", "A steep load may fill so much of the room.", \
	  "test_law_parts") \
	/* The waiting room (room.h, room_debts.h). */ \
	X(ROOM_DOUBLING_WAIT, 0.125, "of the objective", \
	  "RANK_DOUBLING later is so long. A source that is owed a place may wait so long while " \
	  "the queue stands.", "test_room") \
	X(ROOM_SLACK, 0.25, "of the objective", \
	  "A wait may take so much longer than expected, for the number of places that come " \
	  "free varies.", "test_room") \
	X(ROOM_ARRIVALS_TICKS, 8, "ticks", \
	  "How fast it is seen that connections of a higher order come. Chance varies what " \
	  "comes in less.", "test_room") \
	X(ROOM_SURE_SIGMAS, 1.5, "standard deviations", \
	  "A newcomer is sure of its place if so many more than usual of a higher order leave " \
	  "it one: 14 times of 15.", "test_room") \
	X(DEBT_LASTS_S, 86400, "s", \
	  "A source is owed a place for so long, and not refused late again. Mail servers retry " \
	  "within a day.", "test_room_debts") \
	X(DEBT_RESTS_S, 10, "s", \
	  "For so long after a source got a place that it was owed, a refusal at once makes " \
	  "no new debt: it would always come first.", "test_room_debts") \
	/* Which source comes first when places are short: its rank (source_score.c). */ \
	X(RANK_DOUBLING, 4, "units of rank", \
	  "A source with twice the fair rate, or in the waiting room with twice as many " \
	  "sessions, comes so much later.", "test_room") \
	X(RANK_RATE_MAX, 40, "units of rank", \
	  "At most so much later for its rate.", "test_source_law") \
	X(RANK_KNOWN, 3, "units of rank", \
	  "A source that had a session which did a job comes so much earlier. One for each " \
	  "source in the ledger, and one for coming back properly, come on top.", \
	  "test_source_law") \
	X(RANK_RETRY, 4, "units of rank", \
	  "So much earlier for each proper retry of a wait.", \
	  "test_source_law") \
	X(RANK_RETRIES, 3, "retries", "For so many at most.", "test_source_law") \
	X(RANK_AGE_S, 120, "s", \
	  "One unit earlier for each doubling of the wait beyond this: less says nothing of a " \
	  "sender that retries.", "test_source_law") \
	X(RANK_URGENCY, 11, "units of rank", \
	  "So much earlier when the patience of such senders is at its end.", \
	  "test_source_law") \
	X(URGENCY_HALF_S, 900, "s", \
	  "That is halved for each such time which is left.", \
	  "test_source_law") \
	X(SLACK_SHORT_S, 1800, "s", \
	  "With less left a source is due: the next retry may be the last.", \
	  "test_source_law") \
	X(RANK_PROMISE, 24, "units of rank", \
	  "A source for which the promise would be broken next comes before all that wait.", \
	  "test_source_law") \
	X(GAP_GUESS_S, 300, "s", \
	  "Time between the attempts of a sender, before any was seen.", \
	  "test_source_law") \
	X(HASTY_S, 14400, "s", \
	  "A pool whose senders give up within this is always due: it brings so many messages " \
	  "that one wait for each group cannot tell which is on its last try.", \
	  "test_source_law") \
	X(UNUSUAL_SESSIONS, 8, "sessions", \
	  "A source that takes less in a minute is never unusual.", \
	  "test_source_law") \
	X(UNUSUAL_FAIR, 2, "times", "Less of the fair rate is usual.", "test_source_law") \
	X(UNUSUAL_PAST, 4, "times", "Less of its own past is usual, too.", "test_source_law") \
	X(UNUSUAL_ALWAYS, 8, "times", \
	  "More of the fair rate is unusual whatever its past was: it would fill a bin of " \
	  "rank alone.", "test_source_law") \
	/* What passes (source_cutoff.c). */ \
	X(ARRIVALS_TAU_S, 2, "s", \
	  "Smooths the rate at which sources arrive, and what each asked for lately.", \
	  "test_source_cutoff") \
	X(SHAPE_EVENTS, 300, "arrivals", \
	  "So many are needed to know which ranks arrive. Chance shifts a cut-off by less " \
	  "then.", "test_source_cutoff") \
	X(SHAPE_MAX_S, 30, "s", \
	  "They are counted for no longer: ranks change with the minutes.", \
	  "test_source_cutoff") \
	X(CREDITS_NEW, 0.1, "of the credits", \
	  "So many are kept for sources that were never seen, or none would ever get in.", \
	  "test_source_cutoff") \
	X(CREDITS_DUE, 0.3, "of the credits", \
	  "So many are kept for sources that are due.", "test_source_cutoff") \
	X(CREDITS_FOLLOW, 0.5, "times", \
	  "A window that is fuller or emptier than FULL by a part of it changes the credits " \
	  "by so much of that part.", "test_source_cutoff") \
	X(CREDITS_BOUND, 0.3, "of the credits", "By so many at most.", "test_source_cutoff") \
	X(CUTOFF_GAIN_PER_S, 2, "a second", \
	  "How fast more is let in by rank while the window is not full: that is lost " \
	  "capacity.", "test_source_cutoff") \
	X(CUTOFF_GAIN_MIN, 0.7, "of the credits", \
	  "No less is let in for a window that is too full.", \
	  "test_source_cutoff") \
	X(CUTOFF_GAIN_MAX, 50, "times the credits", \
	  "No more is let in for one that stays empty.", "test_source_cutoff") \
	X(CUTOFF_GAIN_RELAX_S, 10, "s", \
	  "How fast that correction is forgotten when no source is cut off.", \
	  "test_source_cutoff") \
	X(SHARE_SESSIONS, 4, "sessions", \
	  "A source with so many at once never comes last for it.", \
	  "test_source_cutoff") \
	X(SHARE_WINDOW, 0.25, "of the window", \
	  "Nor one with so much of it: a load balancer in front is one address. Few sources " \
	  "may have more.", "test_source_cutoff") \
	X(KEPT_MAX, 0.25, "of each limit", \
	  "At most so much is kept for sources that come first. With a half onset-250 does " \
	  ".95 of its capacity, with a quarter .98.", "test_source_cutoff") \
	X(KEPT_PER_S, 5, "a second", \
	  "How fast it grows while none of them finds a place.", \
	  "test_source_cutoff") \
	X(KEPT_FADES_S, 5, "s", \
	  "How fast it fades. If one in a hundred of them finds no place, it stays at " \
	  "KEPT_MAX.", "test_source_cutoff") \
	X(KEPT_FIRST, 0.25, "of the credits", \
	  "If so much of what arrives comes first, all of it may be kept.", \
	  "test_source_cutoff") \
	X(CROWDED_TAU_S, 0.5, "s", "Smooths how many of them find no place.", \
	  "test_source_cutoff") \
	/* What is known of a source, and for how long (source_ledger.c, source_note.c, \
	 * source_patience.c, source_top.c). */ \
	X(ALIVE_S, 7200, "s", \
	  "A source without an attempt for so long has given up.", \
	  "test_source_law") \
	X(ALIVE_GAPS, 3, "times its gap", \
	  "And for so long, if it comes seldom.", "test_source_law") \
	X(FORGET_S, 86400, "s", \
	  "One that was never admitted is forgotten after this.", \
	  "test_source_law") \
	X(FORGET_REGULAR_S, 2592000, "s", \
	  "Any other one after this: newsletters come once a month.", \
	  "test_source_law") \
	X(LEDGER_PARTS, 64, "parts", \
	  "In an hour or two one wide network displaces valuable entries of others from one " \
	  "part of the ledger at most.", "test_source_law") \
	X(COST_GUESS_S, 0.05, "s", \
	  "What a session takes the server, before any was seen.", \
	  "test_source_law") \
	X(COST_SHARE, 0.01, "of a new one", "How fast that follows what sessions take.", \
	  "test_source_law") \
	X(PAST_TIMES, 2, "times a minute", \
	  "How fast the past of a source grows: a newcomer ramps up.", \
	  "test_source_law") \
	X(GAP_KEEPS, 3, "times", \
	  "So much more than a new gap counts the mean of those before.", \
	  "test_source_law") \
	X(PATIENCE_SAMPLES, 16, "sources", \
	  "So many must have given up before it is believed when such senders do.", \
	  "test_source_law") \
	X(PATIENCE_KEEPS, 0.999, "of those before", \
	  "Each further one leaves so much: a thousand count.", \
	  "test_source_law") \
	X(PATIENCE_GONE, 0.1, "of those that gave up", \
	  "So many did so sooner than the patience that is believed.", \
	  "test_source_law") \
	X(FAIR_SESSIONS, 1.5, "sessions a minute", \
	  "No fair rate is lower: below that the sketch cannot tell sources apart.", \
	  "test_source_law") \
	/* What people are told of sources (source_show.c, source_shared.c). */ \
	X(BROKEN_MIN, 2.5, "attempts", \
	  "If so many that had a promise were deferred in the last minute, it cannot be kept.", \
	  "test_source_law") \
	X(BROKEN_SHARE, 0.05, "of the promised", "And if it is so much of them.", \
	  "test_source_law") \
	X(SHARED_PER_MIN, 60, "connections", \
	  "An address that stands for many clients brings so many in a minute. Fewer say " \
	  "little.", "test_source_law") \
	X(SHARED_PRIVATE, 0.5, "of all", \
	  "And so much of all, if it is private: mail from the Internet does not come from " \
	  "such an address.", "test_source_law") \
	X(SHARED_PUBLIC, 0.8, "of all", \
	  "And so much, if it is not: a relay in front, or a sender that fills the machine.", \
	  "test_source_law") \
	/* The plan: bursts, those who wait for a greeting, late refusal. */ \
	X(BUCKET_SHARE, 1.25, "capacities", \
	  "Rate of the bucket, which bounds bursts between two ticks.", "test_law") \
	X(BUCKET_MORE_PER_S, 3, "sessions/s", "Added to that, for small servers.", "test_law") \
	X(BURST_MIN, 5, "sessions", \
	  "So many may always come at once, and wait for their greeting.", "test_law") \
	X(AT_ONCE_S, 0.25, "s", \
	  "Capacity for so long may wait for a greeting. What the queue allows in that time " \
	  "may come at once.", "slots-gate") \
	X(GREETINGS_BORNE, 3, "times", \
	  "So many times the usual time to the greeting is waited for one.", "tarpit-long") \
	/* What clients usually wait for their greeting (greeting_times.h). */ \
	X(GREETING_ALIKE, 3, "times", \
	  "A greeting that took no more than so many times the quick ones beside it waited like " \
	  "others.", "test_greeting_times") \
	X(GREETINGS_KEPT, 1024, "greetings", \
	  "From so many on, each is halved in weight: enough to know one in fifty, and a slow " \
	  "hour is soon forgotten.", "test_greeting_times") \
	X(GREETING_RARE, 50, "greetings", \
	  "One in so many may take longer than what is usual. A client in twenty is usual.", \
	  "test_greeting_times") \
	/* Sessions that are stuck, and no load (overtaken.h). The kernel's probe has the same. */ \
	X(OVERTAKEN_MIN, 8, "sessions", \
	  "So many more must be served than waited before a session, until it is overtaken. " \
	  "Fewer may be chance.", "test_overtaken") \
	X(OWED_LONG_S, 10, "s", \
	  "A session that waits longer for an answer is stuck: if all sessions wait, none is " \
	  "overtaken.", "test_overtaken") \
	X(BOUNDS_TIMES_MAX, 30, "times", \
	  "Both bounds grow to so much at most, while stuck sessions do get their answer.", \
	  "test_overtaken") \
	X(BOUNDS_FADE_JOBS, 256, "jobs", \
	  "After so many jobs most of that growth is forgotten (63 %).", "test_overtaken") \
	X(SLOW_PARTS, 5, "parts", \
	  "A session is slow after one part of OWED_LONG_S.", "test_overtaken") \
	X(SLOW_MIN, 4, "sessions", \
	  "So many slow sessions of one source count as load.", "test_overtaken") \
	X(SLOW_SHARE, 8, "parts", \
	  "Or one part of all sessions, if that is more. A client could hold many on purpose.", \
	  "test_overtaken") \
	/* W_hard: memory and space. */ \
	X(MEMORY_GUESS_BYTES, 10485760, "bytes", \
	  "A session with a scanner, before any was seen.", "memory-full") \
	X(RESERVE_USUAL_BYTES, 67108864, "bytes", \
	  "The default reserve. A larger one is an operator's decision, and holds in full.", \
	  "memory-spread") \
	X(RESERVE_SIGMAS, 2, "standard deviations", \
	  "Memory kept free, for the variation of what all sessions hold and of the readings.", \
	  "memory-spread") \
	X(CHANCE_SIGMAS, 3, "standard deviations", \
	  "A larger change is no chance: others took memory, or gave it back.", \
	  "memory-spread") \
	X(SESSION_MIN_BYTES, 1048576, "bytes", \
	  "Smallest need of a session, of memory and of the spool.", "test_hard") \
	X(MEMORY_VARIANCE_MIN, 4, "sessions^2", \
	  "If the sessions in flight vary less, nothing is learned.", "memory-large") \
	X(SESSION_UP_S, 5, "s", "How fast the need of a session rises.", "test_hard") \
	X(SESSION_DOWN_S, 60, "s", \
	  "How fast it falls. A session takes its memory late, at the end of DATA.", \
	  "test_hard") \
	X(IDLE_MEAN_S, 0.5, "s", \
	  "Smooths what would be free without sessions, against the chance of a reading.", \
	  "memory-gulp") \
	X(IDLE_RATE_S, 2, "s", \
	  "Time over which the memory is measured that others take.", "memory-gulp") \
	X(IDLE_DOWN_S, 0.5, "s", \
	  "How fast the figure for memory without sessions falls.", "memory-spread") \
	X(IDLE_UP_S, 5, "s", \
	  "How fast it rises. Sessions that were just admitted have not taken all their memory.", \
	  "memory-spread") \
	X(EXHAUSTS_AHEAD_S, 5, "s", \
	  "What sessions take beyond what was believed is foreseen for so long. What other " \
	  "programs take, for the time of a session, at most for so long.", "memory-gulp") \
	/* When not to grow; whose pressure it is; the queue behind the server. */ \
	X(GROWTH_FREEZE_S, 30, "s", \
	  "The window does not grow for so long after a sensor was lost.", "servo-sensor-loss") \
	X(LITTLE_PART, 0.5, "of the whole", \
	  "Less is a small part of what causes the pressure.", "foreign-cpu") \
	X(NAMED_PART, 0.5, "of the use", \
	  "A group inside another one is named instead of it if it has more than this part of " \
	  "the use of that.", \
	  "test_attribution") \
	X(QUEUE_TAU_S, 5, "s", \
	  "Smooths the length of the queue. Without a reading for twice as long nothing is " \
	  "known of it.", "test_backlog") \
	X(QUEUE_FEW, 50, "messages", \
	  "So many messages under way are no backlog.", "test_backlog") \
	X(DRAIN_WANTED, 0.5, "of the target", \
	  "Time to drain the queue that is aimed at. Below half of it the queue limits nothing.", \
	  "after-queue-filter") \
	X(ALLOWED_MIN, 0.05, "of the rate", \
	  "So much is always let in: something must leave, or leaving could not be seen.", \
	  "test_backlog") \
	X(FILTER_COST_MIN_S, 1e-4, "CPU s", \
	  "A message that costs less is no load, and tells nothing of what leaves.", \
	  "filter-tiny") \
	X(FILTER_BEHIND_S, 4, "s", \
	  "So much work of server and filter together may wait for the filter.", "filter-cpu") \
	X(FILTER_PROVEN_S, 2, "s", \
	  "What a message costs is believed if nothing waits for the filter for so long after " \
	  "it was seen.", "test_second_stage") \
	X(FILTER_TAU_S, 30, "s", \
	  "Smooths the CPU that a message costs the filter.", "test_second_stage") \
	X(PASSING_AHEAD, 2.5, "times", \
	  "For the ranks the rate of the window is taken so many times, as sessions may be " \
	  "shorter than the law assumes.", "fsync-step") \
	/* The servo: where neither completions nor dialogue can be seen. */ \
	X(SERVO_PER_CORE, 100, "sessions", "First window of the servo, for each core.", "servo") \
	X(SERVO_UP, 0.2, "a second", "How fast the window grows, with no pressure.", \
	  "servo-slots") \
	X(SERVO_DOWN, 1.5, "a second", "How fast it shrinks, at twice the target.", "servo-slots") \
	X(SERVO_MIN, 0.7, "of the window, of those in flight", \
	  "No step goes below this. A tick is long after the machine was suspended, and a " \
	  "window cannot end sessions.", "test_servo") \
	/* Pressure, and what people are told. */ \
	X(SIGNAL_TAU_S, 0.5, "s", "Smooths a signal.", "level-rest") \
	X(GREETING_DOWN_S, 2, "s", \
	  "How fast the unloaded time to the greeting falls.", "test_pressure") \
	X(GREETING_UP_S, 300, "s", \
	  "How fast it rises. Overload is what comes on top of it.", "test_pressure") \
	X(LEVEL_UP_S, 1, "s", \
	  "A level is entered after so long (shedding by refusals at once). So is load " \
	  "attributed to a neighbour.", "test_level") \
	X(LEVEL_DOWN_S, 3, "s", \
	  "A level is left after so long. With the smoothing of the rates that is less than " \
	  "ten seconds.", "test_level") \
	X(LEVEL_REST_S, 120, "s", \
	  "A level that comes back within this time is at its threshold, and is left only " \
	  "after it.", "level-rest") \
	X(LEVEL_EXIT, 0.8, "of the entry", \
	  "A level is left below this part of what entered it.", "test_level") \
	X(CRITICAL_REFUSED, 0.9, "of the offered", "More refused: critical.", "test_level") \
	X(SEVERE_REFUSED, 0.5, "of the offered", "More refused: severe.", "test_level") \
	X(SHEDDING_REFUSED, 0.01, "of the offered", "More refused: shedding.", "test_level") \
	X(ELEVATED_PRESSURE, 0.8, "targets", "More pressure: elevated.", "test_level") \
	X(BLIND_S, 2, "s", \
	  "Without a reading for so long memory limits nothing. Without any sensor or session " \
	  "seen, penstock is blind.", "memory-blind") \
	/* Trends, hours ahead. */ \
	X(TREND_WINDOW_S, 2, "s", "Time of one point in the shortest look.", "memory-leak") \
	X(TREND_LOOK_TIMES, 10, "times", \
	  "Each look is so many times longer than the one before. A fall is believed for so " \
	  "many times as long as it was seen.", "memory-leak") \
	X(TREND_FALLING, 0.9, "of the pairs", \
	  "So many pairs must fall (Kendall's tau = 2 x this - 1).", "memory-leak") \
	X(TREND_ALIKE, 3, "times", \
	  "Neither half of a look may fall faster than the other by more, nor a look than the " \
	  "next shorter one.", "memory-leak") \
	X(TREND_HELD, 6, "evaluations", \
	  "A trend must hold for so many evaluations. At most twice as many are counted.", \
	  "memory-leak")
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
#define USE_TRIFLE 1e-9 /* in any unit: less than this is an error of rounding */
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
