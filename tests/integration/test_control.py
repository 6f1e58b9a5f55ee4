#!/usr/bin/env python3
"""Seeing it: penstockctl, the control socket, HTTP, the log; and what a bad question gets."""
import calendar
import json
import os
import random
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import BIN, wait_for
from lib.programs import Daemon, Program, answered
from lib.tap import Skip, check, test
from lib.varlink import CONNECT, as_nobody, varlink
from lib.world import World


def world(options=None):
    return World(None, options, server=None, proxy=False, config="[daemon]\nlog_level = info\n[service.mx]\nports = 2526\nhostname = mx.example.org\n")


@test("status is the promise of the manual, in text and JSON, and the same everywhere")
def _():
    with world() as w:
        def agree():
            """Whatever this machine does beside the test: the level may change between two looks."""
            text, s = w.daemon.ctl("status", check=0).stdout, w.daemon.status()
            return s["level_name"] in text and "cpu" in text and "serving" in text and \
                w.daemon.ctl("status", "--exit-code").returncode == 10 + s["level"]
        wait_for(agree, lambda: f"text, JSON and exit code to agree: {w.daemon.ctl('status').stdout}")
        s = json.loads(w.daemon.ctl("status", "--json", check=0).stdout)
        for key in ("version", "mode", "state", "level", "level_name", "since", "pressure", "driver", "window", "window_max",
                    "in_flight", "admit_ratio", "resources", "decisions", "sensors"):
            check(key in s, f"no {key}")
        for resource in ("cpu", "memory", "disk", "nic", "smtp"):
            check(resource in s["resources"], resource)
            for name, signal_ in s["resources"][resource]["signals"].items():
                check(signal_["via"] in ("bpf", "psi", "procfs", "sysfs", "cgroup", "netlink", "sock_diag", "front", "statvfs"),
                      f"{name} via {signal_['via']}")
        for name, resource in s["resources"].items():
            check(resource["known"] or resource["reason"] and "pressure" not in resource, f"{name}: not known, with a reason, and no 0")
        check("nic_use_ratio" not in s["resources"]["nic"]["signals"], "only lo here: what no link tells is absent, not 0")
        http = w.daemon.status()
        check(set(http) == set(s), "HTTP and ctl agree")


@test("metrics: well-formed, documented, no client in a label; OpenMetrics by Accept")
def _():
    with world() as w:
        text = w.daemon.document("/metrics")
        families, typed, helped = set(), {}, set()
        for line in text.splitlines():
            if line.startswith("# HELP "):
                helped.add(line.split()[2])
            elif line.startswith("# TYPE "):
                typed[line.split()[2]] = line.split()[3]
            else:
                match = re.fullmatch(r'([a-z_0-9]+)(\{([a-z_]+="[^"\\]*"(,[a-z_]+="[^"\\]*")*)?\})? ([-+.e0-9]+|\+Inf|NaN)', line)
                check(match, f"not a sample: {line}")
                name = re.sub(r"_(bucket|sum|count)$", "", match[1]) if match[1] not in typed else match[1]
                check(name in typed and name in helped, f"{line}: no TYPE or HELP")
                families.add(name)
                check((typed[name] == "counter") == name.endswith("_total"), f"{name} is a {typed[name]}")
        for name in ("penstock_level", "penstock_state", "penstock_pressure_ratio", "penstock_admit_ratio", "penstock_decision_duration_seconds",
                     "penstock_level_changes_total", "penstock_connect_to_220_seconds", "penstock_mode", "penstock_regime", "penstock_foreign_pressure",
                     "penstock_config_last_reload_successful", "penstock_heartbeat_age_seconds", "penstock_sensor_up",
                     "penstock_sensor_errors_total", "penstock_tick_duration_seconds", "penstock_build_info"):
            check(name in families, f"no {name}")
        lines = [l for l in text.splitlines() if not l.startswith("#")]
        keys = [l.rsplit(" ", 1)[0] for l in lines]
        check(len(keys) == len(set(keys)), "a series stands twice")
        request = urllib.request.Request(f"http://127.0.0.1:{w.daemon.http}/metrics",
                                         headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        with answered(lambda: urllib.request.urlopen(request)) as answer:
            body = answer.read().decode()
            check(answer.headers["Content-Type"].startswith("application/openmetrics-text"), "type")
            check(body.endswith("# EOF\n"), "EOF")
            check("# TYPE penstock_level_changes counter" in body, "the family without _total")


@test("page, healthz, readyz; an error for the rest; a request without an end is let go")
def _():
    with world() as w:
        page = w.daemon.document("/")
        check("<h1>mx.example.org</h1>" in page and "Pressure" in page, page[:200])
        check(w.daemon.document("/healthz") == "ok\n" and w.daemon.document("/readyz") == "ok\n", "health")
        for path in ("/nothing", "/../etc/passwd", "//"):
            try:
                w.daemon.document(path)
                raise AssertionError(path)
            except urllib.error.HTTPError as error:
                check(error.code == 404, f"{path}: {error.code}")
        with socket.create_connection(("127.0.0.1", w.daemon.http), 120) as s:
            s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
            check(s.recv(1000)[9:10] in (b"4", b"5"), "no POST")
        with socket.create_connection(("127.0.0.1", w.daemon.http), 120) as s:
            s.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 100000)
            try:
                s.recv(1000)
            except ConnectionResetError:
                pass
        with socket.create_connection(("127.0.0.1", w.daemon.http), 120) as s:
            s.sendall(b"GET / HT")
            s.settimeout(120)
            check(s.recv(1000) == b"", "a request without an end is closed")
        check(w.daemon.document("/healthz") == "ok\n", "alive after that")


