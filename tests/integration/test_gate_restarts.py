#!/usr/bin/env python3
"""Restarts of penstockd with its gate: no client and no session that is served notices, and a service manager keeps the gate."""
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place
from lib.gate import PORT, Gated, attached, attached_program, served
from lib.manager import Manager
from lib.place import wait_for
from lib.tap import check, run, test
from lib.wire import Wire


def greetings_over(w, session, restarts, how):
    """What clients hear while penstockd is stopped and started so often."""
    stop, outcomes = threading.Event(), []

    def traffic():
        n = 0
        while not stop.is_set():
            n += 1
            try:
                with w.wire.client(PORT, f"10.77.0.{50 + n % 100}", 60) as c:
                    outcomes.append(c.greeting[:3])
            except OSError as error:
                outcomes.append(repr(error))
    thread = threading.Thread(target=traffic, daemon=True)
    thread.start()
    try:
        for n in range(restarts):
            w.daemon.stop(how)
            w.start_daemon()
            check(session.say(b"NOOP").startswith(b"250"), f"the session after {n} restarts")
        w.daemon.logged("the gate guards service mx")
    finally:
        stop.set()
    thread.join()
    return outcomes


@test("thirty restarts in a row under traffic: every client gets a greeting, the served session goes on")
def _():
    with Gated(WIRE) as w:
        session = served(w)
        for how in (signal.SIGTERM, signal.SIGKILL):
            outcomes = greetings_over(w, session, 15, how)
            # kill -9 may come between accept() and the greeting. Then the kernel closes this client, and only this one.
            unheard = sum(o == b"" for o in outcomes) if how == signal.SIGKILL else 0
            # A machine under load may refuse in earnest, and the stand-in then answers whom a killed responder left in its queue.
            check(len(outcomes) > 15 and unheard <= 1 and set(outcomes) - ({b""} if unheard else set()) <= {b"220", b"451", b"421"},
                  f"{how.name}: { {o: outcomes.count(o) for o in set(outcomes)} }")
        check(attached() == 1, "one program")


@test("restarts under a service manager that keeps descriptors: the program stays, verdicts and the count go on, sessions too")
def _():
    manager = Manager()
    w = Gated(WIRE, **manager.service())
    try:
        wait_for(lambda: len([n for n in manager.store if n.startswith("gate-")]) == 7, "the gate's descriptors are kept")
        session = served(w)
        w.daemon.wait_status(lambda s: s["in_flight"] == 1, "the session is counted")
        program = attached_program()
        for n in range(6):
            w.daemon.stop(signal.SIGKILL if n % 2 else signal.SIGTERM)
            check(attached() == 1, "the program stays while no penstockd runs")
            check(w.greeting("10.77.0.47").startswith(b"220"), "mail meanwhile")
            w.start_daemon(**manager.service())
            w.daemon.logged("taken over from the penstockd before")
            check(attached() == 1, "one program")
            w.daemon.wait_status(lambda s: s["in_flight"] == 1, "the session is still counted, once")
            check(session.say(b"NOOP").startswith(b"250"), "and goes on")
        check(attached_program() != program, "it is the new one's program")
        w.drain()
        session.say(b"QUIT")
        session.close()
        w.daemon.wait_status(lambda s: s["in_flight"] == 0, "its end is counted")
        # A stop that is final: the manager lets go of what it kept.
        w.daemon.stop()
        for fds in manager.store.values():
            for fd in fds:
                os.close(fd)
        manager.store.clear()
        wait_for(lambda: attached() == 0, "nothing to be attached")
        check(w.greeting("10.77.0.48").startswith(b"220"), "the MTA")
    finally:
        w.__exit__()


@test("a service manager that does not read while the gate is opened: the gate decides all the same, and is kept when it reads again")
def _():
    manager = Manager(reads=False)
    w = Gated(WIRE, **manager.service())
    try:
        session = served(w)
        w.daemon.ctl("reload", check=0)
        check(not manager.store, "nothing is kept")
        manager.read()
        wait_for(lambda: len([n for n in manager.store if n.startswith("gate-")]) == 7, "the gate's descriptors are kept")
        w.daemon.stop(signal.SIGKILL)
        w.start_daemon(**manager.service())
        w.daemon.logged("taken over from the penstockd before")
        session.say(b"QUIT")
        session.close()
        w.daemon.stop()
    finally:
        w.__exit__()


@test("a service manager that did not read until penstockd is stopped keeps the gate all the same")
def _():
    manager = Manager(reads=False)
    w = Gated(WIRE, **manager.service())
    try:
        manager.read()
        w.daemon.stop()
        wait_for(lambda: len([n for n in manager.store if n.startswith("gate-")]) == 7, "the gate's descriptors are kept")
        check(attached() == 1, "the program stays")
        before = len(manager.messages)
        w.start_daemon(**manager.service())
        w.daemon.logged("taken over from the penstockd before")
        w.daemon.stop()

        def removed():
            return {m["FDNAME"] for m in manager.messages[before:] if "FDSTOREREMOVE" in m}
        wait_for(lambda: {"gate-state", "gate-destroy"} <= removed(), "the links that are new to be kept")
        check(removed() == {"gate-state", "gate-destroy"}, f"what is kept already is never let go of: {removed()}")
        check(attached() == 1, "the program stays again")
    finally:
        w.__exit__()


@test("a program that an earlier daemon left, and that gets no plans, lets every client pass after two seconds")
def _():
    manager = Manager()
    w = Gated(WIRE, **manager.service())
    try:
        wait_for(lambda: len([n for n in manager.store if n.startswith("gate-")]) == 7, "the gate's descriptors are kept")
        w.drain()
        w.daemon.stop(signal.SIGKILL)
        check(attached() == 1, "the program is still there")
        wait_for(lambda: w.greeting("10.77.0.49").startswith(b"220"), "its plan is old")
    finally:
        for fds in manager.store.values():
            for fd in fds:
                os.close(fd)
        w.__exit__()


place.isolate()
WIRE = Wire()
run()
