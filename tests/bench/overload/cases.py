"""The cases: how much is offered when, in units of C, and what happens to the machine meanwhile. Each begins with WARM seconds at half
of what the server can do and with nothing wrong, as an overload begins on any day; then come the seconds that are judged."""
import contextlib
import os
import socket
import subprocess
import tempfile
import threading

from lib.place import BUILD

from plants import SERVER_CORE, SLOW_NET

SECONDS = int(os.environ.get("SECONDS_EACH", "8"))
WARM = int(os.environ.get("WARM", "3"))
# Known-good senders are known by then.
KNOWN = int(os.environ.get("KNOWN", "16"))
# Shares are those of a minute: by then the heavy one has had its own, and all are ranked.
RANKED = int(os.environ.get("RANKED", "20"))
SLOW_DISK_IOPS = 60
MEMORY_LIMIT = 240 << 20
RTT_S = 0.6
# Sessions that say a byte after their greeting and then nothing.
STALLED = 12
# How often a client waits for its round trip between the start and the 250 after its message.
TURNS = 5

# How often a server stops, and for how long it serves after each stop, beside the length of the stop.
STOPS, SERVES_S = 3, 9
PATIENT = ["--greeting-timeout", "300s", "--command-timeout", "300s"]

SPIN = "while :; do :; done"
# These two use their resource, and only so much CPU that mail at half load is not harmed.
FSYNC = """
import os, sys
fd, block = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT), os.urandom(65536)
while True:
    os.pwrite(fd, block, 0); os.fsync(fd)
"""
MEMORY = """
import mmap, time
while True:
    start = time.process_time()
    m = mmap.mmap(-1, 1 << 30)
    for at in range(0, 1 << 30, 1 << 24):
        for i in range(at, at + (1 << 24), 4096): m[i] = 1
        used, start = time.process_time() - start, time.process_time()
        time.sleep(4 * used)  # a fifth of a CPU
    m.close()
"""


