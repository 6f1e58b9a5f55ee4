#!/usr/bin/env python3
"""The gate against real sockets over a veth pair: who reaches the MTA, who is answered by the responder."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place
from lib.gate import PORT, Gated
from lib.place import wait_for
from lib.tap import check, run, test
from lib.wire import SERVER4, SERVER6, Wire


@test("admitted connections reach the MTA itself, with the client's own address, over IPv4 and IPv6")
def _():
    with Gated(WIRE) as w:
        check(w.greeting("10.77.0.7").startswith(b"220 mta.example"), "IPv4")
        check(w.greeting("fd77::7", SERVER6).startswith(b"220 mta.example"), "IPv6")
        check(w.mta.peers == ["10.77.0.7", "fd77::7"], f"{w.mta.peers}")


@test("refused connections reach the responder and not the MTA, over IPv4 and IPv6, and the dialogue holds until QUIT")
def _():
    with Gated(WIRE) as w:
        w.drain()
        before = len(w.mta.peers)
        for source, address in (("10.77.0.8", SERVER4), ("fd77::8", SERVER6)):
            with WIRE.client(PORT, source, address=address) as c:
                check(c.greeting == b"451 4.3.2 mx.example.org server shutdown in progress\r\n", f"{c.greeting}")
                check(c.say(b"EHLO x").startswith(b"451"), "EHLO")
                check(c.say(b"QUIT").startswith(b"221"), "QUIT")
        check(len(w.mta.peers) == before, f"{w.mta.peers}")
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: w.greeting("10.77.0.9").startswith(b"220"), "the resume reaches the gate")


@test("SIGKILL of the daemon: the next connection goes to the MTA")
def _():
    with Gated(WIRE) as w:
        w.drain()
        w.daemon.process.kill()
        w.daemon.process.wait()
        check(w.greeting("10.77.0.10").startswith(b"220 mta.example"), "after the kill")


@test("verdicts of the gate are seen like any other: status, metrics, and what is known of the source")
def _():
    with Gated(WIRE) as w:
        for _ in range(3):
            with WIRE.client(PORT, "10.77.0.60") as c:
                c.say(b"QUIT")
        w.drain()
        with WIRE.client(PORT, "10.77.0.61") as c:
            c.say(b"QUIT")
        front = w.daemon.wait_status(lambda s: s["decisions"]["by_front"]["gate"]["admitted"] >= 3
                                     and s["decisions"]["by_front"]["gate"]["deferred"] >= 2, "the gate's verdicts")
        check(front["decisions"]["by_reason"].get("drain", 0) >= 2, f"{front['decisions']}")
        check(w.daemon.metric('penstock_front_up{front="gate"}') == 1, "its metric")
        check(w.daemon.metric('penstock_decisions_total{front="gate",verdict="defer",reason="drain"}') >= 2, w.daemon.document("/metrics"))
        wait_for(lambda: w.daemon.status()["in_flight"] == 0, "no session in flight")
        known = w.daemon.ctl("explain", "10.77.0.61").stdout
        check("deferred since" in known and "s of the server a second" in known, known)


place.isolate()
WIRE = Wire()
run()
