#!/usr/bin/env python3
"""Faults of penstock's own processes: killed, hung, starved, restarted, replaced. Mail flows and nothing is lost."""
import fcntl
import hashlib
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.cgroup import Cgroup, ahead
from lib.manager import Manager
from lib.place import BIN, BUILD, wait_for
from lib.programs import Daemon, Program, Proxy, descriptors, listening
from lib.smtp import Client, Server, crowd, deliver, smtp_server
from lib.tap import check, test
from lib.world import PORT, World, drop_resource_capability


@test("the proxy's descriptors run out: the rest is told 421, and it recovers")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    os.makedirs(os.path.join(directory, "run"))
    server = Server(smtp_server)
    proxy = Proxy(directory, PORT, server.port, {"front.proxy.connections_max": 1000},
                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)) or drop_resource_capability())
    clients, greetings = [], []
    for _ in range(60):
        c = Client(PORT, greeting=False, timeout=120)
        clients.append(c)
    for c in clients:
        try:
            greetings.append(c.reply()[:3])
        except (OSError, TimeoutError):
            greetings.append(b"")
    check(b"220" in greetings, f"some are served: {greetings}")
    check(set(greetings) <= {b"220", b"421", b"451"}, f"and the others are told: {greetings}")
    check(b"421" in greetings or b"451" in greetings, f"{greetings}")
    for c in clients:
        c.close()
    wait_for(lambda: deliver(PORT)[0] == "250", "mail when they are free again")
    proxy.stop()
    server.close()


@test("another user holds a lock on the counts of a proxy that dies: they are counted no more")
def _():
    with World() as w:
        w.mail_flows()
        path = os.path.join(w.daemon.run_dir, "counts", f"proxy-{w.proxy.pid}")
        # Others reach neither the file nor its directory. Somebody opens both: what follows holds all the same.
        check(os.stat(path).st_mode & 0o007 == 0, "others may not open it at all")
        check(os.stat(os.path.dirname(path)).st_mode & 0o007 == 0, "nor what is beside it")
        os.chmod(os.path.dirname(path), 0o775)
        os.chmod(path, 0o644)
        # A reader's lock: flock() at once, fcntl()'s as soon as the proxy's own ends with it.
        holder = subprocess.Popen([sys.executable, "-c", "import fcntl, os, sys, time\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
                                   "f = open(sys.argv[1], 'rb'); fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)\nprint('flock', flush=True)\n"
                                   "fcntl.lockf(f, fcntl.LOCK_SH)\nprint('fcntl', flush=True)\ntime.sleep(600)", path],
                                  stdout=subprocess.PIPE, text=True)
        check(holder.stdout.readline() == "flock\n", "a reader's lock")
        session = Client(PORT)
        w.daemon.wait_status(lambda s: s["in_flight"] == 1, "the session counted")
        w.proxy.stop(signal.SIGKILL)
        check(holder.stdout.readline() == "fcntl\n", "the other lock of a reader")
        session.close()
        wait_for(lambda: not os.path.exists(path), "its counts taken and removed")
        w.daemon.wait_status(lambda s: not s["in_flight"], "no session of a dead proxy")
        holder.kill()


def healthy(daemon):
    """What still waits in the accept queue comes first: an answer may take a while."""
    try:
        return daemon.get("/healthz") == "ok\n"
    except OSError:
        return False


@test("the daemon's descriptors run out: the control socket and HTTP suffer, verdicts do not, and it recovers")
def _():
    with World(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160)) or drop_resource_capability()) as w:
        w.mail_flows()
        many = crowd(w.daemon.http, 300)
        time.sleep(1)  # what fails without descriptors has failed by then; nothing says so
        for _ in range(5):
            w.mail_flows()
        check(w.daemon.alive(), "alive")
        for s in many:
            s.close()
        wait_for(lambda: healthy(w.daemon), "HTTP again", 120)
        # Sensors keep a descriptor for each control group: they may hold so many that not even the first look is let in at once.
        for resource_left in (12, 0):
            held = len(os.listdir(f"/proc/{w.daemon.process.pid}/fd"))
            limit = held + resource_left
            resource.prlimit(w.daemon.process.pid, resource.RLIMIT_NOFILE, (limit, max(limit, 160)))
            many = [socket.create_connection(("127.0.0.1", w.daemon.http)) for _ in range(20)]
            w.mail_flows()
            check(w.daemon.alive(), "alive")
            for s in many:
                s.close()
            if resource_left:
                wait_for(lambda: healthy(w.daemon), "HTTP with few descriptors")
            resource.prlimit(w.daemon.process.pid, resource.RLIMIT_NOFILE, (160, max(limit, 160)))
        wait_for(lambda: healthy(w.daemon), "HTTP after none was left")


