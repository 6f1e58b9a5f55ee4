#!/usr/bin/env python3
"""The gate never is the outage: whatever dies, hangs or runs out, mail reaches the MTA, and no session that the MTA serves is
touched."""
import contextlib
import ctypes
import os
import resource
import secrets
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place
from lib.cgroup import Cgroup
from lib.gate import PORT, Gated, Mta, attached, served
from lib.place import BUILD, PATIENCE, wait_for
from lib.programs import Daemon
from lib.tap import Skip, check, run, test
from lib.wire import SERVER4, SERVER6, Wire

HANG_S = 2.0  # the heartbeat
SLACK_S = 60.0 * PATIENCE  # of a busy machine; who hangs with penstockd hangs for longer
PLANTED = os.path.join(BUILD, "tests", "planted", "penstockd")  # a client can crash its responder, or stop it
TCP_INFO_TOTAL_RETRANS = 100  # offset in struct tcp_info


def resent(connection):
    """Segments, SYNs among them, that this client had to send again."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("I", info, TCP_INFO_TOTAL_RETRANS)[0]


def ends(connection):
    """Reads until the other end is gone."""
    connection.settimeout(HANG_S + SLACK_S)
    try:
        while connection.recv(512):
            pass
    except ConnectionResetError:
        pass


def standin_of(w):
    def found():
        done = subprocess.run(["pgrep", "-P", str(w.daemon.pid), "penstock-standi"], capture_output=True, text=True)
        return done.stdout.split()
    return wait_for(found, "the stand-in")[0]


@test("the stand-in keeps no capability, and may not get one")
def _():
    with Gated(WIRE) as w:
        pid = standin_of(w)
        with open(f"/proc/{pid}/status") as f:
            status = dict(line.split(":", 1) for line in f if ":" in line)
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            check(int(status[name], 16) == 0, f"{name}: {status[name]}")
        check(status["NoNewPrivs"].strip() == "1", f"{status['NoNewPrivs']}")


@test("a stand-in that the kernel does not end: a stop of penstockd does not wait for it, and says so")
def _():
    # A group of the old freezer: what is frozen in it is ended when it is thawed, and not before.
    group = f"/sys/fs/cgroup/freezer/penstock-test-{secrets.token_hex(4)}"
    if not os.path.exists(os.path.dirname(group) + "/cgroup.procs"):
        raise Skip("this host has no freezer of cgroup v1")

    def write(name, text):
        with open(os.path.join(group, name), "w") as f:
            f.write(text)

    def read(name):
        with open(os.path.join(group, name)) as f:
            return f.read().strip()
    with Gated(WIRE) as w:
        os.mkdir(group)
        try:
            write("cgroup.procs", standin_of(w))
            write("freezer.state", "FROZEN")
            wait_for(lambda: read("freezer.state") == "FROZEN", "the stand-in frozen")
            check(w.daemon.stop() == 0, "it ends")
            w.daemon.logged("Cannot end the stand-in of the gate's responder")
        finally:
            write("freezer.state", "THAWED")
            wait_for(lambda: not read("cgroup.procs"), "the end of the stand-in")
            os.rmdir(group)


@test("SIGKILL: the next connection goes to the MTA, a served session goes on, nothing stays attached")
def _():
    with Gated(WIRE) as w:
        session = served(w)
        check(attached() == 1, "one program")
        w.drain()
        w.daemon.process.kill()
        w.daemon.process.wait()
        for address, source in ((SERVER4, "10.77.0.21"), (SERVER6, "fd77::3")):
            check(w.greeting(source, address).startswith(b"220"), address)
        check(session.say(b"NOOP").startswith(b"250"), "the session")
        wait_for(lambda: attached() == 0, "nothing to be attached")


@test("SIGSTOP: after the heartbeat every client reaches the MTA, none hangs, and SIGCONT shuts the gate again")
def _():
    with Gated(WIRE) as w:
        session = served(w)
        w.drain()
        w.daemon.kill(signal.SIGSTOP)
        stopped, longest, outcomes = time.monotonic(), 0, []
        while time.monotonic() < stopped + HANG_S + SLACK_S:
            began = time.monotonic()
            try:
                greeting = w.greeting("10.77.0.22")
            except OSError as error:
                greeting = str(error).encode()
            longest = max(longest, time.monotonic() - began)
            outcomes.append(greeting[:3])
            if greeting.startswith(b"220"):
                break
        check(outcomes[-1] == b"220", f"{outcomes}")
        check(time.monotonic() - stopped < HANG_S + SLACK_S, f"open after {time.monotonic() - stopped} s")
        check(longest < HANG_S + SLACK_S, f"a client waited {longest} s for its greeting")
        check(set(outcomes) <= {b"220", b"451", b"421"}, f"everybody was told: {outcomes}")
        check(session.say(b"NOOP").startswith(b"250"), "the session")
        os.kill(w.daemon.pid, signal.SIGCONT)
        wait_for(lambda: w.greeting("10.77.0.23").startswith(b"451"), "the gate shuts again")


@test("SIGSTOP in a flood: of those whom the responder had accepted one at most is not told; SIGCONT tells it")
def _():
    with Gated(WIRE) as w:
        w.drain()
        for _ in range(3):
            clients = []
            thread = threading.Thread(target=lambda: [clients.append(w.wire.client(PORT, f"10.77.0.{113 + n % 100}", greeting=False)) for n in range(100)])
            thread.start()
            wait_for(lambda: len(clients) > 10 or not thread.is_alive(), "the flood")
            w.daemon.kill(signal.SIGSTOP)
            thread.join()
            # Those who came later hear the stand-in, and then the MTA.
            untold, until = {c.socket for c in clients}, time.monotonic() + HANG_S + SLACK_S
            while len(untold) > 1 and time.monotonic() < until:
                untold -= set(select.select(list(untold), [], [], 1)[0])
            check(len(untold) <= 1, f"{len(untold)} of {len(clients)} wait")
            w.daemon.kill(signal.SIGCONT)
            for c in clients:
                check(c.reply()[:3] in (b"451", b"421", b"220"), "all are told")
                c.close()
            wait_for(lambda: w.greeting("10.77.0.23").startswith(b"451"), "the gate shuts again")


@test("a drain, SIGTERM, a final stop: the MTA is reached, nothing stays attached")
def _():
    with Gated(WIRE) as w:
        session = served(w)
        w.drain()
        check(w.daemon.stop() == 0, "exit status")
        check(w.greeting("10.77.0.24").startswith(b"220"), "the MTA")
        check(session.say(b"NOOP").startswith(b"250"), "the session")
        wait_for(lambda: attached() == 0, "nothing to be attached")


@test("the MTA does not listen: refused clients get their 451 all the same, admitted ones what the kernel says; it comes back under the gate")
def _():
    with Gated(WIRE) as w:
        w.mta.close()
        w.mta = None
        try:
            w.greeting("10.77.0.25")
            check(False, "a client was answered")
        except ConnectionRefusedError:
            pass
        w.daemon.ctl("drain", check=0)
        wait_for(lambda: told(w), "451 while nothing listens")
        w.mta = Mta()
        check(w.greeting("10.77.0.26").startswith(b"451"), "still drained")
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: w.greeting("10.77.0.27").startswith(b"220"), "the MTA that was started under the gate")


@test("the MTA is restarted while refused clients linger at the responder: it gets its port")
def _():
    with Gated(WIRE) as w:
        w.drain()
        lingerers = [w.wire.client(PORT, f"10.77.0.{30 + n}") for n in range(20)]
        w.mta.close()
        w.mta = Mta()
        check(all(c.say(b"NOOP").startswith(b"451") for c in lingerers), "the lingerers are still answered")
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: w.greeting("10.77.0.28").startswith(b"220"), "the new MTA")


@test("answer_down: while nothing listens clients are told 451, and no more when something does")
def _():
    with Gated(WIRE, {"front.gate.answer_down": "yes"}, mta=False) as w:
        wait_for(lambda: told(w), "451 for the MTA that is down")
        w.mta = Mta()
        wait_for(lambda: w.greeting("10.77.0.41").startswith(b"220"), "the MTA")


def told(w):
    try:
        return w.greeting("10.77.0.40").startswith(b"451")
    except OSError:
        return False


@test("the responder's descriptors run out: connections pass to the MTA or are refused, no client is left waiting, and it recovers")
def _():
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))
        try:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))  # maps before 5.11
        except ValueError:
            pass  # without CAP_SYS_RESOURCE
        ctypes.CDLL(None).prctl(24, 24, 0, 0, 0)  # PR_CAPBSET_DROP of CAP_SYS_RESOURCE: else root would raise it
    with Gated(WIRE, {"test.front.gate.linger": "60s"}, preexec_fn=few) as w:
        w.drain()
        sockets, greetings = w.wire.burst(PORT, 600)
        first = [g[:3] if g is not None else None for g in greetings]
        counts = {code: first.count(code) for code in set(first)}
        check(None not in counts and b"" not in counts, f"everybody got a greeting: {counts}")
        check(set(counts) <= {b"451", b"421", b"220"}, f"{counts}")
        for s in sockets:
            s.close()
        check(w.daemon.alive(), "alive")
        wait_for(lambda: w.greeting("10.77.0.42").startswith(b"451"), "451 again")


@test("the responder crashes under its clients: none of them hangs, mail flows at once, a served session goes on, the next daemon takes up again")
def _():
    with Gated(WIRE, {"test.front.gate.linger": "60s"}, program=PLANTED) as w:
        session = served(w)
        w.drain()
        lingerers = [w.wire.client(PORT, f"10.77.0.{60 + n}") for n in range(40)]
        lingerers += [w.wire.client(PORT, f"fd77::{2 + n % 10:x}", address=SERVER6) for n in range(10)]
        check(all(c.greeting.startswith(b"451") for c in lingerers), "they linger")
        stop, outcomes = threading.Event(), []

        def traffic():
            while not stop.is_set():
                try:
                    with w.wire.client(PORT, "10.77.0.110", HANG_S + SLACK_S) as c:
                        outcomes.append(c.greeting[:3])
                except OSError as error:
                    outcomes.append(type(error).__name__.encode())
        thread = threading.Thread(target=traffic)
        thread.start()
        lingerers[0].socket.sendall(b"XCRASH\r\n")
        check(w.daemon.process.wait(120) == -signal.SIGABRT, "it crashed")
        for address, source in ((SERVER4, "10.77.0.111"), (SERVER6, "fd77::4")):
            check(w.greeting(source, address).startswith(b"220"), f"{address}: mail flows")
        for c in lingerers:
            ends(c.socket)  # raises for one that hangs
        wait_for(lambda: outcomes[-1:] == [b"220"], "traffic goes to the MTA")
        stop.set()
        thread.join()
        # Clients in the middle of it may have been answered by the stand-in, or cut off by the crash: none timed out.
        check(set(outcomes) <= {b"451", b"421", b"220", b"", b"ConnectionResetError"}, f"{set(outcomes)}")
        check(session.say(b"NOOP").startswith(b"250"), "the served session")
        wait_for(lambda: attached() == 0, "nothing to be attached")
        w.start_daemon()
        w.daemon.logged("the gate guards service mx")
        w.daemon.wait_status(lambda s: s["in_flight"] == 1, "the session is counted by the next one")
        w.drain()
        check(session.say(b"NOOP").startswith(b"250"), "and goes on")


def hangs(pid):
    """Whether the responder's thread is in pause(), as a client has told the planted one."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/task/{task}/comm") as comm, open(f"/proc/{pid}/task/{task}/wchan") as wchan:
                if comm.read().strip() == "responder" and "pause" in wchan.read():
                    return True
    return False


