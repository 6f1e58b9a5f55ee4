#!/usr/bin/env python3
"""The process that answers HTTP: what load balancers ask it, what it may not do, and what becomes of mail, the tick and HTTP when it, or
penstockd, is killed or hangs."""
import json
import os
import re
import signal
import socket
import sys
import tempfile
import threading
import urllib.error

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import BIN, wait_for
from lib.programs import Daemon, Program, all_stopped, confined, is_gone, listening
from lib.smtp import crowd
from lib.tap import check, test
from lib.world import World


def world(**kwargs):
    return World(calm=True, **kwargs)


def process(w):
    return wait_for(w.daemon.http_process, "the process that answers HTTP")


def stop_process(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: all_stopped(pid), "its stop")


def code(daemon, path):
    """The status code; None: no answer."""
    try:
        daemon.get(path)
        return 200
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def by_control(w):
    """The status without HTTP."""
    return json.loads(w.daemon.ctl("status", "--json", check=0).stdout)


def replaced(w, before):
    """Waits for another process that answers."""
    def other():
        pid = w.daemon.http_process()
        return pid if pid and pid != before else None
    pid = wait_for(other, f"another process after {before}; the log is:\n{w.daemon.output()}", 120)
    wait_for(lambda: code(w.daemon, "/healthz") == 200, "HTTP again")
    return pid


@test("it has no capability, may get none, and its system calls are filtered; it has its sockets and no descriptor of penstockd's")
def _():
    with world() as w:
        pid = process(w)
        wait_for(lambda: by_control(w)["http"]["up"], "it is ready")
        others = confined(pid)
        allowed = re.compile(r"^$|^socket:|^pipe:|^anon_inode:\[eventpoll\]|^anon_inode:\[timerfd\]|^/memfd:penstockd-http")
        check(all(allowed.match(other) for other in others) and len(others) < 12, f"{others}")
        check(by_control(w)["http"]["restarts"] == 0, "no restart")


@test("kill -9 of it: mail flows, the log and the status say so, it is started again and goes on answering; a loop of deaths is slowed down")
def _():
    with world() as w:
        pid = process(w)
        for restarts in (1, 2):
            os.kill(pid, signal.SIGKILL)
            w.mail_flows()
            pid = replaced(w, pid)
            wait_for(lambda: by_control(w)["http"] == {"up": True, "restarts": restarts}, "the status")
        w.daemon.logged("The process that answers HTTP ended: signal 9.")
        w.daemon.logged("The process that answers HTTP runs again.")
        w.daemon.logged("Mail is not affected")
        check(w.daemon.metric("penstock_http_restarts_total") == 2, "the metric")
        check(w.daemon.alive(), "penstockd")
        w.mail_flows()


@test("SIGSTOP of it: mail flows, penstockctl is answered, HTTP clients wait; it is replaced, and their questions are answered")
def _():
    with world() as w:
        pid = process(w)
        stop_process(pid)
        answers = []
        def ask():
            with socket.create_connection(("127.0.0.1", w.daemon.http), 120) as s:
                s.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                answers.append(s.recv(1000))
        waiting = threading.Thread(target=ask, daemon=True)
        waiting.start()
        w.mail_flows()
        check(by_control(w)["state"] == "serving", "penstockctl")
        replaced(w, pid)
        w.daemon.logged("it did not answer for 8 s")
        wait_for(lambda: is_gone(pid), "the one that was stopped is gone")
        waiting.join(120)
        check(answers and b" 200 " in answers[0], f"{answers}")
        w.mail_flows()


@test("SIGSTOP of penstockd: /healthz, /readyz and every document say 503, and 200 when it goes on; the process stays the same")
def _():
    with world() as w:
        pid = process(w)
        wait_for(lambda: code(w.daemon, "/status.json") == 200, "HTTP")
        w.daemon.kill(signal.SIGSTOP)
        try:
            for path in ("/healthz", "/readyz"):
                wait_for(lambda: code(w.daemon, path) == 503, f"{path} is honest")
            for path in ("/", "/status.json", "/metrics", "/history.json"):
                check(code(w.daemon, path) == 503, f"{path} without penstockd")
            check(code(w.daemon, "/page.css") == 200, "what needs no penstockd")
            w.mail_flows()
        finally:
            w.daemon.kill(signal.SIGCONT)
        for path in ("/healthz", "/readyz", "/", "/status.json", "/metrics", "/history.json"):
            wait_for(lambda: code(w.daemon, path) == 200, f"{path} afterwards")
        check(w.daemon.http_process() == pid, "the same process")


