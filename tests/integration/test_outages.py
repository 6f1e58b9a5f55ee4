#!/usr/bin/env python3
"""What stops or distorts mail without an overload: it is answered, counted, logged with its remedy, and seen in status, explain and
metrics. A test a fault; core/fault.h is the table."""
import contextlib
import ctypes
import errno
import os
import re
import resource
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
from lib.manager import Manager
from lib.place import BIN, wait_for
from lib.programs import Daemon, Program, Proxy, listening, no_targets
from lib.smtp import Client, Server, crowd, deliver, smtp_server
from lib.tap import Skip, check, test
from lib.world import PORT, World, drop_resource_capability

POLICY = 2527


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


@test("several listeners: 0.0.0.0 and [::] in one option, a restart keeps them, one that cannot be opened is named")
def _():
    manager = Manager()
    with World(proxy_options={"front.proxy.listen": f"127.0.0.1:{PORT}, [::1]:{PORT}"}, proxy_arguments=manager.service(), calm=True) as w:
        for _ in range(2):
            for host in ("127.0.0.1", "::1"):
                with socket.create_connection((host, PORT), 120) as s:
                    check(s.recv(100).startswith(b"220 "), f"{host} is served")
            wait_for(lambda: len(manager.store) == 2, lambda: f"both to be kept: {manager.store}")
            w.proxy.stop()
            w.proxy = Proxy(w.directory, PORT, w.server.port, {"front.proxy.listen": f"[::1]:{PORT}, 127.0.0.1:{PORT}"},
                            **manager.service())
        w.proxy.stop()
        taken = socket.create_server(("::1", 2600), family=socket.AF_INET6)
        bad = Proxy(w.directory, PORT, w.server.port, {"front.proxy.listen": f"127.0.0.1:2601, [::1]:2600"}, wait=False)
        bad.logged("Cannot listen on [::1]:2600: Address already in use. No client is served. Find the program that listens there ('ss -ltnp'), and stop or move it.")
        taken.close()


@test("a socket unit with two ListenStreams: proxy, policy service and HTTP serve both")
def _():
    def pair(port):
        return [socket.create_server(("127.0.0.1", port)), socket.create_server(("::1", port), family=socket.AF_INET6)]

    manager, directory = Manager(), tempfile.mkdtemp(prefix="penstock-test-")
    os.makedirs(os.path.join(directory, "run"))
    server, sockets = Server(smtp_server), {"smtp": pair(PORT), "policy": pair(POLICY), "http": pair(9825)}
    passed = {name: [s.fileno() for s in both] for name, both in sockets.items()}
    daemon = Daemon(directory, {**no_targets(), "http.listen": "systemd:http", "front.policy.enabled": "yes", "front.policy.listen": "systemd:policy"},
                    **manager.service({name: passed[name] for name in ("policy", "http")}))
    proxy = Proxy(directory, PORT, server.port, {"front.proxy.listen": "systemd:smtp"}, **manager.service({"smtp": passed["smtp"]}))
    for host in ("127.0.0.1", "::1"):
        for port, question, answer in ((PORT, b"", b"220 "), (POLICY, b"request=smtpd_access_policy\n\n", b"action=DUNNO"),
                                       (9825, b"GET /healthz HTTP/1.0\r\n\r\n", b"HTTP/1.")):
            with socket.create_connection((host, port), 120) as s:
                s.sendall(question)
                check(s.recv(100).startswith(answer), f"{host} {port}")
    proxy.stop()
    daemon.stop()
    server.close()
    for both in sockets.values():
        for s in both:
            s.close()


@test("a reload that raises connections_max: as many are served, and nothing loops")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    path = os.path.join(directory, "penstock.conf")
    os.makedirs(os.path.join(directory, "run"))
    server = Server(smtp_server)

    def configure(most):
        with open(path, "w") as f:
            f.write(f"[front.proxy]\nconnections_max = {most}\n")

    configure(8)
    proxy = Proxy(directory, PORT, server.port, argv=["-c", path])
    configure(300)
    proxy.kill(signal.SIGHUP)
    proxy.logged("configuration reloaded")
    clients = [Client(PORT, source=f"127.3.{i // 100}.{i % 100 + 1}", timeout=120) for i in range(300)]
    check(all(c.greeting.startswith(b"220 ") for c in clients), "all are served")
    with Client(PORT, timeout=120) as c:
        check(c.greeting.startswith(b"451 "), f"and the next is told: {c.greeting}")
    for c in clients:
        c.close()
    proxy.stop()
    server.close()


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


