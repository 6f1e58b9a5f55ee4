#!/usr/bin/env python3
"""penstock-proxy on the wire: what passes, what is refused and how, and what never happens."""
import contextlib
import hashlib
import os
import random
import resource
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import wait_for
from lib.programs import Daemon
from lib.smtp import Client, Server, deliver, smtp_server
from lib.tap import check, test
from lib.world import World, drop_resource_capability

PORT = 2525


# What is the mail server's own slowness, and no other work's on this machine.
SMTP_TARGETS = {"target.connect_to_220_p99_us": "500ms", "target.oldest_waiting_us": "1s", "target.accept_queue_ratio": "0.5",
                "target.server_time_us": "500ms"}


def world(handle=smtp_server, options=None, daemon=True, proxy_options=None, backend=None, daemon_options=None):
    return World(options=options, server=backend or handle, daemon=daemon, proxy_options=proxy_options, daemon_options=daemon_options, calm=True)


def reset_on_close(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def drained(world):
    world.daemon.ctl("drain", "--reason", "test", check=0)
    return wait_for(lambda: greeting(PORT).startswith(b"451"), "a refusal after drain")


def greeting(port):
    with Client(port) as c:
        return c.greeting


@test("30 MB of DATA with a client's half-close arrive byte-identical")
def _():
    body = random.Random(1).randbytes(30_000_000).replace(b"\n", b"\r")
    seen = {}

    def handle(connection, _address):
        digest, size = hashlib.sha256(), 0
        connection.sendall(b"220 sink\r\n")
        while chunk := connection.recv(65536):
            digest.update(chunk)
            size += len(chunk)
        connection.sendall(b"250 got %d\r\n" % size)  # answers after the client's end of stream
        seen["digest"], seen["size"] = digest.hexdigest(), size

    with world(handle, daemon=False):
        with Client(PORT) as c:
            c.send(body)
            c.socket.shutdown(socket.SHUT_WR)
            reply = c.reply()
            check(reply == b"250 got %d\r\n" % len(body), f"reply {reply!r}")
            check(c.reply() == b"", "the server's close arrives")
    check(seen["digest"] == hashlib.sha256(body).hexdigest(), "the bytes differ")


@test("30 MB from the server arrive byte-identical at a client that reads slowly")
def _():
    body = random.Random(2).randbytes(30_000_000)

    def handle(connection, _address):
        connection.sendall(b"220 sink\r\n")
        connection.recv(100)
        connection.sendall(body)

    with world(handle, daemon=False):
        with Client(PORT) as c:
            c.send(b"GO\r\n")
            digest = hashlib.sha256()
            while chunk := c.file.read1(200_000):
                digest.update(chunk)
            check(digest.hexdigest() == hashlib.sha256(body).hexdigest(), "the bytes differ")


@test("STARTTLS passes, and what is said inside TLS is not looked at")
def _():
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mx.example.org", "-days",
                        "2", "-keyout", f"{d}/key", "-out", f"{d}/cert"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{d}/cert", f"{d}/key")

        def handle(connection, _address):
            connection.sendall(b"220 sink\r\n")
            connection.recv(100)
            connection.sendall(b"250-sink\r\n250 STARTTLS\r\n")
            connection.recv(100)
            connection.sendall(b"220 go on\r\n")
            with context.wrap_socket(connection, server_side=True) as tls:
                smtp_server(tls, None, greeting=b"")

        with world(handle) as w:
            c = Client(PORT)
            c.say(b"EHLO x")
            c.say(b"STARTTLS")
            insecure = ssl._create_unverified_context()
            c.socket = insecure.wrap_socket(c.socket, server_hostname="mx.example.org")
            c.file = c.socket.makefile("rb")
            check(c.say(b"EHLO x").startswith(b"250"), "EHLO in TLS")
            check(c.say(b"QUIT").startswith(b"221"), "QUIT in TLS")
            c.close()
            w.daemon.wait_status(lambda s: s["decisions"]["admitted"] == 1 and s["in_flight"] == 0, "the session's end")


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


@test("a server that ends the session in the middle of a message: the client hears the server's reply")
def _():
    def handle(connection, _address):
        connection.sendall(b"220 sink\r\n")
        connection.recv(100)
        connection.sendall(b"354 go on\r\n")
        full.wait(600)
        connection.sendall(b"552 5.3.4 too big\r\n")  # and closes with unread octets, which resets the connection

    with world(handle, daemon=False):
        for _ in range(3):
            full = threading.Event()
            with Client(PORT) as c:
                check(c.say(b"DATA") == b"354 go on\r\n", "the answer to DATA")
                c.socket.settimeout(1)
                with contextlib.suppress(OSError):
                    while True:
                        c.socket.sendall(b"x" * 100_000)  # until the proxy reads no more
                full.set()
                c.socket.settimeout(120)
                check(c.reply() == b"552 5.3.4 too big\r\n", "the server's reply")


@test("a client that sends on and reads nothing after the server has gone: the session ends all the same")
def _():
    gone = threading.Event()

    def handle(connection, _address):
        connection.sendall(b"220 sink\r\n")
        connection.settimeout(1)
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(b"250-x\r\n" * 10_000)  # until the proxy reads no more
        full.wait(600)
        reset_on_close(connection)
        gone.set()

    with world(handle, daemon=False):
        full = threading.Event()
        with Client(PORT) as c:
            c.socket.settimeout(1)
            with contextlib.suppress(TimeoutError):
                while True:
                    c.socket.sendall(b"x" * 100_000)
            full.set()
            gone.wait(120)

            def is_closed():
                try:
                    c.socket.send(b"x" * 1000)
                except TimeoutError:
                    pass
                except OSError:
                    return True
                return False
            wait_for(is_closed, "the end of the session")


@test("no plan, a stale plan, a killed and a stopped daemon: mail flows")
def _():
    with world(daemon=False):
        check(deliver(PORT)[0] == "250", "without any daemon")
    with world() as w:
        drained(w)
        w.daemon.kill(signal.SIGSTOP)
        wait_for(lambda: greeting(PORT).startswith(b"220"), "an admission while the daemon is stopped")
        check(deliver(PORT)[0] == "250", "mail while the daemon is stopped")
        w.daemon.kill(signal.SIGCONT)
        wait_for(lambda: greeting(PORT).startswith(b"451"), "the drain obeyed again")
        w.daemon.stop(signal.SIGKILL)
        wait_for(lambda: greeting(PORT).startswith(b"220"), "an admission after kill -9")
        check(deliver(PORT)[0] == "250", "mail after kill -9")
        w.daemon = Daemon(w.directory, {"service.mx.ports": w.server.port})
        w.daemon.wait_status(lambda s: s["decisions"]["by_front"].get("proxy", {}).get("up"), "the new daemon sees the proxy")
        wait_for(lambda: greeting(PORT).startswith(b"451"), "the drain, which holds over restarts")
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: deliver(PORT)[0] == "250", "mail under the new daemon")


