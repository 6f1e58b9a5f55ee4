"""Control groups beside the mail server's, on a machine that seems to have no others."""
import os
import subprocess
import sys

from lib.cgroup import Cgroup
from lib.world import World

CPUS = len(os.sched_getaffinity(0))
SPIN = "import time\nend = time.monotonic() + 400\nwhile time.monotonic() < end: pass"


class Neighbourhood(World):
    """Control groups beside the daemon. The daemon sees no others of this machine."""

    def __init__(self, proxy=False, options=None):
        self.groups, self.started = [Cgroup("cpu", "memory", "blkio")], []
        super().__init__(None, options or {"daemon.bpf": "no"}, server=2526, proxy=proxy, prefix=self.groups[0].as_root())
        self.at_end.append(self.groups[0].remove)

    def group(self, *controllers):
        self.groups.append(Cgroup(*controllers, inside=self.groups[0]))
        self.at_end.append(self.groups[-1].remove)
        return self.groups[-1]

    def run(self, group, code, *argv):
        p = subprocess.Popen(group.prefix(sys.executable, "-c", code, *argv), stdout=subprocess.PIPE)
        self.started.append(p)
        self.at_end += [p.wait, p.kill]
        return p
