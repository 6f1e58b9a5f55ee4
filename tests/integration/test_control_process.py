#!/usr/bin/env python3
"""The processes that parse the calls of control.sock: what they may not do, and what becomes of mail, orders and watchers when one, or penstockd, is killed or hangs."""
import json
import os
import re
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import BIN, wait_for
from lib.programs import Program, all_stopped, confined, is_gone
from lib.tap import check, test
from lib.varlink import CONNECT, as_nobody, varlink
from lib.world import World

ADMIN, USERS = "penstockd-admin", "penstockd-users"
WATCH = b'{"method":"io.penstock.Watch","more":true}\0'


def world():
    return World(calm=True)


def ready(w):
    wait_for(lambda: (w.daemon.status().get("control") or {}).get("up"), "both are ready")


def process(w, name):
    ready(w)
    return w.daemon.helper(name)


def stop_process(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: all_stopped(pid), "its stop")


def replaced(w, name, before):
    """Waits for another process that is ready."""
    def other():
        pid = w.daemon.helper(name)
        return pid if pid and pid != before else None
    pid = wait_for(other, f"another {name} after {before}; the log is:\n{w.daemon.output()}", 120)
    ready(w)
    return pid


def untold(w):
    return w.daemon.metric('penstock_faults_total{fault="untold"}') or 0


def connect(w):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(120)
    s.connect(os.path.join(w.daemon.run_dir, "control.sock"))
    return s


def other_user(w, code):
    """What the code prints as another user, of whom penstockd-users reads."""
    process = as_nobody(w, CONNECT + code)
    said = process.communicate(timeout=120)[0]
    check(process.returncode == 0, said)
    return said


ASK = """
s = connect()
s.sendall(json.dumps({"method": "io.penstock.%s"}).encode() + bytes(1))
data = b""
while not data.endswith(bytes(1)):
    more = s.recv(65536)
    if not more: break
    data += more
print(data[:-1].decode())
"""


@test("they have no capability, may get none, and their system calls are filtered; they have their sockets and no descriptor of penstockd's")
def _():
    with world() as w:
        for name in ADMIN, USERS:
            pid = process(w, name)
            leaves = confined(pid)
            allowed = re.compile(r"^socket:|^anon_inode:\[eventpoll\]|^anon_inode:\[timerfd\]|^anon_inode:\[eventfd\]|^pipe:")
            check(all(allowed.match(leaf) for leaf in leaves) and len(leaves) < 8, f"{name} {leaves}")


@test("another user's call is read by penstockd-users, root's by penstockd-admin: with one of them stopped the other answers, and mail flows")
def _():
    with world() as w:
        admin, users = process(w, ADMIN), process(w, USERS)
        stop_process(users)
        w.daemon.ctl("status", check=0)
        w.daemon.ctl("mode", "observe", check=0)
        w.mail_flows()
        users = replaced(w, USERS, users)
        w.daemon.logged("The process that answers other users on the control socket ended: it did not answer for 8 s.")
        stop_process(admin)
        check('"status"' in other_user(w, ASK % "Status"), "the status")
        check("PermissionDenied" in other_user(w, ASK % "Drain"), "no order")
        w.mail_flows()
        replaced(w, ADMIN, admin)
        w.daemon.logged("The process that answers root and the group on the control socket ended: it did not answer for 8 s.")
        check(w.daemon.helper(USERS) == users, "the other one stays")
        w.daemon.ctl("mode", "enforce", check=0)
        w.mail_flows()


@test("kill -9 of either: mail flows, log, status, metrics and the fault say so; a watcher is let go, and the next one is told of changes")
def _():
    with world() as w:
        restarts = 0
        for name in ADMIN, USERS, ADMIN:
            pid = process(w, name)
            with connect(w) as watcher:
                watcher.sendall(WATCH)
                check(b"continues" in watcher.recv(65536), "it watches")
                os.kill(pid, signal.SIGKILL)
                w.mail_flows()
                restarts += 1
                replaced(w, name, pid)
                if name == ADMIN:
                    check(watcher.recv(65536) == b"", "its end")
            wait_for(lambda: w.daemon.status()["control"] == {"up": True, "restarts": restarts}, "the status")
            check(untold(w) == restarts, f"the fault: {untold(w)}")
            check(w.daemon.metric("penstock_control_restarts_total") == restarts, "the metric")
        w.daemon.logged("ended: signal 9.")
        w.daemon.logged("Mail is not affected")
        check("untold" in w.daemon.ctl("explain", check=0).stdout, "explain")
        with connect(w) as watcher:
            watcher.sendall(WATCH)
            watcher.recv(65536)
            w.daemon.ctl("drain", check=0)
            check(b"draining" in watcher.recv(65536), "the change")
        w.daemon.ctl("resume", check=0)


