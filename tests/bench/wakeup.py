#!/usr/bin/env python3
"""How late penstockd wakes for its tick while 50 tasks a core want to run, beside an ordinary process that wants to wake as often:
the 99th percentile of each round, median and spread over the rounds. penstockd is in a control group of its own with the weight
that its unit gives it, the others in one with the weight that every unit has."""
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))
from lib.cgroup import Cgroup
from lib.place import wait_for

BIN = os.path.join(ROOT, os.environ.get("BUILD", "build"), "bin")
PORT = 19826
A_CORE, ROUNDS, SECONDS = int(os.environ.get("TASKS", 50)), 5, 6


def buckets():
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return [(float(le), int(count)) for le, count in
            re.findall(r'^penstock_tick_lateness_seconds_bucket\{le="([0-9.e+-]+)"\} (\d+)$', text, re.M)]


def answers():
    try:
        return buckets()
    except OSError:
        return None


def p99(before, after):
    """The upper bound of the bucket that holds it, ms."""
    total = after[-1][1] - before[-1][1]
    for (le, a), (_, b) in zip(after, before):
        if a - b >= 0.99 * total:
            return le * 1000
    return float("inf")


# An ordinary process that wakes every 100 ms and writes how late it was.
ORDINARY = """
import sys, time
due = time.monotonic()
while True:
    due += 0.1
    time.sleep(max(0, due - time.monotonic()))
    late = time.monotonic() - due
    print(late, flush=True)
    due = max(due, time.monotonic() - 0.1)
"""


def main():
    directory = tempfile.mkdtemp(prefix="penstock-bench-")
    empty = os.path.join(directory, "empty.conf")
    open(empty, "w").close()
    ours, rest = Cgroup("cpu"), Cgroup("cpu")
    ours.cpu_weight(1000)
    daemon = subprocess.Popen([*ours.prefix(), os.path.join(BIN, "penstockd"), "-c", empty, "--run-dir", directory + "/run", "--state-dir", directory + "/state",
                               "-o", f"http.listen=127.0.0.1:{PORT}", "-o", "service.mx.ports=2527"],
                              stderr=open(directory + "/log", "w"))
    ordinary = subprocess.Popen([*rest.prefix(), sys.executable, "-c", ORDINARY], stdout=open(directory + "/ordinary", "w"))
    spinners, theirs, others = [], [], []
    try:
        wait_for(answers, "penstockd's metrics")
        for _ in range(ROUNDS):
            # In C, and bounded: a shell's loop would fork.
            spinners = [subprocess.Popen([*rest.prefix(), "timeout", "60", "sh", "-c", "while :; do :; done"]) for _ in range(A_CORE * os.cpu_count())]
            time.sleep(2)  # until they all run: the scheduler tells of no such moment
            lines = open(directory + "/ordinary").read().count("\n")
            before = buckets()
            time.sleep(SECONDS)  # the round
            after = buckets()
            for s in spinners:
                s.terminate()
            for s in spinners:
                s.wait()
            spinners = []
            theirs.append(p99(before, after))
            late = sorted(float(x) for x in open(directory + "/ordinary").read().split("\n")[lines:-1])
            others.append(late[int(0.99 * (len(late) - 1))] * 1000 if late else float("inf"))
        print(f"{A_CORE} runnable tasks a core, {ROUNDS} rounds of {SECONDS} s: 99th percentile of wake-up lateness")
        for what, v, aim in (("penstockd's tick", theirs, 10), ("an ordinary process", others, None)):
            print(f"  {what:24} median {statistics.median(v):8.2f} ms ({min(v):.2f} to {max(v):.2f})" +
                  (f"; the aim is {aim}: {'met' if statistics.median(v) < aim else 'NOT met'}" if aim else ""))
        print("  " + "".join(line for line in open(directory + "/log") if "scheduling:" in line).strip()[-60:])
    finally:
        for p in [*spinners, daemon, ordinary]:
            p.terminate()
        for p in [*spinners, daemon, ordinary]:
            p.wait()
        for group in (ours, rest):
            group.remove()
        subprocess.run(["rm", "-rf", directory])


main()
