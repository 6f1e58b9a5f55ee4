#!/usr/bin/env python3
"""The gate's responder, through the gate: tens of thousands of refused clients, floods, those who misbehave, and its bounds."""
import json
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import gate, place
from lib.gate import PORT, Mta
from lib.place import BUILD, wait_for
from lib.tap import check, run, test
from lib.wire import SERVER4, Wire

CLIENT_SWARM = os.path.join(BUILD, "tests/programs/client_swarm")
WIRE = None


def Gated(*arguments, **options):
    return gate.Gated(WIRE, *arguments, **options)


def client_swarm(*arguments, **options):
    return WIRE.run([CLIENT_SWARM, SERVER4, str(PORT), "--sources", "10.77.0.2-240", *map(str, arguments)], text=True,
                    stdout=subprocess.PIPE, stdin=subprocess.PIPE, **options)


def report(process):
    process.stdin.close()
    return json.loads(process.stdout.read().splitlines()[-1])


def front(world):
    return world.daemon.status()["decisions"]["by_front"]["gate"]


def memory_kib(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1])


@test("19000 refused clients in dialogue at once: each is told and gets its 221, in bounded memory, and the tick goes on")
def _():
    # So many clients fit in an eighth of it, too: that is what is kept while this machine's memory is short.
    with Gated({"test.front.gate.linger": "300s", "front.gate.cpu": "100%", "front.gate.linger_max": 8 * 20000}) as w:
        w.drain()
        before = memory_kib(w.daemon.pid)
        held = client_swarm("--open", 19000, "--rate", 3000, "--hold")
        check(held.stdout.readline().strip() == "holding 19000", "all were greeted")
        f = w.daemon.wait_status(lambda s: s["decisions"]["by_front"]["gate"]["lingering"] >= 18000, "the lingerers")
        grown = memory_kib(w.daemon.pid) - before
        check(grown < 8192, f"{grown} KiB more for {f['decisions']['by_front']['gate']['lingering']} clients")
        ticks = w.daemon.metric("penstock_tick_duration_seconds_count")
        wait_for(lambda: w.daemon.metric("penstock_tick_duration_seconds_count") > ticks + 20, "twenty ticks")
        # The next one is still greeted at once, by the whole dialogue.
        with WIRE.client(PORT, "10.77.0.250") as c:
            check(c.greeting.startswith(b"451 4.3.2 ") and c.say(b"NOOP").startswith(b"451"), f"{c.greeting}")
        r = report(held)
        check(r["refused"] == 19000 and r["errors"] == 0 and r["ended"] == 19000 and r["bye"] >= 18000, f"{r}")
        w.daemon.wait_status(lambda s: s["decisions"]["by_front"]["gate"]["lingering"] == 0, "no client lingers")


@test("past linger_max: 421 and closed, for the others the dialogue goes on")
def _():
    with Gated({"front.gate.linger_max": 100, "front.gate.cpu": "100%"}) as w:
        w.drain()

        def hundred():
            """Fewer linger where this machine's memory is short at the moment: then again."""
            before = front(w)["deferred"]
            held = client_swarm("--open", 100, "--rate", 1000, "--hold")
            check(held.stdout.readline().strip() == "holding 100", "the first hundred")
            w.daemon.wait_status(lambda s: s["decisions"]["by_front"]["gate"]["deferred"] >= before + 100, "they are counted")
            if front(w)["lingering"] >= 95:
                return held
            report(held)
        held = wait_for(hundred, "a hundred that linger")
        others = [WIRE.client(PORT, "10.77.0.250") for _ in range(20)]
        codes = {c.greeting[:3] for c in others}
        check(b"421" in codes, f"{codes}")
        for c in others:
            check(c.greeting[:3] == b"451" or c.reply() == b"", "closed behind 421")
            c.close()
        r = report(held)
        check(r["bye"] >= 95, f"{r}")


@test("a flood: the responder keeps to its share of the CPU, says 421 and closes; no client hangs; afterwards all is as before")
def _():
    with Gated({"front.gate.cpu": "5%"}) as w:
        w.drain()
        r = report(client_swarm("--open", 200, "--seconds", 4))
        check(r["errors"] == 0 and r["refused"] > 200 and r["ended"] >= r["begun"] - 200, f"{r}")
        check(r["bye"] < r["refused"], f"short forms: {r}")

        def calm():
            with WIRE.client(PORT, "10.77.0.250") as c:
                return c.greeting.startswith(b"451")
        wait_for(calm, "the whole dialogue again")