@test("who calls while the process is dead waits for the next one; whose answer was on its way is told so by penstockctl")
def _():
    with world() as w:
        pid = process(w, ADMIN)
        stop_process(pid)
        # No process reads from it: it waits behind the door, and the next process answers.
        waiting = connect(w)
        waiting.sendall(b'{"method":"io.penstock.Status"}\0')
        os.kill(pid, signal.SIGKILL)
        data = b""
        while not data.endswith(b"\0"):
            more = waiting.recv(65536)
            check(more, "it was closed")
            data += more
        check(json.loads(data[:-1])["parameters"]["status"]["state"] == "serving", "the answer")
        # Taken by a process that is killed then: a watcher's connection is closed, and penstockctl says what that means.
        watch = Program([os.path.join(BIN, "penstockctl"), "--run-dir", w.daemon.run_dir, "watch"])
        watch.logged("serving")
        os.kill(process(w, ADMIN), signal.SIGKILL)
        check(watch.process.wait(120) == 3, f"{watch.output()}")
        for text in ("the process that reads calls", "mail flows"):
            watch.logged(text)


@test("a process that keeps ending: who calls is told so at once, and that mail flows; it is served when the process is there again")
def _():
    with world() as w:
        ready(w)
        def told():
            pid = w.daemon.helper(ADMIN)
            if pid:
                os.kill(pid, signal.SIGKILL)
                wait_for(lambda: w.daemon.helper(ADMIN) != pid, "its end is seen")
            done = w.daemon.ctl("status")
            return "keeps ending" in done.stderr and done
        done = wait_for(told, "a longer pause", 120)
        check(done.returncode == 1 and "mail flows" in done.stderr, f"{done}")
        before = untold(w)
        w.mail_flows()
        check('"status"' in other_user(w, ASK % "Status"), "other users are served")
        w.daemon.ctl("status")
        wait_for(lambda: untold(w) > before or w.daemon.helper(ADMIN), "it is counted")
        wait_for(lambda: w.daemon.ctl("status").returncode == 0, "it is there again", 120)


@test("penstockd hangs: calls wait and are answered when it goes on, by the same processes; kill -9 of penstockd ends them, even stopped")
def _():
    with world() as w:
        pids = [process(w, name) for name in (ADMIN, USERS)]
        with connect(w) as s:
            s.sendall(b'{"method":"org.varlink.service.GetInfo"}\0')
            s.recv(65536)
            w.daemon.kill(signal.SIGSTOP)
            s.sendall(b'{"method":"io.penstock.Status"}\0')
            w.mail_flows()
            time.sleep(1)  # the call waits so long
            w.daemon.kill(signal.SIGCONT)
            check(b'"status"' in s.recv(65536), "the answer")
        check([w.daemon.helper(name) for name in (ADMIN, USERS)] == pids, "the same processes")
        stop_process(pids[1])
        w.daemon.kill(signal.SIGKILL)
        w.daemon.process.wait()
        for pid in pids:
            wait_for(lambda: is_gone(pid), "its end")
        w.mail_flows()
        w.start_daemon()
        w.daemon.ctl("status", check=0)


@test("a drain's long reason is cut between characters, and is told")
def _():
    with world() as w:
        check("error" not in varlink(w, {"method": "io.penstock.Drain", "parameters": {"reason": "x" + "ü" * 100}})[0], "the order")
        reason = w.daemon.wait_status(lambda s: s["state"] == "draining", "the drain").get("order_reason")
        check(reason and set(reason[1:]) == {"ü"} and 40 < len(reason) < 96, f"{reason}")


place.isolate()
tap.run()
