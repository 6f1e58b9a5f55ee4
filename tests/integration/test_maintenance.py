#!/usr/bin/env python3
"""Planned maintenance and drains: announced, obeyed, ended, through restarts and reloads; what an operator says in between."""
import os
import re
import signal
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import LONG, wait_for
from lib.programs import Daemon, answered
from lib.smtp import Client, deliver
from lib.tap import check, test
from lib.world import PORT, World

OTHER = "127.0.0.2"
PUBLIC = 9827


def clock(offset_s):
    return time.strftime("%H:%M:%S", time.gmtime(time.time() + offset_s))


def window(begin_s, end_s, text="kernel updates"):
    """From so many seconds from now to so many, every day: less than a day long, over midnight too."""
    return f'window = *-*-* {clock(begin_s)}..{clock(end_s)} UTC "{text}"\n'


class Site(World):
    def __init__(self, windows="", more="", **options):
        directory = tempfile.mkdtemp(prefix="penstock-test-")
        self.config = os.path.join(directory, "penstock.conf")
        self.write(windows, more)
        super().__init__(directory, options={"source.trusted": OTHER, **options}, argv=["-c", self.config], calm=True)

    def write(self, windows, more=""):
        with open(self.config, "w") as f:
            f.write(f"[maintenance]\n{windows}{more}")

    def reload(self, windows, more=""):
        self.write(windows, more)
        self.daemon.ctl("reload", check=0)

    def restart(self):
        self.daemon.stop()
        self.start_daemon()

    def greeting(self, source=None):
        with Client(PORT, source) as c:
            return c.greeting.decode()

    def state(self, state):
        return self.daemon.wait_status(lambda s: s["state"] == state, state)


