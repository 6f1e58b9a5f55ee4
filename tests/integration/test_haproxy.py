#!/usr/bin/env python3
"""HAProxy of Debian 12, 13 and testing in front of mail servers, configured by the page packaging/snippets/haproxy.md as it stands: agent-check
of three hosts in network namespaces of their own."""
import contextlib
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import haproxy, place, tap
from lib.balancer import HOSTS, Mailbox, connect, for_each_release, network, send_all
from lib.haproxy import RELEASES, Haproxy, page
from lib.place import BIN, wait_for
from lib.programs import Daemon, Program, no_targets, overrides
from lib.tap import Skip, check, test

AGENT_PORT = 9827
PRESSED = 2


class Host:
    """A mail server with penstockd and penstock-agent, in its namespace."""

    def __init__(self, name, address):
        self.name, self.address = name, address
        self.prefix = ["ip", "netns", "exec", name]
        self.directory = tempfile.mkdtemp(prefix="penstock-test-")
        self.mail = Mailbox(name, address, namespace=name)
        self.file = os.path.join(self.directory, "penstock.conf")
        self.limit(None)
        self.start_daemon()
        self.start_agent()

    def limit(self, window):
        """What enforced pressure comes to: the window."""
        text = page("ini")[0].replace("192.0.2.11", self.address)
        with open(self.file, "w") as f:
            f.write(text + f"[http]\nlisten = none\n[source]\nsessions_max = 1000000\n[objective]\nwindow_min = {window or 4}\nwindow_max = {window or 0}\n")

    def start_daemon(self):
        # With BPF: while no front knows how many sessions are in flight, the window is open.
        self.daemon = Daemon(self.directory, {**no_targets(), "http.listen": "none"}, wait=False, prefix=self.prefix,
                             argv=["-c", self.file])
        self.daemon.logged("runs in enforce mode")

    def start_agent(self):
        self.agent = Program([*self.prefix, os.path.join(BIN, "penstock-agent"), "-c", self.file, *overrides({}), "--run-dir",
                              os.path.join(self.directory, "run")])

    def says(self):
        def ask():
            s = socket.create_connection((self.address, AGENT_PORT), 120)
            with s, s.makefile("rb") as f:
                return f.read().decode()
        with contextlib.suppress(OSError):
            return ask()
        return ""

    def press(self, window):
        self.limit(window)
        self.daemon.kill(signal.SIGHUP)
        end = f" maxconn:{window or PRESSED}\n"
        wait_for(lambda: self.says() and self.says().endswith(end) == bool(window), f"the agent of {self.name} to hear of {window}")

    def close(self):
        for program in (self.agent, self.daemon):
            if program.alive():
                program.stop(signal.SIGKILL)
        self.mail.close()


class Cluster:
    def __init__(self, release):
        if not haproxy.command(release):
            raise Skip(f"HAProxy of {release} is not available here")
        self.release, self.directory = release, tempfile.mkdtemp(prefix="penstock-test-")
        self.hosts, self.balancer = [], None
        try:
            for n, name in enumerate(HOSTS, 1):
                self.hosts.append(Host(name, f"192.0.2.1{n}"))
            for h in self.hosts:
                wait_for(lambda h=h: "ready" in h.says(), f"the agent of {h.name}")
            self.balancer = Haproxy(release, self.directory, page("haproxy")[0])
            for h in self.hosts:
                self.until(h.name, is_open)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.balancer and self.balancer.alive():
            self.balancer.stop(signal.SIGKILL)
        for h in self.hosts:
            h.close()

    def until(self, name, condition):
        wait_for(lambda: condition(*self.balancer.server(name)), lambda: f"HAProxy to hear of {name}; it has {self.balancer.server(name)}")

    def press(self, host):
        host.press(PRESSED)
        self.until(host.name, lambda status, weight, most: most == PRESSED)

    @contextlib.contextmanager
    def back(self, host, what, condition):
        """Waits until HAProxy takes the host, which was pressed, as ready again. Prints how long that takes."""
        began = time.monotonic()
        yield
        self.until(host.name, condition)
        print(f"# {self.release}: {what}: ready for HAProxy after {time.monotonic() - began:.1f} s")

    def taken(self):
        return {h.name: len(h.mail.taken) for h in self.hosts}


def is_open(status, weight, most):
    """As a host is that nothing presses: its window may be limited all the same, and its weight follows that."""
    return status == "UP" and most != PRESSED


def is_unlimited(status, weight, most):
    """As a host is of which nothing is known."""
    return status == "UP" and weight == 100 and most == 0


