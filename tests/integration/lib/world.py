"""The usual set-up of a test: a server, the daemon, and the proxy in front of it, in one directory; the end of the block ends them all. Each part
can be left out or replaced. Most tests of faults check `mail_flows()`."""
import ctypes
import os
import subprocess
import tempfile

from lib.place import LONG, wait_for
from lib.programs import Daemon, Proxy, no_targets
from lib.smtp import Server, deliver, smtp_server
from lib.tap import check

PORT = 2525


class World:
    """`server`: what answers each connection, the port of a server that is there already, or None: the options name a service, if any. `options`: of the daemon and the proxy;
    `daemon_options`, `proxy_options`: of one of them. `kwargs`: of Daemon(). What `at_end` holds is called at the end, the last one first.

    `calm`: every target is 0, so that no pressure is an overload. Use it in suites that check a reply, a count or a file, and that run beside
    others that keep all cores busy: a refusal for that load would be right, but it is not what they test. They cannot find a needless refusal for
    pressure. Suites that test this are not calm: test_postfix (a neighbour that does no harm), test_neighbours,
    test_sensors, test_end_to_end, test_probes, the faults of processes and sensors, and the foreign-* scenarios of tests/sim."""

    def __init__(self, directory=None, daemon_options=None, *, options=None, server=smtp_server, daemon=True, proxy=True,
                 proxy_options=None, calm=False, mode=0o755, **kwargs):
        self.directory = directory or tempfile.mkdtemp(prefix="penstock-test-")
        os.chmod(self.directory, mode)
        os.makedirs(os.path.join(self.directory, "run"), exist_ok=True)
        os.chmod(os.path.join(self.directory, "run"), mode)
        self.daemon = self.proxy = None
        self.server = Server(server) if callable(server) else None
        self.at_end = [self.server.close] if self.server else []
        port = self.server.port if self.server else server
        service = {"service.mx.ports": port, "service.mx.hostname": "mx.example.org"} if port else {}
        self.options = {**service, **(options or {})}
        try:
            if daemon:
                self.daemon = Daemon(self.directory, {**(no_targets() if calm else {}), **self.options, **(daemon_options or {})},
                                     **kwargs)
            if proxy:
                self.proxy = Proxy(self.directory, PORT, port, {**self.options, **(proxy_options or {})})
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
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
