#!/usr/bin/env python3
"""The waiting room of penstock-proxy while penstockd or the proxy ends or is replaced: who waits goes on waiting, or is let in."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.manager import Manager
from lib.room import Room, silent
from lib.tap import check, test


@test("penstockd is killed while clients wait: all are let in when the plan is old, not at the end of their wait")
def _():
    with Room(window=0) as w:
        clients = [w.held(f"127.{n + 2}.0.1", n + 1) for n in range(20)]
        began = time.monotonic()
        w.planner.say("stop")
        for c in clients:
            check(c.reply().startswith(b"220"), "served")
        check(time.monotonic() - began < 40, f"{time.monotonic() - began} s")


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


place.isolate()
tap.run()
