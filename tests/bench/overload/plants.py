"""The servers that the overload bench loads: each on core 0, in a control group of its own, with an fsync'ed queue and real work a
message. penstock is told nothing of them but the port. One life of a server serves all runs: it listens for every front on a port of
its own, and between two runs fresh() makes it as it was at its start."""
import contextlib
import glob
import os
import signal
import subprocess

from lib import haproxy, postfix
from lib.cgroup import V2, Cgroup
from lib.disks import loop_file_system
from lib.packages import npm
from lib.place import BUILD, wait_for
from lib.postfix import POLICY, SMTP, Postfix
from lib.programs import Program, listening

SERVER_CORE = "0"
PROXIED, POSTSCREEN = 2529, 2530   # smtpd that wants a PROXY header; postscreen
SCANNER_MS, SCANNER_MB = 6, 4
FILTER_MS = int(os.environ.get("FILTER_MS", str(SCANNER_MS)))
HARAKA = 2526
# On a machine that others load. Much more, and the kernel's own threads (the journal's, the workers) come late: another machine.
AHEAD = int(os.environ.get("AHEAD", "100"))
DELIVERY = 2990

MASTER_EXTRA = f"""
{PROXIED} inet n - n - 100 smtpd
  -o smtpd_upstream_proxy_protocol=haproxy
{POSTSCREEN} inet n - n - 1 postscreen
smtpd pass - - n - 100 smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
"""
# Known clients, as after its tests: what is compared is its limits, not its greet wait.
MAIN = {"postscreen_access_list": "static:permit", "postscreen_pre_queue_limit": "100", "postscreen_post_queue_limit": "20",
        "default_process_limit": "100"}
# Clients of SLOW_NET are let wait for their greeting as by a resolver that does not answer.
SLOW_NET, SLOW_NAME_S = "127.4.0.0/16", 3
SLOW_NAMES = {"smtpd_delay_reject": "no", "smtpd_restriction_classes": "slow_name", "slow_name": f"sleep {SLOW_NAME_S}",
              "smtpd_client_restrictions": f"check_client_access cidr:{{{{{SLOW_NET} slow_name}}}}"}
# A queue that is longer than this is thrown away between two runs, and not waited for.
PURGED_ABOVE = 150


def disk_of(path):
    """MAJOR:MINOR of the whole disk that holds `path`, as a control group wants it; None: it lies on none of its own."""
    device = os.stat(path).st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    at = f"/sys/dev/block/{name}"
    if not os.path.exists(at):
        return None
    if os.path.exists(at + "/partition"):
        return open(os.path.join(at, "..", "dev")).read().strip()
    return name


def alive_count(name):
    """Processes of that name that still run; those of an earlier server may be zombies, which do not count."""
    count = 0
    for path in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError):
            with open(path) as f:
                comm, rest = f.read().split("(", 1)[1].rsplit(")", 1)
            count += comm == name and rest.split()[0] != "Z"
    return count


# With WIRE the load comes from a network namespace of its own over a veth pair, and a handshake takes its time.
ON_THE_WIRE = {"inet_interfaces": "all", "mynetworks": "127.0.0.0/8 10.77.0.0/16"} if os.environ.get("WIRE") else {}


