#!/usr/bin/env python3
"""The plain line protocol: on its socket, asked by a server that has only its page to go by, and asked by Exim (exim4-daemon-light and -heavy)
as the page packaging/snippets/exim/line.md sets it up."""
import contextlib
import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import exim, flow, pages, place, tap
from lib.flow import DRAINED, FOREIGN, delays, until_told
from lib.place import BUILD, wait_for
from lib.smtp import Client, Server, smtp_server
from lib.tap import check, test
from lib.world import Asked

BOX = b"postmaster@example.org"
UNIT = "/etc/systemd/system/penstockd-line.socket"
CONF = "/etc/penstock/penstock.conf.d/mail.conf"


class Daemons(Asked):
    """penstockd as the page configures it; it makes the socket of the unit itself."""

    def __init__(self, directory=None, options=None):
        path = re.search(r"^ListenStream=/run/penstock/(\S+)$", exim.page("file")[UNIT], re.M)[1]

        def settings(directory):
            self.socket = os.path.join(directory, "run", path)
            return exim.page("file")[CONF].replace("systemd:line", "unix:" + self.socket)
        super().__init__("line", settings, {"front.line.socket_mode": "0666", **(options or {})}, directory=directory, name="test-exim")

    def ask(self, text="connect 192.0.2.1\n"):
        """All that is answered until penstockd closes."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.socket)  # waits while the queue is full
            s.settimeout(120 * place.PATIENCE)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                s.sendall(text if isinstance(text, bytes) else text.encode())
                s.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: s.recv(4096), b"")).decode()
            return ""

    def drain(self):
        self.daemon.ctl("drain", check=0)
        wait_for(lambda: self.ask().startswith("451"), "the drain")

    def resume(self):
        self.daemon.ctl("resume", check=0)
        wait_for(lambda: self.ask() == "220\n", "the end of the drain")


class Exim:
    """Exim and penstockd. `place`: which of the page's ways to set it up."""

    def __init__(self, flavour, place="one-file", macros=None, options=None):
        self.directory = tempfile.mkdtemp(prefix="test-exim-", dir=BUILD)
        self.server = self.penstock = self.root = None
        files = {path: text for path, text in exim.page("file").items() if path.startswith("/etc/exim4/")}
        if macros:
            files["/etc/exim4/exim4.conf.localmacros"] = macros
        try:
            commands = exim.page("sh")[place]
            if macros:  # instead of the question at connect
                commands = re.sub(r"^.*acl_smtp_connect.*\n", "", commands, flags=re.M)
            self.root = exim.make_root(flavour, self.directory, files, [commands], split=place == "split")
            self.penstock = Daemons(self.directory, options)
            os.makedirs(self.root.file("/run/penstock"), exist_ok=True)
            subprocess.run(["mount", "--bind", os.path.join(self.directory, "run"), self.root.file("/run/penstock")], check=True)
            self.server = exim.start(self.root, 25)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind=None, *_):
        if kind and self.root:
            print("# Exim said:\n# " + self.root.run("cat", "/var/log/exim4/mainlog", check=False).stdout[-2000:].replace("\n", "\n# "))
        if self.server:
            self.server.stop(signal.SIGKILL)
        if self.penstock:
            self.penstock.__exit__(kind)
        if self.root:
            exim.remove(self.root, self.directory)


@contextlib.contextmanager
def full_queue(path):
    """As many connections wait to be accepted as the kernel takes."""
    waiting = []
    try:
        with contextlib.suppress(BlockingIOError):
            for _ in range(5000):
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
                waiting[-1].connect(path)
            raise AssertionError("the queue is never full")
        yield
    finally:
        for s in waiting:
            s.close()


def mail():
    flow.mail(BOX)


class AnyServer(Server):
    """A mail server of which penstock knows nothing. It does what packaging/snippets/line.md asks of one: a question for each connection, a second to wait,
    451 and 421 to the client, and everything else admits. `question` can be made a wrong one."""
    RIGHT = "connect {} {}\n"

    def __init__(self, path):
        self.path, self.question, self.taken = path, self.RIGHT, []
        super().__init__(self.talk, 25)

    def answer(self, address):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
            s.settimeout(1)
            s.connect(self.path)
            s.sendall(self.question.format(*address).encode())
            return s.makefile("rb").readline(600)
        return b""

    def talk(self, connection, address):
        told = self.answer(address)
        if not told.startswith((b"451", b"421")):
            return smtp_server(connection, address, store=self.taken.append)
        connection.sendall(told.rstrip() + b"\r\n")
        for line in connection.makefile("rb"):
            if line[:4].upper() == b"QUIT":
                return connection.sendall(b"221 2.0.0 bye\r\n")
            connection.sendall(told.rstrip() + b"\r\n")


