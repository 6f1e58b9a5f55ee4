#!/usr/bin/env python3
"""What stops or distorts mail without an overload: it is answered, counted, logged with its remedy, and seen in status, explain and
metrics. A test a fault; core/fault.h is the table."""
import contextlib
import errno
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import late, place, tap
from lib.place import BIN, wait_for
from lib.programs import Program, listening
from lib.smtp import Client, Server, crowd, deliver, smtp_server
from lib.tap import Skip, check, test
from lib.world import PORT, World


def told(world, name, least, log):
    """A fault is in the status, the metrics, `explain`, the text of `status`, and once in the log with its remedy."""
    status = world.daemon.wait_status(lambda s: s["faults"].get(name, {}).get("count", 0) >= least, f"{least} of {name}")
    fault = status["faults"][name]
    check(fault["what"] and fault["consequence"] and fault["remedy"], f"{fault}")
    check(world.daemon.metric(f'penstock_faults_total{{fault="{name}"}}') >= least, "the metric")
    explained = world.daemon.ctl("explain", check=0).stdout
    check(f"!! {name}: " in explained and fault["remedy"] in explained, explained)
    check(f"FAULT {name}: " in world.daemon.ctl("status").stdout, "status in words")
    log.logged(fault["remedy"])
    log.logged_rarely(fault["what"])
    return status


def says(text):
    def handle(connection, _address):
        if text:
            connection.sendall(text)
    return handle


@test("a mail server that accepts and closes without a word: 451, reason backend, counted and said")
def _():
    with World(server=says(b""), calm=True) as w:
        for _ in range(5):
            with Client(PORT) as c:
                check(c.greeting.startswith(b"451 4.3.2 mx.example.org "), f"{c.greeting}")
                check(c.say(b"QUIT").startswith(b"221 "), "the dialogue goes on to QUIT")
        told(w, "backend_silent", 5, w.proxy)
        w.daemon.wait_status(lambda s: s["decisions"]["by_reason"].get("backend") == 5, "five refusals for this reason")


@test("a mail server that greets with 421 or 554: passed on word by word, counted apart, no 220 and no capacity")
def _():
    for text, name in ((b"421 4.3.2 mx.example Too much load\r\n", "backend_defers"),
                       (b"554 5.7.1 no SMTP service here\r\n", "backend_rejects")):
        with World(server=says(text), calm=True) as w:
            for _ in range(20):
                with Client(PORT) as c:
                    check(c.greeting == text, f"{c.greeting}")
            status = told(w, name, 20, w.proxy)
            check(w.daemon.metric('penstock_connect_to_220_seconds_count{service="mx"}') == 0, "no 220")
            mx = status["services"]["mx"]
            check(not mx["completed_per_s"], f"no job is done: {mx['completed_per_s']}")


@test("a mail server that is not there: counted and said")
def _():
    with World(calm=True) as w:
        w.server.socket.shutdown(socket.SHUT_RDWR)
        w.server.close()
        check(deliver(PORT)[0] == "451", "451")
        told(w, "backend_down", 1, w.proxy)


