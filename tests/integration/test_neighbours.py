#!/usr/bin/env python3
"""Who else is on this machine: of two control groups that compete with the mail server the right one is named, for CPU, I/O and memory, in
every output, with what helps; a leak is named before it bites."""
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.cgroup import Cgroup
from lib.place import BUILD, wait_for
from lib.programs import Daemon
from lib.tap import Skip, check, test

CPUS = len(os.sched_getaffinity(0))
SPIN = "import time\nend = time.monotonic() + 120\nwhile time.monotonic() < end: pass"
PAUSING = "import time\nend = time.monotonic() + 120\nwhile time.monotonic() < end:\n t = time.monotonic() + .005\n while time.monotonic() < t: pass\n time.sleep(.1)"


class World:
    def __init__(self, options=None):
        self.directory = tempfile.mkdtemp(prefix="penstock-test-")
        # Whatever else runs on this machine is out of sight: the groups of this test are all that there are.
        self.groups = [Cgroup("cpu", "memory", "blkio")]
        self.daemon = Daemon(self.directory, {"service.mx.ports": 2526, "daemon.bpf": "no", **(options or {})},
                             prefix=self.groups[0].as_root())
        self.started = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.daemon.stop()
        for p in self.started:
            p.kill()
            p.wait()
        for g in reversed(self.groups):
            g.remove()

    def group(self, *controllers):
        self.groups.append(Cgroup(*controllers, inside=self.groups[0]))
        return self.groups[-1]

    def run(self, group, code, *argv):
        p = subprocess.Popen(group.prefix(sys.executable, "-c", code, *argv), stdout=subprocess.PIPE)
        self.started.append(p)
        return p


@test("CPU: of two that spin, the larger is named in JSON, explain, the page and the journal, with what helps; mail flows")
def _():
    with World() as w:
        small, big, mail = w.group("cpu"), w.group("cpu"), w.group("cpu")
        server = w.run(mail, "import socket, time\ns = socket.create_server(('127.0.0.1', 2526))\ntime.sleep(200)")
        w.run(small, PAUSING)
        for _ in range(4 * CPUS):  # on each CPU some wait: PSI is a mean over the CPUs
            w.run(big, SPIN)
        try:
            status = w.daemon.wait_status(lambda s: s["foreign"] and s["foreign"]["cgroup"] == "/" + big.own, "the big one to be named", 60)
        except AssertionError as e:
            s = w.daemon.status()
            raise AssertionError(f"{e}: pressure {s['pressure']} {s['driver']}, {s['foreign_pressure']}, {s['neighbours']}, {s['services']['mx']}, {s['resources']['cpu']['signals']}")
        foreign = status["foreign"]
        check(foreign["resource"] == "cpu" and foreign["unit"] == big.own, foreign)
        check(foreign["share"] > 0.5 and foreign["cores"] > 0.02, foreign)
        check("CPUWeight=1000" in foreign["advice"], foreign)
        check(status["foreign_pressure"] is True, "the key that was there before")
        text = w.daemon.ctl("explain").stdout
        check(big.own in text and small.own not in text and "CPUWeight" in text, text)
        check(big.own in w.daemon.get("/"), "the page")
        wait_for(lambda: "is not mail's" in w.daemon.output() and big.own in w.daemon.output(), "the journal entry")
        check(small.own not in w.daemon.output(), "the small one is not accused")
        check(w.daemon.metric('penstock_neighbour_share_ratio{resource="cpu"}') > 0.5, "the metric")
        # The same two the other way round.
        for p in w.started[2:]:
            p.kill()
        for _ in range(4 * CPUS):  # on each CPU some wait: PSI is a mean over the CPUs
            w.run(small, SPIN)
        w.daemon.wait_status(lambda s: s["neighbours"]["cpu"]["cgroup"] == "/" + small.own, "the other one", 60)
        server.kill()


@test("I/O: of two that write, the one that writes more is named")
def _():
    with World() as w:
        small, big = w.group("blkio"), w.group("blkio")
        code = ("import os, sys, time\nend = time.monotonic() + 100\nf = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_SYNC)\n"
                "data = os.urandom(int(sys.argv[2]))\n"
                "while time.monotonic() < end:\n os.pwrite(f, data, 0)\n time.sleep(.02)")
        files = [os.path.join(BUILD, f"io-{os.getpid()}-{n}") for n in "ab"]
        try:
            w.run(small, code, files[0], "4096")
            w.run(big, code, files[1], "1048576")
            status = w.daemon.wait_status(lambda s: s["neighbours"].get("disk", {}).get("cgroup") == "/" + big.own, "the one that writes more", 60)
            who = status["neighbours"]["disk"]
            check(who["share"] > 0.5 and who["bytes_per_s"] > 1e5, who)
            check(status["resources"]["disk"]["signals"]["neighbour_io_bytes_per_s"]["via"] == "cgroup", "the signal")
        finally:
            for f in files:
                if os.path.exists(f):
                    os.unlink(f)


@test("memory: of two that hold memory, the one that holds more is named; page cache does not count")
def _():
    with World() as w:
        small, big, cache = w.group("memory"), w.group("memory"), w.group("memory")
        hold = "import sys, time\nb = bytearray(int(sys.argv[1]))\nb[::4096] = b'x' * len(b[::4096])\ntime.sleep(150)"
        w.run(small, hold, str(32 << 20))
        w.run(big, hold, str(160 << 20))
        path = os.path.join(BUILD, f"cache-{os.getpid()}")
        try:
            w.run(cache, "import sys, time\nf = open(sys.argv[1], 'wb')\nfor i in range(300): f.write(b'x' * (1 << 20))\nf.close()\ntime.sleep(150)", path)
            def seen(s):
                n = s["neighbours"].get("memory", {})
                return n.get("cgroup") == "/" + big.own and n["bytes"] > 150 << 20
            who = w.daemon.wait_status(seen, "the one that holds more", 60)["neighbours"]["memory"]
            check(who["bytes"] < 250 << 20, who)
        finally:
            if os.path.exists(path):
                os.unlink(path)


@test("a leak is named with its group before its limit is reached; what only holds memory is not")
def _():
    with World() as w:
        leaky, steady = w.group("memory"), w.group("memory")
        leaky.limit_memory(1 << 30)
        w.run(steady, "import time\nb = bytearray(100 << 20)\nb[::4096] = b'x' * len(b[::4096])\ntime.sleep(400)")
        w.run(leaky, "import time\nkept = []\nfor i in range(1000):\n b = bytearray(1 << 20)\n b[::4096] = b'x' * 256\n kept.append(b)\n time.sleep(.5)")
        status = w.daemon.wait_status(lambda s: s["leak"], "a leak to be named", 240)
        leak = status["leak"]
        check(leak["cgroup"] == "/" + leaky.own, leak)
        check(1e6 < leak["growth_bytes_per_s"] < 4e6, leak)
        check(60 < leak["left_s"] < 1200, leak)
        check(leak["bytes"] < 900 << 20, "before it bites")
        check(leaky.oom_kills() == 0, "nobody was killed yet")
        check(leaky.own in w.daemon.ctl("explain").stdout, "explain")
        check("memory grows without end" in w.daemon.output() and leaky.own in w.daemon.output(), w.daemon.output())
        check(w.daemon.metric('penstock_signal{resource="memory",signal="leak_bytes_per_s"}') > 1e6, "the metric")
        check(steady.own not in json.dumps(leak), "the steady one")


place.isolate()
tap.run()
