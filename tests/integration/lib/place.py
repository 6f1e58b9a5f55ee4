"""A place of our own for a test: mount, PID and network namespaces that vanish with it, so that ports never clash and nothing
is left behind. `isolate()` starts the script again inside. Its files go away, too, when all tests have passed."""
import os
import resource
import secrets
import shutil
import subprocess
import sys
import tempfile
import time

from lib import tap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
BIN = os.path.join(BUILD, "bin")
# How much longer than usual to wait: an emulated machine is slow.
PATIENCE = float(os.environ.get("PENSTOCK_TEST_PATIENCE", "1"))
# Seconds. This limit only keeps a test from hanging: a test that passes never waits so long, even on a busy machine.
LONG = 120


def scratch(name):
    """A path on the disk of the build directory that no other suite has: each of them is process 1 of its own namespace."""
    return os.path.join(BUILD, f"{name}-{secrets.token_hex(4)}")


def isolate(*prepare):
    """`prepare`: functions that run outside first, where there is a network: downloads."""
    if "PENSTOCK_TEST_INSIDE" in os.environ:
        tempfile.tempdir = os.environ["PENSTOCK_TEST_INSIDE"]
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        return
    if os.geteuid() != 0:
        tap.skip_all("needs root for namespaces: sudo make test")
    for function in prepare:
        function()
    directory = tempfile.mkdtemp(prefix="penstock-")
    os.chmod(directory, 0o1777)
    done = subprocess.run(["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
                           sys.executable] + sys.argv,
                          env={**os.environ, "PENSTOCK_TEST_INSIDE": directory, "PYTHONPATH": os.path.join(ROOT, "tests", "integration")})
    if done.returncode == 0:
        shutil.rmtree(directory, ignore_errors=True)
    else:
        print(f"# Its files are in {directory}", flush=True)
    sys.exit(done.returncode)


def wait_for(condition, what, seconds=LONG, every=0.05):
    """Returns the first true value of condition(); fails after a generous bound. `what`: a text, or a function that gives it then. A second at
    most counts for each look: a machine that stood still meanwhile stood still for what is waited for, too."""
    seconds *= PATIENCE
    waited, last = 0, time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        now = time.monotonic()
        waited, last = waited + min(now - last, 1), now
        if waited > seconds:
            raise AssertionError(f"waited {seconds} s in vain for {what() if callable(what) else what}")
        # Seldom where it takes long: each look costs CPU, and on an emulated machine the looks themselves are what takes long.
        time.sleep(every * min(PATIENCE, 4) * (1 if waited < 1 else 2 if waited < 4 else 4))
