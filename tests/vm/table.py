#!/usr/bin/env python3
"""The table of kernels, probes and signals in daemon/kernel/SUPPORT.md: made from what guest/survey.py saw on each kernel, and held
against it. `make test-vm TABLE=write` writes it again; this by itself does from what was seen last (build/vm/seen)."""
import glob
import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATH = os.path.join(ROOT, "daemon", "kernel", "SUPPORT.md")
SEEN = os.path.join(ROOT, "build", "vm", "seen")
REFUSED, UNPROVOKED, UNNEEDED = "no", "...", "not needed"
HEAD = """# What each kernel lets penstock see

Made by `make test-vm TABLE=write` from what it sees: Debian's cloud kernels in emulated machines, and the kernel of the machine that
the tests ran on. `make test` holds each column against what it sees. `penstockctl support` prints the same for the kernel that
it runs on.
"""
PROBES = """
## Probes

"""
SIGNALS = """
## Signals

The cell is `via` of the status: where the signal comes from. `...`: nothing of the kind was there to be measured when this was
surveyed (a trend of hours, a reclaim by the machine as a whole, a mail server). `not needed`: a better one is available. `no`: this kernel does not tell; why stands below.

"""


def version(seen):
    return re.match(r"\d+\.\d+", seen["release"])[0]


def cell(seen, name):
    if seen["signals"].get(name):
        return seen["signals"][name]
    why = seen["why"].get(name, "")
    if "not needed" in why:
        return UNNEEDED
    return UNPROVOKED if re.search(r"nothing to measure|known (once|while)|not seen", why) else REFUSED


def row(cells):
    return "| " + " | ".join(cells) + " |\n"


def grid(first, columns, names, value):
    text = row([first, *columns]) + row(["---"] * (len(columns) + 1))
    return text + "".join(row([f"`{name}`" if "_" in name else name, *[value(c, name) for c in columns.values()]]) for name in names)


def names(all_seen, what):
    """In the order of the newest, then what only others have."""
    ordered = []
    for seen in reversed(all_seen):
        ordered += [n for n in seen[what] if n not in ordered]
    return ordered


def render(all_seen):
    all_seen = sorted(all_seen, key=lambda s: [int(n) for n in version(s).split(".")])
    columns = {version(s): s for s in all_seen}
    notes = {}
    for label, seen in columns.items():
        for name, why in seen["why"].items():
            if cell(seen, name) == REFUSED:
                notes.setdefault((name, why), []).append(label)
    return HEAD + PROBES + grid("probe", columns, names(all_seen, "probes"), lambda s, n: s["probes"].get(n, "").replace("|", "/")) + \
        SIGNALS + grid("signal", columns, names(all_seen, "signals"), cell) + ("\n" if notes else "") + \
        "".join(f"- `{name}` on {', '.join(labels)}: {why}\n" for (name, why), labels in sorted(notes.items()))


def written():
    """Column -> signal -> cell of the table in the tree."""
    columns, found = [], {}
    text = open(PATH).read().partition("## Signals")[2] if os.path.exists(PATH) else ""
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if line.startswith("| signal"):
            columns = cells[1:]
            found = {c: {} for c in columns}
        elif line.startswith("| `"):
            for column, value in zip(columns, cells[1:]):
                found[column][cells[0].strip("`")] = value
    return found


def contradictions(seen):
    """What the table says otherwise than was seen."""
    column = written().get(version(seen))
    if column is None:
        return [f"it has no column for {version(seen)}"]
    wrong = []
    for name in seen["signals"]:
        now, said = cell(seen, name), column.get(name)
        if said is None:
            wrong.append(f"{name} is not in the table")
        elif now != said and UNPROVOKED not in (now, said):
            wrong.append(f"{name}: seen {now}, the table says {said}")
    return wrong


def keep(seen):
    os.makedirs(SEEN, exist_ok=True)
    with open(os.path.join(SEEN, version(seen) + ".json"), "w") as f:
        json.dump(seen, f)


def write():
    every = [json.load(open(path)) for path in sorted(glob.glob(SEEN + "/*.json"))]
    if not every:
        sys.exit("nothing was seen yet: make test-vm")
    with open(PATH, "w") as out:
        out.write(render(every))


if __name__ == "__main__":
    write()
