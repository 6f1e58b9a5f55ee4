#!/usr/bin/env python3
"""What the daemon knows of sources decides in the kernel too: ranks, limits and networks reach the gate, its verdicts the ledger."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place
from lib.gate import Gated
from lib.place import wait_for
from lib.tap import check, run, test
from lib.wire import SERVER6, Wire, ip
from lib.world import PORT


def waiting(world, address):
    for s in json.loads(world.daemon.ctl("sources", "--sort", "age", "--json", check=0).stdout):
        if s["address"] == address and s["waiting"]:
            return s
    return None


@test("source.refused and source.rate_max are obeyed by the kernel, each with its reply; others reach the MTA")
def _():
    with Gated(WIRE, {"source.refused": "10.77.0.40/32", "source.rate_max": 5}) as w:
        check(w.greeting("10.77.0.40") == b"451 4.7.1 mx.example.org mail from your address is not taken now, try again later\r\n", "refused")
        text = wait_for(lambda: (lambda g: g if g.startswith(b"451") else None)(w.greeting("10.77.0.50")), "an address over its rate")
        check(text == b"451 4.7.1 mx.example.org too much mail from your address, try again later\r\n", f"{text}")
        check("10.77.0.40" not in w.mta.peers and "10.77.0.50" in w.mta.peers, f"{w.mta.peers}")


@test("IPv6: the addresses of a /64 are one client for the kernel, for sessions_max too; another /64 is another")
def _():
    ip("-n", WIRE.name, "addr", "add", "fd77:0:0:1::2/64", "dev", "wire1", "nodad")
    ip("-6", "route", "add", "fd77::/48", "dev", "wire0")
    with Gated(WIRE, {"source.sessions_max": 3}) as w:
        held = [WIRE.client(PORT, f"fd77::{n}", address=SERVER6) for n in (2, 3, 4)]
        check([c.greeting[:3] for c in held] == [b"220"] * 3, f"{[c.greeting for c in held]}")
        check(w.greeting("fd77::5", SERVER6).startswith(b"451 4.7.1 "), "a fourth address of the /64")
        check(w.greeting("fd77:0:0:1::2", SERVER6).startswith(b"220"), "another /64")
        for c in held:
            c.close()
        wait_for(lambda: w.greeting("fd77::5", SERVER6).startswith(b"220"), "a place when the others are gone")


@test("whom the kernel turns away waits in the ledger; an admission ends that")
def _():
    with Gated(WIRE, {"test.source.retry_min": "1s"}) as w:
        w.drain()
        check(w.greeting("10.77.0.60").startswith(b"451"), "deferred")
        first = wait_for(lambda: waiting(w, "10.77.0.60"), "it waits")
        # A try too soon counts for nothing, and the rank rises with the time waited.
        second = wait_for(lambda: w.greeting("10.77.0.60") and (lambda s: s if s and s["attempts"] >= 2 and s["rank"] > first["rank"] else None)(
            waiting(w, "10.77.0.60")), "a retry that counts, and a higher rank")
        check(second["waits_since"] == first["waits_since"], f"{first} {second}")
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: w.greeting("10.77.0.60").startswith(b"220"), "the resume")
        wait_for(lambda: not waiting(w, "10.77.0.60"), "it does not wait any more")


place.isolate()
WIRE = Wire()
run()
