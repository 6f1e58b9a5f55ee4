#!/usr/bin/env python3
"""The MTA in another network namespace than penstockd, as containers have it: named by path, by process, by name."""
import ctypes
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place
from lib.gate import PORT, Mta
from lib.place import wait_for
from lib.programs import Daemon
from lib.tap import check, run, test
from lib.wire import Wire, ip, within

MTA4, CLIENT4, MTA6, CLIENT6 = "10.79.0.1", "10.79.0.2", "fd79::1", "fd79::2"


def container():
    """Namespace `box`, on a wire with the clients' namespace; this one has no part in it. One that was there is gone."""
    ip("netns", "del", "box", check=False)
    ip("-n", WIRE.name, "link", "del", "box1", check=False)
    ip("netns", "add", "box")
    ip("-n", "box", "link", "set", "lo", "up")
    ip("link", "add", "box0", "netns", "box", "type", "veth", "peer", "name", "box1", "netns", WIRE.name)
    for where, device, addresses in (("box", "box0", (MTA4, MTA6)), (WIRE.name, "box1", (CLIENT4, CLIENT6))):
        ip("-n", where, "addr", "add", addresses[0] + "/24", "dev", device)
        ip("-n", where, "addr", "add", addresses[1] + "/64", "dev", device, "nodad")
        ip("-n", where, "link", "set", device, "up")


class Box:
    def __init__(self, netns, **kwargs):
        self.mta = within("/run/netns/box", Mta)
        self.daemon = Daemon(tempfile.mkdtemp(prefix="penstock-test-"), {
            "service.mx.ports": PORT, "service.mx.hostname": "mx.example.org", "front.gate.enabled": "yes",
            "front.gate.netns": netns}, **kwargs)

    def greeting(self, six=False):
        with WIRE.client(PORT, CLIENT6 if six else CLIENT4, address=MTA6 if six else MTA4) as c:
            return c.greeting

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.daemon.stop()
        self.mta.close()


def guarded(netns):
    with Box(netns) as b:
        b.daemon.logged("the gate guards service mx")
        check(b.greeting().startswith(b"220") and b.greeting(True).startswith(b"220"), "admitted to the MTA")
        check(b.mta.peers == [CLIENT4, CLIENT6], f"with their own addresses: {b.mta.peers}")
        with WIRE.client(PORT, CLIENT4, address=MTA4) as c:
            b.daemon.wait_status(lambda s: s["in_flight"] == 1, "the session over there is counted")
            b.daemon.wait_status(lambda s: "accept_queue_ratio" in s["resources"]["smtp"]["signals"], "its accept queue is seen")
            c.say(b"QUIT")
        b.daemon.ctl("drain", check=0)
        for six in (False, True):
            wait_for(lambda: b.greeting(six).startswith(b"451 4.3.2 mx.example.org"), "refused over there")
        b.daemon.process.kill()
        b.daemon.process.wait()
        check(b.greeting().startswith(b"220"), "and open when penstockd is gone")


@test("by a name under /run/netns")
def _():
    guarded("box")


@test("by the path of a namespace")
def _():
    guarded("/run/netns/box")


@test("by the id of a process in it")
def _():
    process = subprocess.Popen(["ip", "netns", "exec", "box", "sleep", "600"])
    try:
        wait_for(lambda: os.stat(f"/proc/{process.pid}/ns/net").st_ino == os.stat("/run/netns/box").st_ino, "it is inside")
        guarded(str(process.pid))
    finally:
        process.kill()
        process.wait()


@test("a namespace that is not there: it is said, mail flows")
def _():
    with Box("nowhere") as b:
        b.daemon.logged("the network namespace 'nowhere' cannot be opened")
        check(b.greeting().startswith(b"220"), "mail")


@test("the container is stopped and started again under its name: that is said, the gate goes with it, and nothing keeps the old one")
def _():
    with Box("box") as b:
        b.daemon.logged("the gate guards service mx")
        check(b.greeting().startswith(b"220"), "the first container")
        b.mta.close()
        ip("netns", "del", "box")
        b.daemon.logged("the network namespace 'box' is gone")
        wait_for(lambda: ip("-n", WIRE.name, "link", "show", "box1", check=False).returncode != 0,
                 "the old namespace and its wire vanish: no process holds it")
        container()
        b.mta = within("/run/netns/box", Mta)
        wait_for(lambda: b.daemon.output().count("the gate guards service mx") >= 2, "the gate guards the new one")
        with WIRE.client(PORT, CLIENT4, address=MTA4) as c:
            check(c.greeting.startswith(b"220"), "the second container")
            b.daemon.wait_status(lambda s: s["in_flight"] == 1, "its session is counted")
        b.daemon.ctl("drain", check=0)
        wait_for(lambda: b.greeting().startswith(b"451"), "refused over there")


@test("another namespace under the same name from one look to the next")
def _():
    with Box("box") as b:
        b.daemon.logged("the gate guards service mx")
        b.mta.close()
        container()
        b.mta = within("/run/netns/box", Mta)
        b.daemon.ctl("drain", check=0)
        wait_for(lambda: b.greeting().startswith(b"451"), "refused in the new one")


@test("penstockd is there before the container: the gate guards it within seconds, and sensors see its sessions")
def _():
    ip("netns", "del", "box")
    daemon = Daemon(tempfile.mkdtemp(prefix="penstock-test-"), {
        "service.mx.ports": PORT, "service.mx.hostname": "mx.example.org", "front.gate.enabled": "yes", "front.gate.netns": "box"})
    daemon.logged("the network namespace 'box' cannot be opened")
    container()
    mta = within("/run/netns/box", Mta)
    daemon.logged("the gate guards service mx")
    with WIRE.client(PORT, CLIENT4, address=MTA4) as c:
        check(c.greeting.startswith(b"220"), "mail")
        daemon.wait_status(lambda s: s["in_flight"] == 1, "counted")
        daemon.wait_status(lambda s: s["services"]["mx"]["busy"] is not None, "sensors follow")
    daemon.stop()
    mta.close()


@test("without CAP_SYS_ADMIN the namespace cannot be entered: it is said what it takes, mail flows")
def _():
    def drop():
        ctypes.CDLL(None).prctl(24, 21, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_SYS_ADMIN
    with Box("box", preexec_fn=drop) as b:
        b.daemon.logged("CAP_SYS_ADMIN")
        check(b.greeting().startswith(b"220"), "mail")


place.isolate()
WIRE = Wire()
container()
run()
