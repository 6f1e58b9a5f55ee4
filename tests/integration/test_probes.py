#!/usr/bin/env python3
"""The probes and what stands in for them, each provoked for real: fsync and flushes on loop devices, reclaim and OOM kills in a
control group, disks one by one, run-queue latency of the mail server's own group."""
import os
import re
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import packages, place, tap
from lib.cgroup import Cgroup
from lib.disks import loop_file_system
from lib.place import wait_for
from lib.programs import no_targets
from lib.sensing import COMMITTING, bare_world, bpf_or_skip
from lib.tap import Skip, check, test


class Writers:
    """Threads that write and fsync in `point` until the end of the block, ten minutes at most. What they see is what the probe is held against:
    how fast a disk is that others use, too, is not known beforehand."""

    def __init__(self, point, count=2):
        self.stop, self.began, self.longest_s = threading.Event(), {}, 0
        self.threads = [threading.Thread(target=self.write, args=(os.path.join(point, f"w{n}"), n)) for n in range(count)]

    def write(self, path, number):
        until = time.monotonic() + 600
        with open(path, "wb", buffering=0) as f:
            while not self.stop.is_set() and time.monotonic() < until:
                f.write(os.urandom(16384))
                self.began[number] = time.monotonic()
                os.fsync(f.fileno())
                self.longest_s = max(self.longest_s, time.monotonic() - self.began.pop(number))
                if f.tell() > 20_000_000:
                    f.seek(0)

    def longest_us(self):
        """Of all until now, those that have not returned included."""
        return 1e6 * max([time.monotonic() - began for began in list(self.began.values())] + [self.longest_s])

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()


@test("fsync on ext4: latency, rate and tasks by BPF, with the queue's directory only that file system's")
def _():
    with loop_file_system() as (device, point), bare_world({"service.mx.queue_dirs": point}) as w:
        bpf_or_skip(w)

        def count():
            return w.daemon.metric('penstock_fsync_seconds_count{scope="spool"}') or 0
        before = count()
        with Writers(point, 3) as writers:
            w.wait_signal("disk", "fsyncs_per_s", lambda v: v > 0, "bpf")
            p99 = w.wait_signal("disk", "fsync_p99_us", lambda v: v > 50, "bpf")
            # The histogram's steps are an eighth apart.
            check(p99 < 1.5 * writers.longest_us(), f"p99 of {p99} us, and the longest took {writers.longest_us()}")
            w.wait_signal("disk", "fsync_p50_us", lambda v: v > 0, "bpf")
            w.wait_signal("disk", "fsync_tasks", lambda v: v > 0.05, "bpf")
            wait_for(lambda: count() > before + 5, "more of them to be counted")
        w.wait_signal("disk", "fsyncs_per_s", lambda v: v == 0, "bpf")


@test("an fsync that does not return counts while it hangs")
def _():
    with loop_file_system() as (device, point), bare_world({"service.mx.queue_dirs": point}) as w:
        bpf_or_skip(w)
        with open(os.path.join(point, "x"), "wb") as f:
            f.write(os.urandom(4096))
            f.flush()
            group = Cgroup("blkio")
            number = open(f"/sys/block/{device}/dev").read().strip()
            # In bytes, two seconds each: how many requests a write becomes is the kernel's affair.
            group.limit_write_bytes(number, 32768)
            child = subprocess.Popen(group.prefix(sys.executable, "-c", f"""
import os
with open({os.path.join(point, "slow")!r}, "wb", buffering=0) as f:
    for _ in range(300):
        f.write(os.urandom(65536))
        os.fsync(f.fileno())
"""))
            try:
                w.wait_signal("disk", "fsync_p99_us", lambda v: v > 600_000, "bpf")
            finally:
                group.limit_write_bytes(number, 0)
                child.kill()
                child.wait()
                group.remove()


@test("what the journal writes for the mail server counts as its own I/O")
def _():
    group = Cgroup("blkio")
    server = None
    try:
        with loop_file_system() as (device, point), bare_world({"service.mx.queue_dirs": point}) as w:
            bpf_or_skip(w)
            server = subprocess.Popen(group.prefix(sys.executable, "-c", "import socket\nserver = socket.create_server(('127.0.0.1', 2526))\n" +
                                                   COMMITTING, os.path.join(point, "queue")))
            rate = w.wait_signal("disk", "fsyncs_per_s", lambda v: v > 0, "bpf")
            w.wait_signal("disk", "mta_io_cost_bytes_per_s", lambda v: v > 65536 * rate / 10, "cgroup")
            server.kill()
            server.wait()
    finally:
        if server:
            server.kill()
            server.wait()
        group.remove()


