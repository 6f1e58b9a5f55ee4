#!/usr/bin/env python3
"""Faults of the disk and of what is written on it: mail flows, and the log or an alert says so."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.cgroup import Cgroup
from lib.place import wait_for
from lib.programs import Daemon, Proxy
from lib.smtp import Client, Server, deliver, smtp_server
from lib.tap import check, test
from lib.world import PORT, World, fill, small_disk


def state_dir_found(w, reason):
    said = w.daemon.ctl("check", "-o", f"service.mx.ports={w.server.port}").stdout
    check("state-dir: penstockd cannot write to its state directory" in said and reason in said, said)


def ledger_written(w, value):
    wait_for(lambda: w.daemon.metric("penstock_ledger_written") == value, f"penstock_ledger_written to be {value}")


@test("a full state directory: said once, nothing else suffers; the alert fires, and with room again the ledger is made")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    full = small_disk("1m")
    fill(os.path.join(full, "ballast"))
    with World(directory, argv=["--state-dir", full], calm=True) as w:
        w.daemon.logged("the state directory")
        w.daemon.logged("No space left")
        w.mail_flows()
        w.daemon.wait_status(lambda s: s["decisions"]["admitted"] >= 1, "the verdict counted")
        ledger_written(w, 0)
        state_dir_found(w, "No space left")
        os.unlink(os.path.join(full, "ballast"))
        ledger_written(w, 1)
        w.daemon.wait_status(lambda s: s["state_dir"]["written"], "all files to be written")
        check("state-dir" not in w.daemon.ctl("check", "-o", f"service.mx.ports={w.server.port}").stdout, "check finds it in order")
        check(os.path.getsize(os.path.join(full, "ledger")) > 0, "a ledger")


@test("a read-only state directory: said once, nothing else suffers; the alert fires")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    ro = small_disk("64k")
    subprocess.run(["mount", "-o", "remount,ro", ro], check=True)
    with World(directory, argv=["--state-dir", ro], calm=True) as w:
        w.daemon.logged("Read-only file system")
        w.mail_flows()
        ledger_written(w, 0)
        state_dir_found(w, "Read-only file system")


@test("a state directory that cannot be made is found by check, and mail flows")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    missing = os.path.join(directory, "file", "state")
    open(os.path.join(directory, "file"), "w").close()
    with World(directory, argv=["--state-dir", missing], calm=True) as w:
        w.daemon.wait_status(lambda s: not s["state_dir"]["written"], "it to be told")
        state_dir_found(w, "Not a directory")
        w.mail_flows()


@test("the run directory fills up under a running daemon: plan and counts have their space, mail is shed and flows as ordered")
def _():
    directory = small_disk("1m")
    with World(directory, calm=True) as w:
        w.mail_flows()
        fill(os.path.join(directory, "run", "ballast"))
        w.mail_flows()
        w.daemon.ctl("drain", check=0)
        def refused():
            with Client(PORT) as c:
                return c.greeting.startswith(b"451")
        wait_for(refused, "the drain reaches the proxy over a full disk")
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: deliver(PORT)[0] == "250", "mail after resume")
        # A new proxy finds no room for its counts: it relays all the same.
        w.proxy.stop()
        w.proxy = Proxy(directory, PORT, w.server.port, w.options)
        w.mail_flows()


@test("a run directory that is full before the start: the daemon says so and ends, the proxy admits everything")
def _():
    directory = small_disk("64k")
    os.makedirs(os.path.join(directory, "run"))
    fill(os.path.join(directory, "ballast"))
    server = Server(smtp_server)
    daemon = Daemon(directory, {}, wait=False)
    proxy = Proxy(directory, PORT, server.port)
    check(daemon.process.wait(120) != 0, "it cannot run")
    daemon.logged("No space left")
    daemon.logged("Free space there")
    check(deliver(PORT)[0] == "250", "mail flows")
    proxy.stop()
    server.close()


@test("a ledger that is larger than the memory that penstockd may have: a smaller one, said with what to do, and it runs")
def _():
    group = Cgroup("memory")
    try:
        group.limit_memory(160 << 20)
        with World(options={"source.ledger_size": "256MiB"}, calm=True, prefix=group.prefix()) as w:
            w.daemon.logged("Cannot hold a table of sources of")
            w.daemon.logged("Raise MemoryMax= (systemctl edit penstockd), or lower the size.")
            w.mail_flows()
            size = os.path.getsize(os.path.join(w.daemon.run_dir, "sources"))
            check(16 << 20 <= size <= 96 << 20, f"{size} bytes")
    finally:
        wait_for(lambda: removed(group), "the group's end")


def removed(group):
    try:
        group.remove()
        return True
    except OSError:
        return False


@test("garbage and a plan of another version in the run directory: taken for no plan")
def _():
    for content in (b"", b"x" * 100, os.urandom(65536), b"\x70\x6c\x61\x6e\xff\xff\xff\xff" + b"\0" * 8192):
        directory = tempfile.mkdtemp(prefix="penstock-test-")
        os.makedirs(os.path.join(directory, "run", "counts"))
        with open(os.path.join(directory, "run", "plan"), "wb") as f:
            f.write(content)
        with open(os.path.join(directory, "run", "counts", "proxy-1"), "wb") as f:
            f.write(content)
        server = Server(smtp_server)
        proxy = Proxy(directory, PORT, server.port)
        check(deliver(PORT)[0] == "250", f"mail with {content[:8]!r} for a plan")
        daemon = Daemon(directory, {"service.mx.ports": server.port})
        wait_for(lambda: deliver(PORT)[0] == "250" and daemon.status()["decisions"]["admitted"] >= 1, "a plan in its place")
        check(daemon.alive() and proxy.alive(), "both live")
        daemon.stop()
        proxy.stop()
        server.close()


@test("a ledger that is damaged, cut short or of another version is set aside and said; mail flows, and a new one is written")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    state = os.path.join(directory, "state")
    os.makedirs(state)
    argv = ["--state-dir", state]
    ledger = os.path.join(state, "ledger")
    with World(directory, argv=argv, calm=True) as w:
        w.mail_flows()
        w.daemon.stop()
        with open(ledger, "rb") as f:
            sound = f.read()
        check(sound.startswith(b"penstck1"), f"a frame: {sound[:16]!r}")
        wrong = {"is damaged": sound[:20] + b"\xff" + sound[21:], "is cut short": sound[:30],
                 "is damaged ": b"x" * 5000, "is cut short ": b""}
        for what, content in wrong.items():
            with open(ledger, "wb") as f:
                f.write(content)
            if os.path.exists(ledger + ".corrupt"):
                os.unlink(ledger + ".corrupt")
            w.start_daemon()
            w.daemon.logged(f"Cannot use ledger in the state directory: it {what.strip()}. It was set aside as ledger.corrupt")
            with open(ledger + ".corrupt", "rb") as f:
                check(f.read() == content, "kept for people who want to look")
            w.mail_flows()
            w.daemon.stop()
            with open(ledger, "rb") as f:
                check(f.read(8) == b"penstck1", "a new one is written")
        # Sound: nothing to say.
        w.start_daemon()
        check("set aside" not in w.daemon.output(), w.daemon.output())
        w.mail_flows()


place.isolate()
tap.run()