def customers_read(pattern):
    def reads():
        with answered(lambda: urllib.request.urlopen(f"http://127.0.0.1:{PUBLIC}/", timeout=LONG)) as answer:
            return re.search(pattern, re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", answer.read().decode())))
    return wait_for(reads, f"customers to read {pattern!r}")


@test("a window is announced in status, page, metrics and journal, and to customers; in it they read its end, and no reason")
def _():
    with Site(window(1800, 5400), **{"http.public": f"127.0.0.1:{PUBLIC}"}) as w:
        w.daemon.logged("Maintenance begins in 30 min")
        w.daemon.logged("kernel updates. New connections are deferred meanwhile.")
        s = w.daemon.status()
        next_one = s["maintenance"]["next"]
        check(s["state"] != "maintenance" and s["maintenance"]["now"] is None and next_one["reason"] == "kernel updates", s["maintenance"])
        text = " ".join(w.daemon.ctl("status", check=0).stdout.split())
        check(f"maintenance from {next_one['begin']} to {next_one['end']}: kernel updates" in text, text)
        page = w.daemon.document("/")
        check(f"Planned maintenance from {next_one['begin']} to {next_one['end']}: kernel updates." in page, page)
        begin = w.daemon.metric("penstock_maintenance_begin_timestamp_seconds")
        check(abs(begin - time.time() - 1800) < 600, begin)
        check(w.daemon.metric("penstock_maintenance_end_timestamp_seconds") == begin + 3600, "an hour long")
        w.mail_flows()
        said = customers_read(r"Operational .*Planned maintenance (\S+) (\S+) UTC to (\S+) (\S+) UTC")
        check(next_one["begin"].startswith(f"{said[1]}T{said[2]}") and next_one["end"].startswith(f"{said[3]}T{said[4]}"), f"{said[0]} {next_one}")
        w.reload(window(-60, 3600))
        end = w.state("maintenance")["maintenance"]["now"]["end"]
        said = customers_read(r"Maintenance .*Since \S+ \S+ UTC Expected end (\S+) (\S+) UTC")
        check(end.startswith(f"{said[1]}T{said[2]}"), f"{said[0]} {end}")
        check("kernel" not in said.string, said.string)


@test("in a window 451 4.3.2 says until when, a restart changes nothing, its end is kept")
def _():
    with Site() as w:
        w.mail_flows()
        check(w.daemon.status()["maintenance"] is None, "none is planned")
        w.reload(window(-60, 3600))
        until = time.strftime("%H:%M", time.gmtime(time.time() + 3600 + 60))
        s = w.state("maintenance")
        wait_for(lambda: w.greeting().startswith("451 4.3.2 mx.example.org down for maintenance until "), "the refusal")
        told = w.greeting()
        minutes = (int(until[:2]) * 60 + int(until[3:]) - int(told.split()[-2][:2]) * 60 - int(told.split()[-2][3:])) % 1440
        check(minutes <= 5 and told.endswith(" UTC\r\n"), (told, until))
        check(s["order_reason"] == "kernel updates" and s["headline"]["state"] == "maintenance", s)
        check(w.greeting(OTHER).startswith("451"), "trusted sources too, unless it is asked for")
        w.restart()
        w.state("maintenance")
        wait_for(lambda: w.greeting().startswith("451 4.3.2 mx.example.org down for maintenance"), "the refusal after a restart")
        w.reload(window(-60, 15))
        w.daemon.logged("serving (was maintenance)")
        wait_for(lambda: w.greeting().startswith("220"), "mail after the window")


@test("trusted_pass: source.trusted is admitted in a window, and no other")
def _():
    with Site(window(-60, 3600), "trusted_pass = yes\n") as w:
        wait_for(lambda: w.greeting().startswith("451 4.3.2 mx.example.org down for maintenance"), "the refusal")
        check(w.greeting(OTHER).startswith("220"), "trusted sources pass")
        text = w.daemon.ctl("explain", OTHER, check=0).stdout
        check("admit" in text, text)


@test("resume ends a window and keeps it ended over a restart; a drain comes before it, and it goes on after one")
def _():
    with Site(window(-60, 3600)) as w:
        w.state("maintenance")
        w.daemon.ctl("drain", "--for", "2s", check=0)
        w.daemon.logged("draining (was maintenance)")
        w.daemon.logged("maintenance (was ")
        w.state("maintenance")
        w.daemon.ctl("resume", check=0)
        w.state("serving")
        wait_for(lambda: w.greeting().startswith("220"), "mail after resume")
        w.restart()
        w.daemon.logged("was ended by penstockctl resume")
        w.daemon.wait_status(lambda s: s["maintenance"]["now"], "the first tick")
        check(w.daemon.status()["state"] != "maintenance", "it stays ended")
        w.mail_flows()
        # Another window is another word.
        w.reload(window(-60, 7200))
        w.state("maintenance")
        w.reload("")
        w.state("serving")


@test("several windows add up, an empty one takes them out; a mistake names its line and what is wrong")
def _():
    with Site(window(3600, 5400) + window(600, 1200, "first")) as w:
        m = w.daemon.status()["maintenance"]
        check(m["windows"] == 2 and m["next"]["reason"] == "first", m)
        w.reload(window(600, 1200, "first") + "window =\n" + window(3600, 5400, "second"))
        m = w.daemon.wait_status(lambda s: s["maintenance"]["windows"] == 1, "one window")["maintenance"]
        check(m["next"]["reason"] == "second", m)
        for bad, say in (("weekly", "no begin and end"), ("*-02-30 02:00..04:00", "no year has such a day"),
                         ("02:00..04:00 Europe/Nowhere", "time zone"), ("02:00..02:00 UTC", "never end")):
            w.write(f"window = {bad}\n")
            done = w.daemon.ctl("reload")
            if "Nowhere" in bad and not os.path.exists("/usr/share/zoneinfo/UTC"):
                w.daemon.logged("this host has no time zones. Install tzdata")
                continue
            check(done.returncode == 1 and say in done.stderr + done.stdout and "penstock.conf:2: maintenance.window" in done.stderr + done.stdout,
                  f"{bad}: {done}")
        check(w.daemon.status()["maintenance"] == m, "the configuration before stays in force")


@test("loopback passes the proxy in a drain as it passes the gate; front.proxy.loopback decides on it too")
def _():
    with World(proxy_options={"front.proxy.loopback": "no"}, calm=True) as w:
        w.daemon.ctl("drain", check=0)
        w.daemon.wait_status(lambda s: s["state"] == "draining", "a drain")
        time.sleep(0.3)  # three ticks: nothing tells that the proxy has read the plan, which changes nothing here
        check(deliver(PORT)[0] == "250", "a health check on this host sees the server")
    with World(calm=True) as w:
        w.daemon.ctl("drain", check=0)
        wait_for(lambda: deliver(PORT)[0] == "451", "a refusal")


@test("a drain survives kill -9, restart and reload of the daemon, and ends when it was to end; resume ends it for good")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    daemon = Daemon(directory, {})
    daemon.ctl("drain", "--for", "30m", "--reason", "kernel update", check=0)
    state = lambda d: d.status()["state"]
    told = daemon.wait_status(lambda s: s["state"] == "draining", "the drain")["order_until"]
    for number in (signal.SIGKILL, signal.SIGTERM):
        daemon.stop(number)
        daemon = Daemon(directory, {})
        status = daemon.status()
        check(status["state"] == "draining" and status["order_reason"] == "kernel update", f"after signal {number}: {status['state']}")
        check(status["order_until"] == told, f"the end that was told: {told}; after signal {number}: {status['order_until']}")
    daemon.ctl("reload", check=0)
    check(state(daemon) == "draining", "over a reload")
    # One that ends soon, over a restart. On a busy machine its end may come before the new daemon is asked.
    ordered = time.monotonic()
    daemon.ctl("drain", "--for", "15s", check=0)
    until = ordered + 15
    daemon.stop(signal.SIGKILL)
    daemon = Daemon(directory, {})
    check(state(daemon) == "draining" or time.monotonic() > until, "after a restart")
    daemon.wait_status(lambda s: s["state"] == "serving", "its end")
    check(until - 1 < time.monotonic(), "not before it was to end")
    daemon.stop()
    daemon = Daemon(directory, {})
    check(state(daemon) != "draining", "over is over")
    daemon.ctl("drain", check=0)
    daemon.ctl("resume", check=0)
    daemon.stop()
    daemon = Daemon(directory, {})
    check(state(daemon) != "draining", "resume")
    with open(os.path.join(daemon.run_dir, "order"), "w") as f:
        f.write("drain another-boot 0 x\n")
    daemon.stop()
    daemon = Daemon(directory, {})
    check(state(daemon) != "draining" and not os.path.exists(os.path.join(daemon.run_dir, "order")), "of a boot before")
    daemon.stop()


place.isolate()
tap.run()
