#!/usr/bin/env python3
"""Links that change, links that ride on others, and what listeners lose: against the real kernel, in a network namespace of its own."""
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import LONG, wait_for
from lib.programs import Daemon
from lib.rtnl import Rtnl
from lib.tap import Skip, check, test
from lib.world import World


def ip(*words, may_fail=False):
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode and not may_fail:
        raise AssertionError(f"ip {' '.join(words)}: {done.stderr}")
    return done


def link(*words):
    """Adds a link, or skips where this kernel has no such kind."""
    done = ip("link", "add", *words, may_fail=True)
    if "Unknown device type" in done.stderr:
        raise Skip(f"this kernel has no {words[words.index('type') + 1]} devices")
    check(done.returncode == 0, done.stderr)


class Tap:
    """A tap device with a carrier; unlike veth it can be told its speed."""

    def __init__(self, name):
        self.name = name
        self.fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.fd, 0x400454ca, struct.pack("16sH22x", name.encode(), 0x0002 | 0x1000))
        ip("link", "set", name, "up")

    def speed(self, mbit):
        # struct ethtool_cmd (ETHTOOL_GSET 1, ETHTOOL_SSET 2): speed at 12, its high half at 28
        data = ctypes.create_string_buffer(44)
        request = struct.pack("16sQ16x", self.name.encode(), ctypes.addressof(data))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            struct.pack_into("I", data, 0, 1)
            fcntl.ioctl(s, 0x8946, request)
            struct.pack_into("I", data, 0, 2)
            struct.pack_into("H", data, 12, mbit & 0xffff)
            struct.pack_into("H", data, 28, mbit >> 16)
            fcntl.ioctl(s, 0x8946, request)

    def close(self):
        os.close(self.fd)


@contextlib.contextmanager
def pair():
    """ps0, whose carrier is that ps1 is up. Both are."""
    ip("link", "add", "ps0", "type", "veth", "peer", "name", "ps1")
    try:
        ip("link", "set", "ps0", "up")
        ip("link", "set", "ps1", "up")
        yield
    finally:
        ip("link", "del", "ps0", may_fail=True)


def world(options=None):
    return World(None, {"daemon.bpf": "no", **(options or {})}, server=2526, proxy=False)


@test("a link that loses its carrier is seen by notification, and said; so is its return")
def _():
    with pair(), world({"nic.interfaces": "ps0"}) as w:
        w.wait_signal("nic", "nic_down_count", lambda v: v == 0)
        ip("link", "set", "ps1", "down")
        w.wait_signal("nic", "nic_down_count", lambda v: v == 1)
        wait_for(lambda: "link ps0 has lost its carrier" in w.daemon.output(), "the line")
        ip("link", "set", "ps1", "up")
        w.wait_signal("nic", "nic_down_count", lambda v: v == 0)
        wait_for(lambda: "link ps0 has its carrier again" in w.daemon.output(), "the line")
        # Gone altogether, while it is watched: named, so it is missed.
        ip("link", "del", "ps0")
        w.wait_signal("nic", "nic_down_count", lambda v: v == 1)
        check(w.daemon.alive(), w.daemon.output())


@test("more changes at once than the socket holds: nothing is lost but the count of them")
def _():
    with pair(), world({"nic.interfaces": "ps0"}) as w:
        w.wait_signal("nic", "nic_down_count", lambda v: v == 0)
        w.daemon.kill(19)  # SIGSTOP: it cannot read
        with tempfile.NamedTemporaryFile("w") as f:
            for i in range(1500):
                f.write(f"link set ps1 mtu {1400 + i % 90}\nlink set ps0 mtu {1400 + i % 90}\n")
            f.write("link set ps1 down\n")
            f.flush()
            subprocess.run(["ip", "-batch", f.name], check=True)
        w.daemon.kill(18)
        w.wait_signal("nic", "nic_down_count", lambda v: v == 1)


@test("another program holds the kernel's lock of the network configuration: no tick waits, and it is said why there are no figures", quiet=True)
def _():
    def ticks():
        return w.daemon.metric("penstock_tick_duration_seconds_count")
    with world({"nic.interfaces": "lo"}) as w:
        w.wait_signal("nic", "nic_rx_bytes_per_s", lambda v: v >= 0)
        with Rtnl(LONG) as other:
            before = ticks()
            wait_for(lambda: ticks() >= before + 10, "ten ticks")
            check(other.held.is_set(), "they go by meanwhile")
            w.daemon.wait_status(lambda s: "holds its lock" in s["sensors"]["nic"].get("reason", ""), "the reason")
            w.daemon.wait_status(lambda s: "nic_rx_bytes_per_s" not in s["resources"]["nic"]["signals"], "an old figure is none")
            check(other.held.is_set(), "said meanwhile")
        w.wait_signal("nic", "nic_rx_bytes_per_s", lambda v: v >= 0)
        check(w.daemon.alive(), w.daemon.output())


