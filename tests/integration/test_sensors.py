#!/usr/bin/env python3
"""Every sensor against the real kernel: its signal is there, from the source it names, and moves when it is provoked."""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.cgroup import Cgroup
from lib.place import BUILD, wait_for
from lib.programs import Daemon
from lib.sensing import bare_world, bpf_or_skip
from lib.tap import Skip, check, test


def cpu_stalls():
    """The part of half a second in which some task of this machine waited for a CPU: what else runs here counts, too."""
    def read():
        with open("/proc/pressure/cpu") as f:
            return int(re.search(r"^some .*total=(\d+)", f.read(), re.M)[1]), time.monotonic()
    (before, began), _, (after, ended) = read(), time.sleep(0.5), read()
    return (after - before) / 1e6 / (ended - began)


@test("CPU: run-queue latency by BPF and stalls by PSI rise under more tasks than cores, and fall again", quiet=True)
def _():
    with bare_world() as w:
        bpf_or_skip(w)
        w.wait_signal("cpu", "cpu_stall_ratio", lambda v: v >= 0, "psi")
        spinners = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(3 * os.cpu_count())]
        try:
            w.wait_signal("cpu", "runq_p99_us", lambda v: v > 1500, "bpf")
            w.wait_signal("cpu", "cpu_stall_ratio", lambda v: v > 0.5, "psi")
            w.wait_signal("cpu", "cpu_busy_ratio", lambda v: v > 0.8, "procfs")
            wait_for(lambda: w.daemon.metric("penstock_runq_latency_seconds_count") > 100, "the histogram")
        finally:
            for s in spinners:
                s.kill()
                s.wait()
        w.wait_signal("cpu", "cpu_stall_ratio", lambda v: v < max(0.5, cpu_stalls() + 0.15), "psi")


@test("disk: block I/O latency by BPF, rates and await from proc; stalls by PSI")
def _():
    with bare_world() as w:
        bpf_or_skip(w)
        stop = threading.Event()
        path = place.scratch("io")

        def write():
            with open(path, "wb", buffering=0) as f:
                until = time.monotonic() + 600
                while not stop.is_set() and time.monotonic() < until:
                    f.write(os.urandom(65536))
                    os.fsync(f.fileno())
                    if f.tell() > 50_000_000:
                        f.seek(0)
        thread = threading.Thread(target=write)
        thread.start()
        try:
            w.wait_signal("disk", "disk_ios_per_s", lambda v: v > 0, "procfs")
            w.wait_signal("disk", "blkio_p99_us", lambda v: v > 0, "bpf")
            w.wait_signal("disk", "disk_await_us", lambda v: v > 0, "procfs")
            w.wait_signal("disk", "io_stall_ratio", lambda v: v > 0.01, "psi")
        finally:
            stop.set()
            thread.join()
            os.unlink(path)


USING_CPU = ("import sys, time\nimport socket\ns = socket.create_server(('127.0.0.1', int(sys.argv[1]))) if len(sys.argv) > 1 else None\n"
             "b = bytearray(48 << 20)\nb[::4096] = b'x' * len(b[::4096])\nend = time.monotonic() + 600\nwhile time.monotonic() < end: pass")


@test("cgroup v1: CPU and memory of a server that only v1 knows by cpuacct and memory, and who presses beside it")
def _():
    if not os.path.exists("/sys/fs/cgroup/cpuacct/cpuacct.usage") or not os.path.exists("/sys/fs/cgroup/memory/memory.stat"):
        raise Skip("this host has no cgroup v1 with cpuacct and memory")
    mail, beside = (Cgroup("cpuacct", "memory", v2=False) for _ in range(2))
    started = [subprocess.Popen(mail.prefix(sys.executable, "-c", USING_CPU, "2526")), subprocess.Popen(beside.prefix(sys.executable, "-c", USING_CPU))]
    try:
        with bare_world() as w:
            w.wait_signal("cpu", "mta_cpu_cores", lambda v: 0.02 < v < 1.1, "cgroup")
            w.wait_signal("memory", "mta_mem_bytes", lambda v: 40 << 20 < v < 200 << 20, "cgroup")
            w.wait_signal("cpu", "neighbour_cores", lambda v: v > 0.02, "cgroup")
            w.daemon.logged(f"the mail server's control group is cpuacct/{mail.name}")

            def who():
                return json.loads(w.daemon.ctl("status", "--json", check=0).stdout)["neighbours"].get("cpu", {})
            # Another suite's group may use more for a while.
            wait_for(lambda: who().get("cgroup") in ("/" + beside.name, "/"), lambda: f"not the server, but what else uses the CPUs here: {who()}")
    finally:
        for p in started:
            p.kill()
            p.wait()
        mail.remove()
        beside.remove()


