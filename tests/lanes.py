"""Which suites may run side by side, and running them so. Most of them mostly wait; what a suite does to the machine, and what it
cannot bear, is told here: one that is busy or noisy is never beside a touchy one, and two that are busy never side by side."""
import os
import signal
import subprocess
import time

LANES = 2

# How long a suite takes, about, in seconds (those that run alone and the kernels: estimates), and what it is like:
#   busy     keeps the cores busy
#   noisy    keeps them busy now and then, and bears those that do
#   touchy   has an overload to see, or wants to hear why a server is slow: busy cores change what it sees
#   alone    both, or what it watches is the whole machine's: pressure, disks, memory, neighbours, every task's probes
# The others mostly wait and bear busy cores. Who is not named is short and busy, or, of the integration tests, alone until somebody
# has looked.
SUITES = {
    "kernels in emulation": (520, "busy"),
    "sanitizer build": (100, "busy"),
    "fuzz, quick": (80, "busy"),
    "sim/test_scenarios": (60, "busy"),
    "sim/test_properties": (115, "busy"),
    "sim/mutants": (15, "busy"),
    "integration/test_postfix.py": (182, "busy touchy"),
    "integration/test_responder.py": (25, "noisy"),
    "integration/test_end_to_end.py": (28, "noisy"),
    "integration/test_faults_wire.py": (10, "busy touchy"),
    "integration/test_faults_wire.py (address, undefined)": (10, "busy touchy"),
    "integration/test_faults_sensors.py": (210, "touchy"),
    "integration/test_systemd.py": (130, ""),
    "integration/test_faults_process.py": (93, "touchy"),
    "integration/test_queue.py": (61, ""),
    "integration/test_replay.py": (52, ""),
    "integration/test_sources.py": (43, ""),
    "integration/test_gate_failopen.py": (42, ""),
    "integration/test_control.py": (40, ""),
    "integration/test_control.py (address, undefined)": (40, ""),
    "integration/test_learned.py": (34, ""),
    "integration/test_gate_netns.py": (20, ""),
    "integration/test_faults_operator.py": (15, ""),
    "integration/test_gate_count.py": (13, ""),
    "integration/test_policy.py": (8, ""),
    "integration/test_policy.py (address, undefined)": (8, ""),
    "integration/test_links.py": (9, ""),
    "integration/test_faults_clock.py": (7, ""),
    "integration/test_faults_state.py": (6, ""),
    "integration/test_gate_sources.py": (4, ""),
    "integration/test_gate.py": (4, ""),
    "integration/test_demo.py": (4, ""),
    "integration/test_check.py": (1, ""),
    "integration/test_proxy.py": (60, "alone"),
    "integration/test_proxy.py (address, undefined)": (60, "alone"),
    "integration/test_probes.py": (90, "alone"),
    "integration/test_sensors.py": (60, "alone"),
    "integration/test_neighbours.py": (60, "alone"),
    "kernel/test_kernel": (20, "alone"),
}


class Suite:
    """A program to run. `take(suite)` is called when it has ended, with `status`, `wall` and `cpu` (s) in it and its output in the
    file `log`; `after`: the name of a suite that has to be over before it begins."""

    def __init__(self, name, argv, take, log, env=None, limit_s=900, after=None):
        self.name, self.argv, self.take, self.log = name, argv, take, log
        self.env, self.limit_s, self.after = {**os.environ, **(env or {})}, limit_s, after
        self.seconds, kind = SUITES.get(name, (5, "alone" if name.startswith("integration/") else "busy"))
        self.busy, self.noisy, self.touchy, self.alone = (word in kind for word in ("busy", "noisy", "touchy", "alone"))
        self.process = None

    def bears(self, other):
        if self.alone or other.alone or self.busy and other.busy:
            return False
        return not (self.touchy and (other.busy or other.noisy) or other.touchy and (self.busy or self.noisy))

    def start(self, root):
        # What is only busy lets what runs beside it go first.
        nice = "5" if self.busy and not self.touchy else "0"
        self.began = time.monotonic()
        with open(os.path.join(root, self.log), "w") as output:
            self.process = subprocess.Popen(["nice", "-n", nice, *self.argv], cwd=root, stdout=output, stderr=subprocess.STDOUT,
                                            env=self.env, start_new_session=True)
        try:  # where the kernel shares the cores by session, a session's own niceness is what counts
            with open(f"/proc/{self.process.pid}/autogroup", "w") as f:
                f.write(nice)
        except OSError:
            pass

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def ended(self, options=os.WNOHANG):
        """Whether it is over; everything that it started ends with it."""
        pid, status, usage = os.wait4(self.process.pid, options)
        if pid == 0:
            return False
        self.signal(signal.SIGKILL)
        self.status = self.process.returncode = os.waitstatus_to_exitcode(status)
        self.wall, self.cpu = time.monotonic() - self.began, usage.ru_utime + usage.ru_stime
        return True

    def stop(self):
        """Ends it before its time."""
        self.signal(signal.SIGTERM)
        time.sleep(2)
        self.signal(signal.SIGKILL)
        self.ended(0)

    def over(self):
        if self.ended():
            return True
        if time.monotonic() < self.began + self.limit_s:
            return False
        self.stop()
        self.status = f"no end within {self.limit_s} s"
        return True


def run(suites, root):
    """The busy ones first and one after another, the short ones at the head, beside what bears them; then the touchy ones and the
    rest, the long ones at the head; and last, one by one, those that run alone."""
    waiting = sorted(suites, key=lambda s: (s.alone, not s.busy, s.busy == s.touchy, s.seconds if s.busy else -s.seconds))
    running = []
    try:
        while waiting or running:
            for suite in [s for s in running if s.over()]:
                running.remove(suite)
                suite.take(suite)
            open_yet = {s.name for s in waiting + running}
            for suite in waiting[:]:
                if len(running) < LANES and suite.after not in open_yet and all(suite.bears(other) for other in running):
                    suite.start(root)
                    waiting.remove(suite)
                    running.append(suite)
            time.sleep(0.02)
    finally:
        for suite in running:
            suite.stop()
