#!/usr/bin/env python3
"""The waiting room of penstock-proxy: who is refused at once, after a wait in vain, or late."""
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.room import Room, silent
from lib.smtp import greets_after, smtp_server
from lib.tap import check, test


@test("refused at once when the wait to expect is too long, and at the bound of the room")
def _():
    with Room(window=0) as w:
        a, b = w.held("127.2.0.1", 1), w.held("127.3.0.1", 2)
        w.plan(0, hold_ms=2000, per_s=1)  # the two that wait keep the time that held when they came
        began = time.monotonic()
        check(w.client("127.4.0.1").greeting.startswith(b"451"), "two before it at one a second: 2 s")
        check(time.monotonic() - began < 40, "at once")
        w.plan(0, order="drain")
        check(a.reply().startswith(b"451") and b.reply().startswith(b"451"), "and those two in vain")
        s = w.wait(lambda s: s["held_in_vain"] == 2, "counted")
        check(s["deferred"] == 3, f"{s}")
    with Room(window=0, options={"front.proxy.connections_max": 3}) as w:
        for n in range(3):
            w.held(f"127.{n + 2}.0.1", n + 1)
        check(w.client("127.9.0.1").greeting.startswith(b"451"), "the room is full")


@test("a client that waits because connections_max is reached, and not for the plan, hears limit when its time is up")
def _():
    with Room(window=1, options={"front.proxy.connections_max": 1, "objective.wait": "15s", "service.mx.reason_id": "yes"}) as w:
        w.fill()
        a = w.held()
        w.plan(10)
        reply = a.reply()
        check(reply.startswith(b"451") and b"(id limit)" in reply, f"{reply!r}")
        w.wait(lambda s: s["held_in_vain"] == 1, "counted")
        check(w.daemon.status()["decisions"]["by_reason"].get("limit") == 1, f"{w.daemon.status()['decisions']}")


@test("with TLS from the first octet a client that waited in vain is closed without a word, and counts once")
def _():
    with Room(window=0, options={"service.mx.implicit_tls": "yes"}) as w:
        a, b = w.held("127.2.0.1", 1), w.held("127.3.0.1", 2)
        w.plan(0, order="drain")
        check(a.reply() == b"" and b.reply() == b"", "no reply is possible")
        s = w.wait(lambda s: s["held_in_vain"] == 2, "counted")
        check(s["held"] == 0 and s["held_left"] == 0, f"{s}")


@test("objective.wait bounds the wait, 0 means that no client waits")
def _():
    with Room(window=0, options={"objective.wait": "1s"}) as w:
        began = time.monotonic()
        check(w.client().greeting.startswith(b"451"), "told")
        check(0.9 < time.monotonic() - began < 40, f"after 1 s: {time.monotonic() - began}")
    with Room(window=0, options={"objective.wait": "0"}) as w:
        began = time.monotonic()
        check(w.client().greeting.startswith(b"451") and time.monotonic() - began < 40, "at once, not after a minute")
        check(w.now()["held_in_vain"] == 0, "no client was held")


@test("while the queue stands who is not sure of a place is told at once, without waiting, and is owed the next one")
def _():
    sources = [f"127.9{n}.0.1" for n in range(6)]
    with Room(window=len(sources), hold_ms=0, per_s=1) as w:
        for source in sources:
            w.fill(1, source)
        deferred = 0

        def told_at_once(source):
            """It has a session, so that strangers come before it. What came is remembered for some seconds: a machine that is busy for longer
            lets it wait, in vain."""
            nonlocal deferred
            in_vain = w.now()["held_in_vain"]
            w.plan(len(sources), hold_ms=0, per_s=1)
            strangers = [w.client(f"127.2.{n}.1") for n in range(20)]
            w.plan(len(sources), hold_ms=400, per_s=1)
            for c in (*strangers, w.client(source)):
                check(c.greeting.startswith(b"451"), f"{c.greeting!r}")
            deferred += 21
            return w.wait(lambda s: s["deferred"] == deferred, "counted")["held_in_vain"] == in_vain
        source = next((s for s in sources if told_at_once(s)), None)
        check(source, f"every one was held first: {w.now()}")
        w.plan(len(sources), hold_ms=0)
        check(w.client("127.6.0.1").greeting.startswith(b"451"), "a stranger may not wait now")
        # A place beyond the window is kept for those to whom one was promised.
        check(w.client(source).greeting.startswith(b"220"), "the next attempt is served")


