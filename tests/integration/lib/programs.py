"""penstock's own programs under test: started, watched, asked, stopped."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from lib import tap
from lib.place import BIN, LONG, PATIENCE, wait_for


def port_open(port, host="127.0.0.1"):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex((host, port)) == 0


def all_stopped(pid):
    """Whether SIGSTOP has taken effect: on a busy machine some threads go on for a while after kill() has returned."""
    states = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat") as f:
            states.append(f.read().rpartition(")")[2].split()[0])
    return set(states) == {"T"}


def answered(ask):
    """If the machine runs no tick for two seconds, penstockd's process for HTTP rightly answers 503: then ask again."""
    def attempt():
        try:
            return (ask(),)
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            return None
    return wait_for(attempt, "an answer of HTTP other than 503", every=0.2)[0]


class Program:
    """A child process whose stderr is kept in a file."""
    started = []

    def __init__(self, argv, **options):
        self.argv, self.began = argv, time.monotonic()
        self.log = tempfile.NamedTemporaryFile(prefix="penstock-test-", suffix=".log")
        self.process = subprocess.Popen(argv, stdout=self.log, stderr=self.log, **options)
        Program.started = [p for p in Program.started if p.alive()] + [self]

    @property
    def pid(self):
        return self.process.pid

    def output(self):
        with open(self.log.name, errors="replace") as f:
            return f.read()

    def alive(self):
        return self.process.poll() is None

    def kill(self, number):
        if self.alive():
            os.kill(self.pid, number)
            if number == signal.SIGSTOP:
                wait_for(lambda: not self.alive() or all_stopped(self.pid), "all threads to stop")

    def stop(self, number=signal.SIGTERM, seconds=LONG * PATIENCE):
        if self.alive():
            os.kill(self.pid, signal.SIGCONT)
            os.kill(self.pid, number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.argv[0]} did not stop on signal {number}:\n{self.output()}")

    def logged(self, text, seconds=LONG):
        """Waits for the line, or until the program has ended."""
        def said():
            ended = not self.alive()
            if text in self.output():
                return True
            if ended:
                raise AssertionError(f"{self.argv[0]} ended without the line {text!r}; the log is:\n{self.output()}")
            return False
        return wait_for(said, lambda: f"the line {text!r}; the log is:\n{self.output()}", seconds)

    def logged_rarely(self, text):
        """Waits for the line, which is to come once a minute at most."""
        self.logged(text)
        said, minutes = self.output().count(text), (time.monotonic() - self.began) / 60
        tap.check(said <= 1 + minutes, f"{said} times in {minutes:.1f} minutes: {self.output()}")


def end_all():
    """Ends them. Returns their last lines of output, for the report of the test that failed."""
    said = []
    for program in Program.started:
        if program.alive():
            program.process.kill()
            program.process.wait()
        last = "\n".join(program.output().splitlines()[-4:])
        said.append(f"The end of the log of {os.path.basename(program.argv[0])}, {program.process.returncode}:\n{last}")
    Program.started = []
    return "\n".join(said)


tap.leftovers.append(end_all)


def overrides(options):
    return [part for key, value in options.items() for part in ("-o", f"{key}={value}")]


def no_file(argv):
    """An empty configuration, so that this host's own is not read."""
    if "-c" in argv:
        return []
    path = os.path.join(tempfile.gettempdir(), "penstock-test-empty.conf")
    open(path, "w").close()
    return ["-c", path]


def no_targets():
    """Options for a daemon that feels no pressure from other suites on this machine: without targets there is no pressure."""
    printed = subprocess.run([os.path.join(BIN, "penstockd"), "-c", "/dev/null", "--print-config"], capture_output=True, text=True)
    names = re.findall(r"^(\w+) = ", printed.stdout.split("[target]\n")[1].split("\n[")[0], re.M)
    return {f"target.{name}": "0" for name in names}


# The processes that talk with clients for penstockd.
HELPERS = "penstockd-asks", "penstockd-http", "penstockd-admin", "penstockd-users", "penstockd-fleet"


