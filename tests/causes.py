"""What the log of a failed suite says about each failure, short enough for the end of a run: often that end is all that is kept."""
import re

# Lines for one failure below its name, lines for all of them, and characters of a line.
LINES, ALL_LINES, WIDTH = 12, 60, 300
RESULT = re.compile(r"(not )?ok \d+ *-? *(.*)")
PLAN = re.compile(r"1\.\.\d+")
FRAME = re.compile(r' +File ".*/test_[^/]*", line \d+')
TRACEBACK = "Traceback (most recent call last):"


def excerpt(lines, most=LINES):
    """The last `most` lines; of a traceback its error, and where in the test it came up, though more follows."""
    if len(lines) <= most:
        return lines
    head = []
    if TRACEBACK in lines:
        last = len(lines) - 1 - lines[::-1].index(TRACEBACK)
        error = next((n for n in range(last + 1, len(lines)) if not lines[n].startswith(" ")), len(lines))
        frames = [n for n in range(last, error) if FRAME.match(lines[n])]
        head = [error, *(n for f in frames[-1:] for n in (f, f + 1))]
    head = [n for n in head if n < len(lines) - most][:most - 1]
    rest = range(len(lines) - (most - len(head)), len(lines))
    return [lines[n] for n in sorted({*head, *rest})]


def results(output):
    """The results of a TAP log, in order: whether it failed, its name and what else stands there, and the lines of the comment below it."""
    found = []
    for line in output.splitlines():
        result = RESULT.match(line)
        if result:
            found.append((bool(result[1]), result[2], []))
        elif found and line.strip(" #") and not PLAN.match(line):
            found[-1][2].append(line.removeprefix("#").removeprefix(" "))
    return found


def report(failures):
    """The lines for the end of a run; `failures`: pairs of a name and the lines that are known about it."""
    told = [(name, lines) for name, lines in failures if lines]
    each = max(1, min(LINES, ALL_LINES // max(1, len(told)) - 1))
    return [line[:WIDTH] for name, lines in told[:ALL_LINES // 2] for line in (f"{name}:", *("    " + one for one in excerpt(lines, each)))]
