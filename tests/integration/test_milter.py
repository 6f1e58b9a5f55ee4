#!/usr/bin/env python3
"""The milter: on its socket, and asked by Postfix and Sendmail as the pages packaging/snippets/postfix/milter.md and sendmail/milter.md set
it up."""
import contextlib
import os
import random
import re
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import flow, place, postfix, sendmail, tap
from lib.flow import DRAINED, FOREIGN, delays, mail, until_told
from lib.place import BUILD, ROOT, wait_for
from lib.postfix import SMTP, Postfix
from lib.sendmail import Sendmail
from lib.smtp import Client
from lib.tap import check, test
from lib.world import Asked

PAGES = {"Postfix": "postfix/milter.md", "Sendmail": "sendmail/milter.md"}
PORTS = {"Postfix": SMTP, "Sendmail": 25}
MAIL = b"MAIL FROM:<a@example.net>"


def page(server, kind):
    with open(os.path.join(ROOT, "packaging/snippets", PAGES[server])) as f:
        return re.search(rf"^```{kind}\n(.*?)^```$", f.read(), re.S | re.M)[1]


class Daemons(Asked):
    """penstockd as a page configures it; it makes the socket as `path`, or in its own directory."""

    def __init__(self, directory=None, path=None, server="Postfix", options=None):
        def settings(directory):
            self.path = path or os.path.join(directory, "milter.sock")
            return page(server, r"file /etc/penstock/\S+").replace("systemd:milter", "unix:" + self.path)
        # Every client of these tests is on this host.
        super().__init__("milter", settings, {"front.milter.loopback": "yes", "front.milter.socket_mode": "0666" if "postfix" in (path or "") else "0600",
                                              **(options or {})}, directory=directory, name="t")

    def counts(self):
        return self.daemon.status()["decisions"]["by_front"]["milter"]


class MailHost:
    """A mail server and penstockd."""

    def __init__(self, server, options=None):
        self.name, self.port = server, PORTS[server]
        self.directory = tempfile.mkdtemp(prefix="t-", dir=BUILD)
        os.chmod(self.directory, 0o755)
        self.server = self.penstock = None
        try:
            getattr(self, "make_" + server.lower())(options)
        except BaseException:
            self.__exit__(True)
            raise

    def make_postfix(self, options):
        self.server = Postfix(self.directory)
        # A short path to the same directory: that of a UNIX socket has 107 octets at most.
        private = os.path.join(self.directory, "postfix-private")
        os.makedirs(private)
        subprocess.run(["mount", "--bind", self.server.root.file("/var/spool/postfix/private"), private], check=True)
        self.penstock = Daemons(self.directory, private + "/penstock-milter", "Postfix", options)
        commands = page("Postfix", "sh main").replace("smtp/inet", f"{SMTP}/inet")
        done = self.server.root.run("sh", "-ec", commands, check=False)
        check(done.returncode == 0, f"{commands}: {done.stdout}{done.stderr}")
        # A reload ends the smtpd processes that know no milter, as soon as they are idle.
        wait_for(lambda: self.asked(), "a question of Postfix")

    def make_sendmail(self, options):
        self.server = Sendmail(self.directory, page("Sendmail", "file /etc/mail/penstock.mc"))
        run = os.path.join(self.directory, "sock")
        os.makedirs(run)
        os.makedirs(self.server.root.file("/run/penstock"), exist_ok=True)
        subprocess.run(["mount", "--bind", run, self.server.root.file("/run/penstock")], check=True)
        self.penstock = Daemons(self.directory, run + "/milter.sock", "Sendmail", options)
        self.server.start()

    def asked(self):
        before = self.penstock.counts()
        with Client(self.port, FOREIGN) as c:
            c.say(b"QUIT")
        return self.penstock.counts() != before

    def kept(self):
        """Messages that the server has taken."""
        return self.server.queued() if self.name == "Sendmail" else self.server.delivered() + self.server.queued()

    def drain(self):
        self.penstock.daemon.ctl("drain", check=0)
        until_told(MAIL, self.port)

    def resume(self):
        self.penstock.daemon.ctl("resume", check=0)

        def admitted():
            with Client(self.port, FOREIGN) as c:
                c.say(b"EHLO x")
                return c.say(MAIL).startswith(b"250")
        wait_for(admitted, "the end of the drain")

    def __enter__(self):
        return self

    def __exit__(self, kind=None, *_):
        if kind and self.penstock:
            print("# penstockd said:\n# " + self.penstock.daemon.output()[-2000:].replace("\n", "\n# "))
        if kind and self.name == "Postfix" and self.server:
            print("# Postfix said:\n# " + self.server.log()[-2000:].replace("\n", "\n# "))
        if self.penstock:
            self.penstock.__exit__(kind)
        if self.server:
            self.server.stop()
        subprocess.run(["umount", "-l", os.path.join(self.directory, "postfix-private")], capture_output=True)
        subprocess.run(["rm", "-rf", self.directory])


