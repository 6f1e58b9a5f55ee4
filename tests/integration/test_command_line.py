#!/usr/bin/env python3
"""What an administrator starts by hand, and its exit status: penstockctl, penstockd and check_penstock."""
import os
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import BIN, wait_for
from lib.programs import Daemon
from lib.tap import check, test
from lib.world import World


@test("penstockctl without a daemon exits 3 and says that mail flows; usage errors exit 2")
def _():
    def ctl(*argv):
        return subprocess.run([os.path.join(BIN, "penstockctl"), *argv], capture_output=True, text=True)
    done = ctl("--run-dir", "/nonexistent", "status")
    check(done.returncode == 3 and "mail flows" in done.stderr, f"{done}")
    for argv, verb in ((("drain", "--for"), " drain"), (("--run-dir", "x", "sources", "--sorted"), " sources"), (("--nothing",), "")):
        done = ctl(*argv)
        check(done.returncode == 2 and f"Try 'penstockctl{verb} --help'." in done.stderr, f"{done}")
    for argv in ((), ("dance",), ("mode",), ("mode", "maybe"), ("drain", "--for", "soon"), ("status", "extra")):
        done = ctl(*argv)
        check(done.returncode == 2 and done.stderr, f"{argv}: {done}")
    check("Usage" in ctl("--help").stdout, "help")
    with World(None, server=None, proxy=False) as w:
        w.daemon.kill(signal.SIGSTOP)
        done = w.daemon.ctl("status")
        check(done.returncode == 3 and "does not answer" in done.stderr, f"{done}")
        w.daemon.kill(signal.SIGCONT)


@test("a bad configuration ends the start with 78; --check-config, --print-config and --support work")
def _():
    def run(*argv):
        return subprocess.run([os.path.join(BIN, "penstockd"), *argv], capture_output=True, text=True, timeout=120)
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
        proxy = subprocess.run([os.path.join(BIN, "penstock-proxy"), "-c", path], capture_output=True, text=True, timeout=120)
        check(proxy.returncode == 78, f"{proxy}")
    text = run("--support").stdout
    check("run-queue latency" in text and "cpu_stall_ratio" in text and "sensor" in text, text)


