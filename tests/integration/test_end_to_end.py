#!/usr/bin/env python3
"""The whole chain on any kernel: more mail than this machine's cores can carry, measured by the kernel's own signals, refused by
the proxy. Runs here and in each emulated machine; what takes how long is not asked."""
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place
from lib.place import BIN, wait_for
from lib.programs import Daemon, Program, Proxy, listening
from lib.smtp import deliver
from lib.tap import check, run, test

PORT, SINK = 2525, 2526
# What a message costs the sink, and the load: four times what all cores can do, whatever their speed.
CPU_MS = 200
OVERLOAD = 4
ROUNDS = 5


class Chain:
    """Sink, daemon, proxy."""

    def __init__(self, options=None):
        self.directory = tempfile.mkdtemp(prefix="penstock-test-")
        self.store = os.path.join(self.directory, "store")
        # Its accept queue is as long as the kernel allows: a connection that finds it full would be told that the server is not there.
        self.sink = Program([os.path.join(BIN, "penstock-sink"), "--listen", f"127.0.0.1:{SINK}", "--cpu", f"{CPU_MS}ms",
                             "--backlog", "4096", "--store", self.store])
        wait_for(lambda: listening(SINK), "the sink")
        # The sink's own port is the one that the kernel counts.
        # No limit to one sender's own share: two sessions from one address would be told of that instead of the overload.
        self.daemon = Daemon(self.directory, {"service.mx.ports": SINK, "service.mx.hostname": "mx.example.org",
                                              "source.sessions_max": 1000000, **(options or {})})
        self.proxy = Proxy(self.directory, PORT, SINK, {"service.mx.hostname": "mx.example.org"})
        self.daemon.wait_status(lambda s: s["state"] == "serving", "serving")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in (self.proxy, self.daemon, self.sink):
            program.stop()

    def stored(self):
        return sum(1 for _ in open(self.store)) if os.path.exists(self.store) else 0

    def load(self, rate, seconds):
        """From many addresses: one that sends much of it is told that it is too much (4.7.1)."""
        argv = [os.path.join(BIN, "penstock-load"), "--target", f"127.0.0.1:{PORT}", "--rate", str(rate), "--duration", f"{seconds}s",
                "--drain", "240s", "--greeting-timeout", "240s", "--command-timeout", "240s", "--json", "-",
                "--sources", "127.1.0.0/16"]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


OUTLETS = {"status", "explain", "metrics", "plugin"}


def outlets_that_tell(daemon):
    """Those that say now that a part of the connections is deferred, and why."""
    s, explain = daemon.status(), daemon.ctl("explain").stdout
    plugin = subprocess.run([os.path.join(BIN, "check_penstock"), "--run-dir", daemon.run_dir], capture_output=True, text=True)
    mx = s["services"]["mx"]
    tells = {"status": s["headline"]["state"] == "deferring" and s["headline"]["reason"] != "none" and s["level"] >= 2
             and s["driver"]["resource"] in ("cpu", "smtp", "memory")
             and mx["deferred_ratio"] > 0 and abs(sum(mx["deferred_shares"].values()) - 1) < 0.01,
             "explain": " are deferred (a mean over two seconds, as in status); in the last ten seconds: " in explain and "one of them: deferred" in explain and "reason none" not in explain,
             "metrics": daemon.metric("penstock_admit_ratio") < 1 and daemon.metric("penstock_level") >= 2,
             "plugin": plugin.returncode in (1, 2)}
    return {name for name, told in tells.items() if told}


@test("more mail than the cores can carry: 451 4.3.2, never a 5xx, what is taken is delivered, and all is admitted again after")
def _():
    with Chain() as c:
        accepted = unsure = 0
        said = set()
        # A machine that is so slow that the load is over before each outlet was asked gets another one.
        for _ in range(ROUNDS):
            load = c.load(OVERLOAD * os.cpu_count() * 1000 / CPU_MS, 25)
            c.daemon.wait_status(lambda s: s["decisions"]["deferred"] > 3, "refusals", 120)
            # What operators read meanwhile is what clients are told: each outlet says it at least once while the load lasts.
            while load.poll() is None and said != OUTLETS:
                said |= outlets_that_tell(c.daemon)
                time.sleep(0.2)  # as often as people look
            report = json.loads(load.communicate(timeout=900)[0])
            outcomes = report["outcomes"]
            check(outcomes["refused"] > 0 and outcomes["accepted"] > 0, f"{outcomes}")
            check(outcomes["rejected"] == 0, f"a 5yz: {report['replies']}")
            odd = [r for r in report["replies"] if not r.startswith(("451 4.3.2 mx.example.org", "451 4.7.1 mx.example.org"))]
            check(not odd, f"odd replies: {report['replies']}")
            told = max(report["replies"], key=report["replies"].get)
            check(told.startswith("451 4.3.2 mx.example.org overloaded"), f"most were told something else: {report['replies']}")
            accepted += outcomes["accepted"]
            # The answer to a message may be lost on a machine that is too slow for the sender's patience, the message may not.
            unsure += sum(outcomes[name] for name in ("reset", "timeout", "unfinished"))
            wait_for(lambda: accepted <= c.stored() <= accepted + unsure,
                     lambda: f"as many messages as were accepted: {c.stored()} are stored, {accepted} were accepted, then {outcomes}")
            if said == OUTLETS:
                break
        check(said == OUTLETS, f"{OUTLETS - said} told of no refusal; {c.daemon.ctl('explain').stdout}")
        wait_for(lambda: deliver(PORT)[0] == "250", "an admission after the overload", 120)


@test("a drain: 451 4.3.2 until the resume")
def _():
    with Chain() as c:
        check(deliver(PORT)[0] == "250", "before")
        c.daemon.ctl("drain", check=0)
        wait_for(lambda: deliver(PORT)[1].startswith("451 4.3.2 mx.example.org"), "the refusal")
        c.daemon.ctl("resume", check=0)
        wait_for(lambda: deliver(PORT)[0] == "250", "the admission")


place.isolate()
run()
