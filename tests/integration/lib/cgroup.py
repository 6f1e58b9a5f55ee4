"""A control group of our own, on hybrid hosts one in each hierarchy, for a server under test."""
import atexit
import os
import secrets
import time

ROOT = "/sys/fs/cgroup"
V2 = ROOT if os.path.exists(ROOT + "/cgroup.controllers") else ROOT + "/unified"


class Cgroup:
    def __init__(self, *controllers, inside=None, v2=True):
        """`inside`: another one, to be a child of it. `v2` False: in the hierarchies of v1 alone, as docker does on hosts with cgroup v1."""
        self.own = "penstock-test-" + secrets.token_hex(4)
        self.name = os.path.join(inside.name, self.own) if inside else self.own
        self.v1 = V2 != ROOT
        self.paths = [os.path.join(V2, self.name)] if v2 else []
        if self.v1:
            self.paths += [os.path.join(ROOT, c, self.name) for c in controllers]
        else:
            for c in controllers:
                for above in ("", inside.name) if inside else ("",):
                    self.write_file(os.path.join(V2, above, "cgroup.subtree_control"), "+" + {"blkio": "io"}.get(c, c))
        for path in self.paths:
            os.mkdir(path)

    @staticmethod
    def write_file(path, text):
        with open(path, "w") as f:
            f.write(text)

    def prefix(self, *argv):
        """A command line that runs the following command inside the group."""
        join = "".join(f"echo $$ > {path}/cgroup.procs; " for path in self.paths)
        return ["sh", "-c", join + 'exec "$@"', "sh", *argv]

    def as_root(self):
        """A command line that runs the following command with this group as the root of the hierarchies: it sees no other group."""
        binds = "".join(f"mount --bind {path} {os.path.dirname(path)}; " for path in self.paths)
        return ["unshare", "--mount", "sh", "-ec", binds + 'exec "$@"', "sh"]

    def limit_memory(self, size):
        if self.v1:
            self.write_file(os.path.join(ROOT, "memory", self.name, "memory.limit_in_bytes"), str(size))
        else:
            self.write_file(os.path.join(V2, self.name, "memory.max"), str(size))

    def cpu_weight(self, weight):
        """Like CPUWeight=: 100 is the default, 10000 the most."""
        if self.v1:
            self.write_file(os.path.join(ROOT, "cpu", self.name, "cpu.shares"), str(weight * 1024 // 100))
        else:
            self.write_file(os.path.join(V2, self.name, "cpu.weight"), str(weight))

    def limit_cpu(self, cores):
        """A limit on CPU time, in cores; 0: none. The period is 10 ms: this gives a slower machine, and not one that stops and goes."""
        quota_us = int(cores * 10_000) if cores else 0
        if self.v1:
            self.write_file(os.path.join(ROOT, "cpu", self.name, "cpu.cfs_period_us"), "10000")
            self.write_file(os.path.join(ROOT, "cpu", self.name, "cpu.cfs_quota_us"), str(quota_us or -1))
        else:
            self.write_file(os.path.join(V2, self.name, "cpu.max"), f"{quota_us or 'max'} 10000")

    def stop(self, stopped=True):
        """All its processes stop as by SIGSTOP, without a signal; False: they go on."""
        self.write_file(os.path.join(V2, self.name, "cgroup.freeze"), str(int(stopped)))
        with open(os.path.join(V2, self.name, "cgroup.events")) as f:
            while f"frozen {int(stopped)}\n" not in f.read():
                time.sleep(0.01)
                f.seek(0)

    def oom_kills(self):
        path = os.path.join(ROOT, "memory", self.name, "memory.oom_control") if self.v1 else \
            os.path.join(V2, self.name, "memory.events")
        for line in open(path):
            if line.startswith("oom_kill "):
                return int(line.split()[1])
        return 0

    def limit_write_iops(self, device, iops):
        """0: no limit. The v2 interface takes none below 2."""
        if self.v1:
            self.write_file(os.path.join(ROOT, "blkio", self.name, "blkio.throttle.write_iops_device"), f"{device} {iops}")
        else:
            self.write_file(os.path.join(V2, self.name, "io.max"), f"{device} wiops={max(iops, 2) if iops else 'max'}")

    def limit_write_bytes(self, device, rate):
        """Per second; 0: no limit."""
        if self.v1:
            self.write_file(os.path.join(ROOT, "blkio", self.name, "blkio.throttle.write_bps_device"), f"{device} {rate}")
        else:
            self.write_file(os.path.join(V2, self.name, "io.max"), f"{device} wbps={rate or 'max'}")

    def remove(self):
        """With the groups that were made inside it."""
        for path in self.paths:
            for _ in range(100):
                try:
                    for group, _, _ in os.walk(path, topdown=False):
                        os.rmdir(group)
                    break
                except OSError:
                    time.sleep(0.1)  # a process that ended is in it for a moment; cgroup v1 tells of no end


def ahead(*controllers):
    """From here on this process and all that it starts have priority over everything else on this machine. For tests of what a machine can carry,
    to which other work would be a real loss. Programs that press the server start below this process, too. Returns the group in which the groups of
    servers are made: `Cgroup(..., inside=)`, with these controllers at most. None: no group can be made, and there is no priority."""
    try:
        machine = Cgroup("cpu", *controllers)
    except OSError as why:
        print(f"# not ahead of other work: {why}", flush=True)
        return None
    machine.cpu_weight(10000)
    own = Cgroup("cpu", inside=machine)
    top, kind = (os.path.join(ROOT, "cpu"), "cpu") if own.v1 else (V2, "")
    with open("/proc/self/cgroup") as f:
        before = next(line.rstrip("\n").split(":")[2] for line in f if line.split(":")[1] == kind)
    Cgroup.write_file(os.path.join(top, own.name, "cgroup.procs"), "0")

    def leave():
        Cgroup.write_file(top + before + "/cgroup.procs", "0")
        own.remove()
        machine.remove()
    atexit.register(leave)
    return machine