SECTOR = 512  # octets: no request of a disk is smaller


def spool_disk(w):
    """(name, figures) of the disk at the bottom of the queue's directory: below the loop device the one that the image is on."""
    found = [(name, d) for name, d in w.daemon.status()["disks"].items() if d.get("spool")]
    return found[0] if found else None


def wait_disk(w, condition, what):
    return wait_for(lambda: (lambda d: d if d and condition(d[1]) else None)(spool_disk(w)), f"{what}; it is {spool_disk(w)}")


@test("disks one by one: reads, writes and flushes apart, bytes, percentiles; those of the queue count, others do not")
def _():
    with loop_file_system() as (device, point), bare_world({"service.mx.queue_dirs": point}) as w:
        bpf_or_skip(w)
        with Writers(point):
            name, d = wait_disk(w, lambda d: d["write"].get("per_s", 0) > 0 and d["flush"].get("per_s", 0) > 0, "writes and flushes")
            check(d["counts"], f"the spool's own counts: {d}")
            wait_disk(w, lambda d: d["write"].get("p99_us", 0) > 0 and d["flush"].get("p99_us", 0) > 0, "percentiles")
            wait_disk(w, lambda d: d["write"].get("bytes_per_s", 0) > SECTOR * d["write"]["per_s"] > 0, "bytes")
            w.wait_signal("disk", "flush_p99_us", lambda v: v > 0, "bpf")
            w.wait_signal("disk", "write_p99_us", lambda v: v > 0, "bpf")
            w.wait_signal("disk", "disk_flushes_per_s", lambda v: v > 0, "procfs")
            check(w.daemon.metric(f'penstock_disk_ios_total{{device="{name}",op="write"}}') > 0, "the metric")
            for other, figures in w.daemon.status()["disks"].items():
                check(figures["counts"] == figures["spool"], f"{other}: {figures}")
        # Reads past the cache, that of the loop device's image too.
        image = os.path.join(os.path.dirname(point), "image")
        reader = subprocess.Popen(["sh", "-c", f"for i in $(seq 1000); do dd if={image} iflag=nocache count=0 2>/dev/null; "
                                   f"dd if={point}/w0 of=/dev/null bs=64k iflag=direct 2>/dev/null; sleep 0.2; done"])
        try:
            wait_disk(w, lambda d: d["read"].get("bytes_per_s", 0) > SECTOR * d["read"]["per_s"] > 0 and d["read"].get("p99_us", 0) > 0, "reads")
        finally:
            reader.kill()
            reader.wait()


@test("xfs and btrfs tell no end of fsync: flushes and writes of their disk stand in")
def _():
    for kind in ("xfs", "btrfs"):
        with loop_file_system(kind) as (device, point), bare_world({"service.mx.queue_dirs": point}) as w:
            bpf_or_skip(w)
            with Writers(point):
                w.wait_signal("disk", "flush_p99_us", lambda v: v > 0, "bpf")
                w.wait_signal("disk", "disk_write_bytes_per_s", lambda v: v >= SECTOR, "procfs")
                wait_disk(w, lambda d: d["counts"] and d["flush"].get("per_s", 0) > 0, kind)


def squeeze(group, megabytes, seconds=600):
    """A process that touches more memory than its group may have, again and again: page cache is reclaimed for it."""
    path = place.scratch("squeeze")
    open(path, "w").close()  # so that whatever ends it at once finds what to remove
    program = f"""
import os, time
until = time.monotonic() + {seconds}
with open({path!r}, "wb") as f:
    f.truncate({megabytes} << 20)
    while time.monotonic() < until:
        f.seek(0)
        for _ in range({megabytes}):
            f.write(b"x" * (1 << 20))
"""
    return path, subprocess.Popen(group.prefix(sys.executable, "-c", program))


@test("reclaim of a control group at its limit: tasks, stays and entries by BPF; the mail server's own limit hits by cgroup")
def _():
    group = Cgroup("memory")
    server = None
    try:
        group.limit_memory(48 << 20)
        with bare_world() as w:
            bpf_or_skip(w)
            # The listener makes this group the mail server's.
            server = subprocess.Popen(group.prefix(sys.executable, "-c", "import socket, time\n"
                                      "s = socket.create_server(('127.0.0.1', 2526))\ntime.sleep(600)"))
            path, child = squeeze(group, 128)
            try:
                w.wait_signal("memory", "cgroup_reclaims_per_s", lambda v: v > 0, "bpf")
                w.wait_signal("memory", "cgroup_reclaim_tasks", lambda v: v > 0, "bpf")
                w.wait_signal("memory", "cgroup_reclaim_p99_us", lambda v: v > 0, "bpf")
                w.wait_signal("memory", "mta_limit_hits_per_s", lambda v: v > 0, "cgroup")
            finally:
                child.kill()
                child.wait()
                os.unlink(path)
    finally:
        if server:
            server.kill()
            server.wait()
        group.remove()


