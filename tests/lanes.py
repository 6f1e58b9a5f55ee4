"""Which suites may run side by side, and running them so. What a suite does to the machine, and what it cannot bear, is told here; how
long it takes is measured and kept for the next time."""
import json
import os
import select
import signal
import subprocess
import time

CORES = os.cpu_count()
TIDY_S = 2  # in which a suite that is ended before its time takes away what it made
# So many suites that mostly wait share the machine with those that are busy.
WAITING = 2 * CORES + 1

# What is not as usual: how long a suite takes, about, in seconds, until that has been measured here (build/test-logs/times.json); and
#   busy     keeps one core busy: as many at a time as there are cores
#   wide     keeps as many cores busy as it gets: one at a time, and it takes what the others leave
#   emulated an emulated machine, which keeps one core busy and is slow: one for two cores, and one for each where nothing that waits is left
#   alone    what it watches is the whole machine's
# A suite without a row is short and keeps one core busy; or it is an integration test, takes half a minute, mostly waits, and bears busy
# cores. Those that ask what a machine can carry go before others by themselves (lib/cgroup.ahead). A test that needs quiet in a suite that
# does not is marked: @test("...", quiet=True). Such tests run by themselves, as the suite "NAME, quiet".
SUITES = {
    "sanitizer build": (90, "wide"),
    "fuzz, quick": (90, "wide"),
    "kernel 5.10": (330, "emulated"),
    "kernel 6.1": (300, "emulated"),
    "kernel 6.12": (300, "emulated"),
    "kernel newest": (330, "emulated"),
    "lint": (14, "wide"),
    "sim/test_scenarios": (35, "wide"),
    "sim/test_properties": (100, "wide"),
    "sim/mutants": (5, "wide"),
    "sim/test_traces": (2, "wide"),
    "figures": (30, "wide"),
    "sim/test_fleet": (17, "wide"),
    "sim/test_regret": (5, "wide"),
    "sim/test_sources": (3, "wide"),
    "packages of the other systems": (550, ""),
    "integration/test_packages.py": (250, ""),
    "integration/test_pages.py": (430, ""),
    "integration/test_truth.py": (215, ""),
    "integration/test_alerts.py": (200, ""),
    "integration/test_systemd.py": (190, ""),
    "integration/test_postfix.py": (180, ""),
    "integration/test_stops.py": (90, ""),
    "integration/test_haproxy.py": (110, ""),
    "integration/test_haproxy_spoe.py": (40, ""),
    "integration/test_faults_sensors.py": (95, ""),
    "integration/test_containers.py": (85, ""),
    "integration/test_neighbours.py": (80, ""),
    "integration/test_queue.py": (80, ""),
    "integration/test_gate_count.py": (75, ""),
    "integration/test_faults_process.py": (75, ""),
    "integration/test_fleet.py": (70, ""),
    "integration/test_control.py": (65, ""),
    "integration/test_control_process.py": (60, ""),
    "integration/test_replay.py": (60, ""),
    "unit/test_logind": (5, ""),
    "unit/test_responder": (4, ""),
    "unit/test_mta_group": (1, ""),
    "unit/test_log": (1, ""),
    "unit/test_sensor_rubbish": (1, ""),
    "kernel/test_kernel_machine": (15, "alone"),
}
# What mostly waits goes first, else it would wait for the busy ones, too; a wide one is last, as it can use each moment that is left.
NICE = {"emulated": 2, "busy": 5, "wide": 10}


class Times:
    """Seconds that each suite took when it last passed, and of CPU: a file that is read before a run and written after it."""

    def __init__(self, path):
        self.path = path
        try:
            with open(path) as f:
                self.kept = json.load(f)
            self.seconds = {name: float(wall) for name, (wall, _) in self.kept.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            self.kept, self.seconds = {}, {}

    def keep(self, suites):
        self.kept.update({s.name: (round(s.wall, 1), round(s.cpu, 1)) for s in suites if s.status == 0})
        with open(self.path + ".new", "w") as f:
            f.write("{" + ",\n ".join(f"{json.dumps(name)}: {json.dumps(times)}" for name, times in sorted(self.kept.items())) + "}\n")
        os.rename(self.path + ".new", self.path)


class Suite:
    """A program to run. `take(suite)` is called when it has ended, with `status`, `wall` and `cpu` (s) in it and its output in the
    file `log`; `after`: the name of a suite that has to be over before it begins."""

    def __init__(self, name, argv, take, log, env=None, limit_s=1800, after=None, kind=None):
        self.name, self.argv, self.take, self.log = name, argv, take, log
        self.env, self.limit_s, self.after = {**os.environ, **(env or {})}, limit_s, after
        plain = name.removesuffix(" (address, undefined)")
        self.seconds, known = SUITES.get(plain, (30, "") if name.startswith("integration/") else (5, "busy"))
        self.kind = known if kind is None else kind
        if self.kind == "wide":  # it gets what the others leave, and that may be next to nothing until they are over
            self.limit_s *= 2
        self.process = self.status = None

    def bears(self, others, waiting=()):
        """Whether it may run beside these, while others are `waiting`. No core is idle while a wide one has work, and none that keeps one core busy waits for it."""
        if self.kind == "alone" or any(s.kind == "alone" for s in others):
            return not others
        machines = max(1, CORES // 2) if any(s.kind == "" for s in (*others, *waiting)) else CORES
        return sum(s.kind == self.kind for s in others) < {"busy": CORES, "wide": 1, "emulated": machines, "": WAITING}[self.kind]

    def niceness(self, awaited):
        """`awaited`: others begin when it is over."""
        return 0 if awaited else NICE.get(self.kind, 0)

    def start(self, root, awaited):
        nice = str(self.niceness(awaited))
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
        process = os.pidfd_open(self.process.pid)
        select.select([process], [], [], TIDY_S)
        os.close(process)
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


def order(suites, awaited):
    """What others wait for first, then the others, the long ones at the head; and last, one by one, those that run alone."""
    return sorted(suites, key=lambda s: (s.kind == "alone", s.name not in awaited, -s.seconds))


def begin(waiting, running, start):
    """start() for each that may run now, which moves from `waiting` to `running`."""
    open_yet = {s.name for s in waiting + running}
    for suite in waiting[:]:
        if suite.after not in open_yet and suite.bears(running, waiting):
            start(suite)
            waiting.remove(suite)
            running.append(suite)


def run(suites, root, times):
    """Until all of them have ended; `times`: how long they took the last time, and from now on."""
    for suite in suites:
        suite.seconds = times.seconds.get(suite.name, suite.seconds)
    awaited = {s.after for s in suites}
    waiting, running = order(suites, awaited), []
    try:
        while waiting or running:
            for suite in [s for s in running if s.over()]:
                running.remove(suite)
                suite.take(suite)
            begin(waiting, running, lambda suite: suite.start(root, suite.name in awaited))
            time.sleep(0.02)
    finally:
        for suite in running:
            suite.stop()
        times.keep(suites)
