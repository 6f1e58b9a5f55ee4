#!/usr/bin/env python3
"""The process that mail servers ask (policy service, line, nginx, HAProxy's SPOE, milter): what it may not do, and what becomes of those who
ask when it, or penstockd, is killed or hangs, at a reload, and over garbage."""
import contextlib
import os
import re
import random
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.error

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import BIN, wait_for
from lib.programs import Daemon, Program, confined, is_gone, listening
from lib.tap import check, test
from lib.world import World

PORTS = {"policy": 9826, "haproxy": 9828, "nginx": 9831, "milter": 9832, "line": 9833}
OPTIONS = {option: value for front, port in PORTS.items() for option, value in
           ((f"front.{front}.enabled", "yes"), (f"front.{front}.listen", f"127.0.0.1:{port}"))} | {
               "front.nginx.backend": "127.0.0.1:2525", "front.milter.loopback": "yes"}
# A service has one front.
OPTIONS |= {option: value for number, front in enumerate(PORTS) for option, value in
            ((f"service.{front}.ports", 2600 + number), (f"front.{front}.service", front))}

OBSERVE = {"daemon.mode": "observe"}  # so many at once are no overload then


def frame(body):
    return len(body).to_bytes(4, "big") + body


def spop_question(n):
    return frame(b"\3\0\0\0\1" + bytes((n % 200, 1)) + b"\7connect\1\3src\6" + bytes((192, 0, 2, n % 250 + 1)))


SPOP_HELLO = frame(b"\1\0\0\0\1\0\0\x12supported-versions\x08\3" b"2.0\x0emax-frame-size\3\xfc\xf0\6\x0ccapabilities\x08\x0apipelining")
MILTER_HELLO = frame(b"O" + (6).to_bytes(4, "big") + (0x1ff).to_bytes(4, "big") + (0x1fffff).to_bytes(4, "big"))
# What is said first and what is asked; what the answer holds when the client is admitted, and when it is deferred.
TALKS = {
    "policy": (b"", lambda n: f"request=smtpd_access_policy\nclient_address=192.0.2.{n % 250 + 1}\nclient_port={n % 60000 + 1}\n\n".encode(), b"action=DUNNO\n\n", b"action=451"),
    "line": (b"", lambda n: f"connect 192.0.2.{n % 250 + 1}\n".encode(), b"220\n", b"451 "),
    "nginx": (b"", lambda n: f"GET / HTTP/1.0\r\nAuth-Protocol: smtp\r\nClient-IP: 192.0.2.{n % 250 + 1}\r\n\r\n".encode(), b"Auth-Server: 127.0.0.1", b"Auth-Error-Code: 451"),
    "haproxy": (SPOP_HELLO, spop_question, b"\x67", b"defer"),
    "milter": (MILTER_HELLO, lambda n: frame(b"Cmx\0004" + b"\x10\x00" + f"192.0.2.{n % 250 + 1}".encode() + b"\0"), b"\0\0\0\1a", b"\0\0\0\1c"),
}


def world(fronts=tuple(PORTS), **kwargs):
    options = {key: value for key, value in OPTIONS.items() if key.split(".")[1] in fronts}
    w = World(options=options, server=None, proxy=False, calm=True, **kwargs)
    for front in fronts:
        wait_for(lambda: up(w, front) == 1 and ask(front) == "admitted", f"{front} answers")
    return w


def metric(w, line):
    """-1 while a machine that is busy lets no tick happen for two seconds: /metrics says 503 then."""
    try:
        return w.daemon.metric(line)
    except urllib.error.HTTPError:
        return -1


def up(w, front):
    return metric(w, f'penstock_front_up{{front="{front}"}}')


def fault(w, name):
    return metric(w, f'penstock_faults_total{{fault="{name}"}}')