def kill_by_oom(group):
    """A process of the group that wants four times what it may have."""
    before = group.oom_kills()
    victim = subprocess.Popen(group.prefix(sys.executable, "-c", "x = bytearray(200 << 20); x[::4096] = b'x' * len(x[::4096])"))
    victim.wait(120)
    wait_for(lambda: group.oom_kills() > before, "the kernel's kill")


@test("an OOM kill is counted by BPF, without it from vmstat; one in the mail server's group makes pressure, for a minute")
def _():
    for options, via in (({}, "bpf"), ({"daemon.bpf": "no"}, "procfs")):
        group = Cgroup("memory")
        server = None
        try:
            group.limit_memory(48 << 20)
            with bare_world(options) as w:
                if via == "bpf":
                    bpf_or_skip(w)
                w.wait_signal("memory", "oom_kills_count", lambda v: v >= 0, via)
                server = subprocess.Popen(group.prefix(sys.executable, "-c", "import socket, time\n"
                                          "s = socket.create_server(('127.0.0.1', 2526))\ntime.sleep(600)"))
                w.wait_signal("memory", "mta_oom_kills_count", lambda v: v == 0, "cgroup")
                kill_by_oom(group)
                w.wait_signal("memory", "oom_kills_count", lambda v: v >= 1, via)
                w.wait_signal("memory", "mta_oom_kills_count", lambda v: v >= 1, "cgroup")
                wait_for(lambda: w.daemon.status()["resources"]["memory"]["pressure"] > 1, "pressure of memory")
        finally:
            if server:
                server.kill()
                server.wait()
            group.remove()


@test("run-queue latency of the mail server's own control group, apart from the machine's", quiet=True)
def _():
    group = Cgroup("cpu")
    server = None
    try:
        with bare_world() as w:
            bpf_or_skip(w)
            check(w.signal("cpu", "mta_runq_p99_us") is None, "no group yet")
            server = subprocess.Popen(group.prefix(sys.executable, "-c", """
import os, socket, time
s = socket.create_server(('127.0.0.1', 2526))
for _ in range(3 * os.cpu_count()):
    if os.fork() == 0:
        until = time.monotonic() + 300
        while time.monotonic() < until:
            pass
        os._exit(0)
time.sleep(300)
"""), start_new_session=True)
            w.wait_signal("cpu", "mta_runq_p99_us", lambda v: v > 1500, "bpf")
    finally:
        if server:
            os.killpg(server.pid, 9)
            server.wait()
        group.remove()


def memory_without_ledger(w):
    """Bytes of the daemon's memory but for the table of sources, whose size is configured: what is its own (heap, stack, written data), and all
    that is resident. The latter counts pages of libraries, too: the kernel maps as many of these as it has in its cache."""
    own, resident, path = 0, 0, ""
    for line in open(f"/proc/{w.daemon.pid}/smaps"):
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            path = words[5] if len(words) > 5 else ""
        elif path.endswith("/sources"):
            continue
        elif words[0] == "Anonymous:":
            own += int(words[1]) * 1024
        elif words[0] == "Rss:":
            resident += int(words[1]) * 1024
    return own, resident


def charged_by_what_is_in_them():
    """Since 6.4 fdinfo tells what a map takes; before that the most that it could ever take."""
    return [int(n) for n in os.uname().release.split("-")[0].split(".")[:2]] >= [6, 4]


def empty_hash_bytes(info):
    """What a hash without preallocation takes while nothing is in it: its buckets, of 16 bytes, as many as entries, rounded up."""
    return 16 << (int(info["max_entries"]) - 1).bit_length()


