#!/usr/bin/env python3
"""Hands that reach into the run directory, and reload after reload: mail flows, what was broken is made again, nothing grows."""
import os
import resource
import signal
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import BIN, wait_for
from lib.programs import Daemon, Program, Proxy, listening
from lib.smtp import Client, crowd
from lib.tap import check, test
from lib.world import PORT, World, drop_resource_capability


def run_file(w, name):
    return os.path.join(w.directory, "run", name)


def refused():
    with Client(PORT) as c:
        return c.greeting.startswith(b"451")


def survives(w, cut):
    """One session is open while `cut` does its work; it goes on, and the next ones are relayed and counted."""
    w.mail_flows()
    with Client(PORT) as open_session:
        check(open_session.greeting.startswith(b"220"), "a session")
        w.daemon.wait_status(lambda s: s["in_flight"] == 1, "it is counted")
        cut()
        w.mail_flows()
        check(open_session.say(b"NOOP").startswith(b"250"), "the session that was open goes on")
        check(w.proxy.alive(), w.proxy.output())
        w.daemon.wait_status(lambda s: s["in_flight"] == 1, "it is still counted")
    w.daemon.wait_status(lambda s: s["in_flight"] == 0, "and no longer when it has ended")
    w.mail_flows()


@test("the plan is cut short under daemon and proxy: both live, it is made again, orders are followed again")
def _():
    with World(calm=True) as w:
        survives(w, lambda: os.truncate(run_file(w, "plan"), 0))
        check(w.daemon.alive(), w.daemon.output())
        w.daemon.logged("It was made again")
        w.daemon.ctl("drain", check=0)
        wait_for(refused, "the proxy follows the new plan")


@test("the plan is removed, or another file stands in its place: it is made again and followed")
def _():
    def replace(path):
        with open(path + ".other", "wb") as f:
            f.write(b"x" * 4096)
        os.rename(path + ".other", path)
    for change in (os.unlink, replace):
        with World(calm=True) as w:
            survives(w, lambda: change(run_file(w, "plan")))
            w.daemon.logged("It was made again")
            w.daemon.ctl("drain", check=0)
            wait_for(refused, "the proxy follows the new plan")


@test("the table of sources is cut short: the proxy lives and ranks no source, until a daemon makes a new one")
def _():
    with World(calm=True) as w:
        w.daemon.kill(19)  # SIGSTOP: the daemon that writes into the table would die of it, and its unit start it again
        try:
            w.mail_flows()
            with Client(PORT) as c:
                os.truncate(run_file(w, "sources"), 0)
                w.mail_flows()
                check(c.say(b"NOOP").startswith(b"250"), "the session that was open goes on")
        finally:
            w.daemon.process.kill()
            w.daemon.process.wait()
        w.proxy.logged("Another process has cut")
        w.start_daemon()
        w.mail_flows()
        check(w.proxy.alive() and w.daemon.alive(), "both live")


@test("the files of counts and events are cut short: the proxy lives, and what is in flight is counted as before")
def _():
    for end in ("", ".events"):
        with World(calm=True) as w:
            path = run_file(w, f"counts/proxy-{w.proxy.pid}{end}")
            survives(w, lambda: os.truncate(path, 0))
            w.proxy.logged("New files were made")
            w.daemon.ctl("drain", check=0)
            wait_for(refused, "a drain")


def services(*names):
    """A configuration with these services in this order; of two of them the replies differ."""
    ports = {"mx": 25, "second": 2625, "third": 2626}
    return "".join(f"[service.{name}]\nports = {ports[name]}\nhostname = mx.example.org\nreply_code = {421 if name == 'second' else 451}\n"
                   for name in names)


