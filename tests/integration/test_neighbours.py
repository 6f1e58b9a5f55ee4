#!/usr/bin/env python3
"""Who else is on this machine: of two control groups that compete with the mail server the right one is named, for CPU, I/O and memory, in
every output, with what helps; a leak is named before it bites."""
import glob
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.disks import loop_file_system
from lib.neighbourhood import CPUS, SPIN, Neighbourhood
from lib.place import BIN, wait_for
from lib.sensing import COMMITTING, bpf_or_skip
from lib.tap import Skip, check, test

PAUSING = "import time\nend = time.monotonic() + 400\nwhile time.monotonic() < end:\n t = time.monotonic() + .005\n while time.monotonic() < t: pass\n time.sleep(.1)"


def status_of_root(w):
    """Names of others are told over the control socket only, to those who may change things."""
    return json.loads(w.daemon.ctl("status", "--json", check=0).stdout)


def seen_by_root(w, condition, what, seconds=120):
    return wait_for(lambda: (lambda s: s if condition(s) else None)(status_of_root(w)), what, seconds)


@test("CPU: of two that spin, the larger is named in JSON, explain, the page and the journal, with what helps; mail flows", quiet=True)
def _():
    with Neighbourhood() as w:
        small, big, mail = w.group("cpu"), w.group("cpu"), w.group("cpu")
        server = w.run(mail, "import socket, time\ns = socket.create_server(('127.0.0.1', 2526))\ntime.sleep(600)")
        w.run(small, PAUSING)
        for _ in range(4 * CPUS):  # on each CPU some wait: PSI is a mean over the CPUs
            w.run(big, SPIN)
        try:
            status = seen_by_root(w, lambda s: s["foreign"] and s["foreign"]["cgroup"] == "/" + big.own, "the big one to be named")
        except AssertionError as e:
            s = status_of_root(w)
            raise AssertionError(f"{e}: pressure {s['pressure']} {s['driver']}, {s['foreign_pressure']}, {s['neighbours']}, {s['services']['mx']}, {s['resources']['cpu']['signals']}")
        foreign = status["foreign"]
        check(foreign["resource"] == "cpu" and foreign["unit"] == big.own, foreign)
        check(foreign["share"] > 0.5 and foreign["cores"] > 0.02, foreign)
        check("CPUWeight=1000" in foreign["advice"], foreign)
        check(status["foreign_pressure"] is True, "the key that was there before")
        text = wait_for(lambda: (lambda t: t if big.own in t else None)(w.daemon.ctl("explain").stdout), "explain to name it")
        check(small.own not in text and "CPUWeight" in text, text)
        for path in ("/", "/status.json", "/metrics"):
            text = w.daemon.document(path)
            check(big.own not in text, f"{path} is for everybody, and names no control group of others")
        wait_for(lambda: "another control group" in w.daemon.document("/"), "the page to say that there is one")

        def told_others():
            return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", os.path.join(BIN, "penstockctl"), "--run-dir",
                                   w.daemon.run_dir, "explain"], capture_output=True, text=True).stdout
        wait_for(lambda: "another control group" in told_others(), lambda: f"explain to say it to other users: {told_others()}")
        check(big.own not in told_others(), "other users learn no name")
        wait_for(lambda: "is not mail's" in w.daemon.output() and big.own in w.daemon.output(), "the journal entry")
        check(small.own not in w.daemon.output(), "the small one is not accused")
        wait_for(lambda: w.daemon.metric('penstock_neighbour_share_ratio{resource="cpu"}') > 0.5, "the metric")
        # The same two the other way round.
        for p in w.started[2:]:
            p.kill()
        for _ in range(4 * CPUS):  # on each CPU some wait: PSI is a mean over the CPUs
            w.run(small, SPIN)
        seen_by_root(w, lambda s: s["neighbours"]["cpu"]["cgroup"] == "/" + small.own, "the other one")
        server.kill()


def counted(group):
    """Whether the kernel says that this group has read or written anything."""
    files = glob.glob(f"/sys/fs/cgroup/**/{group.own}/blkio.throttle.io_service_bytes", recursive=True) + \
        glob.glob(f"/sys/fs/cgroup/**/{group.own}/io.stat", recursive=True)
    return any(re.search(r"[1-9]", re.sub(r"\d+:\d+", "", open(f).read())) for f in files)


