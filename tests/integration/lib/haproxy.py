"""HAProxy of three Debian releases, run in place from unpacked packages: 2.6 (bookworm), 3.0 (trixie) and 3.2 (forky), which has
`mode spop`."""
import os
import re
import socket
import subprocess

from lib import container
from lib.packages import unpack
from lib.place import ROOT, wait_for
from lib.programs import Program

PACKAGES = ["haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1", "libpcre2-8-0", "libstdc++6"]
RELEASES = ("bookworm", "trixie", "forky")
PAGE = os.path.join(ROOT, "packaging", "snippets", "haproxy.md")


def prepare():
    """Call it outside of the test's namespace, where there is a network."""
    unpack("haproxy", PACKAGES)
    for release in RELEASES[1:]:
        os.environ["PENSTOCK_TEST_HAPROXY_" + release] = container.image("haproxy", release, ["haproxy"], whole=release == "forky") or ""


def command(release):
    """The command line of that release's program; None: it is not available."""
    if release == "bookworm":
        root = unpack("haproxy", PACKAGES)
        return ["env", f"LD_LIBRARY_PATH={root}/usr/lib/x86_64-linux-gnu", root + "/usr/sbin/haproxy"]
    root = os.environ.get("PENSTOCK_TEST_HAPROXY_" + release)
    return root and [root + "/usr/lib64/ld-linux-x86-64.so.2", "--library-path", root + "/usr/lib/x86_64-linux-gnu", root + "/usr/sbin/haproxy"]


def page(kind):
    """The blocks of the page of one kind, as they stand there."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", open(PAGE).read(), re.S | re.M)


class Haproxy(Program):
    def __init__(self, release, directory, config, spoe=None, prefix=(), threads=2):
        self.control = os.path.join(directory, "haproxy.sock")
        if spoe:
            path = os.path.join(directory, "spoe.conf")
            with open(path, "w") as f:
                f.write(spoe)
            config = config.replace("/etc/haproxy/penstock-spoe.conf", path)
        path = os.path.join(directory, "haproxy.cfg")
        with open(path, "w") as f:
            f.write(f"global\n\tnbthread {threads}\n\tstats socket {self.control} mode 600 level admin\n{config}")
        done = subprocess.run([*command(release), "-c", "-f", path], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"HAProxy of {release} does not take its configuration: {done.stdout}{done.stderr}")
        super().__init__([*prefix, *command(release), "-db", "-f", path])
        wait_for(lambda: not self.alive() or os.path.exists(self.control) and self.servers() is not None, "HAProxy")
        if not self.alive():
            raise AssertionError("HAProxy ended:\n" + self.output())

    def order(self, text):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(120)
            s.connect(self.control)
            s.sendall(text.encode() + b"\n")
            return b"".join(iter(lambda: s.recv(65536), b"")).decode()

    def servers(self):
        """(backend, server) -> the columns of `show stat` by name."""
        try:
            lines = self.order("show stat").lstrip("# ").splitlines()
        except OSError:
            return None
        names = lines[0].split(",")
        rows = [dict(zip(names, line.split(","))) for line in lines[1:] if line]
        return {(r["pxname"], r["svname"]): r for r in rows}

    def server(self, name, backend="mx"):
        row = self.servers()[backend, name]
        return row["status"], int(row["weight"]), int(row["slim"] or 0)
