"""Inside the machine: runs the suites one after the other and says what they say, on the serial line that is its stdout. Lines
that begin with @@ are the driver's own."""
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
# What depends on the kernel, and of each that once: suite -> names of tests, as ONLY takes them; empty: every test. SUITE= runs
# whole suites.
CHOSEN = {
    "build/tests/kernel/test_kernel": "",
    "build/tests/kernel/test_kernel_machine": "",
    "build/tests/kernel/test_gate": "",
    # Each signal where it is provoked: CPU, slow disk, slow NIC, reclaim, OOM kill; sessions.
    "tests/integration/test_sensors.py": "CPU: |disk: |NIC: |SMTP: ",
    "tests/integration/test_probes.py": "an fsync that does not return|reclaim of a control group|an OOM kill|under 12 MiB of their own",
    # Verdicts over IPv4 and IPv6; what happens to mail when the daemon is killed or hangs.
    "tests/integration/test_gate.py": "over IPv4 and IPv6",
    "tests/integration/test_gate_failopen.py": "SIGKILL: |SIGSTOP: ",
    # Real overload and a drain, from a client's connect to the 451.
    "tests/integration/test_end_to_end.py": "",
}
# What `make test` leaves to .ci/run and `make test-vm` (SUITE=short): the same programs run on the host's own kernel there, and the
# kernel's part of them is in test_kernel, test_gate, test_gate_failopen and the survey, which loads every probe and looks at every signal.
LONG = {"tests/integration/test_sensors.py", "tests/integration/test_probes.py", "tests/integration/test_gate.py", "tests/integration/test_end_to_end.py"}
WHOLE = [*CHOSEN, *(f"build/tests/kernel/test_gate_{noun}" for noun in ("full", "told", "sessions", "syn")), "tests/integration/test_gate_count.py"]


def say(text):
    print(text, flush=True)


def suite(path, only):
    began = time.monotonic()
    say(f"@@ suite {os.path.basename(path)}")
    process = subprocess.Popen([path], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                               env={**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP", "ONLY": only})
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
    say(f"\n@@ end {process.wait()} after {time.monotonic() - began:.0f} s")


def survey():
    """Its own line goes where table.py's readers find it."""
    say("@@ survey")
    done = subprocess.run(["tests/vm/guest/survey.py"], cwd=ROOT, capture_output=True, text=True)
    say(done.stdout + done.stderr)


def main():
    say(f"@@ kernel {os.uname().release} up {open('/proc/uptime').read().split()[0]} s")
    wanted, only = os.environ.get("SUITE", ""), os.environ.get("ONLY", "")
    if wanted == "short":
        for path, names in CHOSEN.items():
            if path not in LONG:
                suite(path, names)
    elif wanted:
        for path in [s for s in WHOLE if wanted in (*re.split(r"[/.]", s), "all")]:
            suite(path, only)
    else:
        for path, names in CHOSEN.items():
            suite(path, names)
    survey()
    say("@@ done")


main()
