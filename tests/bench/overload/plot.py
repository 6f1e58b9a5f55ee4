"""A plot a case (SVG, no library), penstock against the server alone: offered, accepted in time, refused, window, pressure,
connect-to-220, a second each; the median of the runs."""
import glob
import os
import statistics

from cases import CASES
from fronts import PENSTOCK, title

ALONE = "#a40e26"
# (title, [(key, colour, of the server alone?)])
PANELS = [("messages a second", [("offered", "#999", False), ("accepted_in_time", "#1a7f37", False), ("refused", "#b35900", False),
                                 ("accepted_in_time", ALONE, True)]),
          ("sessions", [("window", "#0550ae", False), ("in_flight", "#8250df", False)]),
          ("pressure", [("pressure", "#0550ae", False)]),
          ("connect to 220, p99 s", [("connect_to_220_s", "#116329", False), ("connect_to_220_s", ALONE, True)])]
WIDTH, HEIGHT, LEFT, GAP = 760, 120, 60, 40


def median_of(runs, key):
    """By second; None where no run has it."""
    out = []
    for second in range(max((len(r["series"]) for r in runs), default=0)):
        values = [r["series"][second][key] for r in runs if second < len(r["series"]) and r["series"][second].get(key) is not None]
        out.append(statistics.median(values) if values else None)
    return out


def panel(top, name, lines, mine, alone, seconds):
    drawn = [(key, colour, of_alone, median_of(alone if of_alone else mine, key)) for key, colour, of_alone in lines]
    most = max((v for *_, values in drawn for v in values if v is not None), default=0) or 1
    out = [f'<text x="{LEFT}" y="{top - 8}">{name}</text><text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{most:.3g}</text>'
           f'<text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end">0</text>'
           f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#ccc"/>']
    for n, (key, colour, of_alone, values) in enumerate(drawn):
        points = " ".join(f"{LEFT + WIDTH * (i + .5) / max(1, seconds):.1f},{top + HEIGHT - HEIGHT * v / most:.1f}"
                          for i, v in enumerate(values) if v is not None)
        if points:
            label = key.replace("_", " ").replace(" s", "") + (", alone" if of_alone else "")
            dashed = ' stroke-dasharray="5 3"' if of_alone else ""
            out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"{dashed}/>'
                       f'<text x="{LEFT + 150 + 150 * n}" y="{top - 8}" fill="{colour}">{label}</text>')
    return out


def svg(name, case, mine, alone):
    seconds, rows = max((len(r["series"]) for r in mine), default=1), []
    for n, (label, lines) in enumerate(PANELS):
        rows += panel(60 + n * (HEIGHT + GAP), label, lines, mine, alone, seconds)
    height = 60 + len(PANELS) * (HEIGHT + GAP)
    for at in sorted({*CASES[case].judged, CASES[case].fault_at}):
        x = LEFT + WIDTH * at / max(1, seconds)
        rows.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="60" y2="{height - GAP}" stroke="#bbb" stroke-dasharray="2 4"/>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}" height="{height}" font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="white"/><text x="{LEFT}" y="24" font-size="15">{name}</text>'
            + "".join(rows) + f'<text x="{LEFT + WIDTH}" y="{height - 8}" text-anchor="end">0 to {seconds} s; judged between the dotted '
            'lines</text></svg>\n')


def write(directory, cells):
    for old in glob.glob(os.path.join(directory, "*.svg")):
        os.unlink(old)
    for (plant, case, front), runs in cells.items():
        if front in PENSTOCK:
            with open(os.path.join(directory, f"{plant}-{case}-{front}.svg"), "w") as f:
                f.write(svg(f"{plant}, {case}: {title(front)}, and alone", case, runs, cells.get((plant, case, "alone"), [])))
