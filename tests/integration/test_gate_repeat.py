#!/usr/bin/env python3
"""[front.gate] repeat = reset: a client that has heard its 451 in this epoch is reset when it comes again; over a veth pair."""
import os
import signal
import socket
import struct
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, postfix
from lib.gate import PORT, Gated, Keeper, Mta, test
from lib.place import wait_for
from lib.postfix import POLICY, Postfix
from lib.programs import Daemon
from lib.tap import check, run
from lib.wire import SERVER4, SERVER6, Wire
from lib.world import World

SOURCES = (("10.77.0.20", SERVER4), ("fd77::8", SERVER6))


def told(source, address=SERVER4, port=PORT):
    """Hears its refusal to the end, as a sender does."""
    with WIRE.client(port, source, address=address) as c:
        check(c.greeting.startswith(b"451 "), f"{c.greeting}")
        check(c.say(b"QUIT").startswith(b"221"), "QUIT")
        check(c.reply() == b"", "the end")


def is_reset(source, address=SERVER4, port=PORT):
    try:
        with WIRE.client(port, source, address=address) as c:
            if c.greeting.startswith(b"451"):
                c.say(b"QUIT")
            return False
    except ConnectionRefusedError:
        return True


class Kept:
    """The gate under a plan that the test dictates, an MTA behind it."""

    def __enter__(self):
        self.mta, self.keeper = Mta(), Keeper()
        self.keeper.order("resets 1")
        self.keeper.order("window 0")
        return self

    def __exit__(self, *_):
        self.keeper.close()
        self.mta.close()


@test("who has heard its 451 is reset when it comes again in the epoch, over IPv4 and IPv6; others are spoken to; counted as deferred")
def _():
    with Kept() as k:
        for source, address in SOURCES:
            told(source, address)
            wait_for(lambda: is_reset(source, address), "the reset")
        told("10.77.0.21")
        view = k.keeper.until(lambda v: v["reset"] >= 2, "the count")
        check(view["deferred"] >= 5 and view["admitted"] == 0 and view["used"] == 0, f"{view}")
        check(k.mta.peers == [], f"{k.mta.peers}")


@test("a new epoch, a place, observe mode: spoken to, admitted, passed")
def _():
    with Kept() as k:
        told("10.77.0.22")
        wait_for(lambda: is_reset("10.77.0.22"), "the reset")
        k.keeper.order("epoch 2")
        told("10.77.0.22")
        wait_for(lambda: is_reset("10.77.0.22"), "the reset")
        k.keeper.order("window -1")
        with WIRE.client(PORT, "10.77.0.22") as c:
            check(c.greeting.startswith(b"220"), "verdict first")
        k.keeper.order("window 0")
        wait_for(lambda: is_reset("10.77.0.22"), "the reset")
        k.keeper.order("observe")
        with WIRE.client(PORT, "10.77.0.22") as c:
            check(c.greeting.startswith(b"220"), "observe mode")


@test("a client that aborts before the end of its reply is acknowledged is spoken to again")
def _():
    with Kept() as k:
        for _ in range(5):
            c = WIRE.client(PORT, "10.77.0.23")
            check(c.greeting.startswith(b"451"), f"{c.greeting}")
            c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()
        check(k.keeper.view()["reset"] == 0, "never reset")


@test("penstockd hangs, is killed, or repeat = dialogue by a reload: no client is reset")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    file = os.path.join(directory, "penstock.conf")
    with open(file, "w") as f:
        f.write("[front.gate]\nrepeat = reset\n")
    with Gated(WIRE, directory=directory, argv=["-c", file]) as w:
        w.drain()
        told("10.77.0.24")
        wait_for(lambda: is_reset("10.77.0.24"), "the reset")
        w.daemon.wait_status(lambda s: s["decisions"]["by_front"]["gate"]["reset"] >= 1, "the status")
        check(w.daemon.metric('penstock_refused_reset_total{front="gate"}') >= 1, "the metric")
        w.daemon.kill(signal.SIGSTOP)
        wait_for(lambda: not is_reset("10.77.0.24"), "an old plan")
        with WIRE.client(PORT, "10.77.0.24") as c:
            check(c.greeting.startswith(b"220"), "mail flows")
        w.daemon.kill(signal.SIGCONT)
        wait_for(lambda: is_reset("10.77.0.24"), "the reset again")
        with open(file, "w") as f:
            f.write("[front.gate]\nrepeat = dialogue\n")
        w.daemon.ctl("reload", check=0)
        wait_for(lambda: not is_reset("10.77.0.24"), "the reload")
        with open(file, "w") as f:
            f.write("[front.gate]\nrepeat = reset\n")
        w.daemon.ctl("reload", check=0)
        wait_for(lambda: is_reset("10.77.0.24"), "the reload")
        w.daemon.process.kill()
        w.daemon.process.wait()
        with WIRE.client(PORT, "10.77.0.24") as c:
            check(c.greeting.startswith(b"220"), "mail flows")