@contextlib.contextmanager
def any_server(options=None):
    with Daemons(options=options) as p:
        server = AnyServer(p.socket)
        p.at_end.append(server.close)
        yield p, server


@test("the protocol: 220, and while draining 451 4.3.2 with name and reason; several questions, in order; counted")
def _():
    with Daemons() as p:
        check(p.ask("connect 192.0.2.1 4711\r\nconnect 2001:db8::9\nconnect unknown\n") == "220\n" * 3, "all are admitted")
        p.daemon.wait_status(lambda s: s["decisions"]["by_front"]["line"]["admitted"] >= 3, "the count")
        # What the page of the protocol shows: the first question is admitted, the second put off.
        first, second = re.findall(r"^(connect .*?) +-> (.*)$", pages.blocks("packaging/snippets/line.md")[0].body, re.M)
        check(p.ask(first[0] + "\n") == first[1] + "\n", f"{first}")
        p.drain()
        check(p.ask(second[0] + "\n").split()[:3] == second[1].split()[:3], f"{second}")
        check(p.ask("connect 192.0.2.1 4711\nconnect 2001:db8::9\n") == (DRAINED + "\n") * 2, p.ask())
        p.resume()
        p.daemon.wait_status(lambda s: s["decisions"]["by_front"]["line"]["deferred"] >= 2, "the count")


@test("the protocol: garbage is answered by nothing and a close, counted, logged once, and harms no client")
def _():
    with Daemons() as p:
        noise = random.Random(17)
        for bad in [b"EHLO x\r\n", b"\n", b"connect\n", b"connect " + b"1" * 500, b"\0\0", b"connect 1.2.3.4 99999\n"] + \
                [noise.randbytes(noise.randrange(9, 3000)) for _ in range(100)]:
            check(p.ask(bad) == "", f"{bad[:40]!r} is no question")
        wait_for(lambda: p.daemon.metric("penstock_malformed_requests_total") >= 106, "the counter")
        p.daemon.logged_rarely("Cannot read what came on front.line.listen")
        check(p.ask() == "220\n", "the next one is answered")
        # A question that never ends, byte by byte, is closed at its bound.
        check(p.ask("connect 192.0.2.1") == "", "half a question")


