#!/usr/bin/env python3
"""Clocks that jump or differ: the wall clock matters to no verdict, a plan of another clock is no plan."""
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.clock import FakeClock, at
from lib.place import wait_for
from lib.programs import Daemon, Proxy, listening
from lib.smtp import Server, deliver, smtp_server
from lib.tap import check, test
from lib.world import PORT, World


@test("a plan written by another monotonic clock, behind or ahead, is no plan: mail flows")
def _():
    for offset in ("-1000", "1000"):
        directory = tempfile.mkdtemp(prefix="penstock-test-")
        os.makedirs(os.path.join(directory, "run"))
        probe = subprocess.run(["unshare", "--time", "--monotonic", offset, "true"], capture_output=True, text=True)
        if probe.returncode != 0:
            raise tap.Skip("no time namespaces here: " + probe.stderr.strip())
        server = Server(smtp_server)
        daemon = Daemon(directory, {"service.mx.ports": server.port}, prefix=["unshare", "--time", "--monotonic", offset, "--fork",
                                                                             "--kill-child"])
        proxy = Proxy(directory, PORT, server.port)
        daemon.ctl("drain", check=0)
        daemon.wait_status(lambda s: s["state"] == "draining", "draining")
        check(deliver(PORT)[0] == "250", f"a plan of a clock {offset} s away")
        proxy.stop()
        daemon.process.kill()
        daemon.process.wait()
        # What was killed is the parent: the daemon itself goes a moment later, and holds its ports until then.
        wait_for(lambda: not listening(daemon.http), "the end of the daemon")
        server.close()


@test("the wall clock jumps a year ahead and back: no verdict changes, a drain ends when it was to end")
def _():
    wall, year = FakeClock(), 365 * 86400
    with World(env=wall.env, calm=True) as w:
        for jump in (year, -year, 10 * year, 0):
            wall.jump(jump)
            wall.followed(w.daemon)
            for _ in range(3):
                w.mail_flows()
            s = w.daemon.status()
            # The level may be elevated: others load this machine.
            check(s["state"] == "serving" and s["decisions"]["deferred"] == 0, f"{s['state']} {s['decisions']}")
        # Ahead: a drain for ten minutes does not end; back: one for two seconds does.
        w.daemon.ctl("drain", "--for", "10m", check=0)
        wait_for(lambda: deliver(PORT)[0] == "451", "the drain")
        wall.jump(year)
        wall.followed(w.daemon)
        for _ in range(10):
            check(deliver(PORT)[0] == "451", "the drain goes on")
            time.sleep(0.1)
        until = w.daemon.status()["order_until"]
        check(abs(at(until) - time.time() - year - 600) < 120,
              f"and its end is told by the clock that people see: {until}")
        w.daemon.ctl("drain", "--for", "2s", check=0)
        wall.jump(-year)
        wait_for(lambda: deliver(PORT)[0] == "250", "the end of the drain")


@test("the wall clock jumps an hour ahead and back, and an hour behind: the history keeps what was, and goes on")
def _():
    wall = FakeClock()
    with World(env=wall.env, calm=True) as w:
        times, counted = [], []
        for jump in (0, 3600, 0, -3600, 0):
            wall.jump(jump)
            wall.followed(w.daemon)
            times.append(time.time() + jump)
            before = w.daemon.status()["decisions"]["admitted"]
            w.mail_flows()
            s = w.daemon.wait_status(lambda s: s["decisions"]["admitted"] > before, "the connection is counted")
            counted.append(s["decisions"]["admitted"] - before)

        def told(time):
            """How many connections were admitted within a quarter of an hour of that."""
            done = w.daemon.ctl("history", "--json", "--since", "3h")
            # It is written every two seconds: before that there is no file.
            records = json.loads(done.stdout)["records"] if done.returncode == 0 else []
            return sum(r["admitted"] for r in records if abs(at(r["at"]) - time) < 900)
        # What was told of the hour ahead is not of these hours. Of this hour are the first, the third and the last round.
        wait_for(lambda: told(times[0]) >= counted[0] + counted[2] + counted[4] and told(times[3]) >= counted[3],
                 lambda: f"{counted} at {times}: {told(times[0])} and {told(times[3])}")


place.isolate()
tap.run()