@test("each program says that its output cannot be written, and fails; what it does not know it names in one or two lines")
def _():
    programs = sorted(name for name in os.listdir(BIN) if os.access(os.path.join(BIN, name), os.X_OK) and not name.endswith(".d"))
    check(len(programs) >= 11, f"{programs}")
    for program in programs:
        for option in ("--help", "--version"):
            with open("/dev/full", "w") as full:
                done = subprocess.run([os.path.join(BIN, program), option], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
            # Monitoring reads the one line of the plugin, and its status.
            told = program == "check_penstock" or "Cannot write the output: No space left on device" in done.stderr
            check(done.returncode != 0 and told, f"{program} {option}: {done}")
            check(subprocess.run([os.path.join(BIN, program), option], stdout=subprocess.DEVNULL, timeout=120).returncode == 0, f"{program} {option}")
        done = subprocess.run([os.path.join(BIN, program), "--dance"], capture_output=True, text=True, timeout=120)
        said = done.stdout if program == "check_penstock" else done.stderr
        check(done.returncode != 0 and "--help" in said and said.count("\n") <= 2, f"{program} --dance: {done}")


@test("penstock-sim says why it cannot read a scenario, and shows no bytes of a file that is none")
def _():
    def sim(path):
        done = subprocess.run([os.path.join(BIN, "penstock-sim"), path], capture_output=True, timeout=120)
        check(done.returncode != 0 and not done.stdout, f"{done}")
        return done.stderr.decode()
    with tempfile.TemporaryDirectory() as d:
        check("cannot read" in sim(d) and "Is a directory" in sim(d), "a directory")
        check("No such file" in sim(os.path.join(d, "none.sim")), "none")
        path = os.path.join(d, "bytes.sim")
        with open(path, "wb") as f:
            f.write(b"\x1b[2J\xff\x07at once\n")
        said = sim(path)
        check(f"{path}:1: " in said and said.strip().isprintable(), f"{said!r}")


@test("a second daemon on the same run directory is refused and told why; the port of HTTP may be taken")
def _():
    with World(None, server=None, proxy=False) as w:
        second = Daemon(w.directory, {}, http=9827, wait=False)
        check(second.process.wait(120) == 1, "its exit status")
        second.logged("another penstockd runs on")
        other = tempfile.mkdtemp(prefix="penstock-test-")
        third = Daemon(other, {}, http=w.daemon.http, wait=False)
        third.logged("another program has this address")
        wait_for(lambda: third.ctl("status").stdout, "it runs without HTTP")
        w.daemon.stop()
        third.logged("HTTP is served now")
        third.stop()


def plugin(run_dir, *arguments):
    done = subprocess.run([os.path.join(BIN, "check_penstock"), "--run-dir", run_dir, *arguments], capture_output=True, text=True,
                          timeout=120)
    check(done.stdout.startswith("PENSTOCK ") and not done.stderr, f"{done}")
    check("-v" in "".join(arguments) or done.stdout.count("\n") == 1, f"{done.stdout}")
    return done.returncode, done.stdout


@test("check_penstock: OK with perfdata; WARNING when drained; CRITICAL when a front is down, and without penstockd; UNKNOWN")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    status, line = plugin(directory)
    check(status == 2 and "does not answer" in line and "CRITICAL" in line, f"{status} {line}")
    daemon = Daemon(directory, {})
    run_dir = daemon.run_dir
    daemon.wait_status(lambda s: s["state"] == "serving", "serving")
    status, line = plugin(run_dir, "-w", "5", "-c", "5")
    check(status == 0 and line.startswith("PENSTOCK OK - ") and " | level=" in line and " admitted=0c deferred=0c" in line, f"{status} {line}")
    status, line = plugin(run_dir, "-w", "@0:4", "-c", "5")
    check(status == 1 and "WARNING" in line and " level=" in line and ";@0:4;5;0;4 " in line, f"{status} {line}")
    status, line = plugin(run_dir, "--warning", "@0:4", "--critical", "@0:4")
    check(status == 2, f"{status} {line}")
    status, line = plugin(run_dir, "-w", "5", "-c", "5", "--warning-deferred", "@0:100", "--critical-wait", "100")
    check(status == 1 and "of the connections are deferred" in line and "%;@0:100;;0;100" in line and "oldest_wait=0s;;100;0" in line, f"{status} {line}")
    status, line = plugin(run_dir, "-w", "5", "-c", "5", "--critical-wait", "@0:5")
    check(status == 2 and "a sender has waited for 0 s" in line, f"{status} {line}")
    status, text = plugin(run_dir, "-vv", "-w", "5", "-c", "5")
    lines = text.splitlines()
    check(status == 0 and any(l.startswith("cpu: ") for l in lines) and any(l.startswith("sensor ") for l in lines), text)
    check(text.count("|") == 1, "perfdata in the first line only")
    daemon.ctl("drain", check=0)
    daemon.wait_status(lambda s: s["state"] == "draining", "the drain")
    status, line = plugin(run_dir, "-w", "5", "-c", "5")
    check(status == 1 and "draining" in line, f"{status} {line}")
    for wrong in (["-w", "x"], ["-c", "9:1"], ["-t", "0"], ["word"], ["--nonsense"], ["-w"]):
        check(plugin(run_dir, *wrong)[0] == 3, f"{wrong}")
    daemon.stop()
    blocker = socket.create_server(("127.0.0.1", 9826))
    daemon = Daemon(directory, {"front.policy.enabled": "yes", "front.policy.listen": "127.0.0.1:9826"})
    daemon.logged("another program has it")
    status, line = plugin(run_dir, "-w", "5", "-c", "5")
    check(status == 2 and "front policy is down" in line, f"{status} {line}")
    daemon.kill(signal.SIGSTOP)
    status, line = plugin(run_dir, "-t", "1")
    check(status == 2, f"a hung daemon: {status} {line}")
    daemon.stop(signal.SIGKILL)
    blocker.close()


@test("comments behind values: taken for comments, in every kind of value")
def _():
    path = os.path.join(tempfile.mkdtemp(prefix="penstock-test-"), "penstock.conf")
    with open(path, "w") as f:
        f.write("[daemon]\nmode = observe # for now\ntick = 50ms\t# fast\n[service.mx]\nhostname = mx.example.org   # a name\nports = 25 587 # two\n"
                "[front.gate]\nnetns = /proc/1/ns/net       # or a name under /run/netns\n[http]\nlisten = none ; libinih's own\n")
    printed = subprocess.run([os.path.join(BIN, "penstockd"), "-c", path, "--print-config"], capture_output=True, text=True, check=True).stdout
    for line in ("mode = observe", "tick = 50ms", "hostname = mx.example.org", "ports = 25 587", "netns = /proc/1/ns/net", "listen = none"):
        check(f"\n{line}\n" in printed, f"{line}: {printed}")


place.isolate()
tap.run()