@test("services in another order, and one that is gone: a proxy follows the plan of its own service by its name, and is counted there")
def _():
    def drained():
        with Client(PORT) as c:
            return c.greeting[:3]

    def is_followed():
        w.daemon.ctl("drain", check=0)
        wait_for(lambda: drained() == b"421", "the reply of its own service")
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: drained() == b"220", "the end of the drain")
        s = w.daemon.wait_status(lambda s: s["services"]["second"]["in_flight"] == 0, "the end of those who asked")
        before = s["services"]["second"]["admitted"]
        with Client(PORT) as c:
            check(c.greeting.startswith(b"220"), c.greeting)
            s = w.daemon.wait_status(lambda s: s["services"]["second"]["in_flight"] == 1, "it is counted for its service")
            check(s["services"]["second"]["admitted"] > before, f"{s['services']}")
            check(s["services"]["third"]["admitted"] == 0, f"{s['services']}")
        w.daemon.wait_status(lambda s: s["services"]["second"]["in_flight"] == 0, "its end")

    def configure(*names):
        with open(w.config, "w") as f:
            f.write(services(*names))
    options = {"front.proxy.service": "second"}
    with World(config=services("mx", "second", "third"), proxy=False, calm=True) as w:
        w.proxy = Proxy(w.directory, PORT, w.server.port, options, argv=("-c", w.config))
        is_followed()
        # The proxy runs on, and another penstockd reads another order.
        configure("mx", "third", "second")
        w.daemon.stop()
        w.start_daemon()
        is_followed()
        admitted = w.daemon.status()["services"]["second"]["admitted"]
        # Each reads the order of the beginning again, at a reload.
        configure("mx", "second", "third")
        w.daemon.ctl("reload", check=0)
        w.proxy.kill(signal.SIGHUP)
        w.proxy.logged("configuration reloaded")
        is_followed()
        check(w.daemon.status()["services"]["second"]["admitted"] > admitted, "its counters go on")
        # Without its service there is no plan for it.
        configure("mx", "third")
        w.daemon.ctl("reload", check=0)
        w.proxy.logged("Cannot use the plan for service second")
        w.daemon.logged("its service is not in the configuration")
        w.daemon.ctl("drain", check=0)
        w.daemon.wait_status(lambda s: s["state"] == "draining", "the drain")
        check(drained() == b"220", "every connection is admitted")
        before = w.daemon.status()
        with Client(PORT) as c:
            check(c.greeting.startswith(b"220"), c.greeting)
            # Two seconds of penstockd's clock have begun since: it has read the counts with this session in them.
            seen = before
            for _ in range(2):
                seen = w.daemon.wait_status(lambda s: s["at"] != seen["at"], "the next second")
            check(all(s["in_flight"] in (0, None) and s["admitted"] == before["services"][name]["admitted"]
                      for name, s in seen["services"].items()), f"it counts for no service: {before['services']}, {seen['services']}")
        configure("mx", "third", "second")
        w.daemon.ctl("reload", check=0)
        w.proxy.logged("following the plan of service second again")
        wait_for(lambda: drained() == b"421", "the reply of its own service")


@test("reload after reload with other sensors and another gate: no descriptor more")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    path = os.path.join(directory, "penstock.conf")

    def configure(n):
        with open(path, "w") as f:
            f.write(f"[service.mx]\nports = {PORT}\n[front.gate]\nenabled = {'no' if n % 2 else 'yes'}\n")

    def steady():
        """Sensors that look in threads of their own open what they find a little later."""
        seen = []

        def look():
            seen.append(count())
            return len(set(seen[-40:])) == 1 and len(seen) >= 40
        wait_for(look, lambda: f"the same number of descriptors for two seconds: {seen[-40:]}")
        return seen[-1]
    configure(0)
    daemon = Daemon(directory, {}, argv=["-c", path])
    count = lambda: len(os.listdir(f"/proc/{daemon.pid}/fd"))
    for n in range(1, 9):
        configure(n)
        daemon.ctl("reload", check=0)
        if n == 2:
            first = steady()
    wait_for(lambda: count() <= first + 4, lambda: f"as many descriptors as in the beginning, {first}; there are {count()}")
    daemon.stop()