@test("page cache is not memory pressure", quiet=True)
def _():
    with bare_world() as w:
        before = w.wait_signal("memory", "mem_used_ratio", lambda v: v > 0, "procfs")
        total = int(open("/proc/meminfo").readline().split()[1]) * 1024
        size = min(1 << 30, total // 4)
        path = place.scratch("cache")
        try:
            with open(path, "wb") as f:
                for _ in range(size >> 20):
                    f.write(b"x" * (1 << 20))
            time.sleep(0.5)  # five ticks; that nothing moves tells of no moment
            after = w.signal("memory", "mem_used_ratio")["value"]
            check(after - before < 0.5 * size / total, f"{size >> 20} MiB of cache moved it from {before} to {after}")
        finally:
            os.unlink(path)
        ballast = bytearray(size)
        ballast[::4096] = b"x" * len(ballast[::4096])
        w.wait_signal("memory", "mem_used_ratio", lambda v: v - before > 0.7 * size / total, "procfs")
        del ballast


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


@test("NIC: rates, speed, drops and backlog of a link by netlink, against what was sent")
def _():
    # A peer in a network namespace of its own, held by a process of this test.
    peer = subprocess.Popen(["unshare", "--net", "sleep", "1200"])
    try:
        wait_for(lambda: os.readlink(f"/proc/{peer.pid}/ns/net") != os.readlink("/proc/self/ns/net"), "the peer's namespace")
        ip("link", "add", "ps0", "type", "veth", "peer", "name", "ps1", "netns", str(peer.pid))
        ip("addr", "add", "198.18.0.1/24", "dev", "ps0")
        ip("link", "set", "ps0", "up")
        for words in (["addr", "add", "198.18.0.2/24", "dev", "ps1"], ["link", "set", "ps1", "up"]):
            subprocess.run(["nsenter", "--net", "-t", str(peer.pid), "ip", *words], check=True)
        with bare_world({"nic.interfaces": "ps0", "nic.speed": 8000000}) as w:
            w.wait_signal("nic", "nic_tx_bytes_per_s", lambda v: v >= 0, "netlink")
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            stop = threading.Event()

            def send(per_s):
                """Packets of 1 KB. It keeps its pace on a machine that lets it run seldom, but never sends more than 200 at once."""
                began, sent = time.monotonic(), 0
                while not stop.is_set() and time.monotonic() < began + 600:
                    due = int((time.monotonic() - began) * per_s)
                    for _ in range(min(due - sent, 200)):
                        try:
                            s.sendto(b"x" * 1000, ("198.18.0.2", 9))
                        except OSError:
                            pass
                    sent = due
                    time.sleep(0.001)
            thread = threading.Thread(target=send, args=(1000,))
            thread.start()
            rate = w.wait_signal("nic", "nic_tx_bytes_per_s", lambda v: v > 100_000, "netlink")
            check(rate < 5_000_000, f"{rate} B/s from one packet of 1 KB a millisecond")
            use = w.wait_signal("nic", "nic_use_ratio", lambda v: v > 0.1, "netlink")
            check(use < 5, f"use {use}")
            stop.set()
            thread.join()
            done = subprocess.run(["tc", "qdisc", "add", "dev", "ps0", "root", "tbf", "rate", "200kbit", "burst", "2kb", "limit",
                                   "20kb"], capture_output=True, text=True)
            if done.returncode != 0:
                raise Skip("this kernel has no tbf queueing discipline: backlog and drops cannot be provoked: " + done.stderr.strip())
            stop.clear()
            thread = threading.Thread(target=send, args=(2000,))
            thread.start()
            try:
                w.wait_signal("nic", "nic_backlog_bytes", lambda v: v > 5000, "netlink")
                w.wait_signal("nic", "nic_drops_per_s", lambda v: v > 10, "netlink")
            finally:
                stop.set()
                thread.join()
    finally:
        peer.kill()
        peer.wait()


def owed(status):
    """Sessions to which the server owes an answer."""
    mx = status["services"]["mx"]
    return mx["busy"] + mx["stuck"]


@test("SMTP: accept queue by sock_diag, in flight and the oldest waiting by BPF, for a server that no front guards")
def _():
    with bare_world() as w:
        bpf_or_skip(w)
        server = socket.create_server(("127.0.0.1", 2526), backlog=9)
        clients = [socket.create_connection(("127.0.0.1", 2526), 120) for _ in range(6)]
        w.wait_signal("smtp", "accept_queue_count", lambda v: v == 6, "sock_diag")
        w.wait_signal("smtp", "accept_queue_ratio", lambda v: v > 0.5, "sock_diag")
        # Who is owed an answer for ten seconds is stuck, and no longer busy.
        w.daemon.wait_status(lambda s: s["in_flight"] == 6 and owed(s) == 6, "6 in flight, all owed a greeting")
        w.wait_signal("smtp", "oldest_waiting_us", lambda v: v > 500_000, "bpf")
        accepted = []
        for _ in clients:
            a = server.accept()[0]
            accepted.append(a)
            a.sendall(b"220 x\r\n")
        for c in clients:
            c.recv(100)
        w.daemon.wait_status(lambda s: owed(s) == 0 and s["services"]["mx"]["ungreeted"] == 0, "all greeted")
        w.wait_signal("smtp", "accept_queue_count", lambda v: v == 0, "sock_diag")
        for c in clients:
            c.sendall(b"QUIT\r\n")
        w.daemon.wait_status(lambda s: owed(s) == 6, "the clients spoke last")
        for a in accepted:
            a.close()
        for c in clients:
            c.close()
        w.daemon.wait_status(lambda s: s["in_flight"] == 0, "all closed")
        server.close()


HANDS_ON = ("import socket, sys, time\ns = socket.create_server(('127.0.0.1', 2526))\nc = []\nfor _ in range(12):\n"
            " c.append(socket.create_connection(('127.0.0.1', int(sys.argv[1]))))\nprint('there', flush=True)\ntime.sleep(900)")
FILTERS = ("import socket, sys, time\ns = socket.create_server(('127.0.0.1', 0), backlog=20)\nprint(s.getsockname()[1], flush=True)\n"
           "for _ in range(int(sys.argv[1])): s.accept()[0].detach()\n"
           "while True:\n end = time.monotonic() + .02\n while time.monotonic() < end: pass\n time.sleep(.02)")


@test("status says how many messages wait for the filter while it bounds what is let in")
def _():
    with bare_world() as w:
        status = json.loads(w.daemon.ctl("status", "--json", check=None).stdout)

    def said(stage):
        status.update(filters=[{"sentence": "127.0.0.1:10024"}], second_stage=stage)
        with tempfile.TemporaryDirectory() as d, socket.socket(socket.AF_UNIX) as control:
            control.bind(d + "/control.sock")
            control.listen()
            asking = subprocess.Popen([os.path.join(BUILD, "bin/penstockctl"), "--run-dir", d, "status"], stdout=subprocess.PIPE, text=True)
            with control.accept()[0] as s:
                s.recv(4096)
                s.sendall(json.dumps({"parameters": {"status": status}}).encode() + b"\0")
                return " ".join(asking.communicate(timeout=place.LONG * place.PATIENCE)[0].split())
    text = said({"behind": 120.4, "allowed_per_s": 19.4})
    check("the filter: 127.0.0.1:10024 about 120 messages wait for it, so no more than 19.4/s are let in" in text, text)
    for stage in (None, {"behind": 3.0, "allowed_per_s": None}):
        check("wait for it" not in said(stage), stage)


@test("the filter behind the server: found from the server's own connections, with its queue, its CPU and its control group")
def _():
    mail, filtering = Cgroup(), Cgroup()
    started = []

    def start(group, code, *argv):
        started.append(subprocess.Popen(group.prefix(sys.executable, "-c", code, *argv), stdout=subprocess.PIPE, text=True))
        return started[-1].stdout.readline().strip()
    try:
        port = start(filtering, FILTERS, "3")
        check(start(mail, HANDS_ON, port) == "there", "the server is there")
        # Others connect, too, and are not the mail server.
        others = [socket.create_connection(("127.0.0.1", int(port))) for _ in range(2)]
        with bare_world() as w:
            status = wait_for(lambda: (lambda s: s if s["filters"] and s["filters"][0]["cores"] else None)(
                json.loads(w.daemon.ctl("status", "--json", check=0).stdout)), "the filter to be found")
            [found] = status["filters"]
            want = {"listener": f"127.0.0.1:{port}", "unit": filtering.name, "queue": 11, "queue_limit": 20, "connections": 12}
            check({k: found[k] for k in want} == want, found)
            w.wait_signal("smtp", "filter_queue_count", lambda v: v == 11, "sock_diag")
            w.wait_signal("smtp", "filter_queue_ratio", lambda v: v == 11 / 20, "sock_diag")
            w.wait_signal("smtp", "filter_connections_count", lambda v: v == 12, "sock_diag")
            w.wait_signal("cpu", "filter_cpu_cores", lambda v: 0.01 < v < 1, "cgroup")
            sentence = f"the filter: 127.0.0.1:{port} ({filtering.name}), queue 11 of 20, 12 connections from the mail server"
            for verb in ("status", "explain"):
                text = " ".join(w.daemon.ctl(verb, check=None).stdout.split())
                check(sentence in text, f"{verb}: {text}")
            check(filtering.name not in w.daemon.document("/status.json"), "who asks by HTTP learns no names of control groups")
        for s in others:
            s.close()
    finally:
        for p in started:
            p.kill()
            p.wait()
        mail.remove()
        filtering.remove()


@test("spool: space and inodes by statvfs; a full one refuses with reason disk")
def _():
    spool = tempfile.mkdtemp(prefix="penstock-test-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m,nr_inodes=1000", "tmpfs", spool], check=True)
    server = socket.create_server(("127.0.0.1", 2526))
    with bare_world({"service.mx.queue_dirs": spool}) as w:
        w.wait_signal("disk", "spool_free_bytes", lambda v: v > 190e6, "statvfs")
        client = socket.create_connection(("127.0.0.1", 2526))
        with open(os.path.join(spool, "ballast"), "wb") as f:
            f.write(b"\0" * 160_000_000)
        w.wait_signal("disk", "spool_used_ratio", lambda v: v > 0.75, "statvfs")
        text = wait_for(lambda: (lambda t: t if "deferred" in t and "reason disk" in t else None)(w.daemon.ctl("explain").stdout),
                        "a verdict with reason disk")
        check("binds" in text, text)
        for n in range(900):
            open(os.path.join(spool, str(n)), "w").close()
        w.wait_signal("disk", "spool_inodes_used_ratio", lambda v: v > 0.85, "statvfs")
        os.unlink(os.path.join(spool, "ballast"))
        wait_for(lambda: "admitted" in w.daemon.ctl("explain").stdout.split("5. A new connection now")[1].splitlines()[0], "admitted again")
        client.close()
    server.close()


