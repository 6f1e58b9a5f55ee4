#!/usr/bin/env python3
"""Senders that stall do not look busy, and those that the server keeps waiting do: what the proxy counts, and what the kernel's probe
of socket states counts of a server that waits for its client as Postfix does."""
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place
from lib.place import BIN, wait_for
from lib.smtp import Client
from lib.tap import Skip, check, run, test
from lib.world import PORT, World

LINE = b"NOOP\r\n"
# A kernel that does not take smtp_look: what the loader asks for meets EINVAL.
NO_LOOK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>

long syscall(long number, long a, long b, long c, long d, long e, long f)
{
	static long (*next)(long, ...);
	const union bpf_attr *attr = (const union bpf_attr *)b;

	if (!next)
		next = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	if (number == __NR_bpf && a == BPF_PROG_LOAD && strcmp(attr->prog_name, "smtp_look") == 0) {
		errno = EINVAL;
		return -1;
	}
	return next(number, a, b, c, d, e, f);
}
"""
STALLS = {
    "one octet 0x16": b"\x16",
    "half a TLS hello in the clear": b"\x16\x03\x01\x02\x00\x01\x00",
    "half a command": b"MAIL FROM:<a@example.net>",
    "a chunk of which nothing comes": b"BDAT 100000 LAST\r\n",
}


class Held:
    """A server that reads line by line, answers 250, and holds its answer to XWAIT until it is let go; it knows DATA, BDAT, STARTTLS."""

    def __init__(self):
        self.go = threading.Event()

    def __call__(self, connection, _address):
        f = connection.makefile("rb")
        connection.sendall(b"220 mx.example.org ESMTP\r\n")
        while line := f.readline():
            word = line[:4].upper()
            if word == b"XWAI":
                self.go.wait(600)
            elif word == b"DATA":
                connection.sendall(b"354 go on\r\n")
                while (line := f.readline()) not in (b".\r\n", b""):
                    pass
            elif word == b"BDAT":
                f.read(int(line.split()[1]))
            elif word == b"STAR":
                connection.sendall(b"220 go ahead\r\n")
                if len(f.read(4096)) < 4096:
                    return
            connection.sendall(b"250 ok\r\n")


class Lookups(Held):
    """The same; for its first clients it looks up a name before it greets them, until it is let go."""

    def __init__(self, count):
        super().__init__()
        self.left = threading.Semaphore(count)

    def __call__(self, connection, address):
        if self.left.acquire(blocking=False):
            self.go.wait(600)
        super().__call__(connection, address)


class Stalled(World):
    """A server whose clients stall, behind the proxy or seen by the kernel's probe."""

    def __init__(self, bpf, prefix=(), held=None):
        self.held, self.clients = held or Held(), []
        super().__init__(server=self.held, daemon_options={"daemon.bpf": "yes"} if bpf else {}, proxy=not bpf, calm=True, prefix=prefix)
        self.port = self.server.port if bpf else PORT

    def mx(self):
        return self.daemon.status()["services"]["mx"]

    def counted(self, in_flight, busy, stuck=0):
        def seen():
            s = self.mx()
            return (s["in_flight"], s["busy"], s["stuck"]) == (in_flight, busy, stuck)
        try:
            wait_for(seen, f"{in_flight} in flight, {busy} busy, {stuck} stuck")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.mx()}") from None

    def owed(self, count):
        """So many are in flight, each owed an answer. After ten seconds of that they are stuck, which a slow machine may see first."""
        def seen():
            s = self.mx()
            return s if s["in_flight"] == s["busy"] + s["stuck"] == count else None
        return wait_for(seen, lambda: f"{count} that are owed an answer: {self.mx()}")

    def __exit__(self, *why):
        """A proxy that stops waits for its sessions: they end first, in a test that is given up, too."""
        self.held.go.set()
        for c in self.clients:
            c.close()
        super().__exit__(*why)


def for_each_way(name):
    """Adds the test twice: for what the proxy counts, and for what the kernel's probe counts."""
    def add(body):
        test(f"through the proxy: {name}")(lambda: body(False))
        test(f"by the kernel's probe: {name}")(lambda: body(True))
    return add


def greeted(world, sources):
    """A client of each, which has heard its 220 and says nothing yet."""
    clients = [Client(world.port, source=source) for source in sources]
    world.clients += clients
    check(all(c.greeting.startswith(b"220") for c in clients), f"{[c.greeting for c in clients]}")
    return clients


def stall(world, octets, count=10):
    clients = greeted(world, [f"127.0.3.{n + 1}" for n in range(count)])
    for c in clients:
        c.socket.sendall(octets)
    return clients


def need_probe(w, bpf):
    if bpf and w.mx()["busy"] is None:
        raise Skip("this kernel or this process's privilege gives no probe of sockets")