@test("drain, resume and mode do what they say, are seen by watch, and end by themselves with --for")
def _():
    with world() as w:
        watch = Program([os.path.join(BIN, "penstockctl"), "--run-dir", w.daemon.run_dir, "watch"])
        watch.logged("serving")
        w.daemon.ctl("drain", "--reason", "kernel <update>", check=0)
        s = w.daemon.wait_status(lambda s: s["state"] == "draining", "draining")
        check(s["order_reason"] == "kernel <update>", "the reason")
        check("kernel &lt;update&gt;" in w.daemon.document("/"), "escaped on the page")
        watch.logged("draining")
        check("451 4.3.2 mx.example.org" in w.daemon.ctl("explain", check=0).stdout, "explain tells the reply")
        w.daemon.ctl("resume", check=0)
        w.daemon.wait_status(lambda s: s["state"] == "serving", "serving")
        w.daemon.ctl("drain", "--for", "1s", check=0)
        # It may be over before the status is seen.
        wait_for(lambda: w.daemon.output().count("draining (was serving)") == 2, "draining again")
        w.daemon.wait_status(lambda s: s["state"] == "serving", "the drain's end")
        until = time.time() // 60 * 60 + 7200
        for words in time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until)), time.strftime("%H:%M", time.localtime(until)):
            w.daemon.ctl("drain", "--until", words, check=0)
            s = w.daemon.wait_status(lambda s: s["state"] == "draining", "draining until a time")
            check(abs(calendar.timegm(time.strptime(s["order_until"][:19], "%Y-%m-%dT%H:%M:%S")) - until) < 30, f"{words}: {s['order_until']}")
            w.daemon.ctl("resume", check=0)
            w.daemon.wait_status(lambda s: s["state"] == "serving", "the end of that drain")
        for bad, words in ("2020-01-31 04:00", "is over"), ("2h", "give a time"), ("25:00", "give a time"):
            check(words in w.daemon.ctl("drain", "--until", bad, check=2).stderr, f"--until {bad}")
        w.daemon.ctl("drain", "--for", "1s", "--until", "04:00", check=2)
        said = w.daemon.ctl("mode", "observe", check=0).stdout
        check(said == "mode is observe until the next restart or reload, which brings back enforce\n", said)
        w.daemon.wait_status(lambda s: s["mode"] == "observe" and s["config"]["mode"] == "enforce", "observe")
        check(w.daemon.metric('penstock_mode{mode="observe"}') == 1, "metric")
        watch.logged("observe")
        w.daemon.logged("by order of an operator. The next restart or reload brings back the configured one")
        said = w.daemon.ctl("mode", "enforce", check=0).stdout
        check(said == "mode is enforce, as configured\n", said)
        w.daemon.logged("by order of an operator, as it is configured")
        watch.stop()
        w.daemon.logged("draining (was serving)")


