#!/usr/bin/env python3
"""Haraka with the plugin of packaging/snippets/haraka, and penstockd as the page haraka/line.md configures it."""
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
from lib import flow, haraka, pages, place, tap
from lib.flow import DRAINED, FOREIGN, mail
from lib.place import BUILD, ROOT, wait_for
from lib.smtp import Client
from lib.tap import check, test
from lib.world import Asked

PAGES = os.path.join(ROOT, "packaging/snippets/haraka")
# Takes every message, where Haraka would need a server behind it.
SINK = "exports.hook_queue = (next) => next(OK)\nexports.hook_rcpt = (next) => next(OK)\n"


def settings():
    with open(os.path.join(PAGES, "line.md")) as f:
        return re.search(r"^```file /etc/penstock/\S+\n(.*?)^```$", f.read(), re.S | re.M)[1]


class Guarded(Asked):
    """Haraka, its plugin and penstockd. `answer`: what stands in for penstockd, a function of each connection to the socket."""

    def __init__(self, answer=None, ini="", options=None):
        super().__init__("line", lambda directory: settings().replace("systemd:line", "unix:" + directory + "/run/line.sock"), options,
                         name="test-haraka", daemon=not answer)
        path = os.path.join(self.directory, "run/line.sock")
        home = os.path.join(self.directory, "haraka")
        with open(os.path.join(PAGES, "haraka-plugin-penstock/config/penstock.ini")) as f:
            shipped = f.read().replace("/run/penstock/line.sock", path)
        files = {"plugins": "penstock\nsink\n", "me": "mx1.example.org\n", "loglevel": "LOGINFO\n", "smtp.ini": "listen=127.0.0.1:25\n",
                 "penstock.ini": shipped + ini}
        try:
            haraka.make(home, files, os.path.join(PAGES, "haraka-plugin-penstock"))
            with open(os.path.join(home, "plugins/sink.js"), "w") as f:
                f.write(SINK)
            if answer:
                self.at_end.append(Impostor(path, answer).close)
            haraka_server = haraka.start(home, 25)
            self.at_end.append(lambda: haraka_server.stop(signal.SIGKILL))
            self.tells["Haraka"] = haraka_server.output
        except BaseException:
            self.__exit__(True)
            raise

    def until(self, code, source=FOREIGN):
        def look():
            with Client(25, source) as c:
                return c.greeting.startswith(code)
        wait_for(look, f"a greeting {code}")

    def order(self, what, code):
        self.daemon.ctl(what, check=0)
        self.until(code)


class Impostor:
    def __init__(self, path, answer):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(100)
        self.answer = answer
        threading.Thread(target=self.loop, daemon=True).start()

    def loop(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection:
                connection.recv(200)
                connection.sendall(self.answer())

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@test("the page's commands put the plugin where Haraka finds it, and first")
def _():
    directory = tempfile.mkdtemp(prefix="test-haraka-", dir=BUILD)
    try:
        haraka.make(directory, {"plugins": "sink\n"})
        commands = [b.body for b in pages.blocks("packaging/snippets/haraka/line.md") if b.kind == "sh"]
        check(len(commands) == 1, f"{commands}")
        # There is no network here: npm would ask its registry for news for three minutes.
        offline = {f"npm_config_{name}": value for name, value in (("offline", "true"), ("audit", "false"), ("update_notifier", "false"))}
        done = subprocess.run(["sh", "-e"], input=commands[0].replace("/usr/share/doc/penstock/snippets/haraka", PAGES), cwd=directory,
                              env={**os.environ, **offline}, capture_output=True, text=True)
        check(done.returncode == 0, done.stdout + done.stderr)
        with open(directory + "/config/plugins") as f:
            check(f.read() == "penstock\nsink\n", "penstock comes first")
        check(os.path.exists(directory + "/node_modules/haraka-plugin-penstock/package.json"), "the plugin is there")
    finally:
        subprocess.run(["rm", "-rf", directory])


@test("Haraka: 451 with the reason until QUIT, 421 beyond linger_max; a retry is delivered; this host is not asked about")
def _():
    with Guarded(ini="linger_max=2\n") as w:
        mail()
        w.order("drain", b"451 ")
        with Client(25) as c:
            check(c.greeting.startswith(b"220"), f"this host: {c.greeting!r}")
        # The clients that asked for the drain have left.
        def dialogue():
            with Client(25, FOREIGN) as c:
                if not c.greeting.startswith(b"451"):
                    return False
                check(c.greeting.decode().strip() == DRAINED, f"{c.greeting!r}")
                check(c.say(b"EHLO x") == c.greeting and c.say(b"MAIL FROM:<a@example.net>") == c.greeting, "the same until QUIT")
                check(c.say(b"QUIT").startswith(b"221"), "QUIT")
                return True
        wait_for(dialogue, "a dialogue")
        held = []
        try:
            def third():
                held.append(Client(25, FOREIGN))
                return held[-1].greeting.startswith(b"421")
            wait_for(third, "421 beyond two")
            check(held[-1].greeting.decode().strip() == DRAINED.replace("451", "421"), f"{held[-1].greeting!r}")
            check(held[-1].reply() == b"", "and closed")
        finally:
            for c in held:
                c.close()
        w.order("resume", b"220")
        mail()
        w.daemon.wait_status(lambda s: s["decisions"]["by_front"]["line"]["deferred"] >= 3 and
                             s["decisions"]["by_front"]["line"]["admitted"] >= 2, "the counts")


@test("Haraka: enforced pressure: a window that is full defers the next client as overloaded; a retry after it is delivered")
def _():
    with Guarded(options=flow.PRESSED):
        flow.pressed("greeting")


@test("Haraka: penstockd stopped, killed or hung under load: mail flows, at once or a second later; a restart is picked up")
def _():
    with Guarded() as w:
        hung = flow.outages(w, lambda: w.order("drain", b"451 "), lambda: w.order("resume", b"220"), (5, 20, 3))
        # The quickest of them, for the machine may be slow.
        check(0.5 < min(hung) < 5, f"the timeout is what is waited for: {hung}")


@test("Haraka: whatever else than 451 or 421 is answered admits: garbage, a 5xx, too much, nothing")
def _():
    answers = [b"\xff" * 100 + b"\n", b"554 5.7.1 no\n", b"451\n", b"451 5.3.2 no\n", b"451 4.3.2 a\0b\n", b"x" * 5000, b"", b"\n",
               b"451 4.3.2 no end"]
    turn = iter([a for a in answers for _ in range(2)])
    with Guarded(answer=lambda: next(turn, b"451 4.3.2 mx1.example.org end of the test\n")) as w:
        for answer in answers:
            for _ in range(2):
                with Client(25, FOREIGN) as c:
                    check(c.greeting.startswith(b"220"), f"{answer!r}: {c.greeting!r}")
        w.until(b"451 4.3.2 mx1.example.org end of the test")


place.isolate(haraka.prepare)
tap.run()
