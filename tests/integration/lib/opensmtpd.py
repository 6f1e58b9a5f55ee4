"""OpenSMTPD of two Debian releases in a private root, for one domain: 6.8 (bookworm) and 7.6 (trixie). What it takes stays in its queue,
where it is counted."""
import os
import re
import subprocess

from lib import container
from lib.packages import Root, unpack
from lib.place import BIN, wait_for
from lib.programs import Program, listening
from lib.tap import check

PACKAGES = ["opensmtpd", "libdb5.3", "libevent-2.1-7"]
RELEASES = ("bookworm", "trixie")
UID = 31400
# Mail goes to a server that is not there.
CONF = """{filter}
action "on" relay host smtp://127.0.0.1:9
match from any for domain "example.org" action "on"
"""


def prepare():
    unpack("opensmtpd", PACKAGES)
    os.environ["PENSTOCK_TEST_OPENSMTPD"] = container.image("opensmtpd", "trixie", ["opensmtpd", "libsystemd0"]) or ""


def available(release):
    return release == "bookworm" or os.environ.get("PENSTOCK_TEST_OPENSMTPD")


class Whole:
    """A root of its own, that of the image."""

    def __init__(self, image, directory):
        self.path = os.path.join(directory, "opensmtpd")
        upper, work = self.path + "-upper", self.path + "-work"
        for d in (self.path, upper, work):
            os.makedirs(d)
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={image},upperdir={upper},workdir={work}", self.path], check=True)
        for d in ("proc", "dev"):
            subprocess.run(["mount", "--rbind", "/" + d, self.file(d)], check=True)

    file, write, run = Root.file, Root.write, Root.run


class Opensmtpd:
    """`lines`: the page's, for smtpd.conf; `socket`: what the filter asks. The filter in it is the one that was built."""

    def __init__(self, release, directory, lines, socket, address="127.0.0.1", prefix=()):
        self.server = None
        if release == "bookworm":
            self.root = root = Root("opensmtpd", unpack("opensmtpd", PACKAGES), directory)
            root.write("/etc/passwd", f"opensmtpd:x:{UID}:{UID}::/var/lib/opensmtpd/empty:/usr/sbin/nologin\n"
                       f"opensmtpq:x:{UID + 1}:{UID + 1}::/var/lib/opensmtpd/empty:/usr/sbin/nologin\n", "a")
            root.write("/etc/group", f"opensmtpd:x:{UID}:\nopensmtpq:x:{UID + 1}:\n", "a")
        else:
            self.root = root = Whole(os.environ["PENSTOCK_TEST_OPENSMTPD"], directory)
        for path in ("/run/penstock", "/var/spool/smtpd", "/var/lib/opensmtpd/empty"):
            os.makedirs(root.file(path), exist_ok=True)
        os.chmod(root.file("/var/spool/smtpd"), 0o711)
        subprocess.run(["mount", "--bind", os.path.dirname(socket), root.file("/run/penstock")], check=True)
        subprocess.run(["install", "-m", "755", os.path.join(BIN, "penstock-opensmtpd"), root.file("/usr/sbin/penstock-opensmtpd")], check=True)
        # Names are not looked up anywhere: there is no network.
        root.write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        if not os.path.exists(root.file("/etc/ssl/certs/ca-certificates.crt")):
            root.write("/etc/ssl/certs/ca-certificates.crt", "")
        root.write("/etc/mailname", "mx1.example.org\n")
        root.write("/etc/smtpd.conf", CONF.format(filter=re.sub(r"listen on \S+", f"listen on {address}", lines).replace(
            'penstock-opensmtpd"', 'penstock-opensmtpd --loopback"')))
        self.server = Program([*prefix, "chroot", root.path, "/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf"])
        wait_for(lambda: listening(25) or not self.server.alive(), f"OpenSMTPD; it said {self.server.output()}")
        check(self.server.alive(), self.server.output())

    def queued(self):
        return sum(bool(re.fullmatch("[0-9a-f]{16}", name)) for _, _, files in os.walk(self.root.file("/var/spool/smtpd/queue")) for name in files)

    def stop(self):
        if self.server and self.server.alive():
            self.server.stop()
        subprocess.run(["umount", "-R", "-l", self.root.path], check=False)