@test("too few descriptors: the bound in force follows the limit, each client is told, and it is said")
def _():
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
        drop_resource_capability()

    with World(proxy_arguments={"preexec_fn": few}, calm=True) as w:
        w.proxy.logged("Cannot have ")
        most = int(re.search(r"At most (\d+) sessions", w.proxy.output())[1])
        clients = [Client(PORT, source=f"127.8.{i // 200}.{i % 200 + 1}", timeout=120, greeting=False) for i in range(400)]
        greetings = [c.reply()[:3] for c in clients]
        check(b"220" in greetings and set(greetings) <= {b"220", b"421", b"451"}, f"{ {g: greetings.count(g) for g in set(greetings)} }")
        check(greetings.count(b"220") <= most, f"{greetings.count(b'220')} are served, of {most} at most: who waits comes in above the bound")
        # On a busy machine penstockd may have refused most of them for its load; now only the limit refuses.
        w.daemon.ctl("mode", "observe", check=0)
        w.daemon.wait_status(lambda s: s["mode"] == "observe", "observe mode")

        def is_counted():
            clients.append(Client(PORT, source=f"127.9.{len(clients) // 200}.{len(clients) % 200 + 1}", timeout=120))
            return {"descriptors", "connections"} & set(w.daemon.status()["faults"])

        wait_for(is_counted, "it is counted")
        for c in clients:
            c.close()
        wait_for(lambda: deliver(PORT)[0] == "250", "mail when they are free again")


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


@test("loopback passes the proxy in a drain as it passes the gate; front.proxy.loopback decides on it too")
def _():
    with World(proxy_options={"front.proxy.loopback": "no"}, calm=True) as w:
        w.daemon.ctl("drain", check=0)
        w.daemon.wait_status(lambda s: s["state"] == "draining", "a drain")
        time.sleep(0.3)
        check(deliver(PORT)[0] == "250", "a health check on this host sees the server")
    with World(calm=True) as w:
        w.daemon.ctl("drain", check=0)
        wait_for(lambda: deliver(PORT)[0] == "451", "a refusal")


@test("a drain survives kill -9, restart and reload of the daemon, and ends when it was to end; resume ends it for good")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    daemon = Daemon(directory, {})
    daemon.ctl("drain", "--for", "30m", "--reason", "kernel update", check=0)
    state = lambda d: d.status()["state"]
    told = daemon.wait_status(lambda s: s["state"] == "draining", "the drain")["order_until"]
    for number in (signal.SIGKILL, signal.SIGTERM):
        daemon.stop(number)
        daemon = Daemon(directory, {})
        status = daemon.status()
        check(status["state"] == "draining" and status["order_reason"] == "kernel update", f"after signal {number}: {status['state']}")
        check(status["order_until"] == told, f"the end that was told: {told}; after signal {number}: {status['order_until']}")
    daemon.ctl("reload", check=0)
    check(state(daemon) == "draining", "over a reload")
    # One that ends soon, over a restart. On a busy machine its end may come before the new daemon is asked.
    ordered = time.monotonic()
    daemon.ctl("drain", "--for", "15s", check=0)
    until = ordered + 15
    daemon.stop(signal.SIGKILL)
    daemon = Daemon(directory, {})
    check(state(daemon) == "draining" or time.monotonic() > until, "after a restart")
    daemon.wait_status(lambda s: s["state"] == "serving", "its end")
    check(until - 1 < time.monotonic(), "not before it was to end")
    daemon.stop()
    daemon = Daemon(directory, {})
    check(state(daemon) != "draining", "over is over")
    daemon.ctl("drain", check=0)
    daemon.ctl("resume", check=0)
    daemon.stop()
    daemon = Daemon(directory, {})
    check(state(daemon) != "draining", "resume")
    with open(os.path.join(daemon.run_dir, "order"), "w") as f:
        f.write("drain another-boot 0 x\n")
    daemon.stop()
    daemon = Daemon(directory, {})
    check(state(daemon) != "draining" and not os.path.exists(os.path.join(daemon.run_dir, "order")), "of a boot before")
    daemon.stop()


