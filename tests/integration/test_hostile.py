#!/usr/bin/env python3
"""Many hostile connections at once on every socket, beside honest mail: nothing crashes, no message is lost, and each honest one is taken.
HOSTILE=100000 in the environment is the long run whose figures stand in packaging/doc/measured.md, and IDLE=10000; the usual run is short."""
import collections
import os
import random
import re
import resource
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.listeners import LISTENERS, PROPER, Listeners
from lib.place import BIN, BUILD, wait_for
from lib.programs import Program, listening
from lib.smtp import deliver, smtp_server
from lib.tap import check, test
from lib.world import PORT, World

HOSTILE = int(os.environ.get("HOSTILE", "2000"))
IDLE = int(os.environ.get("IDLE", "1000"))
THREADS = 6
SINK = 2526
NOISE = (b"\0", b"\r\n", b"\n\n", b"=" * 50, b"9" * 400, b"{" * 300, b"[" * 2000, b"\xff" * 70000, b"BDAT 100000 LAST\r\n", b"\x16\x03\x01")


def reset_on_close(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def mutation(noise, listener):
    data = bytearray(PROPER[listener])
    for _ in range(noise.randrange(1, 6)):
        at = noise.randrange(len(data) + 1)
        kind = noise.randrange(4)
        if kind == 0 and at < len(data):
            data[at] = noise.randrange(256)
        elif kind == 1:
            data[at:at] = noise.choice(NOISE)
        elif kind == 2:
            del data[at:at + noise.randrange(1, 20)]
        else:
            data += data[:at]
    return bytes(data)


# Each kind: what a client does that means no good, on a connection of its own.
def says_nothing(s, noise, listener):
    pass


def says_half(s, noise, listener):
    s.sendall(PROPER[listener][:noise.randrange(1, len(PROPER[listener]))])


def resets_at_once(s, noise, listener):
    reset_on_close(s)


def resets_in_the_middle(s, noise, listener):
    s.sendall(PROPER[listener][:noise.randrange(1, len(PROPER[listener]))])
    reset_on_close(s)


def says_garbage(s, noise, listener):
    s.sendall(noise.randbytes(noise.randrange(1, 3000)))
    s.recv(4096)


def says_nearly_right(s, noise, listener):
    s.sendall(mutation(noise, listener))
    s.recv(4096)


def ends_its_side(s, noise, listener):
    s.sendall(mutation(noise, listener))
    s.shutdown(socket.SHUT_WR)
    s.recv(4096)


def never_reads(s, noise, listener):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    for _ in range(20):
        s.sendall(PROPER[listener])


KINDS = (says_nothing, says_half, resets_at_once, resets_in_the_middle, says_garbage, says_nearly_right, ends_its_side, never_reads)


class Hostile(threading.Thread):
    """Its share of the connections; some stay open for a while."""

    def __init__(self, world, seed, count):
        super().__init__(daemon=True)
        self.world, self.noise, self.count = world, random.Random(seed), count
        self.tried, self.unconnected = collections.Counter(), 0

    def run(self):
        kept = collections.deque()
        for number in range(self.count):
            kind, listener = KINDS[number % len(KINDS)], LISTENERS[number // len(KINDS) % len(LISTENERS)]
            try:
                s = self.world.connect(listener, 5)
            except OSError:
                self.unconnected += 1  # past its bound a listener closes
                continue
            self.tried[kind.__name__] += 1
            kept.append(s)
            try:
                s.settimeout(0.02)
                kind(s, self.noise, listener)
            except OSError:
                pass
            if kind in (resets_at_once, resets_in_the_middle):
                kept.pop().close()
            while len(kept) > 15:
                kept.popleft().close()
        for s in kept:
            s.close()


class Honest(threading.Thread):
    """One message after the other through the proxy, each with a number of its own. A sender that is put off comes again."""

    def __init__(self):
        super().__init__(daemon=True)
        self.over, self.taken, self.put_off, self.rejected = threading.Event(), [], 0, []

    def run(self):
        number = 0
        while not self.over.is_set() or not self.taken:
            number += 1
            while True:
                try:
                    code, text = deliver(PORT, b"Subject: honest %d\r\n\r\nhello\r\n" % number)
                except OSError as error:
                    code, text = "4", repr(error)
                if code == "250":
                    self.taken.append(number)
                    break
                if code.startswith("5"):
                    self.rejected.append(text)
                    break
                self.put_off += 1
                time.sleep(0.05)  # it comes again
                if self.over.is_set():
                    return


@test(f"{HOSTILE} hostile connections of eight kinds on five sockets, beside honest mail: nothing crashes, nothing is lost")
def _():
    stored, lock = collections.Counter(), threading.Lock()

    def store(message):
        found = re.search(rb"honest (\d+)", message)
        with lock:
            stored[int(found.group(1)) if found else 0] += 1

    began = time.monotonic()
    with Listeners(server=lambda connection, address: smtp_server(connection, address, store=store)) as w:
        honest = Honest()
        honest.start()
        crowd = [Hostile(w, seed, HOSTILE // THREADS) for seed in range(THREADS)]
        for h in crowd:
            h.start()
        for h in crowd:
            h.join()
        honest.over.set()
        honest.join()
        wait_for(lambda: deliver(PORT)[0] == "250", "mail afterwards")
        tried = sum((h.tried for h in crowd), collections.Counter())
        lost = [number for number in honest.taken if not stored[number]]
        print(f"# {sum(tried.values())} hostile connections, {sum(h.unconnected for h in crowd)} not accepted, in "
              f"{time.monotonic() - began:.0f} s; {len(honest.taken)} honest messages taken, put off {honest.put_off} times, "
              f"{len(honest.rejected)} rejected, {len(lost)} lost", flush=True)
        check(sum(tried.values()) > HOSTILE / 2 and len(tried) == len(KINDS), f"{tried}")
        check(not lost, f"lost: {lost}")
        check(not honest.rejected, f"a 5yz: {honest.rejected}")
        check(len(honest.taken) > 2, "honest mail flowed meanwhile")
        check(w.daemon.status()["state"] == "serving", "no garbage drained it")
        for program in (w.daemon, w.proxy, w.proxied):
            check(program.alive(), f"ended: {program.output()[-3000:]}")
            check(not re.search(r"AddressSanitizer|LeakSanitizer|runtime error", program.output()), program.output()[-3000:])


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


@test(f"{IDLE} idle sessions in the proxy: what one costs")
def _():
    sink = Program([os.path.join(BIN, "penstock-sink"), "--listen", f"127.0.0.1:{SINK}", "--slots", str(IDLE + 100), "--backlog", "512"])
    wait_for(lambda: listening(SINK), "the sink")
    with World(server=SINK, daemon=False) as w:  # without a plan everybody is admitted
        w.at_end.append(sink.stop)
        crowd = []

        def greeted():
            s = socket.create_connection(("127.0.0.1", PORT), 60)
            s.settimeout(60)
            check(s.recv(100).startswith(b"220"), "a greeting")
            return s
        crowd = [greeted() for _ in range(10)]  # what the first ones take is not theirs alone
        before = resident_kib(w.proxy.pid)
        crowd += [greeted() for _ in range(IDLE)]
        each = (resident_kib(w.proxy.pid) - before) / IDLE
        print(f"# an idle session takes {each:.2f} KiB of the proxy's memory, with {IDLE} of them", flush=True)
        if "/san" not in BUILD:
            check(each < 16, f"{each} KiB")
        for s in crowd:
            s.close()


place.isolate()
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
tap.run()
