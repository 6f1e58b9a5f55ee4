"""Inside the machine: runs the suites one after the other and says what they say, on the serial line that is its stdout. Lines
that begin with @@ are the driver's own."""
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SUITES = [["build/tests/kernel/test_kernel"],
          ["tests/integration/test_sensors.py"]]


def say(text):
    print(text, flush=True)


def suite(argv):
    began = time.monotonic()
    say(f"@@ suite {os.path.basename(argv[0])}")
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                               env={**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"})
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
    say(f"\n@@ end {process.wait()} after {time.monotonic() - began:.0f} s")


def support():
    say("@@ support")
    done = subprocess.run(["build/bin/penstockd", "--support"], cwd=ROOT, capture_output=True, text=True)
    say(done.stdout + done.stderr)


def main():
    say(f"@@ kernel {os.uname().release} up {open('/proc/uptime').read().split()[0]} s")
    support()
    for argv in SUITES:
        suite(argv)
    say("@@ done")


main()
