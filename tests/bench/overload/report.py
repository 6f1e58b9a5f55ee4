"""One table, JSON, and a plot a case (SVG, no library): offered, accepted in time, refused, window, pressure, connect-to-220."""
import json
import os
import statistics

from fronts import NAMES

COLUMNS = [("goodput", "goodput, C", 2), ("in_1s", "within 1 s, C", 2), ("in_1s_of_offered", "in time, of offered", 2), ("p99_s", "p99, s", 2),
           ("refused_ratio", "refused", 3), ("told", "turned away and told", 3), ("refused_p99_s", "told within, p99 s", 3),
           ("first_451_s", "first 451 after, s", 3), ("back_s", "back after, s", 1), ("oom_kills", "OOM kills", 0), ("backlog", "queued at the end", 0), ("accepted_good", "known-good accepted", 2),
           ("accepted_heavy", "heavy accepted", 2), ("accepted_new", "new accepted", 2)]


def spread(cells, key, digits):
    values = [c[key] for c in cells if c.get(key) is not None]
    if not values:
        return "-"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(results):
    # A column in which nothing was measured says nothing.
    columns = [c for c in COLUMNS if any(cell.get(c[0]) is not None for cells in results.values() for cell in cells)]
    lines = ["| plant | case | | " + " | ".join(c[1] for c in columns) + " |", "| " + " | ".join(["---"] * (len(columns) + 3)) + " |"]
    for (plant, case, front), cells in results.items():
        lines.append(f"| {plant} | {case} | {NAMES[front]} | " + " | ".join(spread(cells, k, d) for k, _, d in columns) + " |")
    return "\n".join(lines)


PANELS = [("messages a second", [("offered", "#888"), ("accepted_in_time", "#1a7f37"), ("refused", "#b35900")]),
          ("sessions", [("window", "#0550ae"), ("in_flight", "#8250df")]), ("pressure", [("pressure", "#a40e26")]),
          ("connect to 220, p99 s", [("connect_to_220_s", "#116329")])]
WIDTH, HEIGHT, LEFT, GAP = 760, 120, 60, 40


def panel(top, title, lines, series, seconds):
    values = [row[key] for key, _ in lines for row in series if row.get(key) is not None]
    most = max(values, default=0) or 1
    out = [f'<text x="{LEFT}" y="{top - 8}">{title}</text><text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{most:.3g}</text>'
           f'<text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end">0</text>'
           f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#ccc"/>']
    for n, (key, colour) in enumerate(lines):
        points = " ".join(f"{LEFT + WIDTH * i / max(1, seconds):.1f},{top + HEIGHT - HEIGHT * row[key] / most:.1f}"
                          for i, row in enumerate(series) if row.get(key) is not None)
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
                   f'<text x="{LEFT + 200 + 150 * n}" y="{top - 8}" fill="{colour}">{key.replace("_", " ")}</text>')
    return out


def svg(title, series):
    seconds, rows = len(series) - 1, []
    for n, (name, lines) in enumerate(PANELS):
        rows += panel(60 + n * (HEIGHT + GAP), name, lines, series, seconds)
    height = 60 + len(PANELS) * (HEIGHT + GAP)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}" height="{height}" font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="white"/><text x="{LEFT}" y="24" font-size="15">{title}</text>'
            + "".join(rows) + f'<text x="{LEFT + WIDTH}" y="{height - 8}" text-anchor="end">0 to {seconds} s</text></svg>\n')


def write(directory, capacities, results, plots):
    os.makedirs(directory, exist_ok=True)
    for (plant, case, front), series in plots.items():
        with open(os.path.join(directory, f"{plant}-{case}-{front}.svg"), "w") as f:
            f.write(svg(f"{plant}, {case}, {NAMES[front]}", series))
    with open(os.path.join(directory, "results.json"), "w") as f:
        json.dump({"capacity": capacities, "cells": [{"plant": p, "case": c, "front": f_, "runs": cells} for (p, c, f_), cells in results.items()]},
                  f, indent=1)
