#!/usr/bin/env python3
"""The suites of guest/driver.py on Debian's kernels of several releases, in emulated machines: two at a time, one boot a kernel.
KERNEL=6.1 runs one; KERNEL=here looks at the kernel that we run on, for the table of kernels alone. SUITE=short leaves out LONG of
guest/driver.py, SUITE=test_probes runs a suite whole, SUITE=all each of them, ONLY= some tests of it. TABLE=write writes the table of
kernels instead of comparing it with what is seen. Each machine's log is kept under build/test-logs."""
import fcntl
import os
import re
import shutil
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "integration")]
import archive
import machine
import table
from archive import NoKernel, Suite
from lib import tap
from lib.place import BUILD

# Which of Debian's releases has which kernel. The newest is where the archive says it is.
KERNELS = {"5.10": ["bullseye"], "6.1": ["bookworm"], "6.12": ["trixie"], "newest": ["trixie-backports", "sid"]}
AT_ONCE = 2
PATIENCE = 6


class Results:
    """TAP, numbered through."""

    def __init__(self):
        self.count = self.failed = 0
        self.lock = threading.Lock()

    def add(self, good, name, details="", skip=None):
        with self.lock:
            self.count += 1
            self.failed += not good
            print(f"{'ok' if good else 'not ok'} {self.count} - {name}" + (f" # SKIP {skip}" if skip else ""), flush=True)
            for line in details.splitlines():
                print("# " + line.removeprefix("# "), flush=True)


def number(release):
    return [int(n) for n in re.findall(r"\d+", release)[:3]]


def find_kernel(suites):
    """The newest kernel of these suites."""
    found, reasons = [], []
    for name in suites:
        try:
            found.append(Suite(name).kernel())
        except NoKernel as why:
            reasons.append(str(why))
    if not found:
        raise NoKernel("; ".join(reasons))
    return max(found, key=lambda kernel: number(kernel[2]))


def take_suite(results, label, text):
    """One suite's section of what the driver said."""
    name = text.split("\n", 1)[0]
    plan = sum(int(n) for n in re.findall(r"^1\.\.(\d+)", text, re.M))
    whole = re.search(r"^1\.\.0 *# *SKIP *(.*)", text, re.M | re.I)
    if whole:
        results.add(False, f"{label} {name}", f"skipped: {whole[1]}")
        return
    found = list(re.finditer(r"^(not )?ok \d+ *-? *([^#\n]*?) *(?:# *SKIP *(.*))?\n((?:# .*\n)*)", text, re.M))
    bad = sum(1 for f in found if f[1])
    for f in found:  # what a machine lacks that we made is no reason to skip
        results.add(not f[1] and not f[3], f"{label} {name}: {f[2]}", f[4] if f[1] else f"skipped: {f[3]}" if f[3] else "")
    end = re.search(r"^@@ end (-?\d+)", text, re.M)
    if len(found) != plan or not end or (int(end[1]) != 0 and not bad):
        status = f"exit status {end[1]}" if end else "no end"
        results.add(False, f"{label} {name}: {len(found)} results of {plan}, {status}", "\n".join(text.splitlines()[-20:]))


def take(results, vm, wrong):
    """What one machine showed."""
    os.makedirs(os.path.join(BUILD, "test-logs"), exist_ok=True)
    log = os.path.join(BUILD, "test-logs", f"vm-{vm.version}.log")
    with open(log, "w") as f:
        f.write(vm.log_text())
    label = f"{vm.version}:"
    where = os.path.relpath(log, os.path.dirname(BUILD))
    results.add(not wrong, f"{label} {vm.release} boots, runs and ends", f"{wrong} (see {where})" if wrong else "")
    for section in vm.said().partition("@@ survey")[0].split("@@ suite ")[1:]:
        take_suite(results, label, section)
    if "@@ survey" in vm.said():
        take_survey(results, label, vm.said())


def take_survey(results, label, text):
    """What was seen on a kernel, held against the table in the tree."""
    name = f"{label} the table in daemon/kernel/SUPPORT.md says what was seen"
    seen = machine.json_said(text, "seen")
    if not seen:
        results.add(False, name, "nothing was seen:\n" + "\n".join(text.splitlines()[-20:]))
        return
    table.keep(seen)
    if os.environ.get("TABLE") == "write":
        results.add(True, f"{label} {table.version(seen)} is surveyed for the table")
        return
    # The newest kernel and the one that we run on move on: one that the table does not know yet is said, not held against anybody.
    if table.version(seen) not in table.written() and table.version(seen) not in KERNELS:
        results.add(True, name, skip=f"it has no column for {table.version(seen)} yet: make test-vm TABLE=write")
        return
    wrong = table.contradictions(seen)
    results.add(not wrong, name, "\n".join([*wrong, "TABLE=write make test-vm writes it again"]) if wrong else "")


def here(results):
    """The same survey on the kernel that we run on."""
    done = archive.run([os.path.join(HERE, "guest", "survey.py")])
    take_survey(results, "here:", done.stdout + done.stderr)


def choice(word):
    """The names of the kernels to be emulated, and whether ours is looked at, too."""
    if word not in ("all", "here", *KERNELS):
        sys.exit(f"KERNEL={word}: all, here or one of {' '.join(KERNELS)}")
    return list(KERNELS) if word == "all" else [] if word == "here" else [word], word in ("all", "here")


def main():
    why = machine.why_not()
    if why:
        tap.skip_all(why)
    results = Results()
    chosen, ours = choice(os.environ.get("KERNEL") or "all")
    environment = {"PENSTOCK_TEST_PATIENCE": PATIENCE}
    environment.update({name: os.environ[name] for name in ("SUITE", "ONLY", "TABLE") if os.environ.get(name)})
    os.makedirs(archive.CACHE, exist_ok=True)
    directory = tempfile.mkdtemp(prefix="run-", dir=archive.CACHE)
    machines, turn = [], threading.Semaphore(AT_ONCE)
    if os.environ.get("TABLE") == "write" and len(chosen) == len(KERNELS):
        shutil.rmtree(table.SEEN, ignore_errors=True)
    try:
        with open(os.path.join(archive.CACHE, "lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            load = machine.payload() if chosen else None
            for name in chosen:
                try:
                    machines.append(machine.Machine(find_kernel(KERNELS[name]), load, directory, environment))
                except NoKernel as reason:
                    results.add(True, f"{name}: every suite", skip=str(reason))

        def boot(vm):
            with turn:
                wrong = vm.start().wait()
                if wrong and vm.misemulated():
                    print(f"# {vm.release} is booted once more: the emulator ran code that the kernel had replaced", flush=True)
                    wrong = vm.start().wait()
                take(results, vm, wrong)
        threads = [threading.Thread(target=boot, args=(vm,)) for vm in machines]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if ours and os.environ.get("SUITE", "") in ("", "short"):
            here(results)
        if os.environ.get("TABLE") == "write":
            table.write()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"1..{results.count}", flush=True)
    sys.exit(1 if results.failed else 0)


main()
