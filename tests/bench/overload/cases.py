"""The cases: how much is offered when, in units of C, and what happens to the machine meanwhile."""
import contextlib
import os
import subprocess
import tempfile
import threading

from lib.place import BIN, BUILD

from plants import SERVER_CORE

SECONDS = int(os.environ.get("SECONDS_EACH", "12"))
SLOW_DISK_IOPS = 60
MEMORY_LIMIT = 300 << 20

SPIN = "while :; do :; done"
FSYNC = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
while True:
    os.pwrite(fd, os.urandom(65536), 0); os.fsync(fd)
"""
MEMORY = """
import mmap
while True:
    m = mmap.mmap(-1, 1 << 30)
    for i in range(0, 1 << 30, 4096): m[i] = 1
    m.close()
"""


@contextlib.contextmanager
def process(argv):
    """A neighbour for the time of the case, on the server's core, in a control group of nobody's."""
    child = subprocess.Popen(["taskset", "-c", SERVER_CORE, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        child.kill()
        child.wait()


@contextlib.contextmanager
def nothing(plant):
    yield


def cpu_neighbour(plant):
    return process(["sh", "-c", SPIN])


@contextlib.contextmanager
def fsync_neighbour(plant):
    with tempfile.TemporaryDirectory(dir=BUILD) as d, process(["python3", "-c", FSYNC, d + "/f"]):
        yield


def memory_neighbour(plant):
    return process(["python3", "-c", MEMORY])


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
    """As penstock advises: the server's control group weighs more."""
    plant.cgroup.cpu_weight(1000)
    try:
        with process(["sh", "-c", SPIN]):
            yield
    finally:
        plant.cgroup.cpu_weight(100)


@contextlib.contextmanager
def moving(plant):
    """In the middle of the spike the disk becomes the bottleneck."""
    timer = threading.Timer(SECONDS / 2, lambda: plant.slow_disk(SLOW_DISK_IOPS))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        plant.slow_disk(0)


class Load:
    """One kind of sender: [(second, factor of C)] from `sources`."""

    def __init__(self, schedule, sources="127.1.0.0/16", name="good"):
        self.schedule, self.sources, self.name = schedule, sources, name

    def text(self, capacity):
        return ",".join(f"{at:g}:{factor * capacity:.2f}" for at, factor in self.schedule)


class Case:
    """`loads` at once, `judged`: the seconds that count, `after`: from when on it must be as before."""

    def __init__(self, schedule, what=nothing, seconds=SECONDS, judged=None, more=(), after=None, loads=None):
        self.loads, self.what, self.seconds = loads or [Load(schedule)], what, seconds
        self.judged = judged or (0, seconds)
        self.more, self.after = list(more), after


# Known-good senders come steadily, each from its own address, long before the overload; one heavy source and many new ones make it.
SOURCES = [Load([(0, .6)], "127.1.0.0/26", "good"), Load([(0, 0.001), (20, 1.0)], "127.2.0.1/32", "heavy"),
           Load([(0, 0.001), (20, .4)], "127.3.0.0/16", "new")]

CASES = {
    "0.5x": Case([(0, .5)]),
    "1x": Case([(0, 1)]),
    "2x": Case([(0, 2)]),
    "5x": Case([(0, 5)]),
    "10x": Case([(0, 10)]),
    "step": Case([(0, .5), (5, 10), (13, .5)], seconds=21, judged=(5, 13), after=13),
    "cpu-neighbour": Case([(0, .8)], cpu_neighbour),
    "cpu-neighbour-weighted": Case([(0, .8)], weighted_cpu_neighbour),
    "fsync-neighbour": Case([(0, .5)], fsync_neighbour),
    "memory-neighbour": Case([(0, .5)], memory_neighbour),
    "memory-limit": Case([(0, 2)], memory_limit),
    "slow-disk": Case([(0, .8)], slow_disk),
    "slow-clients": Case([(0, .8)], more=["--rtt", "600ms"], seconds=2 * SECONDS, judged=(SECONDS, 2 * SECONDS)),
    "moving": Case([(0, 5)], moving),
    "retries": Case([(0, 2)], more=["--retry", "3s,6s,12s"]),
    "sources": Case(None, seconds=20 + SECONDS, judged=(20, 20 + SECONDS), loads=SOURCES),
}
