#!/usr/bin/env python3
"""The Postfix policy service on its socket."""
import os
import random
import signal
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib import world as worlds
from lib.place import wait_for
from lib.programs import Daemon, no_targets
from lib.smtp import deliver
from lib.tap import check, test
from lib.world import World

PORT = 9826


def world(listen=f"127.0.0.1:{PORT}", options=None):
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    options = {"front.policy.enabled": "yes", "front.policy.listen": listen.replace("DIR", directory), **(options or {})}
    return World(directory, options=options, server=2526, proxy=False, calm=True, front="policy")


class Asker:
    def __init__(self, path=None):
        self.socket = socket.socket(socket.AF_UNIX) if path else socket.create_connection(("127.0.0.1", PORT), 120)
        self.socket.settimeout(120)
        if path:
            self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def ask(self, address="192.0.2.1", port=1000, instance="a.b.0", state="CONNECT"):
        self.socket.sendall(f"request=smtpd_access_policy\nprotocol_state={state}\nclient_address={address}\n"
                            f"client_port={port}\ninstance={instance}\n\n".encode())
        action = self.file.readline().decode().strip()
        if action:
            check(self.file.readline() == b"\n", "an empty line")
        return action

    def close(self):
        self.file.close()
        self.socket.close()


@test("DUNNO while serving, 451 4.3.2 while draining, DUNNO again; counted")
def _():
    with world() as w:
        a = Asker()
        check(a.ask(port=1) == "action=DUNNO", "serving")
        w.daemon.ctl("drain", check=0)
        action = wait_for(lambda: (lambda x: x if "451" in x else None)(a.ask(port=random.randrange(2, 60000))), "a refusal")
        check(action.startswith("action=451 4.3.2 "), action)
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: a.ask(port=random.randrange(2, 60000)) == "action=DUNNO", "serving again")
        # The status is the snapshot of the last tick.
        w.daemon.wait_status(lambda s: s["decisions"]["by_reason"].get("drain", 0) >= 1 and
                             s["decisions"]["by_front"]["policy"]["admitted"] >= 2, "the counts")


@test("a page for people and the reason stand in each reply, at the policy service, in the proxy and in explain")
def _():
    added = {"service.mx.help_url": "https://mx.example.org/busy", "service.mx.reason_id": "yes"}
    end = "server shutdown in progress (id drain) https://mx.example.org/busy"
    with world(options=added) as w:
        w.daemon.ctl("drain", check=0)
        a = Asker()
        wait_for(lambda: a.ask(port=random.randrange(2, 60000)) == f"action=451 4.3.2 {end}", "the policy service's reply")
        check(f"451 4.3.2 mx.example.org {end}" in w.daemon.ctl("explain", check=0).stdout, "explain")
    with World(options=added, calm=True) as w:
        w.daemon.ctl("drain", check=0)
        wait_for(lambda: deliver(worlds.PORT)[1] == f"451 4.3.2 mx.example.org {end}", "the proxy's reply")


@test("several questions about one SMTP session get one verdict and are counted once")
def _():
    with world() as w:
        a = Asker()
        for n in range(5):
            check(a.ask(port=77, instance=f"7b.65.{n}", state="RCPT") == "action=DUNNO", "admitted")
        check(w.daemon.wait_status(lambda s: s["decisions"]["admitted"] >= 1, "count")["decisions"]["admitted"] == 1, "once")
        w.daemon.ctl("drain", check=0)
        w.daemon.wait_status(lambda s: s["state"] == "draining", "draining")
        check(a.ask(port=77, instance="7b.65.9", state="RCPT") == "action=DUNNO", "an admitted session stays admitted")
        # One that is asked about while the machine lets penstockd answer no question for two seconds is admitted, too.
        wait_for(lambda: "451" in a.ask(port=random.randrange(100, 60000), instance="7b.66.0", state="RCPT"), "the next one is not")


