#!/usr/bin/env python3
"""Seeing it: penstockctl, the control socket, HTTP, the log; and what a bad question gets."""
import grp
import json
import os
import pwd
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.packages import unpack
from lib.place import BIN, ROOT, wait_for
from lib.programs import Daemon, Program, port_open
from lib.tap import Skip, check, test


class World:
    def __init__(self, options=None, **kwargs):
        self.directory = tempfile.mkdtemp(prefix="penstock-test-")
        os.chmod(self.directory, 0o755)
        self.config = os.path.join(self.directory, "penstock.conf")
        with open(self.config, "w") as f:
            f.write("[daemon]\nlog_level = info\n[service.mx]\nports = 2526\nhostname = mx.example.org\n")
        self.daemon = Daemon(self.directory, options or {}, argv=["-c", self.config], **kwargs)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.daemon.alive():
            self.daemon.stop()


def varlink(world, message, raw=None, replies=1):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(os.path.join(world.daemon.run_dir, "control.sock"))
        s.sendall(raw if raw is not None else json.dumps(message).encode() + b"\0")
        data = b""
        while data.count(b"\0") < replies:
            chunk = s.recv(65536)
            if not chunk:
                break
            data += chunk
    return [json.loads(part) for part in data.split(b"\0") if part]


@test("status is the promise of the manual, in text and JSON, and the same everywhere")
def _():
    with World() as w:
        text = w.daemon.ctl("status", check=0).stdout
        check("normal" in text and "cpu" in text and "serving" in text, text)
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
        check(w.daemon.ctl("status", "--exit-code").returncode == 10 + s["level"], "exit code")


@test("metrics: well-formed, documented, no client in a label; OpenMetrics by Accept")
def _():
    with World() as w:
        text = w.daemon.get("/metrics")
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
                     "penstock_level_changes_total", "penstock_connect_to_220_seconds", "penstock_mode", "penstock_foreign_pressure",
                     "penstock_config_last_reload_successful", "penstock_heartbeat_age_seconds", "penstock_sensor_up",
                     "penstock_sensor_errors_total", "penstock_tick_duration_seconds", "penstock_build_info"):
            check(name in families, f"no {name}")
        lines = [l for l in text.splitlines() if not l.startswith("#")]
        keys = [l.rsplit(" ", 1)[0] for l in lines]
        check(len(keys) == len(set(keys)), "a series stands twice")
        import urllib.request
        request = urllib.request.Request(f"http://127.0.0.1:{w.daemon.http}/metrics",
                                         headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        with urllib.request.urlopen(request) as answer:
            body = answer.read().decode()
            check(answer.headers["Content-Type"].startswith("application/openmetrics-text"), "type")
            check(body.endswith("# EOF\n"), "EOF")
            check("# TYPE penstock_level_changes counter" in body, "the family without _total")


@test("promtool has nothing to say about metrics and alert rules")
def _():
    promtool = os.path.join(unpack("prometheus", ["prometheus"]), "usr/bin/promtool")
    with World(options={"front.policy.enabled": "yes", "front.policy.listen": "127.0.0.1:9826"}) as w:
        done = subprocess.run([promtool, "check", "metrics"], input=w.daemon.get("/metrics"), capture_output=True, text=True)
        check(done.returncode == 0 and not done.stdout and not done.stderr, f"{done}")
    rules = os.path.join(ROOT, "packaging/prometheus/penstock.rules.yml")
    done = subprocess.run([promtool, "check", "rules", rules], capture_output=True, text=True)
    check(done.returncode == 0, f"{done}")


@test("page, healthz, readyz; an error for the rest; a request without an end is let go")
def _():
    with World() as w:
        page = w.daemon.get("/")
        check("<h1>penstock</h1>" in page and "Pressure by resource" in page, page[:200])
        check(w.daemon.get("/healthz") == "ok\n" and w.daemon.get("/readyz") == "ok\n", "health")
        for path in ("/nothing", "/../etc/passwd", "//"):
            try:
                w.daemon.get(path)
                raise AssertionError(path)
            except urllib.error.HTTPError as error:
                check(error.code == 404, f"{path}: {error.code}")
        with socket.create_connection(("127.0.0.1", w.daemon.http), 30) as s:
            s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
            check(s.recv(1000)[9:10] in (b"4", b"5"), "no POST")
        with socket.create_connection(("127.0.0.1", w.daemon.http), 30) as s:
            s.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 100000)
            try:
                s.recv(1000)
            except ConnectionResetError:
                pass
        with socket.create_connection(("127.0.0.1", w.daemon.http), 60) as s:
            s.sendall(b"GET / HT")
            s.settimeout(60)
            check(s.recv(1000) == b"", "a request without an end is closed")
        check(w.daemon.get("/healthz") == "ok\n", "alive after that")


