#!/usr/bin/env python3
"""The waiting room of penstock-proxy: who waits for a place in front of the server, who gets it, and how the wait ends. The plan is the
test's own (tests/programs/planner), so that it says how many places there are."""
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import late, place, tap
from lib.manager import Manager
from lib.place import BUILD, wait_for
from lib.programs import Proxy
from lib.smtp import Client, deliver, smtp_server
from lib.tap import check, test
from lib.world import PORT, World

OPTIONS = {"service.mx.hostname": "mx.example.org"}


class Planner:
    def __init__(self, run_dir):
        self.process = subprocess.Popen([os.path.join(BUILD, "tests/programs/planner"), run_dir], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        check(self.process.stdout.readline() == "ok\n", "the planner answers")

    def plan(self, window, hold_ms=60000, per_s=1000, order="serve", mode="enforce", late_ms=0):
        self.say(f"{window} {hold_ms} {per_s} {order} {mode} {late_ms}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Room(World):
    """A daemon that sees the counts, and a proxy that follows the test's plan in a run directory of its own."""

    def __init__(self, window=1, handle=smtp_server, options=None, manager=None, prefix=(), **plan):
        self.clients = []
        super().__init__(server=handle, proxy=False)
        self.front_directory = os.path.join(self.directory, "front")
        run = os.path.join(self.front_directory, "run")
        os.makedirs(run)
        for name in ("counts", "sources"):
            path = os.path.join(self.daemon.run_dir, name)
            wait_for(lambda: os.path.exists(path), path)
        os.symlink(os.path.join(self.daemon.run_dir, "counts"), os.path.join(run, "counts"))
        os.link(os.path.join(self.daemon.run_dir, "sources"), os.path.join(run, "sources"))
        self.planner = Planner(run)
        self.at_end.append(self.planner.close)
        self.plan = self.planner.plan
        self.plan(window, **plan)
        self.options = options or {}
        self.proxy = self.start(**(manager.service() if manager else {"prefix": prefix}))

    def start(self, **kwargs):
        return Proxy(self.front_directory, PORT, self.server.port, {**OPTIONS, "objective.wait": "60s", **self.options}, **kwargs)

    def client(self, source="127.1.0.1", greeting=True):
        c = Client(PORT, source, greeting=greeting)
        self.clients.append(c)
        return c

    def fill(self, places=1, source="127.99.0.1"):
        full = [self.client(source) for _ in range(places)]
        for c in full:
            check(c.greeting.startswith(b"220"), f"{c.greeting!r}")
        return full

    def held(self, source="127.1.0.1", count=None):
        """A client that waits; `count`: so many do then."""
        before = self.now()["held"] or 0
        c = self.client(source, greeting=False)
        self.wait(lambda s: s["held"] == (before + 1 if count is None else count), "it is held")
        return c

    def now(self):
        return self.daemon.status()["services"]["mx"]

    def wait(self, condition, what, seconds=120):
        return wait_for(lambda: (lambda s: s if condition(s) else None)(self.now()), what, seconds)

    def __exit__(self, *why):
        for c in self.clients:
            c.close()
        super().__exit__(*why)


def silent(client, seconds=0.3):
    """Whether nothing is said to it."""
    client.socket.settimeout(seconds)
    try:
        print(f"# not silent: {client.socket.recv(100, socket.MSG_PEEK)!r}")
        return False
    except TimeoutError:
        return True
    finally:
        client.socket.settimeout(120)


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
    with Room(window=0, options={"service.mx.tls": "implicit"}) as w:
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


@test("penstockd is killed while clients wait: all are let in when the plan is old, not at the end of their wait")
def _():
    with Room(window=0) as w:
        clients = [w.held(f"127.{n + 2}.0.1", n + 1) for n in range(20)]
        began = time.monotonic()
        w.planner.say("stop")
        for c in clients:
            check(c.reply().startswith(b"220"), "served")
        check(time.monotonic() - began < 40, f"{time.monotonic() - began} s")


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


@test("a reload and a replaced proxy keep those who wait: they are served")
def _():
    manager = Manager()
    with Room(window=0, manager=manager) as w:
        a = w.held("127.2.0.1", 1)
        w.proxy.kill(signal.SIGHUP)
        w.proxy.logged("configuration reloaded")
        check(silent(a), "it waits still")
        b = w.held("127.3.0.1", 2)
        w.proxy.kill(signal.SIGTERM)
        w.proxy.process.wait(timeout=120)
        old, w.proxy = w.proxy, w.start(**manager.service())
        c = w.held("127.4.0.1", 3)
        check(silent(a) and silent(b), "they wait still, in the process that leaves")
        w.plan(10)
        for client in (a, b, c):
            check(client.reply().startswith(b"220"), "served")
    manager.close()


@test("the sessions of replaced proxies take places in the new one: a restart in an overload admits no client beyond the window")
def _():
    manager = Manager()
    with Room(window=2, manager=manager) as w:
        places, waiting = w.fill(2), []
        for n in (1, 2):
            w.proxy.kill(signal.SIGTERM)
            check(w.proxy.process.wait(timeout=120) == 0, "it leaves its sessions to a process of their own")
            w.proxy = w.start(**manager.service())
            waiting.append(w.held(f"127.2.{n}.1", n))
        check(w.server.connections == 2, f"{w.server.connections} connections to a server with two places")
        check(all(silent(c) for c in waiting), "they wait")
        for c in places:
            c.close()
        for c in waiting:
            check(c.reply().startswith(b"220"), "served when the places come free")
    manager.close()


@test("a late refusal happens only while places are short, never twice to one source, never to who was owed a place")
def _():
    slow = threading.Event()

    def handle(connection, address):
        slow.wait(600)
        smtp_server(connection, address)

    with Room(window=100, late_ms=300, handle=handle) as w:
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
        slow.set()
        check(again.reply().startswith(b"220"), "but served")


@test("a client is not refused late for what some clients usually wait longer than others")
def _():
    pause = [0]

    def handle(connection, address):
        time.sleep(pause[0])
        smtp_server(connection, address)

    with Room(window=100, late_ms=300, handle=handle) as w:
        w.fill(10)
        pause[0] = 2
        check(w.client("127.2.0.1").greeting.startswith(b"220"), "one is greeted two seconds later than the others")
        pause[0] = 0
        w.fill(8)  # those after it are quick again
        pause[0] = 600
        began = time.monotonic()
        c = w.client("127.2.0.2", greeting=False)
        w.wait(lambda s: s["in_flight"] == 20, "admitted")
        w.plan(0, late_ms=300)
        w.held("127.3.0.1", 1)
        check(c.reply().startswith(b"451"), "told late")
        check(time.monotonic() - began >= 1.5, "not before the one was greeted")


@test("a greeting that the proxy has not read yet, as the machine lets it run seldom, is not late")
def _():
    with Room(window=1, late_ms=300, prefix=late.prefix()) as w:
        a, b = (w.client(f"127.{n}.0.1", greeting=False) for n in (2, 3))
        check(a.reply().startswith(b"220"), "the server has greeted")
        check(silent(b), "places are short")


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