@test("kill -9 of penstockd ends it, even when it is stopped; the next penstockd serves HTTP on the same address")
def _():
    for stop_it in (False, True):
        with world() as w:
            pid = process(w)
            wait_for(lambda: by_control(w)["http"]["up"], "it is ready")
            if stop_it:
                stop_process(pid)
            w.daemon.kill(signal.SIGKILL)
            w.daemon.process.wait()
            wait_for(lambda: is_gone(pid), "its end")
            wait_for(lambda: not listening(w.daemon.http), "the port is free")
            w.mail_flows()
            w.start_daemon()
            wait_for(lambda: code(w.daemon, "/status.json") == 200, "HTTP")


@test("SIGTERM, SIGINT and SIGHUP to the whole group, as from a terminal: penstockd stops, and so does it; the log has no warning of its end")
def _():
    with world() as w:
        pid = process(w)
        wait_for(lambda: by_control(w)["http"]["up"], "it is ready")
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            os.kill(pid, number)
        check(code(w.daemon, "/healthz") == 200 and w.daemon.http_process() == pid, "signals are for penstockd")
        check(w.daemon.stop() == 0, "exit status")
        wait_for(lambda: is_gone(pid), "its end")
        check("The process that answers HTTP ended" not in w.daemon.output(), w.daemon.output())


@test("a flood of garbage and of half requests on HTTP: it lives or is replaced, penstockd's tick goes on, mail flows")
def _():
    with world() as w:
        process(w)
        garbage = (b"\0" * 3000, b"\xff" * 70000, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                   b"GET /history.json?span=99999999999 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n",
                   b"GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
        held = []
        for number in range(700):
            s = socket.socket()
            s.settimeout(5)
            try:
                s.connect(("127.0.0.1", w.daemon.http))
                s.sendall(garbage[number % len(garbage)])
            except OSError:
                pass
            if number % 3:
                s.close()  # without reading what it was answered
            else:
                held.append(s)
            if number % 100 == 0:
                w.mail_flows()
        check(w.daemon.alive(), w.daemon.output())
        check(by_control(w)["state"] == "serving", "penstockctl")
        for s in held:
            s.close()
        wait_for(lambda: code(w.daemon, "/healthz") == 200, "HTTP")
        w.mail_flows()


@test("more connections than it takes: mail, penstockctl and penstockd's descriptors do not notice; HTTP is there again afterwards")
def _():
    with world() as w:
        pid = process(w)
        held = crowd(w.daemon.http, 1500)
        wait_for(lambda: len(os.listdir(f"/proc/{pid}/fd")) > 500, "many are accepted")
        check(len(os.listdir(f"/proc/{pid}/fd")) < 1300, "not all")
        check(len(os.listdir(f"/proc/{w.daemon.pid}/fd")) < 300, "penstockd has none of them")
        w.mail_flows()
        by_control(w)
        for s in held:
            s.close()
        wait_for(lambda: code(w.daemon, "/healthz") == 200, "HTTP", 120)


@test("a reload moves HTTP to another address, takes other names, ends it with listen = none and starts it again")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    path = os.path.join(directory, "penstock.conf")

    def ask(port, host):
        with socket.create_connection(("127.0.0.1", port), 120) as s:
            s.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            return s.makefile("rb").read()

    def configure(http):
        with open(path, "w") as f:
            f.write(f"[service.mx]\nports = 2526\n[http]\n{http}\n")
    configure("listen = 127.0.0.1:9831")
    # Not by Daemon(), which says http.listen over the file.
    daemon = Program([os.path.join(BIN, "penstockd"), "-c", path, "--run-dir", os.path.join(directory, "run"), "--state-dir",
                      os.path.join(directory, "state")])
    try:
        wait_for(lambda: listening(9831), "HTTP")
        check(b" 200 " in ask(9831, "localhost") and b" 421 " in ask(9831, "other.example"), "names")
        configure("listen = 127.0.0.1:9831\nhosts = other.example")
        daemon.kill(signal.SIGHUP)
        wait_for(lambda: b" 200 " in ask(9831, "other.example"), "the other name")
        configure("listen = 127.0.0.1:9832")
        daemon.kill(signal.SIGHUP)
        wait_for(lambda: listening(9832) and not listening(9831), "the other address")
        check(b" 200 " in ask(9832, "localhost"), "it answers there")
        configure("listen = none")
        daemon.kill(signal.SIGHUP)
        wait_for(lambda: not listening(9832), "nowhere")
        configure("listen = 127.0.0.1:9831")
        daemon.kill(signal.SIGHUP)
        wait_for(lambda: listening(9831), "the first address again")
        check(b" 200 " in ask(9831, "localhost"), "it answers there")
        check("The process that answers HTTP ended" not in daemon.output(), daemon.output())
    finally:
        check(daemon.stop() == 0, "exit status")


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


place.isolate()
tap.run()