class Asker:
    """One connection of a mail server."""

    def __init__(self, front, seconds=60):
        self.talk = TALKS[front]
        self.socket = socket.create_connection(("127.0.0.1", PORTS[front]), seconds)
        self.socket.settimeout(seconds)
        self.number = random.randrange(60000)
        if self.talk[0]:
            self.socket.sendall(self.talk[0])
            self.receive(lambda got: len(got) > 4 and len(got) >= 4 + int.from_bytes(got[:4], "big"))

    def receive(self, whole):
        got = b""
        while not whole(got):
            more = self.socket.recv(4096)
            if not more:
                raise ConnectionResetError
            got += more
        return got

    def ask(self):
        """"admitted", "deferred"; ConnectionError: closed, and the server admits its client."""
        _, question, admitted, deferred = self.talk
        self.number += 1
        self.socket.sendall(question(self.number))
        return "deferred" if deferred in self.receive(lambda got: admitted in got or deferred in got) else "admitted"

    def close(self):
        self.socket.close()


def ask(front):
    """The same on a connection of its own; "closed"."""
    try:
        asker = Asker(front)
        try:
            return asker.ask()
        finally:
            asker.close()
    except ConnectionError:
        return "closed"


def process(w):
    return w.daemon.helper("penstockd-asks")


def running(w):
    return wait_for(lambda: process(w), "the process that mail servers ask")


def replaced(w, before):
    """Waits for another process, and until every front is served by it."""
    pid = wait_for(lambda: (lambda p: p if p and p != before else None)(process(w)), f"another process after {before}; the log is:\n{w.daemon.output()}", 120)
    for front in PORTS:
        wait_for(lambda: ask(front) == "admitted" and up(w, front) == 1, f"{front} answers again", 60)
    return pid


def drain(w, on):
    w.daemon.ctl("drain" if on else "resume", check=0)
    for front in PORTS:
        wait_for(lambda: ask(front) == ("deferred" if on else "admitted"), f"{front}: {'drained' if on else 'resumed'}")


@test("each protocol that it speaks is asked by these tests")
def _():
    with open(os.path.join(place.ROOT, "daemon/config/config.h")) as f:
        kinds = re.findall(r"\bX\([A-Z]+, (\w+)\)", re.search(r"#define ASKED_FRONT_TABLE\(X\)(.*?)\n\n", f.read(), re.S)[1])
    check(kinds and sorted(kinds) == sorted(TALKS) == sorted(PORTS), f"{kinds}")


@test("it has no capability, may get none, and its system calls are filtered; it has sockets and no other descriptor of penstockd's")
def _():
    with world() as w:
        others = confined(running(w))
        allowed = re.compile(r"^$|^socket:|^pipe:|^anon_inode:\[eventpoll\]|^anon_inode:\[eventfd\]")
        check(all(allowed.match(other) for other in others) and len(others) < 14, f"{others}")
        check(len([o for o in others if o.startswith("socket:")]) <= 1 + 2 * len(PORTS), f"the channel and the listening sockets: {others}")


@test("every front: admitted while serving, deferred in a drain, admitted again; its verdicts are counted where they were")
def _():
    with world() as w:
        drain(w, True)
        drain(w, False)
        w.daemon.wait_status(lambda s: all(s["decisions"]["by_front"][front]["deferred"] >= 1 and s["decisions"]["by_front"][front]["admitted"] >= 2
                                           for front in PORTS), "the counts")
        wait_for(lambda: fault(w, "unasked") == 0, "everybody was asked about")


@test("kill -9 of it: who asks meanwhile is closed at once, the log, the metrics and the status say so; it is started again; a loop of deaths is slowed down")
def _():
    with world() as w:
        pid = running(w)
        for _ in range(2):
            kept = {front: Asker(front) for front in PORTS}
            os.kill(pid, signal.SIGKILL)
            for front, asker in kept.items():
                try:
                    asker.ask()
                    raise AssertionError(f"{front}: answered by a dead process")
                except ConnectionError:
                    pass
            wait_for(lambda: process(w) != pid and all(ask(front) in ("closed", "admitted") for front in PORTS), "no server waits")
            pid = replaced(w, pid)
        w.daemon.logged("The process that mail servers ask ended: signal 9.")
        w.daemon.logged("admits its clients")
        w.daemon.logged("The process that mail servers ask runs again.")
        # The third start comes after a pause in which penstockd itself turns everybody away.
        os.kill(pid, signal.SIGKILL)

        def over():
            """Whether the pause is, of some seconds: a slow machine may see nothing of it."""
            return process(w) not in (None, pid)
        wait_for(lambda: up(w, "policy") == 0 or over(), "the metric of the front")
        check("penstockd-asks" in w.daemon.status()["decisions"]["by_front"]["policy"].get("why", "penstockd-asks"), "the status")
        for front in PORTS:
            said = ask(front)
            check(said == "closed" or over(), f"{front} in the pause: {said}")
        wait_for(lambda: fault(w, "unasked") >= len(PORTS), "the fault")
        w.daemon.logged("Clients were admitted without a verdict")
        replaced(w, pid)