@contextlib.contextmanager
def neighbour(plant, argv):
    """For the time of the case, on the server's core, a service like any other."""
    child = subprocess.Popen(plant.neighbour.prefix("taskset", "-c", SERVER_CORE, *argv), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        child.kill()
        child.wait()


@contextlib.contextmanager
def nothing(plant):
    yield


def cpu_neighbour(plant):
    return neighbour(plant, ["sh", "-c", SPIN])


@contextlib.contextmanager
def fsync_neighbour(plant):
    with tempfile.TemporaryDirectory(dir=BUILD) as d, neighbour(plant, ["python3", "-c", FSYNC, d + "/f"]):
        yield


def memory_neighbour(plant):
    return neighbour(plant, ["python3", "-c", MEMORY])


@contextlib.contextmanager
def slow_disk(plant):
    plant.slow_disk(SLOW_DISK_IOPS)
    try:
        yield
    finally:
        plant.slow_disk(0)


@contextlib.contextmanager
def memory_limit(plant):
    plant.limit_memory(MEMORY_LIMIT)
    try:
        yield
    finally:
        plant.limit_memory(8 << 30)


@contextlib.contextmanager
def weighted_cpu_neighbour(plant):
    """As penstock advises: the server gets a larger weight."""
    plant.whole.cpu_weight(1000)
    try:
        with neighbour(plant, ["sh", "-c", SPIN]):
            yield
    finally:
        plant.whole.cpu_weight(100)


@contextlib.contextmanager
def stalled_sessions(plant):
    """They are there before the load of the case, and stay."""
    with contextlib.ExitStack() as stack:
        for i in range(STALLED):
            s = stack.enter_context(socket.create_connection((plant.front_address, plant.front_port), 30,
                                                             ("" if os.environ.get("WIRE") else f"127.9.0.{i + 1}", 0)))
            s.settimeout(30)
            with contextlib.suppress(OSError):
                s.recv(512)
                s.sendall(b"\x16")
        yield


@contextlib.contextmanager
def half_speed(plant):
    """The machine does half of what it did when C was measured, for the server, penstock and the front."""
    plant.whole.limit_cpu(.5)
    try:
        yield
    finally:
        plant.whole.limit_cpu(0)


def stops_of(seconds):
    """The server stops for so long and goes on, STOPS times."""
    @contextlib.contextmanager
    def stops(plant):
        over = threading.Event()

        def run():
            for _ in range(STOPS):
                plant.stop(True)
                try:
                    over.wait(seconds)
                finally:
                    plant.stop(False)
                if over.wait(seconds + SERVES_S):
                    return
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
    return stops


def stopping(seconds):
    """At half load. Clients wait for a greeting, and for an answer, as senders do."""
    return Case(.5, stops_of(seconds), seconds=STOPS * (2 * seconds + SERVES_S), warm=WARM + 7, more=PATIENT)


class Load:
    """One kind of sender: [(second, factor of C)] from `sources`."""

    def __init__(self, schedule, sources="127.1.0.0/16", name="good"):
        self.schedule, self.sources, self.name = schedule, sources, name

    def text(self, capacity):
        return ",".join(f"{at:g}:{factor * capacity:.2f}" for at, factor in self.schedule)


class Case:
    """`factor` of C for `seconds` after the warm-up, which `loads` may say otherwise; `judged`: the seconds that count; the `fault`
    is there from `fault_at` to their end; `after`: from when on it must be as before; `client_s`: what the client itself takes.
    The first `settle` seconds after the warm-up do not count."""

    def __init__(self, factor=0.0, fault=nothing, warm=WARM, seconds=SECONDS, tail=0, fault_after=0.0, more=(), loads=None, client_s=0.0,
                 settle=0):
        end = warm + settle + seconds
        steps = [(0, min(.5, factor)), (warm, factor)] + ([(end, .5)] if tail else [])
        self.loads = loads or [Load(steps)]
        self.fault, self.fault_at, self.more, self.client_s = fault, warm + fault_after, list(more), client_s
        self.judged = (warm + settle, end)
        self.seconds, self.after = end + tail, end if tail else None


# 64 known-good senders come steadily, each from a network of its own, long before the overload; one heavy source and many new ones
# make it.
SOURCES = [Load([(0, .6)], "127.1.0.0/18+256", "good"), Load([(0, 0.001), (KNOWN, 1.0)], "127.2.0.1/32", "heavy"),
           Load([(0, 0.001), (KNOWN, .4)], "127.3.0.0/16", "new")]

def cold(factor, seconds=20, sources="127.1.0.0/16"):
    """A cold start: no load before, nothing learned, no process forked yet."""
    return Case(loads=[Load([(0, .01), (WARM, factor)], sources)], seconds=seconds)


# Half of what the server can do, and every twenty seconds three times that for three seconds.
BURSTS = [(0, .5)] + [(WARM + at + into, factor) for at in (0, 20) for into, factor in ((0, 3), (3, .5))]

CASES = {
    "cold-0.8x": cold(.8),
    "cold-1x": cold(1),
    "bursts": Case(loads=[Load(BURSTS)], seconds=40),
    "few-sources": cold(.8, sources="127.1.0.0/18+2"),
    # One client in twenty waits three seconds for its name to be looked up, at the server, before its greeting.
    "slow-names": Case(loads=[Load([(0, .475), (WARM, .76)]), Load([(0, .025), (WARM, .04)], SLOW_NET, "slow")], seconds=20),
    # The same beside a neighbour that takes half of the CPU and more: .8 of what it leaves.
    "slow-names-neighbour": Case(fault=cpu_neighbour, loads=[Load([(0, .304)]), Load([(0, .016)], SLOW_NET, "slow")], seconds=20),
    "stalled": Case(.8, stalled_sessions, seconds=20),
    "half-speed": Case(.4, half_speed, seconds=20),
    "half-speed-2x": Case(1, half_speed, seconds=12),
    "0.5x": Case(.5),
    "1x": Case(1),
    "2x": Case(2),
    "5x": Case(5),
    "10x": Case(10),
    # By the same senders over and over: bots, and servers that hammer.
    "10x-again": Case(loads=[Load([(0, .5), (WARM, 10)], "127.1.0.0/18+256")]),
    "step": Case(10, seconds=6, tail=8),
    "cpu-neighbour": Case(.8, cpu_neighbour),
    "cpu-neighbour-weighted": Case(.8, weighted_cpu_neighbour),
    "fsync-neighbour": Case(.5, fsync_neighbour),
    "memory-neighbour": Case(.5, memory_neighbour),
    "memory-limit": Case(2, memory_limit, seconds=SECONDS + 4),
    "slow-disk": Case(.8, slow_disk),
    # The warm-up is longer than a session.
    "slow-clients": Case(.8, warm=WARM + 5, more=["--rtt", f"{RTT_S * 1000:.0f}ms"], client_s=TURNS * RTT_S),
    # In the middle of the spike the disk becomes the bottleneck.
    "moving": Case(5, slow_disk, seconds=2 * SECONDS, fault_after=SECONDS),
    **{f"stops-{seconds}": stopping(seconds) for seconds in (1, 3, 8, 20)},
    "retries": Case(2, more=["--retry", "1s,2s,4s"]),
    "sources": Case(warm=KNOWN, loads=SOURCES, settle=RANKED),
}
