#!/usr/bin/env python3
"""Faults of the machine around penstock: mail flows, and somebody is told."""
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import wait_for
from lib.programs import Daemon, Proxy
from lib.smtp import Client, Server, deliver, smtp_server
from lib.tap import check, test

PORT = 2525


class World:
    def __init__(self, directory=None, daemon_options=None, **kwargs):
        self.directory = directory or tempfile.mkdtemp(prefix="penstock-test-")
        os.chmod(self.directory, 0o755)
        os.makedirs(os.path.join(self.directory, "run"), exist_ok=True)
        self.server = Server(smtp_server)
        self.options = {"service.mx.ports": self.server.port, "service.mx.hostname": "mx.example.org"}
        self.daemon = Daemon(self.directory, {**self.options, **(daemon_options or {})}, **kwargs)
        self.proxy = Proxy(self.directory, PORT, self.server.port, self.options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in (self.proxy, self.daemon):
            if program.alive():
                program.stop()
        self.server.close()

    def mail_flows(self):
        check(deliver(PORT)[0] == "250", "mail does not flow")


def small_disk(size):
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory], check=True)
    return directory


def fill(path):
    try:
        with open(path, "wb", buffering=0) as f:
            while True:
                f.write(b"\0" * 4096)
    except OSError:
        pass


@test("a full state directory: said once, nothing else suffers")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    full = small_disk("64k")
    fill(os.path.join(full, "ballast"))
    with World(directory, argv=["--state-dir", full]) as w:
        w.daemon.logged("the state directory")
        check("No space left" in w.daemon.output(), w.daemon.output())
        w.mail_flows()
        w.daemon.wait_status(lambda s: s["decisions"]["admitted"] >= 1, "the verdict counted")


@test("a read-only state directory: said once, nothing else suffers")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    ro = small_disk("64k")
    subprocess.run(["mount", "-o", "remount,ro", ro], check=True)
    with World(directory, argv=["--state-dir", ro]) as w:
        w.daemon.logged("Read-only file system")
        w.mail_flows()


@test("the run directory fills up under a running daemon: plan and counts have their space, mail is shed and flows as ordered")
def _():
    directory = small_disk("1m")
    with World(directory) as w:
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
    check(daemon.process.wait(30) != 0, "it cannot run")
    check("No space left" in daemon.output() and "free space" in daemon.output(), daemon.output())
    check(deliver(PORT)[0] == "250", "mail flows")
    proxy.stop()
    server.close()


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


@test("the proxy's descriptors run out: the rest is told 421, and it recovers")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    os.makedirs(os.path.join(directory, "run"))
    server = Server(smtp_server)
    proxy = Proxy(directory, PORT, server.port, {"front.proxy.connections_max": 1000},
                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)) or drop_resource_capability())
    clients, greetings = [], []
    for _ in range(60):
        c = Client(PORT, greeting=False, timeout=20)
        clients.append(c)
    for c in clients:
        try:
            greetings.append(c.reply()[:3])
        except (OSError, TimeoutError):
            greetings.append(b"")
    check(b"220" in greetings, f"some are served: {greetings}")
    check(set(greetings) <= {b"220", b"421", b"451"}, f"and the others are told: {greetings}")
    check(b"421" in greetings or b"451" in greetings, f"{greetings}")
    for c in clients:
        c.close()
    wait_for(lambda: deliver(PORT)[0] == "250", "mail when they are free again")
    proxy.stop()
    server.close()


def drop_resource_capability():
    """Else root would raise its own limit: PR_CAPBSET_DROP of CAP_SYS_RESOURCE holds after exec."""
    import ctypes
    ctypes.CDLL(None).prctl(24, 24, 0, 0, 0)


@test("the daemon's descriptors run out: the control socket and HTTP suffer, verdicts do not, and it recovers")
def _():
    with World(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)) or drop_resource_capability()) as w:
        w.mail_flows()
        crowd = []
        for _ in range(100):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", w.daemon.http))
            crowd.append(s)
        time.sleep(1)
        for _ in range(5):
            w.mail_flows()
        check(w.daemon.alive(), "alive")
        for s in crowd:
            s.close()
        wait_for(lambda: w.daemon.get("/healthz") == "ok\n", "HTTP again", 60)


@test("a plan written by another monotonic clock, behind or ahead, is no plan: mail flows")
def _():
    for offset in ("-1000", "1000"):
        directory = tempfile.mkdtemp(prefix="penstock-test-")
        os.makedirs(os.path.join(directory, "run"))
        probe = subprocess.run(["unshare", "--time", "--monotonic", offset, "true"], capture_output=True, text=True)
        if probe.returncode != 0:
            raise tap.Skip("no time namespaces here: " + probe.stderr.strip())
        server = Server(smtp_server)
        daemon = Daemon(directory, {"service.mx.ports": server.port}, prefix=["unshare", "--time", "--monotonic", offset, "--fork",
                                                                             "--kill-child"])
        proxy = Proxy(directory, PORT, server.port)
        daemon.ctl("drain", check=0)
        daemon.wait_status(lambda s: s["state"] == "draining", "draining")
        check(deliver(PORT)[0] == "250", f"a plan of a clock {offset} s away")
        proxy.stop()
        daemon.process.kill()
        daemon.process.wait()
        server.close()


@test("SIGTERM of the daemon under a drain: fronts admit at once, files are gone, a restart takes over")
def _():
    with World() as w:
        w.daemon.ctl("drain", check=0)
        time.sleep(0.5)
        check(w.daemon.stop() == 0, "exit status")
        w.mail_flows()
        check(not os.path.exists(os.path.join(w.daemon.run_dir, "control.sock")), "the socket is gone")
        w.daemon = Daemon(w.directory, w.options)
        w.mail_flows()


@test("thirty restarts in a row leave nothing behind and disturb no session")
def _():
    with World() as w:
        with Client(PORT) as c:
            for n in range(30):
                w.daemon.stop(signal.SIGKILL if n % 2 else signal.SIGTERM)
                w.daemon = Daemon(w.directory, w.options)
                check(c.say(b"NOOP").startswith(b"250"), f"the session after {n} restarts")
        files = os.listdir(w.daemon.run_dir)
        check(len(files) <= 5, f"left behind: {files}")
        w.mail_flows()


place.isolate()
tap.run()