@test("SIGSTOP of it under load: it is replaced, no server waits for good, penstockd's tick goes on")
def _():
    with world(daemon_options=OBSERVE) as w:
        pid = running(w)
        stop, seen, errors = threading.Event(), {front: 0 for front in PORTS}, []
        def load(front):
            while not stop.is_set():
                try:
                    check(ask(front) in ("admitted", "closed"), front)
                    seen[front] += 1
                except BaseException as e:  # a thread's own
                    errors.append((front, e))
                    return
                time.sleep(0.002)
        threads = [threading.Thread(target=load, args=(front,), daemon=True) for front in PORTS for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_for(lambda: all(seen.values()), "load")
        os.kill(pid, signal.SIGSTOP)
        check(w.daemon.status()["state"] == "serving", "HTTP")
        replaced(w, pid)
        w.daemon.logged("it did not answer for 8 s")
        wait_for(lambda: is_gone(pid), "the one that was stopped is gone")
        before = dict(seen)
        wait_for(lambda: all(seen[front] > before[front] for front in PORTS), "everybody goes on")
        stop.set()
        for thread in threads:
            thread.join(60)
        check(not errors, f"{errors}")


@test("SIGSTOP of penstockd, in a drain: who asks is admitted after two seconds, then at once; deferred when it goes on; the process stays the same")
def _():
    with world() as w:
        pid = running(w)
        drain(w, True)
        kept = {front: Asker(front) for front in PORTS}
        w.daemon.kill(signal.SIGSTOP)
        try:
            for front, asker in kept.items():
                check(asker.ask() == "admitted", f"{front} without penstockd")
            for front in PORTS:
                began = time.monotonic()
                check(ask(front) == "admitted", f"{front} on another connection")
                check(time.monotonic() - began < 20, f"{front} at once")
        finally:
            w.daemon.kill(signal.SIGCONT)
        for front in PORTS:
            wait_for(lambda: ask(front) == "deferred", f"{front} with penstockd")
        wait_for(lambda: fault(w, "unasked") >= 2 * len(PORTS), "the fault")
        check(process(w) == pid, "the same process")


@test("kill -9 of penstockd ends it, even when it is stopped; the next penstockd serves the same addresses")
def _():
    for stop_it in (False, True):
        with world() as w:
            pid = running(w)
            if stop_it:
                os.kill(pid, signal.SIGSTOP)
            w.daemon.kill(signal.SIGKILL)
            w.daemon.process.wait()
            wait_for(lambda: is_gone(pid), "its end")
            wait_for(lambda: not any(listening(port) for port in PORTS.values()), "the ports are free")
            w.start_daemon()
            for front in PORTS:
                wait_for(lambda: listening(PORTS[front]) and ask(front) == "admitted", front)


@test("SIGTERM, SIGINT and SIGHUP to it, as from a terminal: it goes on; it ends with penstockd, and the log has no warning of its end")
def _():
    with world() as w:
        pid = running(w)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            os.kill(pid, number)
        check(ask("policy") == "admitted" and process(w) == pid, "signals are for penstockd")
        check(w.daemon.stop() == 0, "exit status")
        wait_for(lambda: is_gone(pid), "its end")
        check("The process that mail servers ask ended" not in w.daemon.output(), w.daemon.output())


@test("garbage, half questions and resets on every front: it is counted, said once, and others go on in the same process")
def _():
    with world() as w:
        pid, noise = running(w), random.Random(7)
        kept = {front: Asker(front) for front in PORTS if front != "nginx"}
        for front in PORTS:
            hello, question, _, _ = TALKS[front]
            for number in range(300):
                with socket.create_connection(("127.0.0.1", PORTS[front]), 60) as s:
                    whole = question(number)
                    kinds = (noise.randbytes(noise.randrange(1, 3000)), whole[:noise.randrange(1, len(whole))], hello + whole * 40, b"\0" * 70000)
                    try:
                        s.sendall(kinds[number % len(kinds)])
                        if number % 3 == 0:
                            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    except OSError:
                        pass
            wait_for(lambda: ask(front) == "admitted", f"{front} afterwards")
        for front, asker in kept.items():
            # Those of HAProxy and Postfix stay; a milter is asked about the next client.
            if front != "milter":
                wait_for(lambda: asker.ask() == "admitted", f"{front}: a connection of before")  # deferred meanwhile, where the machine is short
        check(process(w) == pid, w.daemon.output())
        wait_for(lambda: metric(w, "penstock_malformed_requests_total") >= 200, "the counter")
        for text in ("Cannot read a request to the policy service", "Cannot read what came on front.line.listen", "Cannot read what came on front.nginx.listen",
                     "Cannot read what came on front.haproxy.listen", "Cannot read what came on front.milter.listen"):
            w.daemon.logged_rarely(text)


@test("many questions at once on one connection are answered in their order, also for one who closes its side then")
def _():
    with world(("line", "policy"), daemon_options=OBSERVE) as w:
        for many in (1, 63, 64, 65, 1000, 5000):
            s = socket.create_connection(("127.0.0.1", PORTS["line"]), 60)
            def send():
                s.sendall(b"".join(TALKS["line"][1](n) for n in range(many)))
                s.shutdown(socket.SHUT_WR)
            sender = threading.Thread(target=send, daemon=True)
            sender.start()
            got = s.makefile("rb").read()
            check(got == b"220\n" * many, f"{many} lines: {len(got)} octets, {got[-300:]}")
            sender.join(60)
        s = socket.create_connection(("127.0.0.1", PORTS["policy"]), 60)
        ask_about = "request=smtpd_access_policy\nclient_address=192.0.2.1\nclient_port={}\ninstance={}.0\n\n"
        # Two sessions, asked about three times each: six answers, two verdicts.
        s.sendall("".join(ask_about.format(port, f"s{port}") for port in (7, 7, 7, 8, 8, 8)).encode())
        s.shutdown(socket.SHUT_WR)
        check(s.makefile("rb").read() == b"action=DUNNO\n\n" * 6, "six answers")
        w.daemon.wait_status(lambda s: s["decisions"]["by_front"]["policy"]["admitted"] == 3, "two verdicts, and the one at the start")


@test("ten thousand idle connections are the process's, not penstockd's; a question among them is answered; over the bound they are closed, counted and said")
def _():
    count = 9000
    with world(("policy", "line"), daemon_options={**OBSERVE, "front.policy.connections_max": count, "front.line.connections_max": 1000}) as w:
        pid, held = running(w), []
        for n in range(count + 1100):
            held.append(socket.create_connection(("127.0.0.1", PORTS["policy" if n < count else "line"]), 60))
        wait_for(lambda: len(os.listdir(f"/proc/{pid}/fd")) > count + 900, "they are accepted", 60)
        check(len(os.listdir(f"/proc/{w.daemon.pid}/fd")) < 300, "penstockd has none of them")
        held[0].sendall(TALKS["policy"][1](1))
        check(held[0].recv(100) == b"action=DUNNO\n\n", "a question among them")
        wait_for(lambda: fault(w, "connections") >= 50, "the fault")
        for s in held:
            s.close()
        wait_for(lambda: ask("line") == "admitted", "free again", 60)


@test("it takes as many descriptors as it may have; when none is left, who connects is closed at once, counted and said, and it recovers")
def _():
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 300))

    with world(("milter", "line"), daemon_options=OBSERVE, preexec_fn=few) as w:
        pid, held = running(w), []
        check(resource.prlimit(pid, resource.RLIMIT_NOFILE) == (300, 300), f"{resource.prlimit(pid, resource.RLIMIT_NOFILE)}")
        with contextlib.suppress(ConnectionError):
            while len(held) < 300:
                held.append(Asker("milter"))
        check(200 < len(held) < 300, f"{len(held)} connections")
        for front in ("milter", "line"):
            for _ in range(100):
                check(ask(front) == "closed", f"{front}: closed, and left to wait by no means")
        check(held[0].ask() == "admitted", "who was connected before is answered")
        wait_for(lambda: fault(w, "descriptors") >= 200, lambda: f"the fault: {fault(w, 'descriptors')}")
        w.daemon.logged_rarely("Too few file descriptors for connections_max of a front (front.milter)")
        for asker in held:
            asker.close()
        for front in ("milter", "line"):
            wait_for(lambda: ask(front) == "admitted", f"{front} again")
        check(process(w) == pid, w.daemon.output())


