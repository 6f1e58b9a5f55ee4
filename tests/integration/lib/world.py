"""A server, a daemon and a proxy in front of it, in one directory: what most tests of faults need. `mail_flows()` is their question."""
import ctypes
import os
import subprocess
import tempfile

from lib.programs import Daemon, Proxy
from lib.smtp import Server, deliver, smtp_server
from lib.tap import check

PORT = 2525


class World:
    def __init__(self, directory=None, daemon_options=None, **kwargs):  # kwargs: of Daemon()
        self.directory = directory or tempfile.mkdtemp(prefix="penstock-test-")
        os.chmod(self.directory, 0o755)
        os.makedirs(os.path.join(self.directory, "run"), exist_ok=True)
        self.server = Server(smtp_server)
        self.options = {"service.mx.ports": self.server.port, "service.mx.hostname": "mx.example.org"}
        self.daemon = Daemon(self.directory, {**self.options, **(daemon_options or {})}, **kwargs)
        self.proxy = Proxy(self.directory, PORT, self.server.port, self.options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in (self.proxy, self.daemon):
            if program.alive():
                program.stop()
        self.server.close()

    def mail_flows(self):
        code, *said = deliver(PORT)
        check(code == "250", f"mail does not flow: {code} {said}")


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