# ---- the protocol

def frame(command, data=b""):
    return (len(data) + 1).to_bytes(4, "big") + command + data


OPTIONS = frame(b"O", (6).to_bytes(4, "big") + (0x1ff).to_bytes(4, "big") + (0x1fffff).to_bytes(4, "big"))


def connect(address="192.0.2.1", family=b"4"):
    return frame(b"C", b"mx.example.net\0" + family + (39471).to_bytes(2, "big") + address.encode() + b"\0")


class Talk:
    def __init__(self, path, negotiate=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(120 * place.PATIENCE)
        self.socket.connect(path)
        if negotiate:
            command, data = self.ask(OPTIONS)
            check((command, data[:8]) == (b"O", b"\0\0\0\6\0\0\0\0"), f"{command} {data}")
            self.steps = int.from_bytes(data[8:], "big")

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                return None
            data += more
        return data

    def ask(self, frames):
        """The answer: (command, data), or None when the connection is closed."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(frames)
            head = self.read(5)
            return head and (head[4:], self.read(int.from_bytes(head[:4], "big") - 1))
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


@test("the protocol: few steps, accept; while draining go on at connect and the 451 at MAIL, for each message and the next client; counted")
def _():
    with Daemons() as p:
        with Talk(p.path) as t:
            check(t.steps == 0x37a, f"connect and MAIL are wanted, nothing else: {t.steps:#x}")
            check(t.ask(frame(b"D", b"Cj\0mx1\0") + connect()) == (b"a", b""), "accepted")
        with Talk(p.path) as t:
            check(t.ask(connect("IPv6:2001:db8::9", b"6")) == (b"a", b""), "accepted")
        p.daemon.wait_status(lambda s: s["decisions"]["by_front"]["milter"]["admitted"] >= 2, "the count")
        p.daemon.ctl("drain", check=0)

        def deferred():
            with Talk(p.path) as t:
                return t.ask(connect())[0] == b"c"
        wait_for(deferred, "the drain")
        with Talk(p.path) as t:
            check(t.ask(connect()) == (b"c", b""), "go on")
            for _ in range(2):
                check(t.ask(frame(b"M", b"<a@example.net>\0")) == (b"y", DRAINED.encode() + b"\0"), "the reply")
                t.socket.sendall(frame(b"A"))
            check(t.ask(frame(b"K") + connect("192.0.2.2")) == (b"c", b""), "another client over the same connection")
            check(t.ask(frame(b"Q")) is None, "quit closes")
        p.daemon.wait_status(lambda s: s["decisions"]["by_front"]["milter"]["deferred"] >= 2, "the count")


@test("the protocol: with reply_code = 421 it is said at connect; clients of this host pass unless loopback = yes")
def _():
    with Daemons(options={"service.mx.reply_code": "421", "front.milter.loopback": "no"}) as p:
        p.daemon.ctl("drain", check=0)

        def told():
            with Talk(p.path) as t:
                return t.ask(connect()) == (b"y", DRAINED.replace("451", "421").encode() + b"\0")
        wait_for(told, "the reply at connect")
        for own in (connect("127.0.0.1"), connect("::1", b"6"), frame(b"C", b"localhost\0U"), frame(b"C", b"localhost\0L\0\0/run/x\0")):
            with Talk(p.path) as t:
                check(t.ask(own) == (b"a", b""), f"{own}")


@test("the protocol: garbage is answered by a close, counted, logged once, and harms no client")
def _():
    with Daemons() as p:
        noise = random.Random(17)
        with Talk(p.path) as other:
            for bad in [b"EHLO x\r\n", b"\0\0\0\0O", frame(b"X"), frame(b"O"), frame(b"O", b"\0\0\0\1" + bytes(8)), connect(), frame(b"M", b"<>\0"),
                        OPTIONS + OPTIONS, OPTIONS + frame(b"M", b"<>\0"), OPTIONS + frame(b"C", b"x\0007\0\0y\0"), OPTIONS + frame(b"C", b"x" * 5000),
                        b"\0\x20\0\0B"] + [b"\1" + noise.randbytes(noise.randrange(9, 3000)) for _ in range(100)]:
                with Talk(p.path, negotiate=False) as t:
                    answer = t.ask(bad)
                    if bad.startswith(OPTIONS):
                        answer = t.ask(b"")
                    check(answer is None, f"{bad[:40]!r}: {answer}")
            check(other.ask(connect()) == (b"a", b""), "another one is served meanwhile")
        wait_for(lambda: p.daemon.metric("penstock_malformed_requests_total") >= 112, "the counter")
        p.daemon.logged_rarely("Cannot read what came on front.milter.listen")
        # An unknown client, and one whose address is not an address.
        for odd in (connect("unknown"), connect("1.2.3.4.5", b"6")):
            with Talk(p.path) as t:
                check(t.ask(odd) == (b"a", b""), f"{odd}")


# ---- the real servers

def for_each_server(name):
    def add(function):
        for server in PAGES:
            test(f"{server}: {name}")(lambda server=server: function(server))
        return function
    return add


@for_each_server("451 4.3.2 with the reason at MAIL, for every message of the session; a retry is delivered; 421 is said at connect")
def _(server):
    with MailHost(server) as w:
        mail(port=w.port)
        w.drain()

        # On a machine that is too slow to answer within the second a client is admitted.
        def twice():
            with Client(w.port, FOREIGN) as c:
                check(c.greeting.startswith(b"220") and c.say(b"EHLO x").startswith(b"250"), f"{c.greeting!r}")
                said = c.say(MAIL), c.say(b"RSET"), c.say(MAIL)
                check(said[1].startswith(b"250") and c.say(b"QUIT").startswith(b"221"), "RSET and QUIT pass")
                return said[0] == said[2] == DRAINED.encode() + b"\r\n"
        wait_for(twice, "the 451 twice in a session")
        w.penstock.daemon.wait_status(lambda s: s["decisions"]["by_front"]["milter"]["deferred"] >= 2, "the count")
        w.resume()
        mail(port=w.port)
        wait_for(lambda: w.kept() == 2, lambda: f"two messages; there are {w.kept()}")
        w.penstock.daemon.stop()
        w.penstock.start_daemon({"service.mx.reply_code": "421"})
        w.penstock.daemon.ctl("drain", check=0)

        def hung_up():
            with Client(w.port, FOREIGN) as c:
                if not c.greeting.startswith(b"421 "):
                    return None
                check(c.reply() == b"", "closed")
                return c.greeting.decode().strip()
        print(f"# {server} says at connect: {wait_for(hung_up, 'the 421 at connect')}")


@for_each_server("enforced pressure: a window that is full defers the next client as overloaded; a retry after it is delivered")
def _(server):
    with MailHost(server, flow.PRESSED) as w:
        flow.pressed(MAIL, w.port)
        wait_for(lambda: w.kept() == 1, lambda: f"one message; there are {w.kept()}")


@for_each_server("penstockd stopped, killed or hung under load: mail flows, at once or a second later; a restart is picked up")
def _(server):
    with MailHost(server) as w:
        with flow.flowing(5, port=w.port):  # Postfix starts its processes here
            delays(port=w.port)
        hung = flow.outages(w.penstock, w.drain, w.resume, port=w.port)
        check(min(hung) > 0.5, f"the timeout of the page is what is waited for: {hung}")
        check(min(hung) < 10, f"and not much more: {hung}")
        wait_for(lambda: w.kept() == 84, lambda: f"84 messages; there are {w.kept()}")


place.isolate(postfix.prepare, sendmail.prepare)
tap.run()