@for_each_way("half commands, half records, half chunks and half messages are no load; an answer that is owed is")
def _(bpf):
    with Stalled(bpf) as w:
        need_probe(w, bpf)
        for what, octets in STALLS.items():
            clients = stall(w, octets)
            w.counted(10, 0)
            time.sleep(0.3)  # and it stays so
            check(w.mx()["busy"] == 0, f"{what}: {w.mx()}")
            for c in clients:
                c.close()
            w.counted(0, 0)
        for first, then in ((b"DATA\r\n", b"Subject: x\r\n\r\nhel"), (b"STARTTLS\r\n", b"\x16\x03\x01\x02\x00\x01\x00")):
            clients = stall(w, first)
            for c in clients:
                check(c.socket.recv(100)[:1] in b"23", "the answer")
                c.socket.sendall(then)
            w.counted(10, 0)
            for c in clients:
                c.close()
            w.counted(0, 0)
        clients = stall(w, b"XWAIT\r\n", 3)
        w.owed(3)
        w.held.go.set()
        w.counted(3, 0)
        for c in clients:
            c.close()


@contextlib.contextmanager
def three_wait(bpf):
    """Three clients to whom the server owes an answer. In the end it gives the answers, and the clients leave."""
    with Stalled(bpf) as w:
        need_probe(w, bpf)
        clients = stall(w, b"XWAIT\r\n", 3)
        w.owed(3)
        yield w, clients
        w.held.go.set()
        w.counted(3, 0, 0)
        for c in clients:
            c.close()
        w.counted(0, 0, 0)


@for_each_way("an answer that is owed for ten seconds and more is stuck: in flight and no load, until it comes")
def _(bpf):
    with three_wait(bpf) as (w, clients):
        w.counted(3, 0, 3)
        clients[0].socket.sendall(LINE)
        time.sleep(0.3)  # and it stays so
        check(w.mx()["busy"] == 0, f"what its client says does not make it load again: {w.mx()}")
        check(w.daemon.metric('penstock_stuck_sessions{service="mx"}') == 3, "in the metrics")


@for_each_way("an answer that is owed while many jobs are done is stuck at once")
def _(bpf):
    with three_wait(bpf) as (w, _):
        began = time.monotonic()
        for _ in range(40):  # each a job
            with contextlib.closing(Client(w.port)) as c:
                c.say(b"NOOP")
                c.say(b"QUIT")
        w.counted(3, 0, 3)
        if time.monotonic() - began > 9:
            raise Skip("the machine is too busy to tell this from the bound of ten seconds")


@test("a kernel that does not take smtp_look: the log, the status and penstockctl support say that a sender who stalls counts as busy")
def _():
    with tempfile.TemporaryDirectory() as directory:
        library = directory + "/no_look.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, "-x", "c", "-"], input=NO_LOOK, text=True, check=True)
        with Stalled(bpf=True, prefix=["env", "LD_PRELOAD=" + library]) as w:
            if not w.daemon.status()["bpf"]["used"]:
                raise Skip("BPF is refused here")
            w.daemon.logged("this kernel does not take smtp_look")
            w.daemon.wait_status(lambda s: "smtp_look" in s["sensors"]["bpf_smtp"].get("reason", ""), "the reason")
            support = subprocess.run([BIN + "/penstockctl", "support"], env={**os.environ, "LD_PRELOAD": library}, capture_output=True, text=True).stdout
            check(any("smtp_look" in line and "stalls counts as busy" in line for line in support.splitlines()), support)


@test("one source's sessions that take long are load only up to a share, others' all the while")
def _():
    with Stalled(False) as w:
        clients = greeted(w, [f"127.0.3.{n + 1}" for n in range(14)] + ["127.0.4.1"] * 12)
        for c in clients:  # at once: who is owed an answer for ten seconds is no load
            c.socket.sendall(b"XWAIT\r\n")
        w.counted(26, 14 + 4, 8)  # after two seconds
        w.held.go.set()
        w.counted(26, 0, 0)
        for c in clients:
            c.close()


@for_each_way("a client that waits for its greeting while all others get theirs is no load, and in no queue")
def _(bpf):
    with Stalled(bpf, held=Lookups(3)) as w:
        need_probe(w, bpf)
        late = [socket.create_connection(("127.0.0.1", w.port), 120) for _ in range(3)]
        before = w.owed(3)
        check(before["ungreeted"] == before["busy"], f"before any client overtakes them: {before}")
        for _ in range(20):
            Client(w.port).close()
        w.counted(3, 0, 3)
        check(w.mx()["ungreeted"] == 0, f"they wait in no queue: {w.mx()}")
        w.held.go.set()
        for c in late:
            check(c.recv(100).startswith(b"220"), "the greeting")
        w.counted(3, 0)
        for c in late:
            c.close()


place.isolate()
run()
