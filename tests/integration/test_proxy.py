#!/usr/bin/env python3
"""penstock-proxy on the wire: what passes, and what never happens. What refused clients hear is in test_refusals.py."""
import contextlib
import hashlib
import os
import random
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
from lib.proxied import PORT, drained, greeting, world
from lib.smtp import Client, Server, deliver, greets_after, smtp_server
from lib.tap import check, test

# What is the mail server's own slowness, and no other work's on this machine.
SMTP_TARGETS = {"target.connect_to_220_p99_us": "500ms", "target.oldest_waiting_us": "1s", "target.accept_queue_ratio": "0.5",
                "target.server_time_us": "500ms"}


def reset_on_close(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


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
    with world(greets_after(healthy), daemon_options=SMTP_TARGETS) as w:
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
            time.sleep(0.05)  # twenty clients a second
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


place.isolate()
tap.run()