class Plant:
    """`prefix` starts a program inside the server's control group, on its core. penstock's programs have groups of their own beside
    it, with the weights of their units, and all of them share one, `whole`, that weighs what any service does: what penstock takes, it
    takes from the server. That, the neighbours' and the generator's are in `machine`, which weighs what any service does, or AHEAD."""

    fronts = ("alone", "proxy", "other", "gate", "static20", "haproxy")
    upstream = "none"     # PROXY header that it wants from the proxy
    queue_dirs = None  # where penstock finds the queue, in an ordinary installation by itself
    filters_late = False  # after it has accepted a message: the queue before the filter counts against it

    def __init__(self, directory):
        self.directory = directory
        # As on any host: what is in /run is in memory.
        os.mkdir(os.path.join(directory, "run"))
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", os.path.join(directory, "run")], check=True)
        self.machine = Cgroup("memory", "blkio", "cpu")
        self.machine.cpu_weight(AHEAD)
        self.whole, self.neighbour, self.generator = (Cgroup("memory", "blkio", "cpu", inside=self.machine) for _ in range(3))
        self.cgroup = Cgroup("memory", "blkio", "cpu", inside=self.whole)
        self.penstockd, self.proxy = (Cgroup("cpu", inside=self.whole) for _ in range(2))
        self.penstockd.cpu_weight(1000)
        self.prefix = self.cgroup.prefix("taskset", "-c", SERVER_CORE)
        self.disk = disk_of(BUILD)
        self.used = 0      # the port of the run before
        self.iops = 0      # what it always has; 0: no limit

    def port(self, front):
        """Where the load goes without a proxy, or the proxy without the load."""
        return SMTP

    def fresh(self):
        """Between two runs: nothing of the one before is left to do, and no process that it needed."""
        self.hang_up()

    def hang_up(self):
        """Clients whose handshake the full accept queue never answered try to say goodbye for a minute: into the next run."""
        for namespace in ([], ["ip", "netns", "exec", "load"]) if os.environ.get("WIRE") else ([],):
            subprocess.run([*namespace, "ss", "-K", "-tn", "dport", "=", str(self.used), "or", "sport", "=", str(self.used)],
                           capture_output=True, check=False)

    def backlog(self):
        """Messages accepted and not yet delivered."""
        return 0

    def alive(self):
        return self.server.alive()

    def slow_disk(self, iops):
        """0: as fast as always."""
        if not self.disk:
            raise AssertionError("no disk of its own lies under the build tree: it cannot be made slow")
        self.cgroup.limit_write_iops(self.disk, iops or self.iops)

    def limit_memory(self, size):
        self.cgroup.limit_memory(size)

    def stop(self, stopped):
        """All the server's processes stop; False: they go on."""
        self.cgroup.stop(stopped)

    def cpu_us(self):
        """What server and penstock have used so far, and each of them."""
        def used(group):
            with open(os.path.join(V2, group.name, "cpu.stat")) as f:
                return next(int(line.split()[1]) for line in f if line.startswith("usage_usec"))
        return {"whole": used(self.whole), "server": used(self.cgroup), "proxy": used(self.proxy), "penstockd": used(self.penstockd)}

    def close(self):
        subprocess.run(["umount", "-l", os.path.join(self.directory, "run")], check=False)
        for group in (self.cgroup, self.penstockd, self.proxy, self.whole, self.neighbour, self.generator, self.machine):
            group.remove()


class PostfixPlant(Plant):
    """Postfix, 100 processes a port, a milter of some CPU and memory a message."""

    scanner = (SCANNER_MS, SCANNER_MB)
    fronts = ("alone", "proxy", "other", "policy", "policy-reset", "proxy-reset", "gate", "postscreen", "static14", "watched14", "static20", "haproxy", "haproxy14")
    upstream = "v1"
    main = {}

    def __init__(self, directory, queue_disk=None):
        super().__init__(directory)
        self.server = Postfix(directory, scanner=self.scanner, prefix=self.prefix, queue_disk=queue_disk, main={**MAIN, **SLOW_NAMES, **self.main, **ON_THE_WIRE},
                              master_extra=MASTER_EXTRA)
        wait_for(lambda: listening(PROXIED) and listening(POSTSCREEN), "Postfix' other ports", 60)
        self.queue_dirs = self.server.root.file("/var/spool/postfix")

    def port(self, front):
        if front in ("proxy", "proxy-reset", "other") or front.startswith(("haproxy", "static", "watched")):
            return PROXIED
        return {"policy": POLICY, "policy-reset": POLICY, "postscreen": POSTSCREEN}.get(front, SMTP)

    def alive(self):
        return self.server.master.alive()

    def fresh(self):
        super().fresh()
        if self.backlog() > PURGED_ABOVE:
            self.server.root.run("/usr/sbin/postsuper", "-d", "ALL", check=False)
        wait_for(lambda: self.backlog() == 0, "an empty queue", 120, every=0.1)
        # The processes end as soon as they have no client: the next run needs to start its own, as any spike does.
        self.server.root.run("/usr/sbin/postfix", "reload", check=False)
        wait_for(lambda: alive_count("smtpd") == 0, "the end of the processes of the run before", 30, every=0.1)

    def backlog(self):
        return self.server.queued()

    def close(self):
        self.server.stop()
        super().close()


class FsyncPlant(PostfixPlant):
    """The same with hardly a scanner, its queue's writes bounded: fsync is what costs."""

    scanner = (0.2, 0.2)

    def __init__(self, directory):
        super().__init__(directory)
        self.iops = 400
        self.slow_disk(0)


class DiskPlant(PostfixPlant):
    """The same with the queue on a disk of its own, a loop device, which stops when the plant is stopped."""

    def __init__(self, directory):
        self.stack = contextlib.ExitStack()
        device, _ = self.stack.enter_context(loop_file_system())
        super().__init__(directory, ["-t", "ext4", f"/dev/{device}"])

    def stop(self, stopped):
        """What writes to the disk waits; what does not goes on."""
        subprocess.run(["fsfreeze", "--freeze" if stopped else "--unfreeze", self.queue_dirs], check=True)

    def close(self):
        super().close()
        self.stack.close()