@test("the responder hangs and its accept queue is full: later connections pass to the MTA, none sends its SYN twice, all get a greeting")
def _():
    mta = Mta()  # its own queue is as long as always
    with open("/proc/sys/net/core/somaxconn", "r+") as f:
        usual = f.read()
        f.seek(0)
        f.write("16")
    try:
        with Gated(WIRE, {"test.front.gate.linger": "60s", "front.gate.cpu": "100%"}, mta=mta, program=PLANTED) as w:
            session = served(w)
            w.drain()
            w.wire.client(PORT, "10.77.0.112").socket.sendall(b"XHANG\r\n")
            wait_for(lambda: hangs(w.daemon.process.pid), "the responder hangs")
            clients = [w.wire.client(PORT, f"10.77.0.{113 + n % 100}", greeting=False) for n in range(100)]
            twice = [n for n, c in enumerate(clients) if resent(c.socket)]
            check(not twice, f"had to send again: {twice}")
            first = [c.reply()[:3] for c in clients]
            counts = {code: first.count(code) for code in set(first)}
            check(set(counts) == {b"421", b"220"}, f"the stand-in answers the queue, the MTA the others: {counts}")
            check(0 < counts[b"421"] <= 17, f"no more than the queue holds: {counts}")
            check(session.say(b"NOOP").startswith(b"250"), "the served session")
            w.daemon.process.kill()
            w.daemon.process.wait()
            check(w.greeting("10.77.0.23").startswith(b"220"), "the MTA")
    finally:
        with open("/proc/sys/net/core/somaxconn", "w") as f:
            f.write(usual)