@test("BPF off: PSI, proc and sock_diag stand in; what nothing can see is absent, not 0")
def _():
    server = socket.create_server(("127.0.0.1", 2526))
    with bare_world({"daemon.bpf": "no"}) as w:
        s = w.daemon.status()
        check("runq_p99_us" not in s["resources"]["cpu"]["signals"], "no run-queue latency")
        w.wait_signal("cpu", "cpu_stall_ratio", lambda v: v >= 0, "psi")
        check(s["services"]["mx"]["busy"] is None, "no front sees the dialogue")
        check(any(v["state"] == "skipped" and v["reason"] for k, v in s["sensors"].items() if k.startswith("bpf")), "reasons")
        clients = [socket.create_connection(("127.0.0.1", 2526), 120) for _ in range(3)]
        w.wait_signal("smtp", "accept_queue_count", lambda v: v == 3, "sock_diag")
        for c in clients:
            c.close()
    server.close()


def over(path, text):
    """A prefix that lays a file with this text over `path`, in a mount namespace of the program's own."""
    with tempfile.NamedTemporaryFile("w", prefix="penstock-test-", delete=False) as f:
        f.write(text)
    os.chmod(f.name, 0o644)
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", f'mount --bind {f.name} {path} && exec "$@"', "sh"]


def line(major, minor, name):
    return f"{major:4d} {minor:7d} {name} 100 0 800 30 200 0 1600 90 0 100 120 0 0 0 0 10 20\n"


