"""A guarded MTA at one end of a Wire: the daemon with its gate in this namespace, clients in another."""
import contextlib
import json
import os
import socket
import subprocess

from lib import tap
from lib.place import BUILD, LONG, PATIENCE, wait_for
from lib.smtp import Server, smtp_server
from lib.tap import check, skip_all
from lib.wire import SERVER4
from lib.world import PORT, World


class Mta(Server):
    """A small SMTP server on every address of this namespace, IPv4 and IPv6."""

    def __init__(self, port=PORT, greeting=b"220 mta.example ESMTP\r\n", handle=None, backlog=512):
        self.peers, self.greeting = [], greeting
        super().__init__(handle or (lambda c, a: smtp_server(c, a, greeting=self.greeting)),
                         listener=socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=backlog))

    def accepted(self, address):
        super().accepted(address)
        self.peers.append(address[0].replace("::ffff:", ""))


class Gated(World):
    """An MTA (made here, or given), penstockd with its gate in front, and clients on `wire`. `bare`: the options alone, which name services."""

    def __init__(self, wire, options=None, mta=True, bare=False, **kwargs):
        self.wire, self.mta = wire, Mta() if mta is True else mta or None
        # On an emulated machine any client would reach the responder's CPU limit, and get the shorter answer.
        slow = {"front.gate.cpu": "100%"} if PATIENCE > 1 else {}
        gate = {"front.gate.enabled": "yes", **slow, **(options or {})} if not bare else options
        super().__init__(options=gate, server=None if bare else PORT, proxy=False, **kwargs)
        try:
            self.daemon.logged("the gate guards service mx")
        except BaseException:
            self.__exit__(True)
            raise

    def drain(self):
        self.daemon.ctl("drain", check=0)
        wait_for(lambda: self.greeting(source="10.77.0.250").startswith(b"451"), "the drain reaches the gate")

    def greeting(self, source=None, address=SERVER4):
        with self.wire.client(PORT, source, address=address) as c:
            return c.greeting

    def gate(self):
        return next((f for f in self.daemon.status()["fronts"] if f["name"] == "gate"), None)

    def __exit__(self, *why):
        try:
            super().__exit__(*why)
        finally:
            if self.mta:
                self.mta.close()


class Keeper:
    """tests/programs/gate_harness: the gate under a plan that the test dictates. It renews the plan each 20 ms. If the machine does not run it for
    two seconds, the plan is old; if it does not run the responder's thread for one second, the gate pauses. Then clients pass, by design.
    `passed`: how many did, with the keepers that were closed in this test."""
    passed, last_view = 0, None

    def __init__(self, port=PORT):
        self.process = subprocess.Popen([os.path.join(BUILD, "tests/programs/gate_harness"), str(port)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if not self.process.stdout.readline():
            why = self.process.stderr.read().strip()
            if self.process.wait() == 77:
                skip_all(why)
            raise AssertionError(why)

    def order(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def view(self):
        return self.order("view")

    def until(self, condition, what, seconds=LONG):
        seen = []

        def look():
            seen[:] = [self.view()]
            return seen[0] if condition(seen[0]) else None
        try:
            return wait_for(look, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {seen[0]}") from None

    def close(self):
        if self.process.poll() is None:
            with contextlib.suppress(OSError, ValueError):  # it ended meanwhile
                Keeper.last_view = self.view()
                Keeper.passed += Keeper.last_view["stale"] + Keeper.last_view["closed"]
            self.process.stdin.close()
            self.process.wait(LONG)


TRIES = 5


def test(name, **options):
    """Like tap.test(), for tests of a Keeper. A failure after clients passed by design says nothing about the gate's count: the test is tried
    again, a few times. Any other failure counts."""
    def add(function):
        def patient():
            for left in range(TRIES - 1, -1, -1):
                Keeper.passed, Keeper.last_view = 0, None
                try:
                    return function()
                except AssertionError as error:
                    if not Keeper.passed or not left:
                        raise AssertionError(f"{error}; the gate at the end: {Keeper.last_view}") from error
                    print(f"# tried again, as {Keeper.passed} lookups met an old plan or a pause on this busy machine: {error}", flush=True)
        return tap.test(name, **options)(patient)
    return add


def attached():
    """sk_lookup programs in this network namespace."""
    shown = subprocess.run(["bpftool", "link", "show"], capture_output=True, text=True).stdout
    inum = os.stat("/proc/self/ns/net").st_ino
    return shown.count(f"netns_ino {inum}")


def attached_program():
    shown = json.loads(subprocess.run(["bpftool", "-j", "link", "show"], capture_output=True, text=True).stdout)
    inum = os.stat("/proc/self/ns/net").st_ino
    return next(link["prog_id"] for link in shown if link.get("netns_ino") == inum)


def served(w, source="10.77.0.20"):
    """A session that the MTA serves; say() must go on working."""
    c = w.wire.client(PORT, source)
    check(c.greeting.startswith(b"220"), f"{c.greeting}")
    return c
