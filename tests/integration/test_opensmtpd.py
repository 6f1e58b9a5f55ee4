#!/usr/bin/env python3
"""penstock-opensmtpd: on its pipes, and as the filter of OpenSMTPD 6.8 and 7.6, as the page packaging/snippets/opensmtpd/filter.md sets it up."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import flow, opensmtpd, place, tap
from lib.flow import DRAINED, FOREIGN, delays, mail, until_told
from lib.opensmtpd import RELEASES, Opensmtpd
from lib.place import BIN, BUILD, ROOT, wait_for
from lib.programs import Daemon, no_targets
from lib.smtp import Client
from lib.tap import Skip, check, test


def page(kind):
    with open(os.path.join(ROOT, "packaging/snippets/opensmtpd/filter.md")) as f:
        return re.search(rf"^```{kind}\n(.*?)^```$", f.read(), re.S | re.M)[1]


class World:
    """OpenSMTPD, its filter and penstockd, as the page configures them."""

    def __init__(self, release, options=None):
        self.options = options or {}
        if not opensmtpd.available(release):
            raise Skip(f"OpenSMTPD of {release} is not available here")
        self.directory = tempfile.mkdtemp(prefix="t-", dir=BUILD)
        os.chmod(self.directory, 0o755)
        self.path = os.path.join(self.directory, "sock/line.sock")
        os.makedirs(os.path.dirname(self.path))
        self.daemon = self.server = None
        try:
            self.start_daemon()
            self.server = Opensmtpd(release, self.directory, page("smtpd"), self.path)
        except BaseException:
            self.__exit__(True)
            raise

    def start_daemon(self):
        path = os.path.join(self.directory, "penstock.conf")
        with open(path, "w") as f:
            f.write(page(r"file /etc/penstock/\S+").replace("systemd:line", "unix:" + self.path))
        self.daemon = Daemon(self.directory, {**no_targets(), "daemon.bpf": "no", "source.sessions_max": 1000000, "front.line.socket_mode": "0666", **self.options},
                             argv=["-c", path])
        self.daemon.wait_status(lambda s: s["decisions"]["by_front"].get("line", {}).get("up"), "the line protocol")

    def drain(self):
        self.daemon.ctl("drain", check=0)
        until_told("greeting")

    def resume(self):
        self.daemon.ctl("resume", check=0)

        def greeted():
            with Client(25, FOREIGN) as c:
                return c.greeting.startswith(b"220")
        wait_for(greeted, "the end of the drain")

    def __enter__(self):
        return self

    def __exit__(self, kind=None, *_):
        if kind and self.server:
            print("# OpenSMTPD said:\n# " + self.server.server.output()[-3000:].replace("\n", "\n# "))
        if self.daemon and self.daemon.alive():
            self.daemon.stop(signal.SIGKILL)
        if self.server:
            self.server.stop()
        subprocess.run(["umount", "-R", "-l", os.path.join(self.directory, "opensmtpd")], capture_output=True)
        subprocess.run(["rm", "-rf", self.directory])


class Filter:
    """The program on pipes; `answer`: what stands in for penstockd, a function of the question's number."""

    def __init__(self, answer):
        self.directory = tempfile.mkdtemp(prefix="t-", dir=BUILD)
        path = os.path.join(self.directory, "s")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(50)
        self.answer, self.number = answer, 0
        threading.Thread(target=self.serve, daemon=True).start()
        self.process = subprocess.Popen([os.path.join(BIN, "penstock-opensmtpd"), "-s", "unix:" + path], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
                    for _ in lines:
                        self.number += 1
                        connection.sendall(self.answer(self.number))

    def say(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def hear(self):
        return self.process.stdout.readline().decode().rstrip("\n")

    def ask(self, token, address="192.0.2.7"):
        self.say(f"filter|0.6|1576146008.006099|smtp-in|connect|7641df9771b4ed00|{token}|mx.example.net|{address}\n")
        return self.hear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.listener.close()
        subprocess.run(["rm", "-rf", self.directory])


@test("the filter: whatever else than a 451 or 421 is answered admits: garbage, a 5xx, too much, a line too many, nothing; it goes on")
def _():
    answers = [b"554 5.7.1 no\n", b"451\n", b"451 4.3.2 a\0b\n", b"451 4.3.2 a\x1b\n", b"x" * 5000, b"\n", b"220\n" * 3, b"\xff" * 100 + b"\n",
               b""]  # the last one is waited for in vain
    with Filter(lambda n: answers[n - 1] if n <= len(answers) else b"451 4.3.2 mx1.example.org end of the test\n") as f:
        f.say("config|smtpd-version|7.6.0\nconfig|ready\n")
        check([f.hear(), f.hear()] == ["register|filter|smtp-in|connect", "register|ready"], "it registers")
        f.say("nonsense\n" + "y" * 5000 + "\nfilter|0.6|1|smtp-in|connect|zz|1|a|b\nfilter|0.6\nreport|0.6|1|smtp-in|timeout|1\n")
        for address in ("local", "127.0.0.1", "[::1]"):
            check(f.ask("10", address).endswith("|10|proceed"), "this host is not asked about")
        for n in range(len(answers)):
            check(f.ask(f"{n:x}") == f"filter-result|7641df9771b4ed00|{n:x}|proceed", f"{answers[n]!r}")
        wait_for(lambda: f.ask("a", "[2001:db8::7]") == "filter-result|7641df9771b4ed00|a|disconnect|451 4.3.2 mx1.example.org end of the test",
                 "the 451")
        f.process.stdin.close()
        check(f.process.wait(120) == 0, "it ends with its standard input")


def for_each_release(name):
    def add(function):
        for release in RELEASES:
            test(f"OpenSMTPD of {release}: {name}")(lambda release=release: function(release))
        return function
    return add


@for_each_release("enforced pressure: a window that is full defers the next client as overloaded; a retry after it is delivered")
def _(release):
    with World(release, flow.PRESSED) as w:
        flow.pressed("greeting")
        wait_for(lambda: w.server.queued() >= 1, "the message")


@for_each_release("451 with the reason as greeting; a retry is delivered; penstockd stopped, killed or hung under load: mail flows; a restart is picked up")
def _(release):
    with World(release) as w:
        mail()
        w.drain()
        w.daemon.wait_status(lambda s: s["decisions"]["by_front"]["line"]["deferred"] >= 1 and
                             s["decisions"]["by_front"]["line"]["admitted"] >= 1, "the counts")
        w.resume()
        mail()
        usual = delays()
        with flow.flowing(5):
            w.daemon.stop()
            stopped = delays()
        w.start_daemon()
        with flow.flowing(15):
            w.daemon.stop(signal.SIGKILL)
            killed = delays()
        w.start_daemon()
        w.drain()
        w.resume()
        w.daemon.kill(signal.SIGSTOP)
        with flow.flowing(3):
            hung = delays(5)
        w.daemon.kill(signal.SIGCONT)
        w.drain()
        w.resume()
        flow.show(usual=usual, stopped=stopped, killed=killed, hung=hung)
        check(min(hung) < 10, f"not much more than a second: {hung}")
        wait_for(lambda: w.server.queued() >= 71, f"71 messages; there are {w.server.queued()}")


place.isolate(opensmtpd.prepare)
tap.run()