@test("when the queue begins to stand, those whose turn would come too late are told at once, and the others keep their turn")
def _():
    with Room(window=0) as w:
        clients = [w.client(f"127.2.0.{n + 1}", greeting=False) for n in range(100)]
        w.wait(lambda s: s["held"] == 100, "all are held")
        w.plan(0, hold_ms=200, per_s=1)  # 75 s are theirs, less what has passed
        s = w.wait(lambda s: s["held_in_vain"] > 20, "told")
        check(0 < s["held"] < 80, f"{s}")
        for c in clients[80:]:
            check(c.reply().startswith(b"451"), "the last ones hear it")
        check(silent(clients[0]), "the first one waits")
        w.plan(1000)
        check(clients[0].reply().startswith(b"220"), "and is served")


@test("a drain tells everybody who waits, at once")
def _():
    with Room(window=0) as w:
        clients = [w.held(f"127.{n + 2}.0.1", n + 1) for n in range(5)]
        began = time.monotonic()
        w.plan(0, order="drain")
        for c in clients:
            check(c.reply().startswith(b"451 4.3.2 mx.example.org"), "told")
        check(time.monotonic() - began < 40, "at once, not after a minute")
        s = w.wait(lambda s: s["held"] == 0, "none is held")
        check(s["held_in_vain"] == 5, f"{s}")


@test("a client that was let in while penstockd hung has as long as any other from the next plan on, and is not told for the time before")
def _():
    greets = threading.Event()
    greets.set()
    with Room(handle=greets_after(greets)) as w:
        w.learn_greetings()
        greets.clear()
        w.planner.say("stop")
        time.sleep(2.5)  # until the plan is too old to be followed
        a = w.client("127.2.0.1", greeting=False)
        check(silent(a, 4), "it waits for the server, as there is no plan")
        began = time.monotonic()
        w.plan(0, late_ms=3000)
        w.held("127.3.0.1", 1)
        check(a.reply().startswith(b"451"), "told late after all")
        check(time.monotonic() - began > 2.5, f"for the time without a plan: {time.monotonic() - began}")


@test("penstock-proxy is stopped for longer than a client may wait for its place or its greeting: none is refused for that")
def _():
    greets = threading.Event()
    greets.set()
    with Room(handle=greets_after(greets), options={"objective.wait": "8s"}) as w:
        w.learn_greetings()
        greets.clear()
        w.plan(1, late_ms=8000)
        a = w.client("127.2.0.1", greeting=False)
        w.wait(lambda s: s["in_flight"] == 1, "let in")
        b = w.held("127.3.0.1", 1)
        w.proxy.kill(signal.SIGSTOP)
        time.sleep(11)  # it is stopped
        w.proxy.kill(signal.SIGCONT)
        check(silent(a, .5) and silent(b, .5), "it goes on, and refuses neither")
        greets.set()
        check(a.reply().startswith(b"220"), "greeted")
        w.plan(2)
        check(b.reply().startswith(b"220"), "let in and greeted")


@test("a late refusal happens only while places are short, never twice to one source, never to who was owed a place")
def _():
    greets = threading.Event()
    greets.set()
    with Room(handle=greets_after(greets)) as w:
        w.learn_greetings()
        greets.clear()
        w.plan(100, late_ms=300)
        a = w.client("127.2.0.1", greeting=False)
        check(silent(a, 1.5), "places are free: the server's own slowness is waited for")
        w.plan(0, late_ms=300)
        w.held("127.3.0.1", 1)
        check(a.reply().startswith(b"451"), "told late now")
        w.plan(100, late_ms=300)
        w.wait(lambda s: s["held"] == 0, "let in")
        again = w.client("127.2.0.1", greeting=False)
        w.wait(lambda s: s["in_flight"] == 2, "admitted")
        w.plan(0, late_ms=300)
        w.held("127.4.0.1", 1)
        check(silent(again, 1.5), "it is not told twice")
        greets.set()
        check(again.reply().startswith(b"220"), "but served")


@test("a client is not refused late for what some clients usually wait longer than others")
def _():
    pause = [0]

    def handle(connection, address):
        time.sleep(pause[0])
        smtp_server(connection, address)

    with Room(handle=handle) as w:
        w.learn_greetings()
        w.plan(100, late_ms=300)
        w.fill(10)
        pause[0] = 2
        for c in [w.client(f"127.2.1.{n + 1}", greeting=False) for n in range(3)]:
            check(c.reply().startswith(b"220"), "three of a hundred are greeted two seconds later than the others")
        pause[0] = 0
        w.fill(8)  # those after it are quick again
        pause[0] = 600
        began = time.monotonic()
        c = w.client("127.2.0.2", greeting=False)
        w.wait(lambda s: s["in_flight"] == 22, "admitted")
        w.plan(0, late_ms=300)
        w.held("127.3.0.1", 1)
        check(c.reply().startswith(b"451"), "told late")
        check(time.monotonic() - began >= 1.5, "not before those were greeted")


place.isolate()
tap.run()