class SinkPlant(Plant):
    """penstock-sink: as much CPU for each message, and nothing else."""

    def __init__(self, directory):
        super().__init__(directory)
        self.server = Program([*self.prefix, os.path.join(BUILD, "bin/penstock-sink"), "--listen", f"127.0.0.1:{SMTP}", "--cpu", f"{SCANNER_MS}ms"])
        wait_for(lambda: listening(SMTP), "penstock-sink")

    def close(self):
        self.server.stop(signal.SIGKILL)
        super().close()


class AfterQueuePlant(PostfixPlant):
    """The filter works after the queue: sessions end fast and the queue grows."""

    scanner = None
    filters_late = True
    main = {"content_filter": f"smtp:[127.0.0.1]:{DELIVERY}", "smtp_destination_concurrency_limit": "20"}

    def __init__(self, directory):
        self.filter = None
        super().__init__(directory)
        # As a unit of its own, which is how penstockd finds it.
        self.filtering = Cgroup("memory", "blkio", "cpu", inside=self.whole)
        self.filter = Program([*self.filtering.prefix("taskset", "-c", SERVER_CORE), os.path.join(BUILD, "bin/penstock-sink"),
                               "--listen", f"127.0.0.1:{DELIVERY}", "--cpu", f"{FILTER_MS}ms"])
        wait_for(lambda: listening(DELIVERY), "the filter")

    def close(self):
        self.server.stop()
        self.filter.stop(signal.SIGKILL)
        self.filtering.remove()
        Plant.close(self)


class HarakaPlant(Plant):
    """Haraka with the same scanner's cost in its data_post hook and toobusy switched on when it stands alone."""

    def __init__(self, directory):
        super().__init__(directory)
        home = os.path.join(directory, "haraka")
        image = npm("haraka", ["Haraka@3.1.1", "node@22"])
        subprocess.run([os.path.join(image, "node_modules/.bin/node"), os.path.join(image, "node_modules/Haraka/bin/haraka"), "-i", home],
                       check=True, capture_output=True)
        files = {"smtp.ini": f"listen=127.0.0.1:{HARAKA}\nnodes=0\n[headers]\n", "plugins": "toobusy\naccept_all\nscan\ndiscard\n",
                 "host_list": "example.org\n", "me": "mx.example.org\n", "loglevel": "LOGERROR\n", "toobusy.maxlag": "100\n"}
        for name, text in files.items():
            with open(os.path.join(home, "config", name), "w") as f:
                f.write(text)
        with open(os.path.join(home, "plugins", "accept_all.js"), "w") as f:
            f.write("exports.hook_rcpt = function (next) { next(OK) }\n")
        with open(os.path.join(home, "plugins", "scan.js"), "w") as f:
            f.write("const fs = require('fs'), path = require('path')\nexports.hook_data_post = function (next, connection) {\n"
                    f"  const memory = Buffer.alloc({SCANNER_MB} << 20, 1), until = process.cpuUsage().user + {SCANNER_MS * 1000}\n"
                    "  let sum = 0\n  while (process.cpuUsage().user < until) for (let i = 0; i < memory.length; i += 4096) sum += ++memory[i]\n"
                    f"  const name = path.join({os.path.join(directory, 'spool')!r}, connection.uuid)\n"
                    "  fs.open(name, 'w', (e, fd) => { if (e) return next(DENYSOFT); fs.write(fd, memory.subarray(0, 4096), () => "
                    "fs.fsync(fd, () => fs.close(fd, () => fs.unlink(name, () => next())))) })\n}\n")
        with open(os.path.join(home, "plugins", "discard.js"), "w") as f:
            f.write("exports.hook_queue = function (next) { next(OK, 'queued') }\n")
        os.makedirs(os.path.join(directory, "spool"))
        self.server = Program([*self.prefix, os.path.join(image, "node_modules/.bin/node"),
                               os.path.join(image, "node_modules/Haraka/bin/haraka"), "-c", home])
        wait_for(lambda: listening(HARAKA) or not self.server.alive(), "Haraka", 60)
        if not self.server.alive():
            raise AssertionError("Haraka ended: " + self.server.output())

    def port(self, front):
        return HARAKA

    def close(self):
        self.server.stop(signal.SIGKILL)
        super().close()


PLANTS = {"postfix": PostfixPlant, "fsync": FsyncPlant, "disk": DiskPlant, "sink": SinkPlant, "afterqueue": AfterQueuePlant,
          "haraka": HarakaPlant}


def prepare(names):
    """Downloads, outside of the bench's namespaces."""
    postfix.prepare()
    haproxy.unpack("haproxy", haproxy.PACKAGES)
    if "haraka" in names:
        npm("haraka", ["Haraka@3.1.1", "node@22"])