@test("the protocol: ten thousand idle connections cost little, and the next one is answered at once")
def _():
    count, idle = min(10000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 500), []
    with Daemons() as p:
        p.at_end.append(lambda: [s.close() for s in idle])
        p.daemon.stop()
        with open(p.config, "a") as f:
            f.write(f"connections_max = {count + 100}\n")
        p.start_daemon()
        p.ask()
        pids = [p.daemon.pid, p.daemon.helper("penstockd-asks")]
        before = sum(map(memory_kib, pids))
        for _ in range(count):
            s = socket.socket(socket.AF_UNIX)
            s.connect(p.socket)  # waits while the queue is full
            s.settimeout(120 * place.PATIENCE)
            idle.append(s)
        for s in idle[:: count // 100]:
            s.sendall(b"connect 192.0.2.1\n")
            check(s.recv(100) == b"220\n", "each is served")
        began = time.monotonic()
        check(p.ask() == "220\n", "the next one")
        took = time.monotonic() - began
        each = (sum(map(memory_kib, pids)) - before) * 1024 / count
        ticks = sum(map(cpu_seconds, pids))
        time.sleep(3)  # what they cost while nothing happens
        busy = (sum(map(cpu_seconds, pids)) - ticks) / 3
        print(f"# {count} idle connections: {each:.0f} octets of penstockd's memory each; the next answer takes {took * 1e3:.1f} ms; "
              f"penstockd takes {busy * 100:.1f} % of a CPU, ticks included")
        check(each < 4096, f"{each} octets for an idle connection")


@test("any other server: 451 with the reason as greeting and until QUIT; a retry is delivered; what its questions must not be is admitted")
def _():
    with any_server() as (p, server):
        mail()
        p.drain()
        until_told("greeting")

        def put_off():
            """A client that is; one is admitted where penstockd's answer takes longer than the server's second."""
            c = Client(25, FOREIGN)
            return c if c.greeting.startswith(b"451") else c.close()
        with wait_for(put_off, "another 451") as c:
            check(c.say(b"EHLO x") == c.greeting and c.say(b"QUIT").startswith(b"221"), "the same until QUIT")
        # Garbage harms no client, least of all the client of such a question.
        wrong = ["EHLO {}\n", "connect {} 99999\n", "connect {}", "\0" * 70000, "connect " + "1" * 500 + "\n", ""]
        for server.question in wrong:
            mail()
        server.question = server.RIGHT
        until_told("greeting")
        p.resume()
        mail()
        check(len(server.taken) == 2 + len(wrong), f"each is delivered once: {len(server.taken)}")
        wait_for(lambda: p.daemon.metric("penstock_malformed_requests_total") >= 4, "the counter")


@test("any other server: enforced pressure: a window that is full defers the next client as overloaded; a retry after it is delivered")
def _():
    with any_server(flow.PRESSED):
        flow.pressed("greeting", recipient=BOX)


@test("any other server: penstockd stopped, killed or hung under load: mail flows, at once or a second later; a restart is picked up")
def _():
    with any_server() as (p, server):
        outages(p)
        check(len(server.taken) == 3 * (5 + 15 + 3), f"nothing is lost: {len(server.taken)}")


def memory_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"^VmRSS:\s+(\d+)", f.read(), re.M)[1])


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def outages(penstock):
    """penstockd stopped, killed and hung while mail comes to a server at port 25 that waits for an answer for a second."""
    full = []

    def drain():
        penstock.drain()
        until_told("greeting")

    def while_hung():
        with full_queue(penstock.socket):
            full.extend(delays(3))
        return {"hung_queue_full": full}
    hung = flow.outages(penstock, drain, penstock.resume, recipient=BOX, while_hung=while_hung)
    # The quickest of them, for the machine may be slow. Exim's own timeout is five seconds.
    check(min(hung) > 0.5, f"the timeout of the page is what is waited for: {hung}")
    check(min(hung) < 4 and min(full) < 4, f"and not much more: {hung} {full}")


# Each package is set up in one of the page's ways.
PLACES = {"exim4-daemon-light": "one-file", "exim4-daemon-heavy": "split"}


def for_each_package(name):
    def add(function):
        for package, place in PLACES.items():
            test(f"{package}: {name}")(lambda package=package, place=place: function(package.rpartition("-")[2], place))
        return function
    return add


@for_each_package("451 with the reason as greeting; a retry is delivered; trusted networks are not asked about")
def _(flavour, place):
    with Exim(flavour, place) as e:
        mail()
        e.penstock.drain()
        until_told("greeting")
        with Client(25) as c:
            check(c.greeting.startswith(b"220"), f"this host is in relay_from_hosts: {c.greeting!r}")
        log = lambda: e.root.run("cat", "/var/log/exim4/mainlog", check=False).stdout
        wait_for(lambda: "penstock: " + DRAINED in log(), "the line in Exim's log")
        e.penstock.resume()
        mail()


@for_each_package("penstockd stopped, killed or hung under load: mail flows, at once or a second later; a restart is picked up")
def _(flavour, place):
    with Exim(flavour, place) as e:
        delays(1)  # waits for the key of a certificate that Exim makes for itself after it has begun to listen
        outages(e.penstock)


@test("Exim: enforced pressure: a window that is full defers the next client as overloaded; a retry after it is delivered")
def _():
    with Exim("light", options=flow.PRESSED):
        # Exim folds a long text into two lines.
        flow.pressed("greeting", reply=flow.OVERLOADED.replace("451 ", "451-").replace(" minutes", "\r\n451 4.3.2 minutes"), recipient=BOX)


@test("Exim at MAIL: EHLO passes, MAIL gets the 451; a retry is delivered")
def _():
    with Exim("light", macros=exim.page("macros")[""]) as e:
        e.penstock.drain()
        until_told(b"MAIL FROM:<a@example.net>")
        e.penstock.resume()
        mail()


place.isolate(lambda: exim.prepare("light", "heavy"))
tap.run()
