"""What is run, most important first. A cell is (plant, case, front); one cell is as many runs as there are seeds. Fronts that are
compared take turns within a seed, so that a machine that drifts drifts for all of them."""
from cases import CASES

# The first are what an operator asks first.
ALL = ["10x", "10x-again", "2x", "1x", "0.5x", "step", "cold-0.8x", "cold-1x", "bursts", "few-sources",
       "slow-names", "slow-names-neighbour", "stalled", "half-speed", "half-speed-2x", "5x", "cpu-neighbour", "slow-disk",
       "memory-limit", "cpu-neighbour-weighted", "fsync-neighbour",
       "memory-neighbour", "sources", "slow-clients", "moving", "retries", *[f"stops-{seconds}" for seconds in (1, 3, 8, 20)]]
STOPS = [case for case in ALL if case.startswith("stops-")]
STEADY = ["10x", "2x", "1x", "0.5x", "5x"]
# How many a window may be, for the best that any window does in these cases: one seed each. In a lasting overload HAProxy's queue is tried, too.
FAULTS, LASTING = ["cpu-neighbour", "slow-disk", "memory-limit"], ["10x", "2x"]
WINDOWS = [4, 8, 14, 24, 45]
SCAN = [f"static{n}" for n in WINDOWS]
QUEUES = [f"haproxy{n}" for n in (10, 14, 20, 30, 45)]

PARTS = [
    (["postfix"], ["alone", "policy", "policy-reset", "proxy", "proxy-reset"], ["10x-again"]),
    (["postfix"], ["alone", "proxy", "other", "haproxy", "haproxy14", "static14", "watched14"], LASTING),
    (["postfix"], ["alone", "proxy", "other", "haproxy"], ALL),
    (["postfix"], SCAN, FAULTS + LASTING),
    (["postfix"], QUEUES, LASTING),
    (["postfix"], ["gate", "policy"], STEADY + ["step"]),
    (["postfix"], ["postscreen", "static20"], ["10x", "2x", "1x", "5x"]),
    (["fsync"], ["alone", "proxy"], STEADY),
    (["haraka"], ["alone", "proxy"], STEADY),
    (["afterqueue"], ["alone", "proxy", "other"], ["2x", "10x"]),
    (["afterqueue"], SCAN, ["10x"]),
    (["postfix"], ["gate", "policy", "postscreen", "static20"], ALL),
    (["disk", "sink"], ["alone", "proxy", "other"], STOPS),
    (["fsync", "haraka", "afterqueue"], ["alone", "proxy", "gate", "policy", "postscreen", "static20"], ALL),
]


def runs(plants, fronts, cases, seeds, scan):
    """[(plant, case, front, seed)] in order, each once; `plants`: by name, what fronts each has."""
    seen, out = set(), []
    for part_plants, part_fronts, part_cases in PARTS:
        scanned = part_fronts in (SCAN, QUEUES)
        for plant in (p for p in part_plants if p in plants):
            for case in (c for c in part_cases if c in cases and c in CASES):
                for seed in seeds[:1] if scanned else seeds:
                    for front in part_fronts:
                        wanted = scan if scanned else front in fronts and front in plants[plant]
                        run = (plant, case, front, seed)
                        if wanted and run not in seen:
                            seen.add(run)
                            out.append(run)
    return out
