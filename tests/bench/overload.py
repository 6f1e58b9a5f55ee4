#!/usr/bin/env python3
"""A real Postfix with a scanner of 6 ms CPU and 4 MB a message, alone and behind penstock-proxy, at 2x and 10x of what it can
carry, and a step to 10x. Server and penstock share one core, the generator has another. One run, medians over the seeds."""
import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))
from lib import place, postfix
from lib.cgroup import Cgroup
from lib.place import BIN, BUILD
from lib.postfix import SMTP, Postfix
from lib.programs import Daemon, Proxy

SEEDS = [int(s) for s in os.environ.get("SEEDS", "1 2 3").split()]
SECONDS = int(os.environ.get("SECONDS_EACH", "10"))
IN_TIME_S = 10
PROXY = 2525


def load(port, schedule, seconds, seed, *more):
    trace = tempfile.NamedTemporaryFile(suffix=".csv")
    done = subprocess.run(["taskset", "-c", str(os.cpu_count() - 1), os.path.join(BIN, "penstock-load"), "--target",
                           f"127.0.0.1:{port}", "--schedule", schedule, "--duration", f"{seconds}s", "--drain", "12s", "--seed",
                           str(seed), "--json", "-", "--trace", trace.name, *more], capture_output=True, text=True, timeout=300)
    report = json.loads(done.stdout)
    rows = list(csv.DictReader(open(trace.name)))
    for row in rows:
        for key in ("scheduled_s", "started_s", "greeted_s", "ended_s"):
            row[key] = float(row[key])
    return report, rows


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else None


def judge(rows, seconds, capacity, since=0.0):
    """Of what was scheduled from `since` on."""
    rows = [r for r in rows if r["scheduled_s"] >= since]
    accepted = [r["ended_s"] - r["scheduled_s"] for r in rows if r["outcome"] == "accepted"]
    refused = [r["ended_s"] - r["scheduled_s"] for r in rows if r["outcome"] == "refused"]
    away = [r for r in rows if r["outcome"] != "accepted"]
    # What is served after the load has ended is no goodput under it.
    served = [r["ended_s"] - r["scheduled_s"] for r in rows if r["outcome"] == "accepted" and r["ended_s"] <= seconds]
    return {"goodput": sum(a <= IN_TIME_S for a in served) / (seconds - since) / capacity,
            "in_1s": sum(a <= 1 for a in served) / (seconds - since) / capacity,
            "p99_s": quantile(accepted, .99), "told": len(refused) / len(away) if away else 1.0,
            "refused_p99_s": quantile(refused, .99), "offered": len(rows), "accepted": len(accepted),
            "first_451_s": min((r["ended_s"] for r in rows if r["outcome"] == "refused"), default=None)}


class Plant:
    def __init__(self, guarded):
        self.directory = tempfile.mkdtemp(prefix="bench-", dir=BUILD)
        os.chmod(self.directory, 0o755)
        self.cgroup, self.guarded = Cgroup(), guarded
        options = ["smtpd_upstream_proxy_protocol=haproxy"] if guarded else []
        self.postfix = Postfix(self.directory, options=options, scanner=(6, 4), prefix=self.cgroup.prefix("taskset", "-c", "0"))
        self.port = SMTP
        if guarded:
            self.port = PROXY
            settings = {"service.mx.ports": SMTP, "service.mx.hostname": "mx.example.org", "service.mx.slots": 100}
            self.daemon = Daemon(self.directory, settings, prefix=["taskset", "-c", "0"])
            self.proxy = Proxy(self.directory, PROXY, SMTP, {**settings, "front.proxy.proxy_protocol": "v1"})
            subprocess.run(["taskset", "-p", "-c", "0", str(self.proxy.pid)], check=True, capture_output=True)

    def close(self):
        if self.guarded:
            self.proxy.stop(signal.SIGKILL)
            self.daemon.stop()
        self.postfix.stop()
        self.cgroup.remove()
        subprocess.run(["rm", "-rf", self.directory])


def capacity_of(plant):
    """Its own sustained rate: 30 at a time, for longer than the fork transient."""
    best = []
    for seed in SEEDS:
        report, rows = load(plant.port, "0:300", 12, seed, "--open-max", "30")
        best.append(sum(r["outcome"] == "accepted" and 4 <= r["ended_s"] < 12 for r in rows) / 8)
    return statistics.median(best)


def spread(cells, key, digits):
    values = [c[key] for c in cells if c[key] is not None]
    if not values:
        return "-"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main():
    results, names = {}, {False: "Postfix alone", True: "behind penstock-proxy"}
    alone = Plant(False)
    capacity = capacity_of(alone)
    print(f"C = {capacity:.1f} messages a second (Postfix alone, 30 at a time)", flush=True)
    for guarded in (False, True):
        plant = Plant(True) if guarded else alone
        load(plant.port, f"0:{capacity / 2:.1f}", 6, 99)
        for factor in (0.5, 1, 2, 10):
            for seed in SEEDS:
                report, rows = load(plant.port, f"0:{factor * capacity:.1f}", SECONDS, seed)
                results.setdefault((guarded, f"{factor}x"), []).append(judge(rows, SECONDS, capacity))
                time.sleep(2)
        for seed in SEEDS:
            report, rows = load(plant.port, f"0:{capacity / 2:.1f},5:{10 * capacity:.1f},13:{capacity / 2:.1f}", 20, seed)
            cell = judge(rows, 13, capacity, 5.0)
            cell["first_451_s"] = cell["first_451_s"] - 5 if cell["first_451_s"] else None
            after = [r["ended_s"] - r["scheduled_s"] if r["outcome"] == "accepted" else 99 for r in rows if r["scheduled_s"] >= 13]
            late = [r["scheduled_s"] - 13 for r, took in zip([r for r in rows if r["scheduled_s"] >= 13], after) if took > 1]
            cell["back_s"] = max(late, default=0)
            results.setdefault((guarded, "step"), []).append(cell)
            time.sleep(2)
        plant.close()
    print(f"\n| load | | goodput (accepted within {IN_TIME_S} s), C | within 1 s, C | p99 end to end, s | turned away and told | refused within, p99 s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for factor in ("0.5x", "1x", "2x", "10x"):
        for guarded in (False, True):
            cells = results[(guarded, factor)]
            print(f"| {factor} | {names[guarded]} | {spread(cells, 'goodput', 2)} | {spread(cells, 'in_1s', 2)} | {spread(cells, 'p99_s', 2)} | "
                  f"{spread(cells, 'told', 2)} | {spread(cells, 'refused_p99_s', 3)} |")
    for guarded in (False, True):
        cells = results[(guarded, "step")]
        print(f"\nstep 0.5x to 10x to 0.5x, {names[guarded]}: first 451 after {spread(cells, 'first_451_s', 3)} s, p99 {spread(cells, 'p99_s', 2)} s, "
              f"latency back under 1 s after {spread(cells, 'back_s', 1)} s")
    with open(os.path.join(BUILD, "bench-overload.json"), "w") as f:
        json.dump({"capacity": capacity, "cells": {f"{names[g]}, {n}": c for (g, n), c in results.items()}}, f, indent=1)


place.isolate(postfix.prepare)
main()
os._exit(0)