@test("a daemon that is started with hardly any descriptors: sensors and sockets do without, said with the reason; it runs, mail flows")
def _():
    with World(wait=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)) or drop_resource_capability()) as w:
        w.daemon.logged("runs in enforce mode")
        w.daemon.logged("Too many open files")
        w.proxy.logged("following the plan")
        for _ in range(5):
            w.mail_flows()
        check(w.daemon.alive(), w.daemon.output())


@test("penstock-agent has no descriptor left: it is said, the check waits, and is answered when there is one")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    agent = Program([os.path.join(BIN, "penstock-agent"), "-c", "/dev/null", "-o",
                     "front.agent.listen=127.0.0.1:9827", "--run-dir", directory])

    def dial():
        return socket.create_connection(("127.0.0.1", 9827), 120)

    def answer(s):
        with s, s.makefile("rb") as f:
            return f.read()
    wait_for(lambda: not agent.alive() or listening(9827), "its port")
    check(answer(dial()).startswith(b"up ready"), agent.output())
    wait_for(lambda: sum(what.startswith("socket:") for what in descriptors(agent.pid).values()) == 1,
             "the end of the connection: its listener is left")
    used = descriptors(agent.pid)
    limit, hard = resource.prlimit(agent.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (next(n for n in range(hard) if n not in used), hard))
    waits = dial()
    agent.logged("Cannot serve a check of HAProxy: Too many open files")
    resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (limit, hard))
    check(answer(waits).startswith(b"up ready"), agent.output())
    agent.logged_rarely("Cannot serve a check of HAProxy")
    agent.stop()


@test("SIGTERM of the daemon under a drain: fronts admit at once, files are gone, a restart goes on with it")
def _():
    with World() as w:
        w.daemon.ctl("drain", check=0)
        wait_for(lambda: deliver(PORT)[0] == "451", "the drain")
        check(w.daemon.stop() == 0, "exit status")
        w.mail_flows()
        check(not os.path.exists(os.path.join(w.daemon.run_dir, "control.sock")), "the socket is gone")
        w.start_daemon()
        wait_for(lambda: deliver(PORT)[0] == "451", "the drain, which no order has ended")
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: deliver(PORT)[0] == "250", "mail after resume")


@test("thirty restarts in a row leave nothing behind and disturb no session")
def _():
    with World() as w:
        with Client(PORT) as c:
            for n in range(30):
                w.daemon.stop(signal.SIGKILL if n % 2 else signal.SIGTERM)
                w.start_daemon()
                check(c.say(b"NOOP").startswith(b"250"), f"the session after {n} restarts")
        left = set(os.listdir(w.daemon.run_dir)) - {"control.sock", "counts", "level", "penstockd.lock", "plan", "sources"}
        check(not left, f"left behind: {left}")
        w.mail_flows()