@test("malformed, endless and binary requests: the connection is closed unanswered, a counter and one line; others go on")
def _():
    with world() as w:
        good, began = Asker(), time.monotonic()
        check(good.ask() == "action=DUNNO", "before")
        for bad in (b"EHLO x\n\n", b"\0\1\2\n\n", b"request=other\n\n", b"\n", b"x" * 40000, b"a=b\n" * 10000):
            s = socket.create_connection(("127.0.0.1", PORT), 120)
            try:
                s.sendall(bad)
                check(s.recv(100) == b"", f"{bad[:20]!r} got an answer")
            except ConnectionResetError:
                pass
            s.close()
        noise = random.Random(4)
        for _ in range(200):
            s = socket.create_connection(("127.0.0.1", PORT), 120)
            try:
                s.sendall(noise.randbytes(noise.randrange(1, 3000)))
            except OSError:
                pass
            s.close()
        check(good.ask(port=5) == "action=DUNNO", "another client's connection goes on")
        wait_for(lambda: w.daemon.metric("penstock_malformed_requests_total") >= 6, "the counter")
        wait_for(lambda: "no policy request" in w.daemon.output() or "without an end" in w.daemon.output(), "the line")
        said = w.daemon.output().count("no policy request") + w.daemon.output().count("without an end")
        check(1 <= said <= 1 + (time.monotonic() - began) / 60, f"one line a minute: {said}")


@test("over a UNIX socket; a stale one is replaced, the file goes at the end")
def _():
    with world("unix:DIR/policy.sock") as w:
        path = w.options["front.policy.listen"][5:]
        check(Asker(path).ask() == "action=DUNNO", "asked")
        check(os.stat(path).st_mode & 0o777 == 0o660, "for its owner and group only: who may ask may blame any address")
        w.daemon.stop(signal.SIGKILL)
        check(os.path.exists(path), "left by kill -9")
        w.start_daemon()
        wait_for(lambda: Asker(path).ask() == "action=DUNNO", "asked again")
        w.daemon.stop()
        check(not os.path.exists(path), "removed")


@test("its address taken: said, the daemon runs on, and serves when it is free")
def _():
    blocker = socket.create_server(("127.0.0.1", PORT))
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    daemon = Daemon(directory, {"front.policy.enabled": "yes", "front.policy.listen": f"127.0.0.1:{PORT}"})
    daemon.logged("another program has it")
    check(daemon.metric('penstock_front_up{front="policy"}') == 0, "the metric")
    blocker.close()
    wait_for(lambda: daemon.metric('penstock_front_up{front="policy"}') == 1, "served")
    check(Asker().ask() == "action=DUNNO", "asked")
    daemon.stop()


@test("policy requests: CR LF is taken, an unknown address is blamed on no source, a client that closes one side still gets the answer")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    daemon = Daemon(directory, {**no_targets(), "front.policy.enabled": "yes", "front.policy.listen": f"127.0.0.1:{PORT}", "source.rate_max": 5})

    def ask(text, half=False):
        with socket.create_connection(("127.0.0.1", PORT), 120) as s:
            s.sendall(text)
            if half:
                s.shutdown(socket.SHUT_WR)
            return s.recv(300)

    request = "request=smtpd_access_policy\nclient_address=192.0.2.1\nclient_port=0\n\n"
    check(ask(request.replace("\n", "\r\n").encode()).startswith(b"action=DUNNO"), "CR LF")
    for _ in range(20):
        check(ask(b"request=smtpd_access_policy\nclient_address=unknown\ninstance=1\n\n", True).startswith(b"action=DUNNO"),
              "more than source.rate_max of them, all unlimited")
    status = daemon.wait_status(lambda s: s["faults"].get("address_unknown", {}).get("count") == 20, "counted")
    check(status["sources"]["tracked"] <= 1, f"{status['sources']}")
    daemon.logged_rarely("clients without an address")
    daemon.stop()


place.isolate()
tap.run()