@test("what one service admits takes no place of another one")
def _():
    with world(("line", "policy"), daemon_options={"service.line.shed": "no", "service.policy.slots": 200}) as w:
        asker, crowd = Asker("policy"), b"".join(TALKS["line"][1](n) for n in range(500))
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", PORTS["line"]), 60) as s:
                s.sendall(crowd)
                with s.makefile("rb") as file:
                    admitted = sum(file.readline() == b"220\n" for _ in range(500))
                check(admitted > 200, f"{admitted} clients of the other service were admitted")
                check(asker.ask() == "admitted", "and one of this service")
        asker.close()


@test("a reload adds, moves, changes and removes a front: the others keep their connections and the process; without any there is no process")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    path = os.path.join(directory, "penstock.conf")

    def configure(**fronts):
        with open(path, "w") as f:
            hostname = fronts.pop("hostname", "mx.example.org")
            f.write("[http]\nlisten = none\n")
            for number, (front, listen) in enumerate(fronts.items()):
                f.write(f"[service.{front}]\nports = {2600 + number}\nhostname = {hostname}\n[front.{front}]\nenabled = yes\nservice = {front}\nlisten = {listen}\n")
    configure(policy="127.0.0.1:9826")
    daemon = Program([os.path.join(BIN, "penstockd"), "-c", path, "--run-dir", os.path.join(directory, "run"), "--state-dir",
                      os.path.join(directory, "state")])
    daemon.run_dir = os.path.join(directory, "run")
    helper, ctl = (lambda: Daemon.helper(daemon, "penstockd-asks")), (lambda *a: Daemon.ctl(daemon, *a, check=0))

    def reload(**fronts):
        configure(**fronts)
        ctl("reload")
    try:
        wait_for(lambda: listening(9826) and ask("policy") == "admitted", "the policy service")
        pid, kept = helper(), Asker("policy")
        reload(policy="127.0.0.1:9826", line="127.0.0.1:9833")
        wait_for(lambda: listening(9833) and ask("line") == "admitted", "the line protocol is added")
        check(kept.ask() == "admitted" and helper() == pid, "the other one goes on")
        # Another name is in force at once, without an end of any connection.
        line = Asker("line")
        ctl("drain")
        def said():
            line.socket.sendall(b"connect 192.0.2.1\n")
            return line.receive(lambda got: b"\n" in got)
        wait_for(lambda: b" mx.example.org " in said(), "the name")
        reload(policy="127.0.0.1:9826", line="127.0.0.1:9833", hostname="other.example.org")
        wait_for(lambda: b" other.example.org " in said(), "the other name")
        ctl("resume")
        reload(policy="127.0.0.1:9826", line="127.0.0.1:9834")
        wait_for(lambda: listening(9834) and not listening(9833), "the line protocol moves")
        reload(policy="127.0.0.1:9826", line="127.0.0.1:9833")
        wait_for(lambda: listening(9833) and not listening(9834), "and back")
        wait_for(lambda: ask("line") == "admitted", "it answers there")
        reload(policy="127.0.0.1:9833", line="127.0.0.1:9826")
        wait_for(lambda: listening(9833) and listening(9826), "two change places")
        reload(policy="127.0.0.1:9826")
        wait_for(lambda: listening(9826) and not listening(9833), "the line protocol is removed")
        wait_for(lambda: ask("policy") == "admitted", "the policy service is back")
        check(helper() == pid, "the process stayed")
        configure()
        ctl("reload")
        wait_for(lambda: not listening(9826) and is_gone(pid) and not helper(), "no front, no process")
        reload(policy="127.0.0.1:9826")
        wait_for(lambda: listening(9826) and ask("policy") == "admitted", "a front, a process")
        check("The process that mail servers ask ended" not in daemon.output(), daemon.output())
    finally:
        check(daemon.stop() == 0, "exit status")


place.isolate()
tap.run()