@test("a session that runs is not touched by the daemon's death, drain or restart, nor by the proxy's SIGTERM")
def _():
    with world() as w:
        with Client(PORT) as c:
            check(c.say(b"EHLO x").startswith(b"250"), "EHLO")
            w.daemon.stop(signal.SIGKILL)
            check(c.say(b"MAIL FROM:<a@b>").startswith(b"250"), "MAIL")
            w.daemon = Daemon(w.directory, {"service.mx.ports": w.server.port})
            w.daemon.ctl("drain", check=0)
            check(c.say(b"RCPT TO:<a@b>").startswith(b"250"), "RCPT")
            w.proxy.kill(signal.SIGTERM)
            w.proxy.logged("go on to their end")
            check(c.say(b"DATA").startswith(b"354"), "DATA")
            c.send(b"x\r\n.\r\n")
            check(c.reply().startswith(b"250"), "the message")
            check(c.say(b"QUIT").startswith(b"221"), "QUIT")
        check(w.proxy.process.wait(120) == 0, "the proxy ends when its sessions have")


@test("a dead backend gives 4xx and a line that names it; back again, mail flows")
def _():
    with world() as w:
        port = w.server.port
        w.server.socket.shutdown(socket.SHUT_RDWR)
        w.server.close()
        with Client(PORT) as c:
            check(c.greeting.startswith(b"4") and b"mx.example.org" in c.greeting, f"{c.greeting!r}")
        w.proxy.logged(f"127.0.0.1:{port}")
        w.server = Server(smtp_server, port)
        w.at_end.append(w.server.close)
        wait_for(lambda: deliver(PORT)[0] == "250", "mail through the backend that is back")
        reasons = w.daemon.wait_status(lambda s: "backend" in s["decisions"]["by_reason"], "the reason")
        check(reasons["decisions"]["by_reason"]["backend"] >= 1, "counted")