@test("the same lock is held: a reload that opens the sensors again does not wait; no thread and no descriptor stays when it is released", quiet=True)
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    path = os.path.join(directory, "penstock.conf")

    def configure(code):
        with open(path, "w") as f:
            f.write(f"[daemon]\nbpf = no\n[service.mx]\nports = 2526\nreply_code = {code}\n[nic]\ninterfaces = lo\n")

    def entries(what):
        return len(os.listdir(f"/proc/{w.daemon.pid}/{what}"))
    configure(451)
    with World(directory, server=None, proxy=False, argv=["-c", path]) as w:
        w.wait_signal("nic", "nic_rx_bytes_per_s", lambda v: v >= 0)
        before = entries("task"), entries("fd")
        with Rtnl(LONG) as other:
            for code in (421, 451, 421, 451):
                configure(code)
                w.daemon.ctl("reload", check=0)
            check(other.held.is_set(), "no reload waits")
            w.daemon.logged("Cannot end the thread that reads the links")
        wait_for(lambda: entries("task") <= before[0] and entries("fd") <= before[1] + 2, lambda: f"threads, descriptors: {before}, now "
                 f"{entries('task')}, {entries('fd')}")
        w.wait_signal("nic", "nic_rx_bytes_per_s", lambda v: v >= 0)


@test("a link that rides on another has the other's speed, and a change of it is said")
def _():
    lower = Tap("pt0")
    try:
        lower.speed(100)
        link("link", "pt0", "name", "pm0", "type", "macvlan")
        ip("link", "set", "pm0", "up")
        with world({"nic.interfaces": "pm0"}) as w:
            w.wait_signal("nic", "nic_speed_bits_per_s", lambda v: v == 100e6)
            lower.speed(1000)
            w.wait_signal("nic", "nic_speed_bits_per_s", lambda v: v == 1e9)
            wait_for(lambda: "link pm0 carries 1000 Mbit/s now" in w.daemon.output(), "the line")
    finally:
        lower.close()


@test("a VLAN has the speed of its parent")
def _():
    lower = Tap("pt0")
    try:
        lower.speed(100)
        link("link", "pt0", "name", "pt0.5", "type", "vlan", "id", "5")
        ip("link", "set", "pt0.5", "up")
        with world({"nic.interfaces": "pt0.5"}) as w:
            w.wait_signal("nic", "nic_speed_bits_per_s", lambda v: v == 100e6)
    finally:
        lower.close()


@test("a bond has the speed of its active slave, or of all that carry")
def _():
    for mode, expected in (("active-backup", (100e6, 1e9)), ("balance-rr", (1100e6,))):
        link("pb0", "type", "bond", "mode", mode, "miimon", "50")
        slow, fast = Tap("pt0"), Tap("pt1")
        try:
            slow.speed(100)
            fast.speed(1000)
            for t in (slow, fast):
                ip("link", "set", t.name, "down")
                ip("link", "set", t.name, "master", "pb0")
            ip("link", "set", "pb0", "up")
            with world({"nic.interfaces": "pb0"}) as w:
                speed = w.wait_signal("nic", "nic_speed_bits_per_s", lambda v: v in expected)
                if mode == "active-backup":
                    other = "pt1" if speed == 100e6 else "pt0"
                    ip("link", "set", "pb0", "type", "bond", "active_slave", other)
                    w.wait_signal("nic", "nic_speed_bits_per_s", lambda v: v in expected and v != speed)
        finally:
            ip("link", "del", "pb0", may_fail=True)
            slow.close()
            fast.close()


@test("in a place without physical links, what leads out of it counts; loopback does not")
def _():
    ip("link", "add", "ps0", "type", "veth", "peer", "name", "ps1")
    try:
        ip("link", "set", "ps0", "up")
        ip("link", "set", "ps1", "up")
        with world() as w:
            w.wait_signal("nic", "nic_rx_bytes_per_s", lambda v: v >= 0)
            # The daemon's own HTTP goes over loopback: it is not in the sum.
            check(w.value("nic", "nic_tx_bytes_per_s") < 5000, "loopback counts")
    finally:
        ip("link", "del", "ps0", may_fail=True)


@test("an accept queue that overflows is counted in its namespace; softnet is read")
def _():
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", 2526))
    server.listen(1)
    with world() as w:
        w.wait_signal("smtp", "listen_overflows_per_s", lambda v: v == 0)
        w.wait_signal("nic", "softnet_drops_per_s", lambda v: v >= 0)
        w.wait_signal("nic", "softnet_squeezed_per_s", lambda v: v >= 0)
        clients = []

        def knock():
            # No process accepts: the queue is full, every further handshake is lost and tried again.
            for _ in range(5):
                c = socket.socket()
                c.setblocking(False)
                try:
                    c.connect(("127.0.0.1", 2526))
                except BlockingIOError:
                    pass
                clients.append(c)
            return (w.value("smtp", "listen_overflows_per_s") or 0) > 0
        wait_for(knock, "overflows")
        wait_for(lambda: knock() or (w.value("smtp", "listen_drops_per_s") or 0) > 0, "drops")
        for c in clients:
            c.close()
    server.close()


@test("more links than are looked at: the named one comes first, and what is left out is said")
def _():
    batch = "".join(f"link add v{i} type veth peer name p{i}\n" for i in range(70)) + "link add wan0 type veth peer name wan1\nlink set wan1 up\nlink set wan0 up\n"
    subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)
    daemon = Daemon(tempfile.mkdtemp(prefix="penstock-test-"), {"nic.interfaces": "wan0", "nic.speed": "1000000000"})
    daemon.wait_status(lambda s: "are not" in s["sensors"]["nic"].get("reason", ""), "what is left out")
    # The kernel tells up to a second later that a link is up.
    daemon.wait_status(lambda s: s["resources"]["nic"]["signals"]["nic_down_count"]["value"] == 0, "the named link is up")
    daemon.logged("Cannot look at every link: 128 links are looked at")
    daemon.stop()
    subprocess.run(["ip", "-batch", "-"], input="".join(f"link del v{i}\n" for i in range(70)) + "link del wan0\n", text=True, check=True)


place.isolate()
tap.run()