@contextlib.contextmanager
def full_queue():
    """A listening socket whose accept queue is full: the kernel drops further SYNs, and their senders repeat them after 1, 3 and 7 s."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        connects = crowd(listener.getsockname()[1], 8)
        _, connected, _ = select.select([], connects, [], 0)
        check(0 < len(connected) < 8, f"{len(connected)} of 8 connects succeeded")
        for s in connects:
            if s not in connected:
                s.close()
        yield listener
        for s in connected:
            s.close()


@contextlib.contextmanager
def full_unix_queue():
    """The same of a UNIX socket, where a connect() without waiting fails with EAGAIN."""
    with tempfile.TemporaryDirectory(prefix="penstock-test-") as directory, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.join(directory, "smtp"))
        listener.listen(1)
        connected, failed = [], 0
        while not failed:
            s = socket.socket(socket.AF_UNIX)
            s.setblocking(False)
            failed = s.connect_ex(listener.getsockname())
            (s.close if failed else lambda: connected.append(s))()
        check(failed == errno.EAGAIN and connected, f"{len(connected)} connects succeeded, then {failed}")
        yield listener
        for s in connected:
            s.close()


QUEUES = full_queue, full_unix_queue


def where(listener):
    """The listening socket as front.proxy.backend has it."""
    name = listener.getsockname()
    return f"unix:{name}" if listener.family == socket.AF_UNIX else f"127.0.0.1:{name[1]}"


def behind(listener, options=None, proxy_options=None, **kwargs):
    """A World whose server is this listening socket; clients that may be refused for load wait 500 ms for a connect."""
    return World(server=None, options={"service.mx.ports": "2526", "service.mx.hostname": "mx.example.org", **(options or {})}, calm=True,
                 proxy_options={"front.proxy.backend": where(listener), "test.front.proxy.connect": "500ms", **(proxy_options or {})}, **kwargs)


def serve(world, listener):
    world.at_end.append(Server(smtp_server, listener=listener).close)


def is_silent(client, seconds):
    """Whether the client hears nothing for so long."""
    return not select.select([client.socket], [], [], seconds)[0]


@test("a full accept queue, in observe mode and without penstockd: the client is served once there is room, and one that leaves is let go")
def _():
    for daemon, queue in ((True, full_queue), (False, full_queue), (True, full_unix_queue), (False, full_unix_queue)):
        with queue() as listener, behind(listener, {"daemon.mode": "observe"}, daemon=daemon) as w:
            if daemon:
                w.proxy.logged("following the plan")
            with Client(PORT, greeting=False) as stays, Client(PORT, greeting=False) as leaves:
                check(is_silent(stays, 4), "no refusal while it connects")
                if daemon:
                    w.daemon.wait_status(lambda s: s["in_flight"] == 2, "both at the server")
                leaves.close()
                if daemon:
                    w.daemon.wait_status(lambda s: s["in_flight"] == 1, "the end of the client that left")
                serve(w, listener)
                greeting = stays.reply()
                check(greeting.startswith(b"220 "), f"{greeting}")
            if daemon:
                check(not w.daemon.status()["faults"], f"{w.daemon.status()['faults']}")


@test("a full accept queue, in enforce mode: the client hears 451 when the time for a connect is over, and the fault says so")
def _():
    for queue in QUEUES:
        with queue() as listener, behind(listener) as w:
            w.proxy.logged("following the plan")
            with Client(PORT) as c:
                check(c.greeting.startswith(b"451 4.3.2 mx.example.org "), f"{c.greeting}")
            status = told(w, "backend_unanswered", 1, w.proxy)
            check("backend_down" not in status["faults"], f"{status['faults']}")
            w.proxy.logged(f"({where(listener)}: no answer for ")


@test("a trusted client waits for a full accept queue in enforce mode, too, while another is refused; so does one of this host")
def _():
    for queue in QUEUES:
        with queue() as listener, behind(listener, {"source.trusted": "127.7.0.0/16"}) as w:
            w.proxy.logged("following the plan")
            with Client(PORT, source="127.7.0.1", greeting=False) as trusted:
                w.daemon.wait_status(lambda s: s["in_flight"] == 1, "the trusted client at the server")
                with Client(PORT, source="127.8.0.1") as other:
                    check(other.greeting.startswith(b"451 4.3.2 mx.example.org "), f"{other.greeting}")
                check(is_silent(trusted, 2), "the trusted client is not refused")
                serve(w, listener)
                check(trusted.reply().startswith(b"220 "), "and is served once there is room")
        with queue() as listener, behind(listener, proxy_options={"front.proxy.loopback": "no"}) as w:
            w.proxy.logged("following the plan")
            with Client(PORT, greeting=False) as own:
                check(is_silent(own, 2), "a client of this host is not refused")
                serve(w, listener)
                check(own.reply().startswith(b"220 "), "and is served once there is room")


@test("a full accept queue of a UNIX socket: clients get to the server in the order in which they came")
def _():
    options = {"front.proxy.proxy_protocol": "v1"}
    with full_unix_queue() as listener, behind(listener, {"daemon.mode": "observe"}, options) as w, contextlib.ExitStack() as clients:
        w.proxy.logged("following the plan")
        sources = [f"127.0.0.{i}" for i in range(2, 12)]
        for count, source in enumerate(sources, 1):
            clients.enter_context(Client(PORT, source=source, greeting=False))
            w.daemon.wait_status(lambda s: s["in_flight"] == count, f"{count} at the server")
        served = []
        while len(served) < len(sources):
            connection = listener.accept()[0]
            with connection, connection.makefile("rb") as file:
                pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
                if pid == w.proxy.pid:  # and not one of those that filled the queue
                    served.append(file.readline().split()[2].decode())
        check(served == sources, f"{served}")


@test("observe mode, and nothing listens behind the proxy: the first line of status does not say that everything is admitted")
def _():
    with World(options={"daemon.mode": "observe"}, calm=True) as w:
        w.server.close()
        check(deliver(PORT)[0] == "451", "451")
        headline = w.daemon.wait_status(lambda s: s["headline"]["reason"] == "backend", "the reason")["headline"]
        check("everything is admitted" not in headline["sentence"] and "cannot be reached" in headline["sentence"], headline["sentence"])
        told(w, "backend_down", 1, w.proxy)
        w.proxy.logged(f"(127.0.0.1:{w.server.port}: Connection refused)")

        def alarmed():
            deliver(PORT)
            done = subprocess.run([os.path.join(place.BIN, "check_penstock"), "--run-dir", w.daemon.run_dir], capture_output=True, text=True)
            return done if "refused by the front itself: the mail server behind it cannot be reached" in done.stdout else None
        done = wait_for(alarmed, "check_penstock to tell")
        check(done.returncode == 2 and not re.search(r"deferred_share=0\.0%", done.stdout), f"{done}")
        explained = w.daemon.ctl("explain", check=0).stdout
        check("(nothing is refused for load)" in explained, explained)
        # It is written each two seconds.
        history = wait_for(lambda: re.search(r".*: backend 100 %.*", w.daemon.ctl("history").stdout), "the history of the refusals")[0]
        check("deferred" in history, history)


@test("a proxy that the machine lets run seldom: a connection that it has made and not yet heard of is no server that is down")
def _():
    with World(proxy_options={"test.front.proxy.connect": "1s"}, proxy_arguments={"prefix": late.prefix()}, calm=True) as w:
        for _ in range(3):
            w.mail_flows()
        check("backend_down" not in w.daemon.status()["faults"], "the server was there")


@test("a proxy that the machine lets run seldom: a PROXY header that it has not read yet is not missing")
def _():
    options = {"front.proxy.accept_proxy_protocol": "yes", "front.proxy.proxy_from": "127.0.0.0/8"}
    with World(proxy_options=options, proxy_arguments={"prefix": late.prefix()}, calm=True) as w:
        for _ in range(5):
            began, before = time.monotonic(), w.server.connections
            clients = [Client(PORT, greeting=False) for _ in range(5)]
            time.sleep(0.5)  # they are let in, and have five seconds for their headers
            for c in clients[:4]:
                c.send(b"PROXY TCP4 192.0.2.7 127.0.0.1 4000 25\r\n")
            wait_for(lambda: w.server.connections > before, "the first connection to the server, of four that take six seconds")
            clients[4].send(b"PROXY TCP4 192.0.2.8 127.0.0.1 4000 25\r\n")
            in_time = time.monotonic() < began + 4
            heard = [c.reply() if in_time else b"" for c in clients]
            for c in clients:
                c.close()
            if in_time:
                check(all(greeting.startswith(b"220 ") for greeting in heard), f"{heard}")
                return
        raise Skip("the machine is too busy: the headers really come too late")


def connecting(port):
    """Whether a connect() to this port of this host has been sent and not answered."""
    with open("/proc/net/tcp") as f:
        return any(fields[2].endswith(f":{port:04X}") and fields[3] == "02" for fields in (line.split() for line in f.readlines()[1:]))


@test("a reload that names another backend: a client whose connect to the one before hangs is served by the new one, and without the old one's header")
def _():
    with full_queue() as old, tempfile.TemporaryDirectory(prefix="penstock-test-") as directory:
        path, server = os.path.join(directory, "penstock.conf"), Server(smtp_server)

        def configure(port, header):
            with open(path, "w") as f:
                f.write(f"[front.proxy]\nenabled = yes\nlisten = 127.0.0.1:{PORT}\nbackend = 127.0.0.1:{port}\nproxy_protocol = {header}\n"
                        "client_addresses_hidden = yes\n")

        configure(old.getsockname()[1], "v1")
        proxy = Program([os.path.join(BIN, "penstock-proxy"), "-c", path, "--run-dir", directory])
        wait_for(lambda: listening(PORT), "penstock-proxy's port")
        with Client(PORT, greeting=False) as c:
            wait_for(lambda: connecting(old.getsockname()[1]), "a connect to the old backend")
            configure(server.port, "none")
            proxy.kill(signal.SIGHUP)
            proxy.logged("configuration reloaded")
            check(c.reply().startswith(b"220 sink.example "), "the new backend's greeting")
            check(c.say(b"NOOP").startswith(b"250 "), "and nothing else")
        proxy.stop()
        server.close()


@test("a client whose connect to the one before hung has the whole time for a connect to another backend that hangs, too")
def _():
    with full_queue() as old, full_queue() as new, World(server=None, proxy=False, calm=True) as w:
        path = os.path.join(w.directory, "proxy.conf")

        def configure(listener):
            with open(path, "w") as f:
                f.write(f"[front.proxy]\nenabled = yes\nlisten = 127.0.0.1:{PORT}\nbackend = {where(listener)}\nproxy_protocol = v1\nloopback = yes\n")

        configure(old)
        proxy = Program([os.path.join(BIN, "penstock-proxy"), "-c", path, "--run-dir", w.daemon.run_dir, "-o", "test.front.proxy.connect=4s"])
        w.at_end.append(proxy.stop)
        proxy.logged("following the plan")
        with Client(PORT, greeting=False) as c:
            wait_for(lambda: connecting(old.getsockname()[1]), "a connect to the old backend")
            time.sleep(2)  # half of its time
            configure(new)
            reloaded = time.monotonic()
            proxy.kill(signal.SIGHUP)
            check(c.reply().startswith(b"451 "), "told at last")
            check(time.monotonic() - reloaded >= 4, f"too early: {time.monotonic() - reloaded:.1f} s after the reload")


@test("an answer to the final dot that takes longer than the idle bound is waited for: the message is taken once")
def _():
    stored = []

    def slow(connection, _address):
        f = connection.makefile("rb")
        connection.sendall(b"220 slow\r\n")
        body = False
        for line in f:
            if body and line == b".\r\n":
                time.sleep(10)
                stored.append(1)
                body = False
            elif line[:4] == b"DATA":
                body = True
                connection.sendall(b"354 go\r\n")
                continue
            if not body:
                connection.sendall(b"250 taken\r\n")

    with World(server=slow, proxy_options={"front.proxy.idle": "4s"}, calm=True) as w:
        check(deliver(PORT)[0] == "250", "the client hears it")
        check(stored == [1], "once")
        with Client(PORT) as c:
            check(wait_for(lambda: c.socket.recv(10) == b"", "the end of an idle client"), "an idle client is let go")


place.isolate()
tap.run()