class Daemon(Program):
    def __init__(self, directory, options, http=9825, wait=True, argv=(), prefix=(), program=None, **kwargs):
        self.http = http
        self.run_dir = os.path.join(directory, "run")
        self.state_dir = os.path.join(directory, "state")
        own = f"127.0.0.1:{http}"
        options = {"http.listen": own, **options}
        if wait and options["http.listen"] == own:
            # The helper of one that was killed may still have it, and would be taken for this one's.
            wait_for(lambda: not listening(http), f"the end of the program that listens on {own}")
        super().__init__([*prefix, program or os.path.join(BIN, "penstockd"), *no_file(argv), "--run-dir", self.run_dir, "--state-dir",
                          self.state_dir, *argv, *overrides(options)], **kwargs)
        if wait:
            wait_for(lambda: not self.alive() or port_open(http), "penstockd's HTTP")
            if not self.alive():
                raise AssertionError("penstockd ended:\n" + self.output())

    def helper(self, name):
        """The helper process of that name; None: there is none."""
        found = subprocess.run(["pgrep", "-P", str(self.pid), "-x", name], capture_output=True, text=True).stdout.split()
        return int(found[0]) if found else None

    def http_process(self):
        return self.helper("penstockd-http")

    def hang(self, number=signal.SIGSTOP):
        """Stops penstockd and its helper processes. SIGCONT lets them go on."""
        for pid in [self.helper(name) for name in HELPERS] + [self.pid]:
            if pid:
                os.kill(pid, number)

    def get(self, path, accept=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", headers={"Accept": accept} if accept else {})
        with urllib.request.urlopen(request, timeout=LONG * PATIENCE) as answer:
            return answer.read().decode()

    def document(self, path, accept=None):
        return answered(lambda: self.get(path, accept))

    def status(self):
        return json.loads(self.document("/status.json"))

    def metric(self, line):
        """The value of the sample whose text before the value is `line`; None: not there."""
        for text in self.document("/metrics").splitlines():
            if text.startswith(line + " "):
                return float(text.split()[-1])
        return None

    def wait_status(self, condition, what, seconds=LONG):
        return wait_for(lambda: (lambda s: s if condition(s) else None)(self.status()), what, seconds)

    def ctl(self, *arguments, check=None):
        done = subprocess.run([os.path.join(BIN, "penstockctl"), "--run-dir", self.run_dir, *arguments],
                              capture_output=True, text=True, timeout=LONG * PATIENCE)
        if check is not None and done.returncode != check:
            raise AssertionError(f"penstockctl {arguments} gave {done.returncode}:\n{done.stdout}{done.stderr}")
        return done


class Proxy(Program):
    def __init__(self, directory, listen, backend, options=None, wait=True, prefix=(), program=None, argv=(), **kwargs):
        self.port = listen
        self.run_dir = os.path.join(directory, "run")
        options = {"front.proxy.enabled": "yes",
                   # No server of these tests relays; those that learn the client's address say v1 or v2.
                   "front.proxy.proxy_protocol": "none", "front.proxy.client_addresses_hidden": "yes",
                   "front.proxy.listen": f"127.0.0.1:{listen}",
                   "front.proxy.backend": f"127.0.0.1:{backend}",
                   "front.proxy.loopback": "yes",  # every client of these tests is on this host
                   **(options or {})}
        super().__init__([*prefix, program or os.path.join(BIN, "penstock-proxy"), *no_file(argv), *argv, "--run-dir", self.run_dir, *overrides(options)], **kwargs)
        if wait:
            wait_for(lambda: not self.alive() or listening(listen), "penstock-proxy's port")
            if not self.alive():
                raise AssertionError("penstock-proxy ended:\n" + self.output())


def status_of(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def descriptors(pid):
    """What each open descriptor of a process is: {3: "socket:[4711]"}. One that is closed meanwhile is left out."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
    return found


def confined(pid):
    """Checks that a process has no capability, may get none, and has its system calls filtered. What its descriptors are, from the fourth on."""
    s = status_of(pid)
    tap.check(all(int(s[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")), f"{s}")
    tap.check(s["NoNewPrivs"] == "1" and s["Seccomp"] == "2", f"{s}")
    return [what for fd, what in descriptors(pid).items() if fd > 2]


def is_gone(pid):
    """Whether it has ended, or is a zombie."""
    try:
        return status_of(pid)["State"].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return True


def listening(port):
    """Whether some socket listens, without connecting to it: a connection would be counted."""
    wanted = f":{port:04X}"
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(name) as f:
            for line in f.readlines()[1:]:
                fields = line.split()
                if fields[1].endswith(wanted) and fields[3] == "0A":
                    return True
    return False
