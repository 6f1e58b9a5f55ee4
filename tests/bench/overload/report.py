"""table.md: medians and spread of every cell, each figure that something is aimed at says met or missed; and the plots."""
import os
import re
import statistics

import aims
import plot
from fronts import NAMES, PENSTOCK, title
from plan import ALL, QUEUES, SCAN

COLUMNS = [("goodput", "goodput, C", 2), ("of_alone", "goodput, of the bare server's", 2), ("taken_of_alone", "of the clients, accepted within 10 s, of the bare server's", 3), ("in_1s", "within 1 s, C", 2), ("settled", "from the third second, C", 2),
           ("goodput_of_possible", "goodput, of what can be", 2), ("in_1s_of_offered", "in time, of offered", 2), ("p99_s", "p99, s", 2), ("p99_lasting_s", "p99 after 5 s, s", 2), ("refused_ratio", "refused", 4), ("needless_ratio", "refused needlessly", 4),
           ("told", "turned away and told", 4), ("refused_p99_s", "told within, p99 s", 3), ("not_known", "cut off by the end, not judged", 0),
           ("proxy_cpu", "proxy, of the core", 3), ("penstockd_cpu", "penstockd, of the core", 3), ("first_451_s", "first 451 after, s", 3),
           ("back_s", "back after, s", 1), ("refused_after", "refused from 1 s after its end", 0), ("oom_kills", "OOM kills", 0), ("of_best_window", "served, of the best window", 2),
           ("in_1s_before", "within 1 s before it moves, C", 2), ("served_then", "served after, C", 2),
           ("queued_per_s", "queue grows, /s", 0), ("accepted_good", "known-good accepted", 2), ("accepted_heavy", "heavy accepted", 2),
           ("accepted_new", "new accepted", 2)]
ORDER = list(NAMES)
# What was not told at all, or is the same as beside it, only widens the table.
SHOWN_IF = {"goodput_of_possible": ["1x"], "taken_of_alone": ["1x", "cold-1x"], "first_451_s": ["step"], "queued_per_s": []}


def values_of(runs, key):
    return [r[key] for r in runs if r.get(key) is not None]


def spread(runs, key, digits):
    values = values_of(runs, key)
    if not values:
        return "-"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def number(value):
    return f"{value:g}"


def applies(plant, case, cells):
    """Whether what is aimed at there can be asked for: beside a neighbour that hurts mail, refusals may be right."""
    alone = values_of(cells.get((plant, case, "alone"), []), "in_1s_of_offered")
    return case not in aims.HARMLESS or not alone or statistics.median(alone) >= aims.UNHARMED


def cell_text(cells, cell, key, digits):
    runs, (plant, case, _) = cells[cell], cell
    text, aim = spread(runs, key, digits), aims.aim(case, key)
    if aim and not applies(plant, case, cells):
        return text + " (mail is hurt here: no aim)"
    verdict = aims.met(values_of(runs, key), aim) if aim else None
    if verdict is None:
        return text
    return text + (" met" if verdict else f" **missed** ({'≥' if aim[1] == '>=' else '≤'} {number(aim[2])})")


def add_needless(cells):
    """Refused, although the bare server took as many more of the same case and seed within ten seconds: of what was offered. Both runs
    are made in turns; where the bare one is missing, it is not told."""
    alone = {(plant, case, run["seed"]): run.get("taken_ratio") for (plant, case, front), runs in cells.items() if front == "alone"
             for run in runs}
    for (plant, case, front), runs in cells.items():
        for run in runs if front != "alone" else []:
            taken = alone.get((plant, case, run["seed"]))
            if None not in (taken, run.get("taken_ratio"), run.get("refused_ratio")):
                # Who is closed without a word (HAProxy) is turned away, too.
                away = run["refused_ratio"] / run["told"] if run.get("told") else 1 - run["taken_ratio"]
                run["needless_ratio"] = max(0.0, min(away, taken - run["taken_ratio"]))


def add_of_alone(cells, key, name):
    """`key`, of the bare server's in the same case and with the same seed in its turn."""
    alone = {(plant, case, run["seed"]): run.get(key) for (plant, case, front), runs in cells.items() if front == "alone" for run in runs}
    for (plant, case, front), runs in cells.items():
        for run in runs if front != "alone" else []:
            bare = alone.get((plant, case, run["seed"]))
            if bare and run.get(key) is not None:
                run[name] = run[key] / bare


def add_best_windows(cells):
    """Of every run under a fault that was scanned: what it served, of the most that a fixed window did. Returns these, for the text."""
    best = {}
    for (plant, case, front), runs in cells.items():
        if front in SCAN + QUEUES:
            value = statistics.median(values_of(runs, "served"))
            best[plant, case] = max(best.get((plant, case), (0, None)), (value, front))
    for (plant, case, front), runs in cells.items():
        if (plant, case) in best and best[plant, case][0] > 0:
            for run in runs:
                run["of_best_window"] = run["served"] / best[plant, case][0]
    return best