@for_each_release("one of three hosts is pressed: mail goes to the others; all are: 451; nothing is lost, and all three take mail after it")
def _(release):
    with Cluster(release) as c:
        m1, m2, m3 = c.hosts
        send_all(range(30))
        check(min(c.taken().values()) >= 5, f"all three take mail: {c.taken()}")
        # Two sessions fill the pressed one, so everything else goes where there is room.
        m1.press(PRESSED)
        c.until("m1", lambda status, weight, most: most == PRESSED)
        held = [connect() for _ in range(9)]
        mine = sum(h.greeting.startswith(b"220 m1") for h in held)
        check(all(h.greeting.startswith(b"220") for h in held) and mine <= 2, f"{[h.greeting for h in held]}")
        for h in held:
            h.close()
        m2.press(PRESSED)
        m3.press(PRESSED)
        for name in HOSTS:
            c.until(name, lambda status, weight, most: most == PRESSED)
        wait_for(lambda: all(int(c.balancer.servers()["mx", n]["scur"]) == 0 for n in HOSTS), "the sessions to end")
        held = [connect() for _ in range(6)]
        check(all(h.greeting.startswith(b"220") for h in held), f"six find a place: {[h.greeting for h in held]}")
        with connect() as refused:
            check(refused.greeting.startswith(b"451 4.3.2 ") and b"overloaded" in refused.greeting, f"{refused.greeting!r}")
            check(refused.say(b"QUIT").startswith(b"221"), "until QUIT")
        for h in held:
            h.close()
        send_all(range(30, 90))
        check(len({m for h in c.hosts for m in h.mail.taken}) == 90, f"nothing is lost: {c.taken()}")
        for h in c.hosts:
            h.press(None)
            c.until(h.name, is_open)
        before = c.taken()
        send_all(range(90, 120))
        check(all(c.taken()[n] > before[n] for n in HOSTS), f"each takes mail again: {before} {c.taken()}")


@for_each_release("a drained host gets no new session and comes back; penstockd or the agent stopped, killed or hung: the host is not frozen out")
def _(release):
    with Cluster(release) as c:
        m1 = c.hosts[0]
        m1.daemon.ctl("drain", check=0)
        c.until("m1", lambda status, weight, most: "DRAIN" in status)
        before = c.taken()["m1"]
        send_all(range(20))
        check(c.taken()["m1"] == before, f"drained: {c.taken()}")
        m1.daemon.ctl("resume", check=0)
        c.until("m1", is_open)
        for number, name in ((signal.SIGSTOP, "penstockd hung"), (signal.SIGKILL, "penstockd killed"), (signal.SIGTERM, "penstockd stopped")):
            c.press(m1)
            with c.back(m1, name, is_unlimited):
                m1.daemon.kill(number)
            send_all(range(12))
            if number == signal.SIGSTOP:
                m1.daemon.kill(signal.SIGCONT)
            else:
                m1.start_daemon()
        # The next agent is heard of without a word to HAProxy; one that ends in order takes its last word back. While one hangs, or none is there,
        # HAProxy keeps the last word, and mail flows. systemd starts the next one: after WatchdogSec in place of one that hangs.
        for number, name in ((signal.SIGKILL, "the agent killed and started again"), (signal.SIGSTOP, "the agent hung, from its replacement on")):
            c.press(m1)
            m1.agent.kill(number)
            m1.limit(None)
            m1.daemon.kill(signal.SIGHUP)
            send_all(range(12))
            check(c.balancer.server("m1")[2] == PRESSED, f"{name}: the last word is kept")
            with c.back(m1, name, is_open):
                m1.agent.stop(signal.SIGKILL)
                m1.start_agent()
        c.press(m1)
        with c.back(m1, "the agent stopped", is_unlimited):
            m1.agent.stop(signal.SIGTERM)


@test("the agent's port: garbage, half lines, a client that says and reads nothing, resets and endless octets: HAProxy hears of every change")
def _():
    with Cluster(RELEASES[0]) as c:
        m1, noise, stop, took = c.hosts[0], random.Random(17), threading.Event(), [0]

        def dial():
            return socket.create_connection((m1.address, AGENT_PORT), 120)

        def endless():
            """It sends as long as its connection stands, and comes again."""
            while not stop.is_set():
                sent = 0
                with contextlib.suppress(OSError), dial() as s:
                    while not stop.is_set():
                        sent += s.send(octets)
                took.append(sent)

        def resets():
            while not stop.is_set():
                with contextlib.suppress(OSError), dial() as s:
                    s.sendall(noise.randbytes(300))
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                time.sleep(0.005)
        octets, idle = b"up 1% " * 200000, [dial() for _ in range(300)]
        floods = [threading.Thread(target=flood, daemon=True) for flood in (endless, endless, endless, resets)]
        m1.agent.kill(signal.SIGSTOP)  # so that much waits to be read
        for t in floods:
            t.start()
        time.sleep(0.3)  # the floods fill its sockets
        m1.agent.kill(signal.SIGCONT)
        try:
            for bad in (b"", b"up", b"drain\n", b"stopped\r\n", b"\0" * 70000, b"GET / HTTP/1.0\r\n\r\n", noise.randbytes(3000)):
                with contextlib.suppress(OSError), dial() as s:
                    s.sendall(bad)
                    s.shutdown(socket.SHUT_WR)
                    said = s.makefile("rb").read()
                    check(said == b"" or said.startswith(b"up ready "), f"{bad[:20]!r} is told {said}")
            for _ in range(2):
                c.press(m1)
                m1.limit(None)
                m1.daemon.kill(signal.SIGHUP)
                c.until("m1", is_open)
            send_all(range(12))
        finally:
            stop.set()
            for t in floods:
                t.join()
            for s in idle:
                s.close()
        check(m1.agent.alive() and "up ready" in m1.says(), m1.agent.output())
        # What the kernel holds for a connection and no more: no process waits for the end of such a one.
        check(max(took) < 64 << 20, f"octets that one connection took: {max(took)}")


place.isolate(haproxy.prepare)
network()
tap.run()