@test("drain, resume and mode do what they say, are seen by watch, and end by themselves with --for")
def _():
    with World() as w:
        watch = Program([os.path.join(BIN, "penstockctl"), "--run-dir", w.daemon.run_dir, "watch"])
        watch.logged("serving")
        w.daemon.ctl("drain", "--reason", "kernel <update>", check=0)
        s = w.daemon.wait_status(lambda s: s["state"] == "draining", "draining")
        check(s["order_reason"] == "kernel <update>", "the reason")
        check("kernel &lt;update&gt;" in w.daemon.get("/"), "escaped on the page")
        watch.logged("draining")
        check("451 4.3.2 mx.example.org" in w.daemon.ctl("explain", check=0).stdout, "explain tells the reply")
        w.daemon.ctl("resume", check=0)
        w.daemon.wait_status(lambda s: s["state"] == "serving", "serving")
        w.daemon.ctl("drain", "--for", "1s", check=0)
        w.daemon.wait_status(lambda s: s["state"] == "draining", "draining again")
        w.daemon.wait_status(lambda s: s["state"] == "serving", "the drain's end")
        w.daemon.ctl("mode", "observe", check=0)
        w.daemon.wait_status(lambda s: s["mode"] == "observe", "observe")
        check(w.daemon.metric('penstock_mode{mode="observe"}') == 1, "metric")
        watch.logged("observe")
        watch.stop()
        w.daemon.logged("draining (was serving)")


@test("explain tells the chain from signal to verdict, for the host and for an address")
def _():
    with World(options={"source.trusted": "192.0.2.0/24"}) as w:
        text = w.daemon.ctl("explain", check=0).stdout
        for part in ("1. What the machine says", "2. Together", "3. Level", "4. Service mx", "5. A new connection now"):
            check(part in text, f"{part!r} is not in {text}")
        check("source.trusted" in w.daemon.ctl("explain", "192.0.2.7", check=0).stdout, "trusted")
        check("no numeric address" in w.daemon.ctl("explain", "mail.example.org", check=2).stderr, "a name is refused")


@test("reload takes over a good file and keeps everything under a bad one, naming file, line, key and reason")
def _():
    with World() as w:
        with open(w.config, "a") as f:
            f.write("[objective]\nwindow_least = 9\n")
        w.daemon.ctl("reload", check=0)
        with open(w.config, "a") as f:
            f.write("[service.mx]\nreply_code = 550\n")
        done = w.daemon.ctl("reload", check=1)
        number = len(open(w.config).readlines())
        check(f"{w.config}:{number}: service.mx.reply_code" in done.stderr, done.stderr)
        wait_for(lambda: w.daemon.metric("penstock_config_last_reload_successful") == 0, "the metric")
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
    with World() as w:
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


@test("Varlink: introspection, unknown methods, wrong parameters, garbage")
def _():
    with World() as w:
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
            s.settimeout(5)
            s.connect(os.path.join(w.daemon.run_dir, "control.sock"))
            many.append(s)
        for s in many:
            s.close()
        wait_for(lambda: w.daemon.ctl("status").returncode == 0, "room after a crowd")


@test("penstockctl without a daemon exits 3 and says that mail flows; usage errors exit 2")
def _():
    def ctl(*argv):
        return subprocess.run([os.path.join(BIN, "penstockctl"), *argv], capture_output=True, text=True)
    done = ctl("--run-dir", "/nonexistent", "status")
    check(done.returncode == 3 and "mail flows" in done.stderr, f"{done}")
    for argv in ((), ("dance",), ("mode",), ("mode", "maybe"), ("drain", "--for", "soon"), ("status", "extra")):
        done = ctl(*argv)
        check(done.returncode == 2 and done.stderr, f"{argv}: {done}")
    check("Usage" in ctl("--help").stdout, "help")
    with World() as w:
        w.daemon.kill(signal.SIGSTOP)
        done = w.daemon.ctl("status")
        check(done.returncode == 3 and "does not answer" in done.stderr, f"{done}")
        w.daemon.kill(signal.SIGCONT)