def table(plant, cells, seeds):
    mine = sorted((key for key in cells if key[0] == plant and key[2] not in SCAN + QUEUES), key=lambda k: (ALL.index(k[1]), ORDER.index(k[2])))
    columns = [c for c in COLUMNS if any(values_of(cells[k], c[0]) for k in mine if c[0] not in SHOWN_IF or k[1] in SHOWN_IF[c[0]])
               or (c[0] == "queued_per_s" and plant == "afterqueue")]
    runs = [r for key in cells if key[0] == plant for r in cells[key]]
    lines = [f"### {plant}: C = {spread(runs, 'capacity', 1)} messages a second; each run is judged by that of its minutes", "",
             "| case | | " + " | ".join(c[1] for c in columns) + " |",
             "| " + " | ".join(["---"] * (len(columns) + 2)) + " |"]
    for key in mine:
        runs = cells[key]
        few = "" if len(runs) >= seeds else f" ({len(runs)} run{'s' * (len(runs) > 1)})"
        lines.append(f"| {key[1]} | {title(key[2])}{few} | " + " | ".join(
            cell_text(cells, key, k, d) if k not in SHOWN_IF or key[1] in SHOWN_IF[k] or plant == "afterqueue" else "-"
            for k, _, d in columns) + " |")
    return lines


def verdicts(cells):
    """What penstock missed, a line each."""
    met, missed = 0, []
    for (plant, case, front), runs in cells.items():
        for aim in aims.AIMS.get(case, []) if front in PENSTOCK and applies(plant, case, cells) else []:
            verdict = aims.met(values_of(runs, aim[0]), aim)
            if verdict is None:
                continue
            met += verdict
            if not verdict:
                label = next(c for c in COLUMNS if c[0] == aim[0])
                missed.append(f"- {plant}, {case}, {title(front)}: {label[1]} {spread(runs, aim[0], label[2])}, aimed at "
                              f"{'at least' if aim[1] == '>=' else 'at most'} {number(aim[2])}")
    return [f"penstock's aims: {met} met, {len(missed)} missed."] + ([""] + missed if missed else [])


def scan_lines(cells, best):
    lines = []
    for plant, case in best:
        for what, fronts in (("fixed windows", SCAN), ("HAProxy's queue", QUEUES)):
            limits = sorted((int(re.sub(r"\D", "", f)), runs) for (p, c, f), runs in cells.items() if (p, c) == (plant, case) and f in fronts)
            told = [f"{n} at a time serves {statistics.median(values_of(runs, 'served')):.2f} C, p99 "
                    + (f"{statistics.median(values_of(runs, 'p99_s')):.1f} s" if values_of(runs, "p99_s") else "-") for n, runs in limits]
            lines += [f"{plant}, {case}, {what}: {'; '.join(told)}."] if told else []
    return [""] + lines if lines else []


def disturbed(results):
    """Whether something else had a part of the server's core, or the generator came late."""
    shares = [r["others_cpu"] for r in results.runs if r.get("others_cpu") is not None]
    late = [r["generator_late_s"] for r in results.runs if r.get("generator_late_s") is not None]
    if not shares or not late:
        return []
    return ["", f"Others had {statistics.median(shares):.0%} of the server's core in the median run, {max(shares):.0%} at most (interrupts are in "
            f"it); the generator itself was late by {statistics.median(late):.3f} s at most in the median run, {max(late):.3f} s in the worst."]


def not_run(missing, results):
    cells = {}
    for plant, case, front, seed in missing:
        cells.setdefault((plant, front), {}).setdefault(case, []).append(seed)
    made = results.cells()
    lines = [f"- {plant}, {title(front)}: " + ", ".join(
        case + (f" (seed {' '.join(map(str, seeds))})" if (plant, case, front) in made else "") for case, seeds in by_case.items())
        for (plant, front), by_case in cells.items()]
    failed = [f"- FAILED: {r['plant']}, {r['case']}, {title(r['front'])}, seed {r['seed']}: {(r['error'].splitlines() or ['?'])[0]}"
              for r in results.runs if "error" in r]
    return (["", "Not run:", ""] + lines if lines else []) + ([""] + failed if failed else [])


def write(directory, results, missing):
    cells = results.cells()
    add_needless(cells)
    add_of_alone(cells, "goodput", "of_alone")
    add_of_alone(cells, "taken_ratio", "taken_of_alone")
    best = add_best_windows(cells)
    seeds = max((len(runs) for runs in cells.values()), default=0)
    lines = ["Median (least to most) of the runs of a cell.", ""] + verdicts(cells)
    for plant in dict.fromkeys(key[0] for key in cells):
        lines += [""] + table(plant, cells, seeds)
    lines += scan_lines(cells, best) + disturbed(results) + not_run(missing, results)
    text = "\n".join(lines) + "\n"
    with open(os.path.join(directory, "table.md"), "w") as f:
        f.write(text)
    plot.write(directory, cells)
    return text
