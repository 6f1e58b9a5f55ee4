"""The servers that the overload bench loads: each on core 0, in a control group of its own, with an fsync'ed queue and real work a
message. penstock is told nothing of them but the port."""
import os
import signal
import subprocess

from lib import postfix
from lib.cgroup import Cgroup
from lib.packages import npm
from lib.place import BUILD, wait_for
from lib.postfix import SMTP, Postfix
from lib.programs import Program, listening

SERVER_CORE = "0"
POSTSCREEN = 2530
SCANNER_MS, SCANNER_MB = 6, 4
HARAKA = 2526
DELIVERY = 2990

POSTSCREEN_CF = f"""
{POSTSCREEN} inet n - n - 1 postscreen
smtpd pass - - n - 100 smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
"""


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


# With WIRE the load comes from a network namespace of its own over a veth pair, and a handshake takes its time.
ON_THE_WIRE = {"inet_interfaces": "all", "mynetworks": "127.0.0.0/8 10.77.0.0/16"} if os.environ.get("WIRE") else {}


class Plant:
    """`prefix` starts a program inside the server's control group, on its core."""

    upstream = "none"     # PROXY header that it wants from the proxy
    slots = 0             # told to nobody: for the report
    fronts = ("alone", "proxy", "gate", "static20")

    def __init__(self, directory):
        self.directory = directory
        self.cgroup = Cgroup("memory", "blkio", "cpu")
        self.prefix = self.cgroup.prefix("taskset", "-c", SERVER_CORE)
        self.port = SMTP

    def settle(self):
        """Between two runs: nothing of the one before may be left to do."""

    def sustained(self, rows, since, until):
        """What it did of a load that was more than it can do, a second."""
        return sum(r["outcome"] == "accepted" and since <= r["ended_s"] < until for r in rows) / (until - since)

    def backlog(self):
        """Messages accepted and not yet delivered."""
        return 0

    def slow_disk(self, iops):
        disk = disk_of(BUILD)
        if disk:
            self.cgroup.limit_write_iops(disk, iops)
        return disk is not None

    def limit_memory(self, size):
        self.cgroup.limit_memory(size)

    def close(self):
        self.cgroup.remove()


class PostfixPlant(Plant):
    """Postfix, 100 processes, a milter of some CPU and memory a message."""

    scanner = (SCANNER_MS, SCANNER_MB)
    fronts = ("alone", "proxy", "policy", "gate", "postscreen", "static20")
    upstream = "v1"
    slots = 100
    main = {}

    def __init__(self, directory, front):
        super().__init__(directory)
        self.server = Postfix(directory, options=["smtpd_upstream_proxy_protocol=haproxy"] if front in ("proxy", "static20") else [],
                              scanner=self.scanner, prefix=self.prefix, main={**self.main, **self.own_main(front), **ON_THE_WIRE},
                              master_extra=POSTSCREEN_CF if front == "postscreen" else "")
        if front == "postscreen":
            self.port = POSTSCREEN

    def own_main(self, front):
        # Known clients, as after its tests: what is compared is its limits, not its greet wait.
        return {"postscreen_access_list": "static:permit", "postscreen_pre_queue_limit": "100",
                "postscreen_post_queue_limit": "20"} if front == "postscreen" else {}

    def settle(self):
        wait_for(lambda: self.backlog() == 0, "an empty queue", 300, every=0.5)

    def backlog(self):
        return self.server.queued()

    def close(self):
        self.server.stop()
        super().close()


class FsyncPlant(PostfixPlant):
    """The same without a scanner, its queue's writes bounded: fsync is what costs."""

    scanner = (0.2, 0.2)

    def __init__(self, directory, front):
        super().__init__(directory, front)
        self.slow_disk(400)


class AfterQueuePlant(PostfixPlant):
    """The filter works after the queue: sessions end fast and the queue grows."""

    scanner = None

    def own_main(self, front):
        return {**super().own_main(front), "content_filter": f"smtp:[127.0.0.1]:{DELIVERY}", "smtp_destination_concurrency_limit": "20",
                "default_process_limit": "100"}

    def sustained(self, rows, since, until):
        """Not what it accepts but what it filters: the backlog counts against it."""
        return super().sustained(rows, 0, until) - self.backlog() / until

    def __init__(self, directory, front):
        self.filter = None
        super().__init__(directory, front)
        self.filter = Program([*self.prefix, os.path.join(BUILD, "bin/penstock-sink"), "--listen", f"127.0.0.1:{DELIVERY}", "--cpu",
                               f"{SCANNER_MS}ms"])
        wait_for(lambda: listening(DELIVERY), "the filter")

    def close(self):
        super().close()
        self.filter.stop(signal.SIGKILL)


class HarakaPlant(Plant):
    """Haraka with the same scanner's cost in its data_post hook and toobusy switched on when it stands alone."""

    fronts = ("alone", "proxy", "gate", "static20")
    upstream = "none"

    def __init__(self, directory, front):
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
        self.port = HARAKA
        self.server = Program([*self.prefix, os.path.join(image, "node_modules/.bin/node"),
                               os.path.join(image, "node_modules/Haraka/bin/haraka"), "-c", home])
        wait_for(lambda: listening(HARAKA) or not self.server.alive(), "Haraka", 60)
        if not self.server.alive():
            raise AssertionError("Haraka ended: " + self.server.output())

    def close(self):
        self.server.stop(signal.SIGKILL)
        super().close()


PLANTS = {"postfix": PostfixPlant, "fsync": FsyncPlant, "afterqueue": AfterQueuePlant, "haraka": HarakaPlant}


def prepare(names):
    """Downloads, outside of the bench's namespaces."""
    postfix.prepare()
    if "haraka" in names:
        npm("haraka", ["Haraka@3.1.1", "node@22"])