@test("I/O: of two that write, the one that writes more is named")
def _():
    with Neighbourhood() as w:
        small, big = w.group("blkio"), w.group("blkio")
        code = ("import os, sys, time\nend = time.monotonic() + 400\nf = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_SYNC)\n"
                "data = os.urandom(int(sys.argv[2]))\n"
                "while time.monotonic() < end:\n os.pwrite(f, data, 0)\n time.sleep(.02)")
        files = [place.scratch("io") for _ in range(2)]
        try:
            w.run(small, code, files[0], "4096")
            w.run(big, code, files[1], "1048576")
            try:
                wait_for(lambda: counted(big), "the kernel's own count", 60)
            except AssertionError:
                raise Skip("this kernel counts no I/O of a control group without a limit: io_service_bytes stays 0") from None
            def found(status):
                who = status["neighbours"].get("disk", {})
                return who.get("cgroup") == "/" + big.own and who["share"] > 0.5 and who["bytes_per_s"] > 1e5
            status = seen_by_root(w, found, "the one that writes more")
            check(status["resources"]["disk"]["signals"]["neighbour_io_bytes_per_s"]["via"] == "cgroup", "the signal")
        finally:
            for f in files:
                if os.path.exists(f):
                    os.unlink(f)


@test("fsync: the one that makes the journal work is named, though the kernel counts no I/O of its own")
def _():
    with loop_file_system() as (_, point), Neighbourhood(options={"service.mx.queue_dirs": point}) as w:
        bpf_or_skip(w)
        writes, commits = w.group("blkio"), w.group("blkio")
        w.run(commits, COMMITTING, os.path.join(point, "commits"))
        w.run(writes, "import os, sys, time\nend = time.monotonic() + 400\nf = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_SYNC)\n"
              "data = os.urandom(262144)\nwhile time.monotonic() < end:\n os.pwrite(f, data, 0)\n time.sleep(1)", os.path.join(point, "writes"))
        status = seen_by_root(w, lambda s: s["neighbours"].get("disk", {}).get("cgroup") == "/" + commits.own,
                              "the one that makes the journal work")
        check(status["neighbours"]["disk"]["share"] > 0.5, status["neighbours"])


@test("memory: of two that hold memory, the one that holds more is named; page cache does not count")
def _():
    with Neighbourhood() as w:
        small, big, cache = w.group("memory"), w.group("memory"), w.group("memory")
        hold = "import sys, time\nb = bytearray(int(sys.argv[1]))\nb[::4096] = b'x' * len(b[::4096])\ntime.sleep(600)"
        w.run(small, hold, str(32 << 20))
        w.run(big, hold, str(160 << 20))
        path = place.scratch("cache")
        try:
            w.run(cache, "import sys, time\nf = open(sys.argv[1], 'wb')\nfor i in range(300): f.write(b'x' * (1 << 20))\nf.close()\ntime.sleep(600)", path)
            def seen(s):
                n = s["neighbours"].get("memory", {})
                return n.get("cgroup") == "/" + big.own and n["bytes"] > 150 << 20
            who = seen_by_root(w, seen, "the one that holds more")["neighbours"]["memory"]
            check(who["bytes"] < 250 << 20, who)
        finally:
            if os.path.exists(path):
                os.unlink(path)


@test("a leak is named with its group before its limit is reached; what only holds memory is not")
def _():
    with Neighbourhood() as w:
        leaky, steady = w.group("memory"), w.group("memory")
        leaky.limit_memory(1 << 30)
        w.run(steady, "import time\nb = bytearray(100 << 20)\nb[::4096] = b'x' * len(b[::4096])\ntime.sleep(900)")
        w.run(leaky, "import time\nkept, began = [], time.monotonic()\n"
              "while len(kept) < 1000:\n"
              " if len(kept) > 2 * (time.monotonic() - began):\n  time.sleep(.1)\n  continue\n"  # it keeps its pace, however late it is
              " b = bytearray(1 << 20)\n b[::4096] = b'x' * 256\n kept.append(b)")
        status = seen_by_root(w, lambda s: s["leak"], "a leak to be named", 240)
        leak = status["leak"]
        check(leak["cgroup"] == "/" + leaky.own, leak)
        check(1e6 < leak["growth_bytes_per_s"] < 4e6, leak)
        check(60 < leak["left_s"] < 1200, leak)
        check(leak["bytes"] < 900 << 20, "before it bites")
        check(leaky.oom_kills() == 0, "no process was killed yet")
        check(leaky.own in w.daemon.ctl("explain").stdout, "explain")
        w.daemon.logged("There is memory that grows without end")
        w.daemon.logged(leaky.own)
        check(w.daemon.metric('penstock_signal_bytes_per_second{resource="memory",signal="leak_bytes_per_s"}') > 1e6, "the metric")
        check(steady.own not in json.dumps(leak), "the steady one")


place.isolate()
tap.run()