@test("the daemon and its maps take under 12 MiB of their own, the ledger aside; under 20 MiB are resident")
def _():
    HASH, NO_PREALLOC = "1", 1
    with bare_world() as w:
        w.wait_signal("memory", "mem_used_ratio", lambda v: v > 0, "procfs")
        check(w.daemon.status()["in_flight"] in (0, None), "no session fills a map")
        own, resident = memory_without_ledger(w)
        maps, seen = 0, set()
        for name in os.listdir(f"/proc/{w.daemon.pid}/fdinfo"):
            try:
                info = dict(re.split(r":\s*", line.strip(), maxsplit=1) for line in open(f"/proc/{w.daemon.pid}/fdinfo/{name}") if ":" in line)
            except OSError:
                continue  # closed since
            if "map_type" in info and "memlock" in info and info["map_id"] not in seen:
                seen.add(info["map_id"])
                grows = info["map_type"] == HASH and int(info["map_flags"], 16) & NO_PREALLOC
                maps += empty_hash_bytes(info) if grows and not charged_by_what_is_in_them() else int(info["memlock"])
        check(maps > 0 or not w.daemon.status()["bpf"]["used"], "the maps are seen")
        figures = f"{own >> 10} KiB of its own, {maps >> 10} KiB of maps, {resident >> 10} KiB resident"
        check(own + maps < 12 << 20, figures)
        thp = next((line for line in open(f"/proc/{w.daemon.pid}/status") if line.startswith("THP_enabled")), "THP_enabled: 0")
        check(thp.split()[1] == "0", "no huge page doubles the heap: " + thp)
        check(resident < 20 << 20, figures)


@test("a stall wakes the daemon before its tick: PSI triggers; its own lateness is measured")
def _():
    with bare_world({"daemon.tick": "1s", "target.mem_stall_ratio": "10%"}) as w:
        ticks = w.daemon.status()["ticks"]
        if ticks["triggers"].startswith("none"):
            raise Skip("this kernel grants no PSI triggers: " + ticks["triggers"])
        check("memory at 10 %" in ticks["triggers"], ticks)
        group = Cgroup("memory")
        try:
            group.limit_memory(32 << 20)
            # Memory that it has written it writes again: swapped or dropped, it stalls.
            path, child = squeeze(group, 256)
            try:
                w.daemon.wait_status(lambda s: s["ticks"]["early"] > 0, "an early tick")
            finally:
                child.kill()
                child.wait()
                os.unlink(path)
        finally:
            group.remove()
        s = w.daemon.wait_status(lambda s: s["ticks"]["lateness_p99_us"] is not None, "the lateness of a tick")
        count = w.daemon.metric("penstock_tick_lateness_seconds_count")
        w.daemon.wait_status(lambda _: w.daemon.metric("penstock_tick_lateness_seconds_count") > count, "lateness of one more tick")
        check("nice" in s["ticks"]["scheduling"], s["ticks"])


@test("a machine that rests is asked less often; who opens a session ends that", quiet=True)
def _():
    with bare_world(no_targets()) as w, socket.socket() as listener:
        bpf_or_skip(w)
        listener.bind(("127.0.0.1", 2526))
        listener.listen()

        def interval():
            """Between two ticks, the mean over ten."""
            def count():
                return w.daemon.metric("penstock_tick_duration_seconds_count")
            first, began = count(), time.monotonic()
            wait_for(lambda: count() >= first + 10, "ten ticks")
            return (time.monotonic() - began) / (count() - first)
        wait_for(lambda: interval() > 0.17, "rest")
        client = socket.create_connection(("127.0.0.1", 2526))
        server = listener.accept()[0]
        wait_for(lambda: interval() < 0.15, "ticks as they are configured")
        server.close()
        client.close()
        wait_for(lambda: interval() > 0.17, "rest again")


@test("a sensor that costs more is asked less often, and its signals do not blink", quiet=True)
def _():
    with bare_world() as w:
        # A hundred loop devices' worth of lines would cost; what there is here costs enough for more than one tick.
        s = w.daemon.wait_status(lambda s: any(v.get("interval_ms", 0) > 100 for v in s["sensors"].values()), "a sensor that is asked less often")
        slow = [k for k, v in s["sensors"].items() if v.get("interval_ms", 0) > 100]
        check("bpf_smtp" not in slow, "what counts sessions is asked every tick")
        for k, v in s["sensors"].items():
            check(v.get("interval_ms", 0) <= 2000, f"{k} every {v.get('interval_ms')} ms")
        check(w.daemon.metric(f'penstock_sensor_interval_seconds{{sensor="{slow[0]}"}}') > 0.1, "the metric")
        watched = (("cpu", "cpu_busy_ratio"), ("memory", "mem_used_ratio"), ("disk", "disk_in_flight_count"))
        for resource, name in watched:
            w.wait_signal(resource, name, lambda v: v >= 0, "procfs")
        for _ in range(60):
            for resource, name in watched:
                check(w.signal(resource, name), f"{name} is absent between two readings")


def prepare():
    try:
        packages.unpack("mkfs", packages.MKFS)
    except AssertionError as why:
        print(f"# {why}", flush=True)


place.isolate(prepare)
tap.run()
