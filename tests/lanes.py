"""Which suites may run side by side, and running them so. What a suite does to the machine, and what it cannot bear, is told here; how
long it takes is measured and kept for the next time."""
import json
import os
import signal
import subprocess
import time

CORES = os.cpu_count()
# Suites that mostly wait share the machine with those that are busy.
LANES = CORES + 1
ALL = CORES

# How long a suite takes, about, in seconds: what is believed until it has been measured here (build/test-logs/times.json). And what it
# is like:
#   busy=N   keeps N cores busy; "busy": all of them
#   noisy    keeps cores busy now and then, and bears those that do
#   touchy   has an overload to see, or wants to hear why a server is slow: busy cores change what it sees
#   alone    both, or what it watches is the whole machine's: pressure, disks, memory, neighbours, every task's probes
# The others mostly wait and bear busy cores. A suite without a row is short and busy; an integration test without one runs alone until
# somebody has looked. A test that needs quiet in a suite that does not is marked itself: @test("...", quiet=True). Such tests
# run by themselves, as the suite "NAME, quiet".
SUITES = {
    "sanitizer build": (60, "busy"),
    "kernels in emulation": (240, "busy=2"),
    "the kernels between in emulation": (240, "busy=2"),
    "fuzz, quick": (70, "busy"),
    "lint": (15, "busy=2"),
    "sim/test_scenarios": (20, "busy"),
    "sim/test_properties": (60, "busy"),
    "sim/mutants": (5, "busy"),
    "integration/test_postfix.py": (182, "busy touchy"),
    "integration/test_responder.py": (25, "noisy"),
    "integration/test_end_to_end.py": (28, "noisy"),
    "integration/test_faults_wire.py": (10, "noisy"),
    "integration/test_hostile.py": (6, "noisy"),
    "integration/test_faults_sensors.py": (70, "touchy"),
    "integration/test_relay.py": (20, ""),
    "integration/test_haraka.py": (20, "noisy"),
    "integration/test_old_files.py": (10, ""),
    "integration/test_history.py": (15, ""),
    "integration/test_truth.py": (150, ""),
    "integration/test_maintenance.py": (25, ""),
    "integration/test_systemd.py": (130, ""),
    "integration/test_pages.py": (400, ""),
    "integration/test_outages.py": (40, ""),
    # Packages are built, and containers boot one after the other; most of it waits.
    "integration/test_packages.py": (200, "noisy"),
    "packages of the other systems": (250, "noisy"),
    "integration/test_containers.py": (60, "noisy"),
    "integration/test_faults_process.py": (93, "touchy"),
    "integration/test_haproxy.py": (60, ""),
    "integration/test_nginx.py": (10, ""),
    "integration/test_postscreen.py": (15, ""),
    "integration/test_exim.py": (45, "noisy"),
    "integration/test_milter.py": (50, "noisy"),
    "integration/test_opensmtpd.py": (50, "noisy"),
    "integration/test_queue.py": (61, ""),
    "integration/test_room.py": (40, ""),
    "integration/test_replay.py": (52, ""),
    "integration/test_sources.py": (43, ""),
    "integration/test_fleet.py": (35, ""),
    "integration/test_gate_failopen.py": (42, ""),
    "integration/test_control.py": (40, ""),
    "integration/test_control_process.py": (60, ""),
    "integration/test_http.py": (40, ""),
    "integration/test_learned.py": (34, ""),
    "integration/test_gate_netns.py": (20, ""),
    "integration/test_faults_operator.py": (15, ""),
    "integration/test_gate_count.py": (13, ""),
    "integration/test_monitoring.py": (20, ""),
    "integration/test_manuals.py": (3, ""),
    "integration/test_page.py": (50, ""),
    "integration/test_terminal.py": (15, ""),
    "integration/test_policy.py": (8, ""),
    "integration/test_links.py": (9, ""),
    "integration/test_faults_clock.py": (7, ""),
    "integration/test_faults_state.py": (6, ""),
    "integration/test_stalled.py": (30, ""),
    "integration/test_gate_repeat.py": (24, ""),
    "integration/test_gate_sources.py": (4, ""),
    "integration/test_gate.py": (4, ""),
    "integration/test_demo.py": (4, ""),
    "integration/test_check.py": (1, ""),
    "integration/test_proxy.py": (50, "noisy"),
    "integration/test_probes.py": (60, "noisy"),
    "integration/test_sensors.py": (60, "alone"),
    "integration/test_neighbours.py": (60, ""),
    "kernel/test_kernel": (20, "alone"),
}


