#!/usr/bin/env python3
"""nginx' mail proxy of Debian 12, configured by the page packaging/snippets/nginx.md, asks penstockd by auth_http."""
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import flow, nginx, place, tap
from lib.gate import Mta
from lib.place import wait_for
from lib.smtp import harass, smtp_server
from lib.tap import check, test
from lib.world import Asked

ADDRESS = "192.0.2.1"


class Guarded(Asked):
    """nginx, which asks penstockd, before a mail server; `taken`: that server's messages."""

    def __init__(self, options=None):
        self.taken = []
        super().__init__("nginx", nginx.page("ini"), options)
        try:
            self.at_end.append(Mta(2525, handle=lambda c, a: smtp_server(c, a, store=self.taken.append)).close)
            self.at_end.append(nginx.start(self.directory, nginx.page("nginx")).stop)
        except BaseException:
            self.__exit__(True)
            raise

    def send(self, meanwhile=lambda: None):
        """(code of RCPT, text, seconds that RCPT took) of one client; the message is delivered when it is let in, after `meanwhile`."""
        with socket.create_connection((ADDRESS, 25), 120) as s, s.makefile("rb") as f:
            def say(line):
                s.sendall(line + b"\r\n")
                while True:
                    reply = f.readline()
                    if reply[3:4] != b"-":
                        return reply
            check(f.readline().startswith(b"220"), "the greeting")
            for line in (b"EHLO x", b"MAIL FROM:<a@example.net>"):
                check(say(line).startswith(b"250"), "before RCPT")
            began = time.monotonic()
            reply = say(b"RCPT TO:<b@example.org>")
            took = time.monotonic() - began
            if reply.startswith(b"250"):
                meanwhile()
                check(say(b"DATA").startswith(b"354") and say(b"Subject: x\r\n\r\nhello\r\n.").startswith(b"250"), "delivered")
                say(b"QUIT")
            elif reply.startswith(b"451"):
                check(f.readline() == b"", "nginx closes")
            return reply[:3], reply, took

    def until(self, code):
        return wait_for(lambda: (lambda r: r if r[0] == code else None)(self.send()), f"a {code}")


@test("451 4.3.2 with the reason at RCPT while penstock refuses; a retry is delivered after; counted")
def _():
    with Guarded() as w:
        w.until(b"250")
        w.daemon.ctl("drain", check=0)
        code, reply, _ = w.until(b"451")
        check(reply == b"451 4.3.2 server shutdown in progress\r\n", f"{reply}")
        w.daemon.ctl("resume", check=0)
        before = len(w.taken)
        w.until(b"250")
        check(len(w.taken) == before + 1, "delivered")
        w.daemon.wait_status(lambda s: s["decisions"]["by_front"]["nginx"]["deferred"] >= 1 and
                             s["decisions"]["by_front"]["nginx"]["admitted"] >= 2, "the counts")


@test("enforced pressure: a window that is full defers the next client as overloaded; a retry after it is delivered")
def _():
    with Guarded(flow.PRESSED) as w:
        told = []
        first = w.send(lambda: told.append(w.until(b"451")[1]))
        check(first[0] == b"250" and told[0].startswith(b"451 4.3.2 overloaded"), f"{first} {told}")
        w.until(b"250")


@test("penstockd killed, stopped or hung under load: mail flows at once or after proxy_read_timeout; a restart is picked up")
def _():
    with Guarded() as w:
        w.until(b"250")
        sent = []
        load = threading.Thread(target=lambda: sent.extend(w.send()[0] for _ in range(60)))
        load.start()
        w.daemon.stop(signal.SIGKILL)
        killed = [w.send() for _ in range(10)]
        load.join()
        check(all(r[0] == b"250" for r in killed) and sent == [b"250"] * 60, f"{killed} {sent}")
        w.start_daemon()
        w.daemon.stop()
        stopped = [w.send() for _ in range(10)]
        check(all(r[0] == b"250" for r in stopped), f"{stopped}")
        w.start_daemon()
        w.daemon.ctl("drain", check=0)
        w.until(b"451")
        w.daemon.kill(signal.SIGSTOP)
        hung = [w.send() for _ in range(10)]
        check(all(r[0] == b"250" for r in hung), f"{hung}")
        w.daemon.kill(signal.SIGCONT)
        w.until(b"451")
        for name, results in (("stopped", stopped), ("killed", killed), ("hung", hung)):
            print(f"# RCPT while penstockd is {name}: median {statistics.median(r[2] for r in results) * 1e3:.1f} ms")


@test("garbage on its port is answered 400 and closed, counted, and harms no client")
def _():
    with Guarded() as w:
        w.until(b"250")
        noise = random.Random(5)
        harass(9831, [b"EHLO x\r\n", b"POST / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.0\r\nContent-Length: 9\r\n\r\n", b"GET " + b"x" * 20000, b"GET \0\r\n\r\n"] + \
                [noise.randbytes(noise.randrange(1, 3000)) for _ in range(100)])
        w.until(b"250")
        wait_for(lambda: w.daemon.metric("penstock_malformed_requests_total") >= 5, "the counter")
        w.daemon.logged_rarely("Cannot read what came on front.nginx.listen")


place.isolate(nginx.prepare)
subprocess.run(["ip", "addr", "add", ADDRESS + "/32", "dev", "lo"], check=True)
tap.run()