@test("beside the policy service the gate resets whom Postfix has told; a client that was not told is Postfix' own, and so is everybody without penstockd")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    os.chmod(directory, 0o755)
    server = Postfix(directory, main={"inet_interfaces": "all"})
    daemon = Daemon(directory, {"service.mx.ports": POLICY, "service.mx.hostname": "mx.example.org", "front.policy.enabled": "yes",
                                "front.policy.listen": "127.0.0.1:9826", "front.gate.enabled": "yes", "front.gate.repeat": "reset"})
    try:
        daemon.logged("the gate resets clients that the policy service has refused before")
        with WIRE.client(POLICY, "10.77.0.40") as c:
            check(c.greeting.startswith(b"220"), f"{c.greeting}")
        wait_for(lambda: daemon.status()["in_flight"] == 0, "no session in flight")
        daemon.ctl("drain", check=0)
        daemon.wait_status(lambda s: s["state"] == "draining", "the drain")
        told("10.77.0.40", port=POLICY)
        wait_for(lambda: is_reset("10.77.0.40", port=POLICY), "the reset")
        told("10.77.0.41", port=POLICY)
        front = daemon.wait_status(lambda s: s["decisions"]["by_front"]["gate"]["reset"] >= 1, "the count")["decisions"]["by_front"]
        check(front["policy"]["deferred"] >= 2 and front["gate"]["admitted"] == 0, f"{front}")
        check(front["gate"]["deferred"] == front["gate"]["reset"], f"{front}")
        daemon.ctl("resume", check=0)
        wait_for(lambda: not is_reset("10.77.0.40", port=POLICY), "the resume")
        daemon.stop(signal.SIGKILL)
        with WIRE.client(POLICY, "10.77.0.40") as c:
            check(c.greeting.startswith(b"220"), "mail flows")
    finally:
        if daemon.alive():
            daemon.stop()
        server.stop()


PROXIED = 2526


class BesideProxy(World):
    """A server on loopback, penstock-proxy before it on all addresses, penstockd with the gate beside. Clients are told in a drain."""

    def __init__(self):
        super().__init__(server=Mta(PROXIED), calm=True, options={
            "front.proxy.enabled": "yes", "front.proxy.listen": f"0.0.0.0:{PORT}, [::]:{PORT}", "front.proxy.backend": f"127.0.0.1:{PROXIED}",
            "front.proxy.proxy_protocol": "none", "front.proxy.client_addresses_hidden": "yes", "front.gate.enabled": "yes",
            "front.gate.repeat": "reset"})
        try:
            self.daemon.logged("the gate resets clients that penstock-proxy has refused before")
            wait_for(lambda: "following the plan" in self.proxy.output(), "the proxy follows the plan")
        except BaseException:
            self.__exit__(True)
            raise

    def drain(self):
        self.daemon.ctl("drain", check=0)
        wait_for(lambda: self.greeting("10.77.0.250").startswith(b"451"), "the drain reaches the proxy")

    def greeting(self, source, address=SERVER4):
        """b"reset": refused so."""
        try:
            with WIRE.client(PORT, source, address=address) as c:
                if c.greeting.startswith(b"451"):
                    c.say(b"QUIT")
                return c.greeting
        except ConnectionRefusedError:
            return b"reset"

    def fronts(self):
        return self.daemon.status()["decisions"]["by_front"]


@test("beside penstock-proxy the gate resets whom the proxy has told, over IPv4 and IPv6; one that it has not told is the proxy's own; all of it is counted once")
def _():
    with BesideProxy() as b:
        check(b.greeting("10.77.0.60").startswith(b"220"), "admitted")
        b.drain()
        for source, address in (("10.77.0.60", SERVER4), ("fd77::9", SERVER6)):
            told(source, address)
            wait_for(lambda: b.greeting(source, address) == b"reset", "the reset")
        told("10.77.0.61")
        front = b.daemon.wait_status(lambda s: s["decisions"]["by_front"]["gate"]["reset"] >= 2, "the count")["decisions"]["by_front"]
        check(front["gate"]["deferred"] == front["gate"]["reset"] and front["gate"]["admitted"] == 0, f"{front}")
        check(front["proxy"]["deferred"] >= 3, f"{front}")
        b.daemon.ctl("resume", check=0)
        wait_for(lambda: b.greeting("10.77.0.60").startswith(b"220"), "verdict first")


@test("beside penstock-proxy: who did not hear the end is spoken to; penstockd killed, mail flows and no client is reset")
def _():
    with BesideProxy() as b:
        b.drain()
        for _ in range(5):
            c = WIRE.client(PORT, "10.77.0.62")
            check(c.greeting.startswith(b"451"), f"{c.greeting}")
            c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()
        check(b.fronts()["gate"]["reset"] == 0, "never reset")
        told("10.77.0.62")
        wait_for(lambda: b.greeting("10.77.0.62") == b"reset", "the reset")
        b.daemon.stop(signal.SIGKILL)
        wait_for(lambda: b.greeting("10.77.0.62").startswith(b"220"), "mail flows")


def marked(connection, _address):
    """A front that refuses and marks (core/told.h)."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 45107)
    connection.sendall(b"451 4.3.2 mx.example.org overloaded\r\n")
    while connection.recv(512) not in (b"", b"QUIT\r\n"):
        pass
    connection.sendall(b"221 2.0.0 bye\r\n")


@test("beside another front: a mark on the connection is enough; who may wait there for a place comes to it, unless the order is what refuses")
def _():
    mta, keeper = Mta(handle=marked), Keeper()
    try:
        for order in ("resets 1", "window 0", "beside 0"):
            keeper.order(order)
        told("10.77.0.65")
        wait_for(lambda: is_reset("10.77.0.65"), "the reset")
        keeper.order("beside 1000")
        for _ in range(3):
            check(not is_reset("10.77.0.65"), "it may wait for a place")
        keeper.order("drain")
        wait_for(lambda: is_reset("10.77.0.65"), "no client waits in a drain")
        keeper.order("serve")
        keeper.order("beside 0")
        wait_for(lambda: is_reset("10.77.0.65"), "the room is full")
    finally:
        keeper.close()
        mta.close()


place.isolate(postfix.prepare)
WIRE = Wire()
run()