@test("what is left of a penstockd that was killed holds its lock for a moment: the next one waits for that, and starts")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    path = os.path.join(directory, "run", "penstockd.lock")
    os.makedirs(os.path.dirname(path))
    with open(path, "w") as left:
        # F_OFD_SETLK, a writer's: as a helper has it that was forked and does not run its own program yet.
        fcntl.fcntl(left, 37, struct.pack("hh4xqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        daemon = Daemon(directory, {}, wait=False)

        wait_for(lambda: not daemon.alive() or path in descriptors(daemon.pid).values(), "the daemon that has opened the lock's file")
        check("runs in" not in daemon.output(), daemon.output())
    daemon.logged("runs in enforce mode")
    daemon.stop()


NEXT = os.path.join(BUILD, "tests", "next")


class Load:
    """penstock-load in the background against the proxy; `all_accepted()` after its end: none refused, reset, cut off or unanswered."""

    def __init__(self, rate, seconds):
        self.done = subprocess.Popen([os.path.join(BIN, "penstock-load"), "--target", f"127.0.0.1:{PORT}", "--rate", str(rate),
                                      "--duration", str(seconds), "--json", "-"], stdout=subprocess.PIPE, text=True)

    def report(self):
        return json.loads(self.done.communicate(timeout=600)[0])

    def all_accepted(self, world=None):
        report = self.report()
        if report["outcomes"]["accepted"] == report["offered"] > 0:
            return
        s = world.daemon.status() if world and world.daemon.alive() else {}
        raise AssertionError(f"{report['outcomes']} {report.get('replies')}; {s.get('decisions')} {s.get('level')} {s.get('driver')} "
                             f"{s.get('pressure')} {s.get('services')}\n{world.daemon.ctl('explain').stdout if s else ''}")


@test("kill -9 of the daemon under load: every message is taken")
def _():
    with World() as w:
        load = Load(20, 5)
        wait_for(lambda: w.daemon.status()["decisions"]["admitted"] > 20, "load")
        w.daemon.stop(signal.SIGKILL)
        w.mail_flows()
        load.all_accepted(w)
        w.start_daemon()
        w.daemon.wait_status(lambda s: s["decisions"]["by_front"]["proxy"]["up"], "the proxy is seen again")


@test("SIGSTOP of the daemon, in a drain: fronts forget the order after two seconds, and obey again after SIGCONT")
def _():
    with World() as w:
        w.daemon.ctl("drain", check=0)
        wait_for(lambda: deliver(PORT)[0] == "451", "the drain")
        w.daemon.kill(signal.SIGSTOP)
        wait_for(lambda: deliver(PORT)[0] == "250", "mail while it hangs")
        w.proxy.logged("There is no current plan")
        w.daemon.kill(signal.SIGCONT)
        wait_for(lambda: deliver(PORT)[0] == "451", "the drain again")


@test("a daemon that dies in a loop: every message is taken, and what it leaves behind stays bounded")
def _():
    with World() as w:
        load = Load(10, 12)
        for n in range(25):
            w.daemon.stop(signal.SIGKILL)
            # Dead at once, or in its first moments.
            w.start_daemon(wait=n % 2 == 0)
        w.daemon.stop(signal.SIGKILL)
        w.start_daemon()
        load.all_accepted(w)
        files = os.listdir(w.daemon.run_dir)
        check(len(files) <= 6, f"left behind: {files}")


@test("the daemon killed for want of memory: mail flows without it, and with it again when there is some")
def _():
    with World() as w:
        w.daemon.stop()
        group = Cgroup("memory", inside=MACHINE)
        try:
            group.limit_memory(1 << 20)
            starved = Daemon(w.directory, w.options, wait=False, prefix=group.prefix())
            check(starved.process.wait(120) == -signal.SIGKILL, "it is killed")
            check(group.oom_kills() >= 1, "by the kernel, for want of memory")
            w.mail_flows()
            group.limit_memory(256 << 20)
            w.start_daemon(prefix=group.prefix())
            w.daemon.wait_status(lambda s: s["decisions"]["by_front"].get("proxy", {}).get("up"), "the proxy is seen")
            w.mail_flows()
            w.daemon.stop()
        finally:
            group.remove()
        w.start_daemon()


@test("reload with a bad file: refused with file, line and reason, everything goes on; the manager hears both")
def _():
    manager = Manager()
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    conf = os.path.join(directory, "penstock.conf")
    with open(conf, "w") as f:
        f.write("[daemon]\nlog_level = debug\n")
    with World(directory, argv=["-c", conf], **manager.service()) as w:
        wait_for(lambda: manager.heard("READY", "1"), "READY=1")
        load = Load(20, 4)
        with open(conf, "w") as f:
            f.write("[daemon]\nmode = sometimes\n")
        refused = w.daemon.ctl("reload", check=1)
        check(f"{conf}:2" in refused.stderr + refused.stdout and "daemon.mode" in refused.stderr + refused.stdout, refused.stderr)
        wait_for(lambda: w.daemon.metric("penstock_config_last_reload_successful") == 0, "the metric")
        with open(conf, "w") as f:
            f.write("[daemon]\nmode = observe\n")
        w.daemon.ctl("reload", check=0)
        w.daemon.wait_status(lambda s: s["mode"] == "observe", "the good one in force")
        wait_for(lambda: len(manager.heard("RELOADING", "1")) == 2, lambda: f"RELOADING=1 of both: {manager.messages}")
        check(all(int(m["MONOTONIC_USEC"]) > 0 for m in manager.heard("RELOADING", "1")), f"{manager.messages}")
        wait_for(lambda: len(manager.heard("READY", "1")) == 3, "READY=1 after each")
        load.all_accepted(w)


@test("a service manager that does not read: ticks go on, a reload is answered, mail flows; it is told that they are ready when it reads again")
def _():
    manager, directory = Manager(reads=False), tempfile.mkdtemp(prefix="penstock-test-")
    os.makedirs(os.path.join(directory, "run"))
    server = Server(smtp_server)
    proxy = Proxy(directory, PORT, server.port, **manager.service())
    daemon = Daemon(directory, {}, **manager.service())
    start = manager.service()
    agent = Program([*start.pop("prefix"), os.path.join(BIN, "penstock-agent"), "-o", "front.agent.listen=127.0.0.1:9827", "--run-dir", daemon.run_dir],
                    **start)
    load = Load(20, 4)
    daemon.ctl("reload", check=0)
    load.all_accepted()
    wait_for(lambda: listening(9827), "the agent")
    with socket.create_connection(("127.0.0.1", 9827)) as s:
        s.settimeout(120)
        check(s.recv(256).startswith(b"up ready"), "the agent answers")
    # A tick that waits for the manager would wait until it reads: /status.json would say 503 from then on.
    daemon.ctl("reload", check=0)
    check("ticks" in daemon.status(), "ticks go on")
    check(not manager.messages, "it was told nothing")
    manager.read()
    wait_for(lambda: manager.count("READY") == 3 and manager.count("WATCHDOG") > 4, "READY=1 of all three, and the watchdog's")
    agent.stop()
    daemon.stop()
    proxy.stop()
    server.close()


@test("only a tick that was completed pets the watchdog: not one that hangs, and not a loop that spins outside it")
def _():
    manager = Manager()
    planted = os.path.join(BUILD, "tests", "planted", "penstockd")
    with World(program=planted, **manager.service()) as w:
        before = manager.count("WATCHDOG")
        wait_for(lambda: manager.count("WATCHDOG") > before + 10, "petting")
        s = socket.socket(socket.AF_UNIX)
        s.connect(os.path.join(w.daemon.run_dir, "control.sock"))
        s.sendall(b'{"method":"io.penstock.test.Spin"}\0')
        # From here on nothing more is petted, though the process burns its CPU.
        def still():
            n = manager.count("WATCHDOG")
            time.sleep(1)
            return manager.count("WATCHDOG") == n
        wait_for(still, "silence towards the watchdog")
        wait_for(lambda: deliver(PORT)[0] == "250", "mail flows")
        os.kill(w.daemon.pid, signal.SIGKILL)
        w.daemon.process.wait()
        s.close()


@test("the proxy is restarted and replaced by the next version under load: no client is refused, no session is cut")
def _():
    manager, directory = Manager(), tempfile.mkdtemp(prefix="penstock-test-")
    os.makedirs(os.path.join(directory, "run"))
    server = Server(smtp_server)

    def start(program=None):
        ready = manager.count("READY")
        proxy = Proxy(directory, PORT, server.port, program=program, **manager.service())
        # Its port says nothing: the socket listens all the time.
        wait_for(lambda: manager.count("READY") > ready, "READY=1")
        return proxy

    proxy = start()
    wait_for(lambda: manager.store, "the listener in the store")
    load = Load(30, 6)
    with Client(PORT) as c:
        c.say(b"EHLO x")
        for n in range(4):
            # As a manager restarts a service: the old one's main process ends first.
            check(proxy.stop() == 0, "it ends at once, whatever its sessions do")
            time.sleep(0.3)  # a slow start: who connects now waits in the socket's queue
            program = os.path.join(NEXT, "penstock-proxy") if n % 2 else None
            proxy = start(program)
            check(c.say(b"NOOP").startswith(b"250"), f"the session after restart {n + 1}")
        load.all_accepted()
        # Sessions of the killed one are cut, new ones are not refused; this one lives in the process that was left behind.
        connections_before = server.connections
        load = Load(10, 6)
        wait_for(lambda: server.connections > connections_before + 10, "load")
        proxy.stop(signal.SIGKILL)
        proxy = start()
        check(c.say(b"NOOP").startswith(b"250"), "and after a kill -9 of a later one")
        check(c.say(b"QUIT").startswith(b"221"), "QUIT")
    report = load.report()
    outcomes = report["outcomes"]
    check(outcomes["accepted"] + outcomes["reset"] == report["offered"], f"{outcomes}")
    check(outcomes["accepted"] > report["offered"] / 2, f"only what was under way at the kill -9 is cut: {outcomes}")
    wait_for(lambda: subprocess.run(["pgrep", "-r", "RSD", "-c", "penstock-leave"], stdout=subprocess.DEVNULL).returncode != 0, "nothing is left behind")
    proxy.stop()
    server.close()


@test("50 MB of DATA while the proxy is reloaded and replaced twice: each octet arrives once, in its place")
def _():
    manager, directory = Manager(), tempfile.mkdtemp(prefix="penstock-test-")
    os.makedirs(os.path.join(directory, "run"))
    # Lines of 64 octets, each with its number.
    body = b"".join(b"%062d\r\n" % n for n in range(50_000_000 // 64))
    pauses, taken = [threading.Event() for _ in range(3)], []

    def handle(connection, address):
        digest, size, waits = hashlib.sha256(), 0, list(pauses)

        class Counting:
            """The connection, which stops reading at each pause."""
            def makefile(self, mode):
                return self

            def sendall(self, octets):
                connection.sendall(octets)

            def __iter__(self):
                nonlocal size
                with connection.makefile("rb") as file:
                    for line in file:
                        size += len(line)
                        if waits and size > 10_000_000 * (len(pauses) + 1 - len(waits)):
                            reached.append(size)
                            waits.pop(0).wait(120)
                        yield line

        smtp_server(Counting(), address, store=lambda message: (digest.update(message), taken.append(digest.hexdigest())))

    server, reached = Server(handle), []

    def start():
        ready = manager.count("READY")
        proxy = Proxy(directory, PORT, server.port, **manager.service())
        wait_for(lambda: manager.count("READY") > ready, "READY=1")
        return proxy

    proxy, said = start(), []
    wait_for(lambda: manager.store, "the listener in the store")
    sender = threading.Thread(target=lambda: said.append(deliver(PORT, body)), daemon=True)
    sender.start()
    for n in range(3):
        wait_for(lambda n=n: len(reached) > n, f"{n + 1}0 MB at the server")
        if n == 0:
            proxy.kill(signal.SIGHUP)
            proxy.logged("configuration reloaded")
        else:
            check(proxy.stop() == 0, "it ends at once")
            proxy = start()
        pauses[n].set()
    sender.join(place.LONG * place.PATIENCE)
    check(said and said[0][0] == "250", f"{said}")
    check(taken == [hashlib.sha256(body).hexdigest()], "the message, once, as it was sent")
    proxy.stop()
    manager.close()  # what it keeps would go on listening
    server.close()


@test("what a proxy has reported is heard, though penstockd finds out only later that the proxy has ended")
def _():
    with World(calm=True) as w:
        w.mail_flows()
        w.daemon.kill(signal.SIGSTOP)
        check(deliver(PORT, source="127.0.0.98")[0] == "250", "mail")
        w.proxy.stop()
        time.sleep(1)  # longer than from one look for ended proxies to the next
        w.daemon.kill(signal.SIGCONT)
        wait_for(lambda: not os.listdir(os.path.join(w.daemon.run_dir, "counts")), "the end of its files")
        told = w.daemon.ctl("explain", "127.0.0.98", check=0).stdout
        check("it is not known" not in told, told)


@test("a proxy with the process ID of another, as in containers: both are counted, and so is one that takes a dead one's ID between two looks")
def _():
    as_process_1 = {"prefix": ["unshare", "--pid", "--fork", "--kill-child"]}
    # Where it is configured, penstockd adds what ended proxies have counted.
    configured = {"front.proxy.enabled": "yes", "front.proxy.listen": f"127.0.0.1:{PORT}", "front.proxy.backend": "127.0.0.1:1",
                  "front.proxy.proxy_protocol": "none", "front.proxy.client_addresses_hidden": "yes"}

    with World(proxy=False, calm=True, daemon_options=configured) as w:
        def admitted(count):
            return w.daemon.wait_status(lambda s: s["decisions"]["by_front"].get("proxy", {}).get("admitted") == count, f"{count} admitted")

        proxies = []
        for n, port in enumerate((PORT, PORT + 1)):
            proxies.append(Proxy(w.directory, port, w.server.port, **as_process_1))
            check(deliver(port)[0] == "250", "mail")
            admitted(n + 1)
        check(deliver(PORT)[0] == "250", "mail through the first one")
        admitted(3)
        w.daemon.kill(signal.SIGSTOP)
        for proxy in proxies:
            proxy.stop(signal.SIGKILL)
        wait_for(lambda: not listening(PORT), "the end of the first one")
        third = Proxy(w.directory, PORT, w.server.port, **as_process_1)
        check(deliver(PORT)[0] == "250", "mail")
        w.daemon.kill(signal.SIGCONT)
        admitted(4)
        # By now penstockd has found out that the others are dead.
        wait_for(lambda: len(os.listdir(os.path.join(w.daemon.run_dir, "counts"))) == 2, "what the dead ones left to be gone")
        check(deliver(PORT)[0] == "250", "mail")
        admitted(5)
        third.stop(signal.SIGKILL)


@test("a proxy whose configuration is bad at a restart: clients are refused at once and not left waiting in its queue")
def _():
    manager, directory = Manager(), tempfile.mkdtemp(prefix="penstock-test-")
    os.makedirs(os.path.join(directory, "run"))
    server = Server(smtp_server)
    proxy = Proxy(directory, PORT, server.port, **manager.service())
    wait_for(lambda: manager.store, "the listener in the store")
    proxy.stop()
    bad = Proxy(directory, PORT, server.port, {"front.proxy.connections_max": "many"}, wait=False, **manager.service())
    check(bad.process.wait(120) == 78, "it says 78")
    wait_for(lambda: not manager.store, "the listener let go")
    with socket.socket() as s:
        check(s.connect_ex(("127.0.0.1", PORT)) != 0, "refused at once: the sender tries another host")
    # Another address than the one that was kept.
    proxy = Proxy(directory, PORT, server.port, **manager.service())
    proxy.stop()
    other = Proxy(directory, PORT + 1, server.port, **manager.service())
    check(deliver(PORT + 1)[0] == "250", "at the new address")
    with socket.socket() as s:
        check(s.connect_ex(("127.0.0.1", PORT)) != 0, "and not at the old one")
    other.stop()
    server.close()


@test("socket units: each listener of the daemon and the proxy from the manager, kept over restarts and reloads")
def _():
    manager, directory = Manager(), tempfile.mkdtemp(prefix="penstock-test-")
    os.makedirs(os.path.join(directory, "run"))
    server = Server(smtp_server)
    control = socket.socket(socket.AF_UNIX)
    control.bind(os.path.join(directory, "run", "control.sock"))
    http = socket.create_server(("127.0.0.1", 9825))
    policy = socket.create_server(("127.0.0.1", 2527))
    smtp = socket.create_server(("127.0.0.1", PORT))
    control.listen(16)
    options = {"http.listen": "systemd:http", "front.policy.enabled": "yes", "front.policy.listen": "systemd:policy"}
    sockets = {"control": control.fileno(), "http": http.fileno(), "policy": policy.fileno()}
    for _ in range(3):
        daemon = Daemon(directory, options, **manager.service(sockets))
        daemon.ctl("status", check=0)
        check(daemon.document("/healthz") == "ok\n", "HTTP")
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", 2527), 120) as s:
                s.sendall(b"request=smtpd_access_policy\nclient_address=192.0.2.1\n\n")
                check(s.recv(100).startswith(b"action=DUNNO"), "the policy service")
            daemon.ctl("reload", check=0)
        daemon.stop()
        check(os.path.exists(os.path.join(directory, "run", "control.sock")), "a socket unit's file is not ours to remove")
    for _ in range(2):
        proxy = Proxy(directory, PORT, server.port, {"front.proxy.listen": "systemd:smtp"}, **manager.service({"smtp": smtp.fileno()}))
        check(deliver(PORT)[0] == "250", "mail")
        check(not manager.store, "the manager has it already")
        proxy.stop()
    for s in (control, http, policy, smtp):
        s.close()
    server.close()


@test("the daemon is replaced by the next version under load: every message is taken, its counts go on")
def _():
    with World() as w:
        load = Load(20, 6)
        wait_for(lambda: w.daemon.status()["decisions"]["admitted"] > 10, "load")
        w.daemon.stop()
        w.start_daemon(program=os.path.join(NEXT, "penstockd"))
        check(w.daemon.status()["version"].endswith(".next"), "the next version")
        load.all_accepted(w)
        w.daemon.wait_status(lambda s: s["in_flight"] == 0, "nothing in flight at the end")


place.isolate()
MACHINE = ahead("memory")
tap.run()