@test("a bad configuration ends the start with 78; --check-config, --print-config and --support work")
def _():
    def run(*argv):
        return subprocess.run([os.path.join(BIN, "penstockd"), *argv], capture_output=True, text=True, timeout=60)
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "bad.conf")
        with open(path, "w") as f:
            f.write("[daemon]\ntick = 100ms\nmodus = observe\n")
        for argv in (("-c", path), ("-c", path, "--check-config")):
            done = run(*argv)
            check(done.returncode == 78 and f"{path}:3: daemon.modus" in done.stderr, f"{argv}: {done}")
        check(run("-c", os.path.join(d, "missing.conf"), "--check-config").returncode == 78, "a file that is not there")
        check(run("--check-config", "-o", "service.mx.ports=2525").returncode == 0, "good")
        check("ports = 2525" in run("--print-config", "-o", "service.mx.ports=2525").stdout, "printed")
        proxy = subprocess.run([os.path.join(BIN, "penstock-proxy"), "-c", path], capture_output=True, text=True, timeout=60)
        check(proxy.returncode == 78, f"{proxy}")
    text = run("--support").stdout
    check("run-queue latency" in text and "cpu_stall_ratio" in text and "sensor" in text, text)


@test("a second daemon on the same run directory is refused and told why; the port of HTTP may be taken")
def _():
    with World() as w:
        second = Daemon(w.directory, {}, http=9827, wait=False)
        check(second.process.wait(30) == 1, "its exit status")
        check("another penstockd runs on" in second.output(), second.output())
        other = tempfile.mkdtemp(prefix="penstock-test-")
        third = Daemon(other, {}, http=w.daemon.http, wait=False)
        third.logged("another program has this address")
        check(third.ctl("status", check=0).stdout, "it runs without HTTP")
        w.daemon.stop()
        third.logged("HTTP is served now")
        third.stop()


def plugin(run_dir, *arguments):
    done = subprocess.run([os.path.join(BIN, "check_penstock"), "--run-dir", run_dir, *arguments], capture_output=True, text=True,
                          timeout=60)
    check(done.stdout.startswith("PENSTOCK ") and done.stdout.count("\n") == 1, f"{done.stdout}")
    return done.returncode, done.stdout


@test("check_penstock: OK with perfdata; WARNING when drained or a front is down; CRITICAL without penstockd; UNKNOWN")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    status, line = plugin(directory)
    check(status == 2 and "does not answer" in line and "CRITICAL" in line, f"{status} {line}")
    daemon = Daemon(directory, {})
    run_dir = daemon.run_dir
    daemon.wait_status(lambda s: s["state"] == "serving", "serving")
    status, line = plugin(run_dir, "-w", "5", "-c", "5")
    check(status == 0 and line.startswith("PENSTOCK OK - ") and " | level=" in line and " admitted=0c deferred=0c" in line, f"{status} {line}")
    status, line = plugin(run_dir, "-w", "0", "-c", "5")
    check(status == 1 and "WARNING" in line, f"{status} {line}")
    status, line = plugin(run_dir, "-w", "0", "-c", "0")
    check(status == 2, f"{status} {line}")
    daemon.ctl("drain", check=0)
    daemon.wait_status(lambda s: s["state"] == "draining", "the drain")
    status, line = plugin(run_dir, "-w", "5", "-c", "5")
    check(status == 1 and "draining" in line, f"{status} {line}")
    for wrong in (["-w", "x"], ["-c", "9"], ["word"], ["--nonsense"]):
        check(plugin(run_dir, *wrong)[0] == 3, f"{wrong}")
    daemon.stop()
    blocker = socket.create_server(("127.0.0.1", 9826))
    daemon = Daemon(directory, {"front.policy.enabled": "yes", "front.policy.listen": "127.0.0.1:9826"})
    daemon.logged("another program has it")
    status, line = plugin(run_dir, "-w", "5", "-c", "5")
    check(status == 1 and "front policy is down" in line, f"{status} {line}")
    daemon.kill(signal.SIGSTOP)
    status, line = plugin(run_dir, "-t", "1")
    check(status == 2, f"a hung daemon: {status} {line}")
    daemon.stop(signal.SIGKILL)
    blocker.close()


place.isolate(lambda: unpack("prometheus", ["prometheus"]))
tap.run()