@test("a crowd that the share cannot answer passes to the mail server, is said, and the gate decides again afterwards")
def _():
    with Gated({"front.gate.cpu": "1%"}) as w:
        w.drain()
        flood = client_swarm("--open", 8000, "--seconds", 240)
        try:
            w.daemon.wait_status(lambda s: "swamped" in s["decisions"]["by_front"]["gate"].get("reason", ""), "the gate to pass")
            wait_for(lambda: w.mta.peers, "clients that reach the mail server")
            w.daemon.logged("admits every connection for now")
        finally:
            flood.kill()
        w.daemon.wait_status(lambda s: s["decisions"]["by_front"]["gate"]["up"], "the gate again")
        wait_for(lambda: w.greeting("10.77.0.250")[:1] == b"4", "refusals again")
        w.daemon.logged("The gate decides again.")


@test("slow-loris, half-open and endless clients are ended by the bound of time, others are answered meanwhile")
def _():
    with Gated({"test.front.gate.linger": "1s"}) as w:
        w.drain()
        slow = [WIRE.connect(PORT, "10.77.0.3") for _ in range(30)]
        for s in slow:
            s.sendall(b"E")
        endless = WIRE.connect(PORT, "10.77.0.4")
        endless.settimeout(1)
        try:
            for _ in range(10000):
                endless.sendall(b"x" * 8192)
        except OSError:
            pass
        with WIRE.client(PORT, "10.77.0.5") as c:
            check(c.greeting[:1] == b"4", f"{c.greeting}")
        for s in slow:
            s.settimeout(120)
            text = b""
            while chunk := s.recv(4096):
                text += chunk
            check(text.startswith(b"4") and b"421 4.3.2" in text, f"{text}")
        w.daemon.wait_status(lambda s: s["decisions"]["by_front"]["gate"]["lingering"] == 0, "no client lingers")


@test("a refused source is named in the mail log, with its count, at the end at the latest")
def _():
    with Gated() as w:
        w.drain()
        told = []

        def third():
            """The third refusal. A machine that is too slow for the gate lets one pass."""
            told.append(w.greeting("10.77.0.77"))
            return sum(text.startswith(b"4") for text in told) == 3
        wait_for(third, "three refusals")
        wait_for(lambda: front(w)["deferred"] >= 4, "the verdicts, and that of the visit by which drain() knows")
        w.daemon.stop()
        w.daemon.logged("deferred 10.77.0.77: 3 connections, reason drain")


@test("observe: everybody reaches the mail server, and it is counted who would not have")
def _():
    with Gated({"daemon.mode": "observe", "objective.window_min": 1, "objective.window_max": 1}) as w:
        held = [WIRE.client(PORT, f"10.77.0.{n}") for n in range(2, 12)]
        check(all(c.greeting.startswith(b"220") for c in held), "all were admitted")
        w.daemon.wait_status(lambda s: s["decisions"]["by_front"]["gate"]["would_defer"] >= 1, "the dry run's count")
        check(front(w)["deferred"] == 0, f"{front(w)}")
        check(w.daemon.metric('penstock_would_defer_total{front="gate"}') >= 1, "the metric")
        for c in held:
            c.close()


@test("answer_down: 451 while nothing listens on the port, and the mail server again as soon as it does")
def _():
    with Gated({"front.gate.answer_down": "yes"}, mta=False) as w:
        def answered():
            try:
                return w.greeting("10.77.0.9")
            except ConnectionRefusedError:
                return b""
        wait_for(lambda: answered() == b"451 4.3.2 mx.example.org mail server not reachable at the moment, come back in a few minutes\r\n", "an answer")
        w.mta = Mta()
        wait_for(lambda: answered().startswith(b"220"), "the mail server")


@test("a network that the operator refuses hears so, while others are admitted")
def _():
    with Gated({"source.refused": "10.77.0.66/32"}) as w:
        with WIRE.client(PORT, "10.77.0.66") as c:
            check(c.greeting.startswith(b"451 4.7.1 mx.example.org "), f"{c.greeting}")
        check(w.greeting("10.77.0.67").startswith(b"220"), "another")


@test("front.gate.listen: a load balancer's refused clients are answered there too")
def _():
    with Gated({"front.gate.listen": "127.0.0.1:2599"}) as w:
        with socket.create_connection(("127.0.0.1", 2599), 120) as s:
            line = s.makefile("rb").readline()
            check(line.startswith(b"451 4.3.2 mx.example.org "), f"{line}")


if __name__ == "__main__":
    place.isolate()
    WIRE = Wire()
    run()
