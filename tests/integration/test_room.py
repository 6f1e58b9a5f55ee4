#!/usr/bin/env python3
"""The waiting room of penstock-proxy: who waits for a place in front of the server, who gets it, and how that is counted."""
import json
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import wait_for
from lib.room import Room, silent
from lib.smtp import deliver
from lib.tap import check, test
from lib.world import PORT


@test("a client without a place waits, ungreeted, and is served when a place comes free")
def _():
    with Room() as w:
        full, = w.fill()
        c = w.held()
        check(silent(c), "it is not greeted")
        full.close()
        check(c.reply().startswith(b"220"), "it is served")
        s = w.wait(lambda s: s["held"] == 0 and s["held_admitted"] == 1, "counted")
        check(s["held_in_vain"] == 0 and s["held_left"] == 0 and s["deferred"] == 0, f"{s}")


@test("what a client says before its greeting reaches the server, behind a PROXY header too")
def _():
    for header in (b"", b"PROXY TCP4 192.0.2.7 127.0.0.1 4000 25\r\n"):
        said = []

        def handle(connection, _address):
            connection.sendall(b"220 sink\r\n")
            said.append(connection.recv(100))

        options = {"front.proxy.accept_proxy_protocol": "yes" if header else "no", "front.proxy.proxy_from": "127.0.0.0/8"}
        if not header:
            del options["front.proxy.proxy_from"]
        with Room(window=0, handle=handle, options=options) as w:
            c = w.client(greeting=False)
            c.send(header + b"EHLO early.example\r\n")
            w.wait(lambda s: s["held"] == 1, "held")
            c.send(b"NOOP\r\n")
            c.socket.shutdown(socket.SHUT_WR)  # as printf | nc: it still listens
            check(silent(c), "it waits")
            w.plan(5)
            check(c.reply().startswith(b"220"), "served")
            wait_for(lambda: said, "the server hears it")
            check(said[0].startswith(b"EHLO early.example\r\n"), f"{said}")


@test("the time of a PROXY header is no waiting, and its deadline does not cut who waits")
def _():
    with Room(window=0, options={"front.proxy.accept_proxy_protocol": "yes", "front.proxy.proxy_from": "127.0.0.0/8",
                                  "front.proxy.idle": "1s"}) as w:
        c = w.client(greeting=False)
        c.send(b"PROXY TCP4 192.0.2.7 127.0.0.1 4000 25\r\n")
        w.wait(lambda s: s["held"] == 1, "held")
        check(silent(c, 6), "after five seconds it still waits")  # header: 5 s, idle: 1 s
        w.plan(5)
        check(c.reply().startswith(b"220"), "served")


@test("places go to who is owed one, then by rank, then to the longest waiting; a source with more sessions comes later")
def _():
    with Room(window=1) as w:
        check(deliver(PORT, source="127.77.0.1")[0] == "250", "a source that is known")
        w.daemon.wait_status(lambda s: s["sources"]["tracked"] >= 1, "known")
        full, = w.fill()
        order = []
        many = w.held("127.99.0.1", 1)  # has one in flight
        first, second = w.held("127.2.0.1", 2), w.held("127.3.0.1", 3)
        known = w.held("127.77.0.1", 4)
        for expected in (known, first, second, many):
            full.close()
            check(expected.reply().startswith(b"220"), "in order")
            for other in (known, first, second, many)[(known, first, second, many).index(expected) + 1:]:
                check(silent(other, 0.1), "the others wait")
            full = expected


@test("a client that leaves leaves the room at once, by FIN and by RST, and its place is not wasted")
def _():
    with Room() as w:
        full, = w.fill()
        a, b, c = w.held("127.2.0.1", 1), w.held("127.3.0.1", 2), w.held("127.4.0.1", 3)
        a.close()
        w.wait(lambda s: s["held"] == 2 and s["held_left"] == 1, "gone by FIN")
        b.send(b"early")
        b.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        b.close()
        w.wait(lambda s: s["held"] == 1 and s["held_left"] == 2, "gone by RST")
        full.close()
        check(c.reply().startswith(b"220"), "the one that stayed")


