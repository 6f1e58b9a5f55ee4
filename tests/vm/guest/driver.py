"""Inside the machine: runs the suites one after the other and says what they say, on the serial line that is its stdout. Lines
that begin with @@ are the driver's own."""
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SUITES = ["build/tests/kernel/test_kernel", "build/tests/kernel/test_gate", "tests/integration/test_probes.py",
          "tests/integration/test_sensors.py", "tests/integration/test_gate.py", "tests/integration/test_gate_count.py",
          "tests/integration/test_gate_failopen.py", "tests/integration/test_end_to_end.py"]


def say(text):
    print(text, flush=True)


def suite(path):
    began = time.monotonic()
    say(f"@@ suite {os.path.basename(path)}")
    process = subprocess.Popen([path], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                               env={**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"})
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
    say(f"\n@@ end {process.wait()} after {time.monotonic() - began:.0f} s")


def support():
    say("@@ support")
    done = subprocess.run(["build/bin/penstockd", "--support"], cwd=ROOT, capture_output=True, text=True)
    say(done.stdout + done.stderr)


def survey():
    """Its own line goes where table.py's readers find it."""
    say("@@ survey")
    done = subprocess.run(["tests/vm/guest/survey.py"], cwd=ROOT, capture_output=True, text=True)
    say(done.stdout + done.stderr)


def main():
    say(f"@@ kernel {os.uname().release} up {open('/proc/uptime').read().split()[0]} s")
    support()
    only = os.environ.get("SUITE", "")
    for path in [s for s in SUITES if only in s]:
        suite(path)
    survey()
    say("@@ done")


main()