@test("who has the answer to an order sees the order at once, however long a tick is")
def _():
    with world({"daemon.tick": "1s"}) as w:
        def status():
            return json.loads(w.daemon.ctl("status", "--json").stdout)
        for mode in ("observe", "enforce", "observe"):
            w.daemon.ctl("mode", mode, check=0)
            check(status()["mode"] == mode, f"mode {mode}, and status says {status()['mode']}")
        w.daemon.ctl("drain", check=0)
        check(status()["state"] == "draining", "drain")
        w.daemon.ctl("resume", check=0)
        check(status()["state"] == "serving", "resume")
        with open(w.config, "a") as f:
            f.write("[daemon]\nlog_level = debug\n")
        w.daemon.ctl("reload", check=0)
        s = status()
        check(s["config"]["last_reload_successful"] and s["mode"] == "enforce", f"reload: {s['config']}, mode {s['mode']}")
        with open(w.config, "a") as f:
            f.write("[daemon]\nlog_level = loud\n")
        w.daemon.ctl("reload", check=1)
        check(not status()["config"]["last_reload_successful"], "a reload that is refused")


@test("explain tells the chain from signal to verdict, for the host and for an address")
def _():
    with world(options={"source.trusted": "192.0.2.0/24"}) as w:
        text = w.daemon.ctl("explain", check=0).stdout
        for part in ("1. Each signal and its target", "2. Together", "3. Level", "4. Service mx", "5. A new connection now"):
            check(part in text, f"{part!r} is not in {text}")
        check("source.trusted" in w.daemon.ctl("explain", "192.0.2.7", check=0).stdout, "trusted")
        check("no numeric address" in w.daemon.ctl("explain", "mail.example.org", check=2).stderr, "a name is refused")


@test("reload takes over a good file and keeps everything under a bad one, naming file, line, key and reason")
def _():
    with world() as w:
        with open(w.config, "a") as f:
            f.write("[objective]\nwindow_least = 9\n")
        w.daemon.ctl("reload", check=0)
        with open(w.config, "a") as f:
            f.write("[service.mx]\nreply_code = 550\n")
        done = w.daemon.ctl("reload", check=1)
        number = len(open(w.config).readlines())
        check(f"{w.config}:{number}: service.mx.reply_code" in done.stderr, done.stderr)
        wait_for(lambda: w.daemon.metric("penstock_config_last_reload_successful") == 0, "the metric")
        check("the previous configuration stays in force" in done.stderr, done.stderr)
        check("last reload was refused" in w.daemon.ctl("status").stdout, "status")
        check(w.daemon.alive(), "alive")
        before = w.daemon.output().count("configuration reloaded")
        with open(w.config, "w") as f:
            f.write("[service.mx]\nports = 2526\n")
        w.daemon.kill(signal.SIGHUP)
        wait_for(lambda: w.daemon.output().count("configuration reloaded") > before, "SIGHUP")
        wait_for(lambda: w.daemon.metric("penstock_config_last_reload_successful") == 1, "the metric again")


@test("who may not change anything is told so, and sees the state all the same")
def _():
    with world() as w:
        def as_nobody(*argv):
            return subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                                   os.path.join(BIN, "penstockctl"), "--run-dir", w.daemon.run_dir, *argv],
                                  capture_output=True, text=True)
        if as_nobody("version").returncode != 0:
            raise Skip("the build directory is not readable for other users")
        check(as_nobody("status").returncode == 0, "status")
        done = as_nobody("drain")
        check(done.returncode == 1 and "root" in done.stderr, f"{done}")
        check(w.daemon.status()["state"] == "serving", "nothing changed")


def plan_age(daemon):
    """Seconds since the heartbeat."""
    with open(os.path.join(daemon.run_dir, "plan"), "rb") as f:
        beat = struct.unpack_from("<Q", f.read(24), 16)[0]
    return time.clock_gettime(time.CLOCK_MONOTONIC) - beat / 1e6


@test("explain tells every term of the window, and the window is what they give")
def _():
    with World(options={"service.mx.slots": 1000}, calm=True) as w:
        for _ in range(5):
            w.mail_flows()
        words = wait_for(lambda: (lambda t: t if "= capacity" in t else None)(w.daemon.ctl("explain", check=0).stdout), "the equation")
        window = float(re.search(r"window (\d+) sessions by the capacity law", words)[1])
        left, capacity, aimed, unloaded, senders = (float(n) for n in re.search(
            r"([\d.]+) = capacity ([\d.]+)/s x \(([\d.]+) ms aimed at \+ ([\d.]+) ms unloaded \+ ([\d.]+) ms of senders\)", words).groups())
        computed = capacity * (aimed + unloaded + senders) / 1000
        check(abs(computed - left) <= 0.05 + 0.0002 * capacity, f"{computed}: {words}")
        # From left to right, as tests/unit/test_explain_terms.c does it for each term.
        wanted = left
        for least, more, most in re.findall(r"; at least ([\d.]+)|; ([\d.]+) more for|; at most ([\d.]+)", words):
            wanted = max(wanted, float(least or 0)) + float(more or 0)
            wanted = min(wanted, float(most or wanted))
        # Which way the capacity goes is told in one of six words, and what it was decided by.
        check(re.search(r"^   (free|capped|steady|closing|over|stopped): .*; machine \w+, server ", words, re.M), words)
        check(json.loads(w.daemon.ctl("status", "--json", check=0).stdout)["services"]["mx"]["regime"] in ("free", "capped", "steady", "closing", "over", "stopped"),
              "no regime in the status")
        check(abs(window - wanted) <= 1, f"{wanted}: {words}")