# As the file of both programs would say it.
CONFIGURED = {"front.proxy.enabled": "yes", "front.proxy.listen": f"127.0.0.1:{PORT}", "front.proxy.backend": "127.0.0.1:1",
              "front.proxy.proxy_protocol": "none", "front.proxy.client_addresses_hidden": "yes"}


@test("a front that was removed is gone from status and metrics; one that is configured and stopped is down")
def _():
    for configured in (True, False):
        with World(daemon_options=CONFIGURED if configured else {}, calm=True) as w:
            check(deliver(PORT)[0] == "250", "mail")
            w.daemon.wait_status(lambda s: s["decisions"]["by_front"].get("proxy", {}).get("admitted"), "the proxy is seen")
            w.proxy.stop()
            if configured:
                w.daemon.wait_status(lambda s: not s["decisions"]["by_front"].get("proxy", {"up": True})["up"], "down")
                w.daemon.stop()
                w.start_daemon()
                down = w.daemon.wait_status(lambda s: not s["decisions"]["by_front"].get("proxy", {"up": True})["up"], "down after a restart")
                check(down["decisions"]["by_front"]["proxy"]["admitted"] == 1, f"its counts go on: {down['decisions']}")
                w.daemon.logged("The front proxy is down: penstock-proxy does not run")
                w.proxy = Proxy(w.directory, PORT, w.server.port)
                w.daemon.logged("The front proxy is up again.")
            else:
                w.daemon.wait_status(lambda s: "proxy" not in s["decisions"]["by_front"], "gone")
                check('front="proxy"' not in w.daemon.document("/metrics"), "from metrics, too")


@test("a proxy that is configured and never ran is down: metrics, first line, check_penstock and the page say so")
def _():
    with World(daemon_options=CONFIGURED, proxy=False, calm=True) as w:
        headline = w.daemon.status()["headline"]
        check(headline["sentence"].startswith("The front proxy is down: "), f"{headline}")
        check(w.daemon.metric('penstock_front_up{front="proxy"}') == 0, "the metric")
        check(w.daemon.ctl("status").stdout.startswith("The front proxy is down: "), "the first line")
        check("Front proxy is down: " in w.daemon.document("/"), "the page")
        check("!! front proxy is down: " in w.daemon.ctl("explain").stdout, "explain")
        told = subprocess.run([os.path.join(BIN, "check_penstock"), "-t", "120", "--run-dir", w.daemon.run_dir], capture_output=True, text=True)
        check(told.returncode == 2 and "proxy" in told.stdout.split("|")[0], f"{told}")


@contextlib.contextmanager
def names_of_its_own():
    """What is started within has host names apart from this machine's, and so may change them."""
    newuts, libc = 0x04000000, ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/self/ns/uts", os.O_RDONLY)
    try:
        check(libc.unshare(newuts) == 0, f"unshare: {os.strerror(ctypes.get_errno())}")
        yield
    finally:
        libc.setns(own, newuts)
        os.close(own)


@test("a new name of this host counts after a reload, in the replies of the proxy and of fronts that are asked; the units let it through")
def _():
    with names_of_its_own():
        socket.sethostname("one.example.org")
        with World(server=None, options={"service.mx.ports": 2599}, daemon_options={"front.line.enabled": "yes", "front.line.listen": "127.0.0.1:2530"},
                   proxy=False, calm=True) as w:
            w.proxy = Proxy(w.directory, PORT, 1)
            w.daemon.ctl("drain", check=0)

            def told():
                with Client(PORT) as c, socket.create_connection(("127.0.0.1", 2530), 120) as s:
                    s.sendall(b"connect 192.0.2.1\n")
                    return c.greeting, s.recv(1000)

            def say(name):
                return all(reply.startswith(b"451 ") and name in reply for reply in told())
            wait_for(lambda: say(b"one.example.org"), lambda: f"the name of the start: {told()}")
            socket.sethostname("two.example.org")
            w.daemon.ctl("reload", check=0)
            w.proxy.kill(signal.SIGHUP)
            wait_for(lambda: say(b"two.example.org"), lambda: f"the name of now: {told()}")
    for unit in ("penstockd", "penstock-proxy"):
        with open(os.path.join(place.ROOT, f"packaging/systemd/{unit}.service")) as f:
            check("\nProtectHostname=" not in f.read(), f"{unit} would keep the name of its start")


