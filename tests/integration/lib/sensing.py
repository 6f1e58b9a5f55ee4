"""A daemon whose signals a test watches."""
import tempfile

from lib.place import wait_for
from lib.programs import Daemon
from lib.tap import Skip, check


class World:
    def __init__(self, options=None):
        self.directory = tempfile.mkdtemp(prefix="penstock-test-")
        self.daemon = Daemon(self.directory, {"service.mx.ports": 2526, **(options or {})})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.daemon.stop()

    def signal(self, resource, name):
        return self.daemon.status()["resources"][resource]["signals"].get(name)

    def wait_signal(self, resource, name, condition, via, seconds=30):
        def seen():
            s = self.signal(resource, name)
            return s if s and condition(s["value"]) else None
        found = wait_for(seen, f"{name} to move; it is {self.signal(resource, name)}", seconds)
        check(found["via"] == via, f"{name} via {found['via']}, not {via}")
        return found["value"]


def bpf_or_skip(world):
    bpf = world.daemon.status()["bpf"]
    if not bpf["used"]:
        raise Skip("BPF is refused here: " + bpf["reason"])