@test("another user who floods the control socket with calls: the heartbeat stays young, root is served")
def _():
    with world() as w:
        flood = as_nobody(w, CONNECT + """
message = b'{"method":"io.penstock.Status"}\\0' * 2000
clients = [connect() for i in range(8)]
for s in clients: s.setblocking(False)
print("connected", flush=True)
while True:
    for s in clients:
        try: s.send(message)
        except BlockingIOError: pass
    time.sleep(.01)
""")
        check(flood.stdout.readline() == "connected\n", "the flood")
        ages, until = [], time.monotonic() + 6
        while time.monotonic() < until or len(ages) < 10:
            ages.append(plan_age(w.daemon))
            w.daemon.ctl("resume", check=0)
        check(flood.poll() is None, "the flood goes on")
        # Not the oldest of all: a busy machine may run no process for a second, and that is no fault of the flood's.
        check(statistics.median(ages) < 1, f"the heartbeat was {ages} s old")
        with open(f"/proc/{w.daemon.pid}/status") as f:
            memory = int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])
        # The sanitizers keep up to 256 MiB of what was freed.
        check(memory < 200000 + (262144 if place.BUILD.endswith("/san") else 0), f"{memory} KiB: answers that are not read are bounded")
        flood.kill()
        flood.wait()


@test("another user who floods the control socket with large calls of no method: reading them takes a share of a CPU and no more")
def _():
    with world() as w:
        users = wait_for(lambda: w.daemon.helper("penstockd-users"), "the process that parses their calls")

        def spent(seconds):
            """CPU seconds of the main thread and of the process that parses their calls in a second, over so many."""
            def now():
                ticks = 0
                for pid in w.daemon.pid, users:
                    with open(f"/proc/{pid}/task/{pid}/stat") as f:
                        fields = f.read().rsplit(")", 1)[1].split()
                    ticks += int(fields[11]) + int(fields[12])
                return ticks / os.sysconf("SC_CLK_TCK"), time.monotonic()
            (before, began), _, (after, ended) = now(), time.sleep(seconds), now()
            return (after - before) / (ended - began)
        usual = spent(3)
        flood = as_nobody(w, CONNECT + """
keys = ",".join('"%x":0' % i for i in range(6000))
message = ('{"method":"io.penstock.Nothing","parameters":{%s}}' % keys).encode() + b"\\0"
clients = [[connect(), 0] for i in range(8)]
for s, _ in clients: s.setblocking(False)
print("connected", flush=True)
end = time.time() + 8
while time.time() < end:
    for c in clients:
        try: c[1] = (c[1] + c[0].send(message[c[1]:])) % len(message)
        except OSError: pass
        try: c[0].recv(65536)
        except OSError: pass
    time.sleep(.001)
""")
        check(flood.stdout.readline() == "connected\n", "the flood")
        while_it_lasts = spent(5)
        check(while_it_lasts - usual < 0.1, f"{while_it_lasts:.2f} of a CPU, usually {usual:.2f}")
        w.daemon.ctl("resume", check=0)
        flood.wait()


@test("hundreds of users of HTTP at once: the heartbeat stays young, and what one asks is as of now")
def _():
    with world() as w:
        request = b"GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        crowd = [socket.create_connection(("127.0.0.1", w.daemon.http), 120) for _ in range(400)]
        ages, until = [], time.monotonic() + 3
        while time.monotonic() < until or len(ages) < 5:
            for s in crowd:
                s.sendall(request)
            for s in crowd:
                s.recv(1 << 20)
            ages.append(plan_age(w.daemon))
        check(statistics.median(ages) < 1, f"the heartbeat was {ages} s old")
        for s in crowd:
            s.close()
        w.daemon.ctl("drain", check=0)
        w.daemon.wait_status(lambda s: s["state"] == "draining", "the drain, a tick later")


