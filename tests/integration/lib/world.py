"""The usual set-up of a test: a server, the daemon, and the proxy in front of it, in one directory; the end of the block ends them all. Each part
can be left out or replaced. Most tests of faults check `mail_flows()`. Suites with other servers or fronts inherit from World."""
import ctypes
import os
import signal
import subprocess
import tempfile

from lib.place import BUILD, LONG, wait_for
from lib.programs import Daemon, Proxy, no_targets
from lib.smtp import Server, deliver, smtp_server
from lib.tap import check

PORT = 2525
TELL = 3000  # octets of what a program said, at most


class World:
    """`server`: what answers each connection, a Server, the port of a server that is there already, or None: the options name a service, if
    any. `options`: of the daemon and the proxy; `daemon_options`, `proxy_options`: of one of them. `kwargs`: of Daemon(); `proxy_arguments`:
    of Proxy(). `config`: the text of the configuration file that the daemon reads, or a function of the directory that gives it; the services
    are those of the file. `front`: wait until that front is up. `name`: the directory is under build/, has this name, and is removed at the
    end of the block. The functions in `at_end` are called at the end, the last one first. `tells`: {name of a program: function}; what these
    functions return is printed when the block fails.

    `calm`: every target is 0, so that no pressure is an overload. Use it in suites that check a reply, a count or a file, and that run beside
    others that keep all cores busy: a refusal for that load would be right, but it is not what they test. They cannot find a needless refusal for
    pressure. Suites that test this are not calm: test_postfix (a neighbour that does no harm), test_neighbours,
    test_sensors, test_end_to_end, test_probes, the faults of processes and sensors, and the foreign-* scenarios of tests/sim."""

    def __init__(self, directory=None, daemon_options=None, *, options=None, server=smtp_server, daemon=True, proxy=True,
                 proxy_options=None, proxy_arguments=None, calm=False, config=None, front=None, name=None, mode=0o755, **kwargs):
        self.directory = directory or tempfile.mkdtemp(prefix=f"{name or 'penstock-test'}-", dir=BUILD if name else None)
        self.at_end = [lambda: subprocess.run(["rm", "-rf", self.directory])] if name and not directory else []
        os.chmod(self.directory, mode)
        os.makedirs(os.path.join(self.directory, "run"), exist_ok=True)
        os.chmod(os.path.join(self.directory, "run"), mode)
        self.daemon = self.proxy = None
        self.tells, self.calm, self.front, self.kwargs = {}, calm, front, kwargs
        self.server = server if isinstance(server, Server) else Server(server) if callable(server) else None
        self.at_end += [self.server.close] if self.server else []
        port = self.server.port if self.server else server
        service = {"service.mx.ports": port, "service.mx.hostname": "mx.example.org"} if port and not config else {}
        self.options = {**service, **(options or {})}
        self.daemon_options = daemon_options or {}
        try:
            if config:
                self.config = os.path.join(self.directory, "penstock.conf")
                with open(self.config, "w") as f:
                    f.write(config(self.directory) if callable(config) else config)
                self.kwargs = {**kwargs, "argv": ["-c", self.config, *kwargs.get("argv", ())]}
            if daemon:
                self.start_daemon()
            if proxy:
                self.proxy = Proxy(self.directory, PORT, port, {**self.options, **(proxy_options or {})}, **(proxy_arguments or {}))
        except BaseException:
            self.__exit__(True)
            raise

    def start_daemon(self, options=None, **kwargs):
        """As the block began it, but for these; it has ended before."""
        self.daemon = Daemon(self.directory, {**(no_targets() if self.calm else {}), **self.options, **self.daemon_options, **(options or {})},
                             **{**self.kwargs, **kwargs})
        if self.front:
            self.daemon.wait_status(lambda s: s["decisions"]["by_front"].get(self.front, {}).get("up"), f"the front {self.front}")

    def __enter__(self):
        return self

    def __exit__(self, kind=None, *_):
        if kind:
            for name, said in self.tells.items():
                print(f"# {name} said:\n# " + said()[-TELL:].replace("\n", "\n# "))
            if self.daemon and self.daemon.alive():
                self.daemon.hang(signal.SIGCONT)
        try:
            for program in (self.proxy, self.daemon):
                if program and program.alive():
                    program.stop()
        finally:
            while self.at_end:
                self.at_end.pop()()

    def mail_flows(self):
        code, *said = deliver(PORT)
        check(code == "250", f"mail does not flow: {code} {said}")

    def signal(self, resource, name):
        return self.daemon.status()["resources"][resource]["signals"].get(name)

    def value(self, resource, name):
        """None: absent."""
        found = self.signal(resource, name)
        return found["value"] if found else None

    def wait_signal(self, resource, name, condition, via=None, seconds=LONG):
        def seen():
            s = self.signal(resource, name)
            return s if s and condition(s["value"]) else None
        found = wait_for(seen, lambda: f"{name} to move; it is {self.signal(resource, name)}", seconds)
        check(via in (None, found["via"]), f"{name} via {found['via']}, not {via}")
        return found["value"]


class Asked(World):
    """penstockd as a page configures it for a front that a mail server asks, without a proxy."""

    def __init__(self, front, config, options=None, **kwargs):
        super().__init__(config=config, front=front, server=None, proxy=False, calm=True,
                         options={"daemon.bpf": "no", "source.sessions_max": 1000000, **(options or {})}, **kwargs)


def small_disk(size):
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory], check=True)
    return directory


def fill(path):
    try:
        with open(path, "wb", buffering=0) as f:
            while True:
                f.write(b"\0" * 4096)
    except OSError:
        pass


def drop_resource_capability():
    """Else root would raise its own limit: PR_CAPBSET_DROP of CAP_SYS_RESOURCE holds after exec."""
    ctypes.CDLL(None).prctl(24, 24, 0, 0, 0)
