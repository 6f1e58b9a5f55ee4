#!/usr/bin/env python3
"""What stops for seconds and goes on, under load: a real Postfix, the disk of its queue, penstock-proxy. No client is refused, and no message
is lost."""
import contextlib
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, postfix, tap
from lib.cgroup import ahead
from lib.disks import loop_file_system
from lib.guarded import PROXY, Guarded, in_background
from lib.tap import Skip, check, test

# As senders do (RFC 5321, 4.5.3.2).
PATIENT = "--greeting-timeout", "300s", "--command-timeout", "300s"
RATE = 15
# A stop that lasts nearly so long may count as a hang (STOP_SHORT_S of law.h).
LONG_S = 3


@contextlib.contextmanager
def under_load(w, seconds, rate=RATE):
    """At the end each message was taken, and is delivered."""
    admitted = w.daemon.status()["decisions"]["admitted"]
    thread, result = in_background(w.load, rate, seconds, PROXY, *PATIENT)
    w.daemon.wait_status(lambda s: s["decisions"]["admitted"] >= admitted + 2 * rate, "the load")
    try:
        yield
    finally:
        thread.join()
    report = result[0]
    check(report["outcomes"]["accepted"] == report["offered"], f"{report['outcomes']} {report['replies']}")
    w.all_delivered()


def stop_until_seen(w, stop):
    """stop(True) stops it, until the regime says so, and stop(False) lets it go on. Where other programs take most of the CPUs sessions take
    long before the stop, too, and the regime is over: so these cases want a quiet machine."""
    before = w.daemon.status()["decisions"]["admitted"]
    began = time.monotonic()
    stop(True)
    try:
        seen = w.daemon.wait_status(lambda s: s["services"]["mx"]["regime"] in ("stopped", "over"), "the stop")["services"]["mx"]["regime"]
    finally:
        stop(False)
    if time.monotonic() - began > LONG_S:
        raise Skip("the machine is too busy: the stop became a long one")
    check(seen == "stopped", f"the regime is {seen}")
    w.daemon.wait_status(lambda s: s["services"]["mx"]["regime"] != "stopped" and s["decisions"]["admitted"] >= before + 3 * RATE, "mail after it")


@test("all processes of Postfix stop and go on, twice: the regime is stopped, clients wait, none is refused, all is delivered", quiet=True)
def _():
    with Guarded(scanner=(2, 1)) as w:
        w.learn()
        with under_load(w, 16):
            for _ in range(2):
                stop_until_seen(w, w.cgroup.stop)


@test("the disk of Postfix' queue stops and goes on, twice: the same", quiet=True)
def _():
    with loop_file_system() as (device, _), Guarded(scanner=(2, 1), queue_disk=["-t", "ext4", f"/dev/{device}"]) as w:
        w.learn()

        def stop(stopped):
            subprocess.run(["fsfreeze", "--freeze" if stopped else "--unfreeze", w.postfix.root.file("/var/spool/postfix")], check=True)
        with under_load(w, 16):
            for _ in range(2):
                stop_until_seen(w, stop)


@test("penstock-proxy stops for three seconds and goes on: all is taken and delivered")
def _():
    with Guarded(scanner=(2, 1)) as w:
        w.learn()
        with under_load(w, 12):
            w.proxy.kill(signal.SIGSTOP)
            time.sleep(3)  # it has stopped
            w.proxy.kill(signal.SIGCONT)


place.isolate(postfix.prepare)
Guarded.machine = ahead("memory", "blkio")
tap.run()
