#!/usr/bin/env python3
"""Where the proxy listens, and how many connections it takes: addresses, sockets of a unit, and its bounds."""
import os
import re
import resource
import signal
import socket
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.manager import Manager
from lib.place import wait_for
from lib.programs import Daemon, Proxy, no_targets
from lib.smtp import Client, Server, deliver, smtp_server
from lib.tap import check, test
from lib.world import PORT, World, drop_resource_capability

POLICY = 2527


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


@test("a service manager that did not read until the proxy is stopped keeps its socket all the same, and its sessions go on")
def _():
    manager = Manager(reads=False)
    with World(proxy_arguments=manager.service(), calm=True) as w:
        with Client(w.proxy.port) as session:
            manager.read()
            os.kill(w.proxy.process.pid, signal.SIGTERM)
            w.proxy.process.wait(120)
            wait_for(lambda: "proxy-listener" in manager.store, "the socket to be kept")
            check(session.say(b"NOOP").startswith(b"250"), "the session goes on")
        w.proxy = Proxy(w.directory, PORT, w.server.port, **manager.service())
        with Client(PORT) as next_:
            check(next_.say(b"NOOP").startswith(b"250"), "the next proxy has the socket")


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
        check(greetings.count(b"220") <= most, f"{greetings.count(b'220')} are served, of {most} at most: clients that wait come in above the bound")
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


place.isolate()
tap.run()
