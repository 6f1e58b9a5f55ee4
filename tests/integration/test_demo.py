#!/usr/bin/env python3
"""The demonstration of `make run`: what it says is there, and nothing is left."""
import os
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place
from lib.place import BIN, ROOT, wait_for
from lib.programs import Program, listening
from lib.smtp import Client
from lib.tap import check, run, test


def demo(prefix=(), environment=None):
    # With little of /tmp in its own hands, to see what stays.
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    os.chmod(directory, 0o777)
    p = Program([*prefix, os.path.join(ROOT, "packaging/demo"), BIN], env={**os.environ, "TMPDIR": directory},
                start_new_session=True)
    p.logged("Ctrl-C stops all of it")
    return p, directory


def ended(p, directory):
    os.killpg(p.pid, signal.SIGINT)
    p.process.wait(120)
    gone(p, directory)


def gone(p, directory):
    p.logged("nothing is left behind")
    check(os.listdir(directory) == [], f"left: {os.listdir(directory)}")
    for port in (2525, 2526, 2527, 9825):
        check(not listening(port), f"{port} is still listened on")


@test("as root: proxy, sinks, gate and status answer; the page's drain reaches the proxy and the gate alike; Ctrl-C leaves nothing")
def _():
    p, directory = demo()
    for port in (2525, 2526, 2527):
        with Client(port) as c:
            check(c.greeting.startswith(b"220"), f"{port}: {c.greeting}")
    run_dir = os.path.join(directory, os.listdir(directory)[0], "run")
    subprocess.run([os.path.join(BIN, "penstockctl"), "--run-dir", run_dir, "drain", "--for", "5m"], check=True, capture_output=True)

    def refused(port):
        with Client(port) as c:
            return c.greeting.startswith(b"451") and c.say(b"QUIT").startswith(b"221")
    for port in (2525, 2527):
        wait_for(lambda: refused(port), f"451 on {port}")
    ended(p, directory)


@test("more signals while it stops do not keep it from ending what it started")
def _():
    p, directory = demo()

    def over():
        p.process.send_signal(signal.SIGTERM)
        return p.process.poll() is not None
    wait_for(over, "the end", 120, every=0.02)
    gone(p, directory)


@test("without privilege it runs too, and says what it does without")
def _():
    p, directory = demo(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"])
    p.logged("without the gate in the kernel: it needs CAP_BPF")
    with Client(2525) as c:
        check(c.greeting.startswith(b"220"), f"{c.greeting}")
    check(not listening(2527), "no gate")
    ended(p, directory)


place.isolate()
run()
