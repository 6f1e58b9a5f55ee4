#!/usr/bin/env python3
"""penstock-opensmtpd: on its pipes, and as the filter of OpenSMTPD 6.8 and 7.6, as the page packaging/snippets/opensmtpd/filter.md sets it up."""
import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import flow, opensmtpd, place, tap
from lib.flow import FOREIGN, mail, until_told
from lib.opensmtpd import RELEASES, Opensmtpd
from lib.place import BIN, BUILD, ROOT, wait_for
from lib.smtp import Client
from lib.tap import Skip, check, test
from lib.world import Asked


def page(kind):
    with open(os.path.join(ROOT, "packaging/snippets/opensmtpd/filter.md")) as f:
        return re.search(rf"^```{kind}\n(.*?)^```$", f.read(), re.S | re.M)[1]


class Guarded(Asked):
    """OpenSMTPD, its filter and penstockd, as the page configures them."""

    def __init__(self, release, options=None):
        if not opensmtpd.available(release):
            raise Skip(f"OpenSMTPD of {release} is not available here")
        super().__init__("line", self.settings, {"front.line.socket_mode": "0666", **(options or {})}, name="t")
        try:
            self.server = Opensmtpd(release, self.directory, page("smtpd"), self.directory + "/sock/line.sock")
            self.at_end += [lambda: subprocess.run(["umount", "-R", "-l", os.path.join(self.directory, "opensmtpd")], capture_output=True), self.server.stop]
            self.tells["OpenSMTPD"] = self.server.server.output
        except BaseException:
            self.__exit__(True)
            raise

    @staticmethod
    def settings(directory):
        os.makedirs(directory + "/sock")
        return page(r"file /etc/penstock/\S+").replace("systemd:line", "unix:" + directory + "/sock/line.sock")

    def drain(self):
        self.daemon.ctl("drain", check=0)
        until_told("greeting")

    def resume(self):
        self.daemon.ctl("resume", check=0)

        def greeted():
            with Client(25, FOREIGN) as c:
                return c.greeting.startswith(b"220")
        wait_for(greeted, "the end of the drain")


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
    with Guarded(release, flow.PRESSED) as w:
        flow.pressed("greeting")
        wait_for(lambda: w.server.queued() >= 1, "the message")


@for_each_release("451 with the reason as greeting; a retry is delivered; penstockd stopped, killed or hung under load: mail flows; a restart is picked up")
def _(release):
    with Guarded(release) as w:
        mail()
        w.drain()
        w.daemon.wait_status(lambda s: s["decisions"]["by_front"]["line"]["deferred"] >= 1 and
                             s["decisions"]["by_front"]["line"]["admitted"] >= 1, "the counts")
        w.resume()
        mail()
        hung = flow.outages(w, w.drain, w.resume)
        check(min(hung) < 10, f"not much more than a second: {hung}")
        wait_for(lambda: w.server.queued() >= 71, lambda: f"71 messages; there are {w.server.queued()}")


place.isolate(opensmtpd.prepare)
tap.run()