@test("more disks than are looked at: the spool's comes first, and what is left out is said; Xen's xvda1 without an xvda is a disk")
def _():
    device = os.stat("/var").st_dev
    spool = os.path.basename(os.readlink(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")) if os.major(device) else None
    forty = "".join(line(8 + i // 16, i % 16 * 16, "sd" + chr(97 + i // 26) + chr(97 + i % 26)) for i in range(40))
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    last = line(os.major(device), os.minor(device), spool) if spool else ""
    daemon = Daemon(directory, {"service.mx.queue_dirs": "/var"}, prefix=over("/proc/diskstats", forty + last))
    if spool:
        daemon.wait_status(lambda s: s["disks"].get(spool, {}).get("counts"), "the disk of the spool")
    status = daemon.wait_status(lambda s: "are not" in s["sensors"]["disk"].get("reason", ""), "what is left out")
    check(len(status["disks"]) == 32, f"{len(status['disks'])}")
    daemon.logged("Cannot look at every disk: 32 disks are looked at")
    daemon.stop()
    daemon = Daemon(directory, {}, prefix=over("/proc/diskstats", line(202, 1, "xvda1") + line(202, 2, "xvda2") + line(8, 0, "sda") + line(8, 1, "sda1")))
    status = daemon.wait_status(lambda s: s["disks"], "disks")
    check(set(status["disks"]) == {"xvda1", "xvda2", "sda"}, f"{set(status['disks'])}")
    daemon.stop()


place.isolate()
tap.run()