@test("no counter falls when penstockd is restarted after a proxy has ended: Prometheus would count all of the living one once more")
def _():
    with World(server=None, options={"service.mx.ports": 2599}, daemon_options=CONFIGURED, proxy=False, calm=True) as w:
        faults = 'penstock_faults_total{fault="backend_down"}'
        refused = 'penstock_decisions_total{front="proxy",verdict="defer",reason="backend"}'
        check((w.daemon.metric(faults), w.daemon.metric(refused)) == (0, 0), "nothing yet")
        for count, total in ((3, 3), (1, 4)):
            proxy = Proxy(w.directory, PORT, 1)
            for _ in range(count):
                check(deliver(PORT)[0] == "451", "451")
            wait_for(lambda total=total: w.daemon.metric(faults) == total, lambda: f"{count} more faults: {w.daemon.metric(faults)}")
            if total == 3:
                proxy.stop()
        w.daemon.stop()
        w.start_daemon()
        check((w.daemon.metric(faults), w.daemon.metric(refused)) == (4, 4), f"{w.daemon.metric(faults)}, {w.daemon.metric(refused)}")
        proxy.stop()
        wait_for(lambda: not os.listdir(os.path.join(w.daemon.run_dir, "counts")), "the end of the second one")
        w.daemon.stop()
        # Another version, or cut short: they begin at zero.
        with open(os.path.join(w.daemon.run_dir, "retired"), "r+b") as f:
            f.truncate(64)
        w.start_daemon()
        check(w.daemon.metric(faults) == 0, f"{w.daemon.metric(faults)}")


@test("policy requests: CR LF is taken, an unknown address is blamed on no source, a client that closes one side still gets the answer")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    daemon = Daemon(directory, {**no_targets(), "front.policy.enabled": "yes", "front.policy.listen": f"127.0.0.1:{POLICY}", "source.rate_max": 5})

    def ask(text, half=False):
        with socket.create_connection(("127.0.0.1", POLICY), 120) as s:
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


@test("comments behind values: taken for comments, in every kind of value")
def _():
    path = os.path.join(tempfile.mkdtemp(prefix="penstock-test-"), "penstock.conf")
    with open(path, "w") as f:
        f.write("[daemon]\nmode = observe # for now\ntick = 50ms\t# fast\n[service.mx]\nhostname = mx.example.org   # a name\nports = 25 587 # two\n"
                "[front.gate]\nnetns = /proc/1/ns/net       # or a name under /run/netns\n[http]\nlisten = none ; libinih's own\n")
    printed = subprocess.run([os.path.join(place.BIN, "penstockd"), "-c", path, "--print-config"], capture_output=True, text=True, check=True).stdout
    for line in ("mode = observe", "tick = 50ms", "hostname = mx.example.org", "ports = 25 587", "netns = /proc/1/ns/net", "listen = none"):
        check(f"\n{line}\n" in printed, f"{line}: {printed}")