@test("who waited in vain is owed the next place: its next attempt may wait whatever the plan says, and comes first")
def _():
    with Room(window=1, hold_ms=600) as w:
        full, = w.fill()
        check(w.client("127.5.0.1").greeting.startswith(b"451"), "in vain")
        w.plan(1, hold_ms=0)
        check(w.client("127.6.0.1").greeting.startswith(b"451"), "a stranger may not wait now")
        # A place beyond the window is kept for those to whom one was promised.
        check(w.client("127.5.0.1").greeting.startswith(b"220"), "the next attempt is served")
        full.close()
    with Room(window=0, hold_ms=600) as w:
        check(w.client("127.5.0.1").greeting.startswith(b"451"), "in vain")
        w.plan(0)
        first = w.held("127.6.0.1", 1)
        again = w.client("127.5.0.1", greeting=False)
        w.plan(1)
        check(again.reply().startswith(b"220") or first.reply().startswith(b"220"), "served")


@test("a heavy source that waited in vain is owed one place like anybody: it comes first once, and its other connections do not")
def _():
    with Room(window=2) as w:
        for _ in range(30):
            check(deliver(PORT, source="127.5.0.1")[0] == "250", "it sends more than anybody")
        full, other = w.fill(2)
        w.plan(1, hold_ms=600)  # two in flight: there is no place, not even for whom one was promised
        check(w.client("127.5.0.1").greeting.startswith(b"451"), "it waits in vain, and hears of it")
        w.plan(1)
        stranger = w.held("127.6.0.1", 1)
        gone = w.held("127.5.0.1", 2)
        gone.close()  # one that leaves gives the debt back
        w.wait(lambda s: s["held"] == 1, "it left")
        first, *others = (w.held("127.5.0.1", 2 + n) for n in range(3))
        full.close()
        check(first.reply().startswith(b"220"), "the first place is its own")
        other.close()
        for c in (stranger, *others):
            check(silent(c, 0.3), "one was owed, and the window is full")
        first.close()
        check(stranger.reply().startswith(b"220"), "the next one is the stranger's")
        for c in others:
            check(silent(c, 0.3), "its others come later")


@test("observe mode holds no client and counts those that would have waited; trusted sources and loopback do not wait")
def _():
    with Room(window=0, mode="observe") as w:
        check(w.client().greeting.startswith(b"220"), "served")
        w.wait(lambda s: s["would_hold"] == 1 and s["would_defer"] == 1 and s["held"] == 0, "counted")
    with Room(window=0, options={"source.trusted": "127.8.0.0/16"}) as w:
        w.held("127.2.0.1", 1)
        check(w.client("127.8.0.1").greeting.startswith(b"220"), "trusted")
    with Room(window=0, options={"front.proxy.loopback": "no"}) as w:
        check(w.client("127.8.0.1").greeting.startswith(b"220"), "this host itself")


@test("status, metrics and history say what the clients saw")
def _():
    with Room(window=0) as w:
        clients = [w.client(f"127.2.{n // 200}.{n % 200 + 1}", greeting=False) for n in range(400)]
        w.wait(lambda s: s["held"] == 400, "all are held")
        check(w.daemon.metric('penstock_held_connections{service="mx"}') == 400, "the gauge")
        words = w.daemon.ctl("status", check=None).stdout
        check("waiting for a place 400" in words, words)
        for c in clients[:100]:
            c.close()
        w.wait(lambda s: s["held"] == 300 and s["held_left"] == 100, "left")
        w.plan(1000)
        for c in clients[100:]:
            check(c.reply().startswith(b"220"), "served")
        s = w.wait(lambda s: s["held"] == 0 and s["held_admitted"] == 300, "admitted")
        check(w.daemon.metric('penstock_held_total{service="mx",outcome="admitted"}') == 300, "admitted")
        check(w.daemon.metric('penstock_held_total{service="mx",outcome="left"}') == 100, "left")
        check(w.daemon.metric('penstock_held_total{service="mx",outcome="in_vain"}') == 0, "in vain")
        check(w.daemon.metric('penstock_held_seconds_count{service="mx"}') == 400, "the histogram")

        def told():
            return w.daemon.ctl("history").stdout  # the file comes within seconds
        wait_for(lambda: "400 clients waited for a place" in told() and ": 300 admitted, 100 left." in told(), told)
        seconds = json.loads(w.daemon.ctl("history", "--since", "10m", "--json", check=0).stdout)["records"]
        check([sum(s[key] for s in seconds) for key in ("held_admitted", "held_in_vain", "held_left")] == [300, 0, 100], f"{seconds}")


place.isolate()
tap.run()
