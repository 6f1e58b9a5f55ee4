#!/usr/bin/env python3
"""What a client that penstock-proxy refuses is told, for how long, and what it costs those that are served."""
import contextlib
import os
import resource
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import wait_for
from lib.proxied import PORT, drained, greeting, world
from lib.smtp import Client, deliver
from lib.tap import check, test
from lib.world import World, drop_resource_capability


@test("a refused client gets 451 4.3.2, the same to every command, 221 to QUIT, and never a 5xx or 503")
def _():
    with world() as w:
        drained(w)
        before = w.server.connections
        with Client(PORT) as c:
            first = c.greeting
            check(first.startswith(b"451 4.3.2 mx.example.org "), f"{first!r}")
            for line in (b"EHLO x", b"MAIL FROM:<a@b>", b"RCPT TO:<c@d>", b"NOOP", b"\x16\x03\x01\0\xa5"):
                check(c.say(line) == first, f"reply to {line!r}")
            check(c.say(b"QUIT").startswith(b"221 2.0.0 "), "QUIT")
            check(c.reply() == b"", "closed after QUIT")
        check(w.server.connections == before, "a refused client never reaches the backend")
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: greeting(PORT).startswith(b"220"), "an admission after resume")


@test("the dialogue degrades to 421 and a close: too many lingerers, too many commands, reply_code = 421")
def _():
    with world(proxy_options={"front.proxy.linger_max": 1}) as w:
        drained(w)
        def in_dialogue():
            c = Client(PORT)  # 421 while the one before it still counts
            return c if c.greeting.startswith(b"451") else c.close()
        with wait_for(in_dialogue, "the one place in dialogue") as first:
            with Client(PORT) as second:
                check(second.greeting.startswith(b"421 4.3.2"), f"{second.greeting!r}")
                check(second.reply() == b"", "closed")
            last = b"451"
            for _ in range(200):
                last = first.say(b"NOOP")
                if not last.startswith(b"451"):
                    break
            check(last.startswith(b"421"), f"{last!r}")
    with world(options={"service.mx.reply_code": 421}) as w:
        w.daemon.ctl("drain", check=0)
        wait_for(lambda: greeting(PORT).startswith(b"421 4.3.2"), "421")


@test("a refused client that says nothing is let go within the linger time")
def _():
    with world(proxy_options={"test.front.proxy.linger": "1s"}) as w:
        drained(w)
        with Client(PORT) as c:
            rest = c.file.read()
            check(rest == b"" or rest.startswith(b"421"), f"{rest!r}")


@test("many are refused at once, in turns: each hears its reply and the answer to QUIT, also in pieces; then all are admitted again")
def _():
    with world(proxy_options={"test.front.proxy.linger": "60s"}) as w:
        drained(w)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(PORT, greeting=False)) for _ in range(300)]
            for c in clients:
                check(c.file.readline().startswith(b"451 4.3.2 "), "each is told")
            for c in clients[::2]:
                c.socket.sendall(b"QU")
            for c in clients[1::2]:
                c.socket.sendall(b"QUIT\r\n")
            for c in clients[::2]:
                c.socket.sendall(b"IT\r\n")
            for c in clients:
                rest = c.file.read()
                check(rest.startswith(b"221 "), f"{rest!r} to QUIT")
            w.proxy.kill(signal.SIGHUP)
            check(greeting(PORT).startswith(b"451"), "refused after a reload, too")
        w.daemon.wait_status(lambda s: s["decisions"]["by_front"].get("proxy", {}).get("lingering") == 0, "no client is left")
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: greeting(PORT).startswith(b"220"), "an admission after the turns")
        check(deliver(PORT)[0] == "250", "mail after the turns")


@test("refused clients that stay connected take no place of those that are served")
def _():
    with world(proxy_options={"front.proxy.connections_max": "10", "test.front.proxy.linger": "120s"}) as w:
        drained(w)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(PORT)) for _ in range(30)]
            check(all(c.greeting.startswith(b"451") for c in clients), "they are refused, and stay")
            w.daemon.ctl("resume", check=0)
            wait_for(lambda: greeting(PORT).startswith(b"220"), "an admission beside them")


@test("refused clients that got 421 and stay take no place of those that are served")
def _():
    with world(proxy_options={"front.proxy.connections_max": "10", "front.proxy.linger_max": "0"}) as w:
        w.daemon.ctl("drain", check=0)
        wait_for(lambda: greeting(PORT).startswith(b"421"), "a refusal after drain")
        with contextlib.ExitStack() as stack:
            def comes_and_stays():
                return stack.enter_context(Client(PORT)).greeting
            check(all(comes_and_stays().startswith(b"421") for _ in range(30)), "they are refused, and stay")
            w.daemon.ctl("resume", check=0)
            wait_for(lambda: comes_and_stays().startswith(b"220"), "an admission beside them")


@test("clients that got 421 and stay take few descriptors")
def _():
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))
        drop_resource_capability()

    with World(proxy_options={"front.proxy.linger_max": "0"}, proxy_arguments={"preexec_fn": few}, calm=True) as w:
        w.daemon.ctl("drain", check=0)
        wait_for(lambda: greeting(PORT).startswith(b"421"), "a refusal after drain")
        with contextlib.ExitStack() as stack:
            for _ in range(300):
                check(stack.enter_context(Client(PORT)).greeting.startswith(b"421"), "each is told")
                # A twentieth of the descriptors is for them, and 64 are the proxy's own.
                taken = len(os.listdir(f"/proc/{w.proxy.pid}/fd"))
                check(taken <= 64 + 400 // 20, f"{taken} descriptors are open")


@test("a refused source is named in the log once an epoch, with its count")
def _():
    with world() as w:
        drained(w)
        for _ in range(5):
            with Client(PORT, source="127.0.0.77") as c:
                c.say(b"QUIT")
        w.proxy.stop()
        lines = [l for l in w.proxy.output().splitlines() if "127.0.0.77" in l]
        check(lines and len(lines) <= 2, f"{lines}")


place.isolate()
tap.run()