class Times:
    """Seconds that each suite took when it last passed: a file that is read before a run and written after it."""

    def __init__(self, path):
        self.path = path
        try:
            with open(path) as f:
                self.seconds = {name: float(s) for name, s in json.load(f).items()}
        except (OSError, ValueError, AttributeError):
            self.seconds = {}

    def keep(self, suites):
        self.seconds.update({s.name: round(s.wall, 1) for s in suites if s.status == 0})
        with open(self.path + ".new", "w") as f:
            json.dump(self.seconds, f, indent=1, sort_keys=True)
        os.rename(self.path + ".new", self.path)


class Suite:
    """A program to run. `take(suite)` is called when it has ended, with `status`, `wall` and `cpu` (s) in it and its output in the
    file `log`; `after`: the name of a suite that has to be over before it begins."""

    def __init__(self, name, argv, take, log, env=None, limit_s=1800, after=None, kind=None):
        self.name, self.argv, self.take, self.log = name, argv, take, log
        self.env, self.limit_s, self.after = {**os.environ, **(env or {})}, limit_s, after
        plain = name.removesuffix(" (address, undefined)")
        self.seconds, known = SUITES.get(plain, (5, "alone" if name.startswith("integration/") else "busy"))
        words = (known if kind is None else kind).split()
        self.noisy, self.touchy, self.alone = (word in words for word in ("noisy", "touchy", "alone"))
        busy = next((w for w in words if w.startswith("busy")), None)
        self.cores = 0 if not busy else min(ALL, int(busy[5:] or ALL))
        self.process = self.status = None

    def bears(self, others):
        """Whether it may run beside these: no more busy cores than there are, and who is touchy has two cores for itself."""
        together = [self, *others]
        if not others:
            return True
        busy = sum(s.cores for s in together)
        if any(s.alone for s in together) or busy > CORES:
            return False
        if not any(s.touchy for s in together):
            return True
        loud = sum(s.cores or 1 for s in together if not s.touchy and (s.cores or s.noisy))
        crowd = sum(1 for s in together if s.touchy and s.cores) > 1
        return not crowd and (not loud or loud + sum(max(2, s.cores) for s in together if s.touchy) <= CORES)

    def start(self, root):
        # What is only busy lets what runs beside it go first.
        nice = "5" if self.cores and not self.touchy else "0"
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


def order(suites):
    """What others wait for and the busy ones first, the long ones at the head; then the touchy ones and the rest; and last, one by
    one, those that run alone."""
    awaited = {s.after for s in suites}
    return sorted(suites, key=lambda s: (s.alone, s.name not in awaited, not s.cores, bool(s.cores) == s.touchy, -s.seconds))


def run(suites, root, times):
    """Until all of them have ended; `times`: how long they took the last time, and from now on."""
    for suite in suites:
        suite.seconds = times.seconds.get(suite.name, suite.seconds)
    waiting, running = order(suites), []
    try:
        while waiting or running:
            for suite in [s for s in running if s.over()]:
                running.remove(suite)
                suite.take(suite)
            open_yet = {s.name for s in waiting + running}
            for suite in waiting[:]:
                if len(running) < LANES and suite.after not in open_yet and suite.bears(running):
                    suite.start(root)
                    waiting.remove(suite)
                    running.append(suite)
            time.sleep(0.02)
    finally:
        for suite in running:
            suite.stop()
        times.keep(suites)