@test("the kernel refuses the program (no capability): it is said, mail flows, everything else works")
def _():
    def drop():
        for capability in (12, 21, 38, 39):  # NET_ADMIN, SYS_ADMIN, PERFMON, BPF
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    mta = Mta()
    daemon = Daemon(directory, {"service.mx.ports": PORT, "front.gate.enabled": "yes"}, preexec_fn=drop)
    try:
        daemon.logged("Cannot serve the gate")
        daemon.logged("CAP_")
        with WIRE.client(PORT, "10.77.0.43") as c:
            check(c.greeting.startswith(b"220"), "mail")
        check(daemon.status()["state"] in ("serving", "blind"), "status")
    finally:
        daemon.stop()
        mta.close()


def begin_in(group, size, options):
    """A daemon in this group, with so much memory at first; None: the kernel has killed it."""
    group.limit_memory(size)
    daemon = Daemon(tempfile.mkdtemp(prefix="penstock-test-"), options, prefix=group.prefix(), wait=False)
    wait_for(lambda: not daemon.alive() or "Cannot serve the gate" in daemon.output() or "the gate guards" in daemon.output(),
             "what becomes of the gate")
    return daemon if daemon.alive() else None


@test("memory for the maps is refused by a control group: it is said, mail flows, and the gate comes when there is memory")
def _():
    group = Cgroup("memory")
    mta = Mta()
    daemon = None
    try:
        # The least memory in which the kernel lets it live: it may kill it for a page of its own instead of refusing it a map.
        for size in range(24 << 20, 64 << 20, 1 << 20):
            daemon = begin_in(group, size, {"service.mx.ports": PORT, "front.gate.enabled": "yes"})
            with WIRE.client(PORT, "10.77.0.46") as c:
                check(c.greeting.startswith(b"220"), "mail")
            if daemon and daemon.alive():
                break
        else:
            raise Skip("the kernel kills the daemon where it might refuse it memory; mail flowed each time")
        if "the gate guards" in daemon.output():
            raise Skip("this kernel does not charge the maps to the group")
        group.limit_memory(1 << 30)
        daemon.logged("the gate guards service mx")
    finally:
        if daemon and daemon.alive():
            daemon.stop()
        mta.close()
        group.remove()


@test("a reload that changes the gate's ports and one that switches it off: the MTA is reached")
def _():
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        def write(gate, ports=PORT):
            f.seek(0)
            f.truncate()
            f.write(f"[service.mx]\nports = {ports}\nhostname = mx.example.org\n[front.gate]\nenabled = {gate}\n")
            f.flush()
        write("yes")
        with Gated(WIRE, {"daemon.log_level": "info"}, argv=["-c", f.name], bare=True) as w:
            w.drain()
            write("no")
            w.daemon.ctl("reload", check=0)
            wait_for(lambda: w.greeting("10.77.0.44").startswith(b"220"), "off: the MTA")
            wait_for(lambda: attached() == 0, "nothing to be attached")
            write("yes", f"{PORT} 2999")
            w.daemon.ctl("reload", check=0)
            wait_for(lambda: w.greeting("10.77.0.45").startswith(b"451"), "on again, still drained")


place.isolate()
WIRE = Wire()
run()
