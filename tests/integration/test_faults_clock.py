#!/usr/bin/env python3
"""Clocks that jump or differ: the wall clock matters to no verdict, a plan of another clock is no plan."""
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.packages import unpack
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


class FakeClock:
    """CLOCK_REALTIME of one program under our hand (libfaketime); CLOCK_MONOTONIC stays the kernel's."""

    def __init__(self):
        image = unpack("faketime", ["libfaketime"])
        self.file = tempfile.NamedTemporaryFile(mode="w", prefix="penstock-test-")
        self.env = {**os.environ, "LD_PRELOAD": f"{image}/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
                    "FAKETIME_TIMESTAMP_FILE": self.file.name, "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.jump(0)

    def jump(self, seconds):
        """That far from the true time, from now on."""
        self.file.seek(0)
        self.file.truncate()
        self.file.write(f"{seconds:+d}")
        self.file.flush()


def now_at(daemon):
    return time.mktime(time.strptime(daemon.status()["at"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone


@test("the wall clock jumps a year ahead and back: no verdict changes, a drain ends when it was to end")
def _():
    clock, year = FakeClock(), 365 * 86400
    with World(env=clock.env, calm=True) as w:
        for jump in (year, -year, 10 * year, 0):
            clock.jump(jump)
            wait_for(lambda: abs(now_at(w.daemon) - time.time() - jump) < 3600, f"the daemon's clock {jump} s away")
            for _ in range(3):
                w.mail_flows()
            s = w.daemon.status()
            # The level may be elevated: others load this machine.
            check(s["state"] == "serving" and s["decisions"]["deferred"] == 0, f"{s['state']} {s['decisions']}")
        # Ahead: a drain for ten minutes does not end; back: one for two seconds does.
        w.daemon.ctl("drain", "--for", "10m", check=0)
        wait_for(lambda: deliver(PORT)[0] == "451", "the drain")
        clock.jump(year)
        wait_for(lambda: abs(now_at(w.daemon) - time.time() - year) < 3600, "the jump")
        for _ in range(10):
            check(deliver(PORT)[0] == "451", "the drain goes on")
            time.sleep(0.1)
        until = w.daemon.status()["order_until"]
        check(abs(time.mktime(time.strptime(until[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone - time.time() - year - 600) < 120,
              f"and its end is told by the clock that people see: {until}")
        w.daemon.ctl("drain", "--for", "2s", check=0)
        clock.jump(-year)
        wait_for(lambda: deliver(PORT)[0] == "250", "the end of the drain")


place.isolate(lambda: unpack("faketime", ["libfaketime"]))
tap.run()