@test("HTTP for load balancers: OPTIONS and HEAD on healthz and readyz, Accept with quality values")
def _():
    daemon = Daemon(tempfile.mkdtemp(prefix="penstock-test-"), {})

    def ask(head):
        with socket.create_connection(("127.0.0.1", 9825), 120) as s:
            s.sendall(head.encode() + b"\r\n\r\n")
            data = b""
            while chunk := s.recv(65536):
                data += chunk
            return "" if data.split()[1:2] == [b"503"] else data.decode()

    daemon.wait_status(lambda s: s["state"] == "serving", "serving")
    for path in ("/", "/healthz", "/readyz"):
        for method, code in (("OPTIONS", "204"), ("HEAD", "200"), ("GET", "200")):
            answer = wait_for(lambda: ask(f"{method} {path} HTTP/1.0"), "an answer that is no 503")
            head, _, body = answer.partition("\r\n\r\n")
            check(head.split()[1] == code and bool(body) == (method == "GET"), f"{method} {path}: {answer[:200]}")
    om, text = "application/openmetrics-text", "text/plain"
    for accept, wanted in ((f"{om};version=1.0.0;q=0.5,{om};version=0.0.1;q=0.4,{text};version=0.0.4;q=0.3,*/*;q=0.1", om),
                           (f"{text};version=0.0.4;q=0.6,{om};version=1.0.0;q=0.5,*/*;q=0.1", text), (f"{text},{om};q=0", text),
                           ("*/*", text), ("text/*;q=0.2, application/*;q=0.1", text), (f"{om.upper()};Q=1", om), ("", text),
                           (f"{text};q=0.3,*/*;q=0.2", text), (f"*/*;q=0.1,{om};q=0.2", om)):
        head = wait_for(lambda: ask(f"GET /metrics HTTP/1.0\r\nAccept: {accept}"), "an answer that is no 503").partition("\r\n\r\n")[0]
        check(f"Content-Type: {wanted}" in head, f"{accept}: {head}")
    daemon.stop()


def over(path, text):
    """A prefix that lays a file with this text over `path`, in a mount namespace of the program's own."""
    with tempfile.NamedTemporaryFile("w", prefix="penstock-test-", delete=False) as f:
        f.write(text)
    os.chmod(f.name, 0o644)
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", f'mount --bind {f.name} {path} && exec "$@"', "sh"]


def line(major, minor, name):
    return f"{major:4d} {minor:7d} {name} 100 0 800 30 200 0 1600 90 0 100 120 0 0 0 0 10 20\n"


@test("more disks than are looked at: the spool's comes first, and what is left out is said; Xen's xvda1 without an xvda is a disk")
def _():
    device = os.stat("/var").st_dev
    spool = os.path.basename(os.readlink(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")) if os.major(device) else None
    forty = "".join(line(8 + i // 16, i % 16 * 16, "sd" + chr(97 + i // 26) + chr(97 + i % 26)) for i in range(40))
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    last = line(os.major(device), os.minor(device), spool) if spool else ""
    daemon = Daemon(directory, {"service.mx.queue_dirs": "/var"}, prefix=over("/proc/diskstats", forty + last))
    if spool:
        daemon.wait_status(lambda s: s["disks"].get(spool, {}).get("counts"), "the disk of the spool")
    status = daemon.wait_status(lambda s: "are not" in s["sensors"]["disk"].get("reason", ""), "what is left out")
    check(len(status["disks"]) == 32, f"{len(status['disks'])}")
    daemon.logged("Cannot look at every disk: 32 disks are looked at")
    daemon.stop()
    daemon = Daemon(directory, {}, prefix=over("/proc/diskstats", line(202, 1, "xvda1") + line(202, 2, "xvda2") + line(8, 0, "sda") + line(8, 1, "sda1")))
    status = daemon.wait_status(lambda s: s["disks"], "disks")
    check(set(status["disks"]) == {"xvda1", "xvda2", "sda"}, f"{set(status['disks'])}")
    daemon.stop()


@test("more links than are looked at: the named one comes first, and what is left out is said")
def _():
    batch = "".join(f"link add v{i} type veth peer name p{i}\n" for i in range(70)) + "link add wan0 type veth peer name wan1\nlink set wan1 up\nlink set wan0 up\n"
    subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)
    daemon = Daemon(tempfile.mkdtemp(prefix="penstock-test-"), {"nic.interfaces": "wan0", "nic.speed": "1000000000"})
    status = daemon.wait_status(lambda s: "are not" in s["sensors"]["nic"].get("reason", ""), "what is left out")
    check(status["resources"]["nic"]["signals"]["nic_down_count"]["value"] == 0, "the named link is up")
    daemon.logged("Cannot look at every link: 128 links are looked at")
    daemon.stop()
    subprocess.run(["ip", "-batch", "-"], input="".join(f"link del v{i}\n" for i in range(70)) + "link del wan0\n", text=True, check=True)


place.isolate()
tap.run()