@test("a backend that accepts and never greets: new connections are refused with reason smtp, waiting ones late; healed within seconds")
def _():
    healthy = threading.Event()

    def handle(connection, address):
        healthy.wait(600)
        smtp_server(connection, address)

    with world(handle, daemon_options=SMTP_TARGETS) as w:
        clients, refused = [], []
        until = time.monotonic() + 120
        while not refused and time.monotonic() < until:
            c = Client(PORT, greeting=False)
            c.socket.settimeout(0.2)
            clients.append(c)
            for old in list(clients):
                try:
                    old.socket.settimeout(0.01)
                    reply = old.socket.recv(600)
                except (TimeoutError, socket.timeout):
                    continue
                refused.append(reply)
                clients.remove(old)
            time.sleep(0.05)
        check(refused, "no client was refused in 120 s")
        check(refused[0].startswith(b"451 4.3.2 mx.example.org"), f"{refused[0]!r}")
        s = w.daemon.wait_status(lambda s: s["level"] >= 1 or s["pressure"] > 1, "the daemon sees it")
        reasons = w.daemon.wait_status(lambda s: s["decisions"]["by_reason"], "a reason")["decisions"]["by_reason"]
        check(set(reasons) <= {"smtp", "late"}, f"reasons {reasons}, driver {s['driver']}")
        healthy.set()
        for c in clients:
            c.close()
        wait_for(lambda: deliver(PORT)[0] == "250", "mail after the backend is healed")


@test("2000 sessions at once, all delivered; the counts agree")
def _():
    messages = []
    with world(lambda c, a: smtp_server(c, a, store=messages.append), options={"source.trusted": "127.0.0.0/8"}) as w:
        clients = [Client(PORT, timeout=180, greeting=False) for _ in range(2000)]
        for c in clients:
            check(c.reply().startswith(b"220"), "greeting")
        for line in (b"EHLO x", b"MAIL FROM:<a@b>", b"RCPT TO:<c@d>", b"DATA"):
            for c in clients:
                c.send(line + b"\r\n")
            for c in clients:
                reply = c.reply()
                check(reply[:1] in (b"2", b"3"), f"{line!r}: {reply!r}")
        w.daemon.wait_status(lambda s: s["services"]["mx"]["in_flight"] == 2000, "2000 in flight")
        for number, c in enumerate(clients):
            c.send(b"message %d\r\n.\r\nQUIT\r\n" % number)
        for c in clients:
            check(c.reply().startswith(b"250"), "the message")
            check(c.reply().startswith(b"221"), "QUIT")
            c.close()
        s = w.daemon.wait_status(lambda s: s["in_flight"] == 0, "nothing in flight at the end")
        check(s["decisions"]["admitted"] == 2000 and s["decisions"]["deferred"] == 0, f"{s['decisions']}")
    check(len(set(messages)) == 2000, f"{len(set(messages))} different messages arrived")


@test("slow-loris and half-open clients are bounded: the limit answers 4xx, the idle ones are closed")
def _():
    # So long that the first of twenty is not idle yet when the last one comes, on a busy machine.
    options = {"front.proxy.connections_max": 20, "front.proxy.idle": "10s"}
    with world(proxy_options=options, daemon=False) as w:
        silent = [Client(PORT, greeting=False) for _ in range(20)]
        check(all(c.reply().startswith(b"220") for c in silent), "so many are served")
        with Client(PORT) as c:
            check(c.greeting.startswith(b"4"), f"past the limit: {c.greeting!r}")
        for c in silent:
            rest = c.file.read()
            check(rest == b"" or rest.startswith(b"4"), f"an idle client got {rest!r}")
        wait_for(lambda: deliver(PORT)[0] == "250", "mail after the silent ones were let go")
        check(w.proxy.alive(), "the proxy lives")


@test("garbage, endless lines and resets do no harm")
def _():
    with world() as w:
        noise = random.Random(3)
        for number in range(150):
            s = socket.create_connection(("127.0.0.1", PORT))
            s.sendall(noise.randbytes(noise.randrange(1, 5000)))
            if number % 3 == 0:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        wait_for(lambda: deliver(PORT)[0] == "250", "mail after the noise")
        w.daemon.wait_status(lambda s: s["in_flight"] == 0, "nothing left in flight")


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