@test("penstock-agent reads its configuration again at SIGHUP; with an error in it, or another address, the one in force stays")
def _():
    path = os.path.join(tempfile.mkdtemp(prefix="penstock-test-"), "penstock.conf")

    def configure(text, port=9827):
        with open(path, "w") as f:
            f.write(f"[front.agent]\nlisten = 127.0.0.1:{port}\n{text}\n")

    def says():
        with socket.create_connection(("127.0.0.1", 9827), 120) as s, s.makefile("rb") as f:
            return f.read()

    def reload(text, port=9827):
        configure(text, port)
        agent.kill(signal.SIGHUP)
    configure("connections_max = 10")
    agent = Program([os.path.join(BIN, "penstock-agent"), "-c", path, "--run-dir", os.path.dirname(path)])
    wait_for(lambda: not agent.alive() or listening(9827), "the agent's port")
    check(says() == b"up ready 100% maxconn:10\n", agent.output())
    reload("connections_max = 20")
    wait_for(lambda: says() == b"up ready 100% maxconn:20\n", lambda: f"another limit: {says()}; {agent.output()}")
    reload("connections_max = many")
    agent.logged("connections_max")
    agent.logged("The one in force stays")
    reload("connections_max = 30", port=9828)
    agent.logged("front.agent.listen and daemon.run_dir need a restart")
    check(says() == b"up ready 100% maxconn:20\n", says())
    reload("connections_max = 40")
    wait_for(lambda: says() == b"up ready 100% maxconn:40\n", lambda: f"another limit: {says()}; {agent.output()}")
    check(agent.alive(), "it lives on")
    agent.stop(signal.SIGKILL)


class Crowd:
    """Connections to HTTP that stay for as long as step() is called: the server ends one that is silent for ten seconds, and a kernel whose
    queue is full takes new ones after seconds only."""

    def __init__(self, port):
        self.port, self.sockets, self.said_s = port, [], time.monotonic()

    def step(self, count):
        """Forty more, up to so many; each says an octet of a long request once a second; others take the place of those that were closed."""
        if time.monotonic() > self.said_s + 1:
            self.said_s = time.monotonic()
            self.sockets = [s for s in self.sockets if self.says(s)]
        self.sockets += crowd(self.port, min(40, count - len(self.sockets)))

    @staticmethod
    def says(s):
        try:
            s.send(b"G")
        except BlockingIOError:  # not connected yet
            pass
        except OSError:
            s.close()
            return False
        return True

    def close(self):
        for s in self.sockets:
            s.close()


@test("more HTTP connections than there are descriptors: fronts have theirs, the log stays short, and HTTP is there again")
def _():
    def few():
        drop_resource_capability()
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    daemon = Daemon(directory, {"service.mx.ports": PORT, "front.policy.enabled": "yes", "front.policy.listen": "127.0.0.1:10045"},
                    preexec_fn=few)
    descriptors = lambda pid: len(os.listdir(f"/proc/{pid}/fd"))

    def policy():
        with socket.create_connection(("127.0.0.1", 10045), 120) as p:
            p.sendall(b"request=smtpd_access_policy\nprotocol_state=CONNECT\nclient_address=192.0.2.1\n\n")
            return p.recv(100)
    # Until the processes for them run, connections are closed.
    wait_for(lambda: policy().startswith(b"action="), "the policy service")
    wait_for(lambda: daemon.ctl("status").returncode == 0, "penstockctl is answered")
    web, crowd = wait_for(daemon.http_process, "the process that answers HTTP"), Crowd(daemon.http)
    wait_for(lambda: crowd.step(1400) or descriptors(web) > 900, "they are accepted")
    # While they are there, a mail server's questions are answered.
    until = time.monotonic() + 5
    while time.monotonic() < until:
        crowd.step(1400)
        check(policy().startswith(b"action="), "the policy service answers")
        check(descriptors(daemon.pid) < 300, f"{descriptors(daemon.pid)} descriptors")
        check(daemon.ctl("status").returncode == 0, "penstockctl is answered")
    check(len(daemon.output()) < 20000, f"{len(daemon.output())} bytes of log: {daemon.output()[:500]}")
    crowd.close()
    wait_for(lambda: descriptors(web) < 100, "they are given back")
    check(daemon.status()["state"], "HTTP")
    daemon.stop()


place.isolate()
tap.run()
