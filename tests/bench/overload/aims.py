"""The aims of each case: the figure, whether at least or at most, and the value. Units of C, seconds, shares."""
import statistics

TOLD = [("told", ">=", .999), ("refused_p99_s", "<=", .05)]
# For an overload that lasts: clients that wait in front of the server in its first seconds are served within the objective, and not within a
# second.
OVERLOAD = [("of_alone", ">=", 1.0), ("of_best_window", ">=", .97), ("p99_lasting_s", "<=", 1.0), *TOLD]
NEEDLESS = [("refused_ratio", "<=", .005)]
# If the server alone refuses none but is late: the aim is what it takes in time.
AS_ALONE = [("needless_ratio", "<=", .005)]
# "As many as any window can": two equal runs differ by so much.
SAME = .95
# "Neighbours that do not hurt mail": beside them, the server alone takes so much of what is offered in time.
HARMLESS, UNHARMED = ("fsync-neighbour", "memory-neighbour"), .99

AIMS = {
    "0.5x": NEEDLESS,
    "1x": [("taken_of_alone", ">=", 1.0), ("goodput_of_possible", ">=", .95), ("needless_ratio", "<=", .02)],
    "cold-0.8x": AS_ALONE,
    "cold-1x": [("taken_of_alone", ">=", 1.0), ("needless_ratio", "<=", .02)],
    "bursts": AS_ALONE,
    "few-sources": AS_ALONE,
    "slow-names": AS_ALONE,
    "slow-names-neighbour": AS_ALONE,
    "stalled": AS_ALONE,
    "half-speed": AS_ALONE,
    "2x": OVERLOAD,
    "5x": OVERLOAD,
    "10x": OVERLOAD,
    "10x-again": [("goodput", ">=", .90)],
    # Shorter than it takes to last.
    "step": [("of_alone", ">=", 1.0), *TOLD, ("back_s", "<=", 1.0), ("refused_after", "<=", 0)],
    "cpu-neighbour": [("of_best_window", ">=", SAME), ("p99_s", "<=", 1.0)],
    "cpu-neighbour-weighted": [("in_1s_of_offered", ">=", .95)],
    "fsync-neighbour": NEEDLESS,
    "memory-neighbour": NEEDLESS,
    "memory-limit": [("oom_kills", "<=", 0), ("goodput", ">=", .85), ("of_best_window", ">=", .90)],
    "slow-disk": [("of_best_window", ">=", SAME), ("p99_s", "<=", 2.0)],
    "slow-clients": TOLD,
    "moving": [("in_1s_before", ">=", .90), *TOLD],
    "retries": OVERLOAD,
    "sources": [("accepted_good", ">=", .75)],
}


def aim(case, key):
    return next((a for a in AIMS.get(case, []) if a[0] == key), None)


def met(values, aim_):
    """By the median; None: it could not be told."""
    if not values:
        return None
    value = statistics.median(values)
    return value >= aim_[2] if aim_[1] == ">=" else value <= aim_[2]