@test("places at the control socket: a user has a few, root and the group always find one, and so it is with Watch")
def _():
    with world() as w:
        crowd = as_nobody(w, CONNECT + """
clients, turned_away, watching = [], 0, 0
for i in range(100):
    s = connect()
    clients.append(s)
    try: s.sendall(b'{"method":"io.penstock.Watch","more":true}\\0')
    except BrokenPipeError: pass
    answer = s.recv(65536)
    turned_away += b"too many connections" in answer
    watching += b'"change"' in answer
print(turned_away, watching, flush=True)
time.sleep(600)
""")
        turned_away, watching = map(int, crowd.stdout.readline().split())
        check(turned_away == 92 and watching == 4, f"turned away {turned_away}, watching {watching}")
        for verb in (["status"], ["resume"], ["mode", "observe"], ["reload"]):
            w.daemon.ctl(*verb, check=0)
        crowd.kill()


@test("another user holds a lock on whatever may be read in the run directory: penstockd starts all the same")
def _():
    with world() as w:
        run = w.daemon.run_dir
        os.makedirs(run + "/counts", exist_ok=True)
        held = as_nobody(w, f"""

fds = []
for top, _, names in os.walk({run!r}):
    for name in names:
        try: fd = os.open(os.path.join(top, name), os.O_RDONLY | os.O_NONBLOCK)
        except OSError: continue
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fds.append(fd)
print(len(fds), flush=True)
time.sleep(600)
""")
        check(int(held.stdout.readline()) >= 1, "the plan is for everybody to read")
        check(os.stat(run + "/penstockd.lock").st_mode & 0o077 == 0, "the lock is not")
        w.daemon.stop()
        again = Daemon(w.directory, {}, argv=["-c", w.config])
        again.stop()
        held.kill()


@test("HTTP is answered by an address, localhost or a name of this host, and by no name that somebody lets point here")
def _():
    def ask(host, path="/status.json"):
        with socket.create_connection(("127.0.0.1", 9825), 120) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            return s.makefile("rb").read().decode()

    with world({"http.hosts": "metrics.example.org"}) as w:
        for host in ("127.0.0.1:9825", "[::1]:9825", "localhost:9825", "metrics.example.org", "mx.example.org:9825", socket.gethostname()):
            check(ask(host).startswith("HTTP/1.1 200"), host)
        for path in ("/", "/metrics", "/status.json", "/healthz", "/readyz", "/other"):
            answer = ask("rebind.attacker.example:9825", path)
            check(answer.startswith("HTTP/1.1 421 ") and "[http] hosts" in answer and "pressure" not in answer, answer)
        check(ask("127.0.0.1", "http://rebind.attacker.example/status.json").startswith("HTTP/1.1 421"), "nor by the whole address")
        w.daemon.ctl("status", check=0)


@test("Varlink: introspection, unknown methods, wrong parameters, garbage")
def _():
    with world() as w:
        info = varlink(w, {"method": "org.varlink.service.GetInfo"})[0]["parameters"]
        check("io.penstock" in info["interfaces"], f"{info}")
        text = varlink(w, {"method": "org.varlink.service.GetInterfaceDescription",
                           "parameters": {"interface": "io.penstock"}})[0]["parameters"]["description"]
        check("method Drain(" in text, text)
        check(varlink(w, {"method": "io.penstock.Nothing"})[0]["error"] == "org.varlink.service.MethodNotFound", "unknown")
        for bad in ({"mode": "maybe"}, {"mode": 1}, {}):
            check(varlink(w, {"method": "io.penstock.SetMode", "parameters": bad})[0]["error"] ==
                  "org.varlink.service.InvalidParameter", f"{bad}")
        check(varlink(w, {"method": "io.penstock.Drain", "parameters": {"for_s": -5}})[0]["error"] ==
              "org.varlink.service.InvalidParameter", "negative")
        check("error" in varlink(w, None, raw=b"nonsense\0")[0], "garbage is answered")
        noise = random.Random(1)
        for _ in range(100):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(os.path.join(w.daemon.run_dir, "control.sock"))
                try:
                    s.sendall(noise.randbytes(noise.randrange(1, 100000)))
                except OSError:
                    pass
        check(w.daemon.status()["state"] == "serving", "alive after the noise")
        many = []
        for _ in range(200):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(120)
            s.connect(os.path.join(w.daemon.run_dir, "control.sock"))
            many.append(s)
        for s in many:
            s.close()
        wait_for(lambda: w.daemon.ctl("status").returncode == 0, "room after a crowd")


place.isolate()
tap.run()
