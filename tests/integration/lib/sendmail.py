"""Debian's Sendmail in a private root, for one domain; what it takes stays in its queue, where it is counted."""
import os
import socket
import subprocess

from lib.packages import Root, unpack
from lib.place import wait_for
from lib.programs import Program, listening
from lib.tap import check

PACKAGES = ["sendmail-bin", "sendmail-base", "sendmail-cf", "m4", "libsigsegv2", "libdb5.3", "libldap-2.5-0", "liblockfile1", "libnsl2",
            "libtirpc3", "libsasl2-2", "libwrap0"]
UID = 31300
SENDMAIL = "/usr/libexec/sendmail/sendmail"
# An ordinary mail server without DNS, which these tests do not have.
MC = """divert(0)dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`debian')dnl
DOMAIN(`debian-mta')dnl
define(`confDOMAIN_NAME', `mx1.example.org')dnl
define(`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch-nodns')dnl
define(`confDELIVERY_MODE', `queueonly')dnl
define(`confTO_IDENT', `0')dnl
define(`confCONNECTION_RATE_THROTTLE', `0')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confDELAY_LA', `0')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
DAEMON_OPTIONS(`Family=inet, Name=MTA-v4, Port={port}, Addr={address}')dnl
LOCAL_DOMAIN(`example.org')dnl
MAILER(`local')dnl
MAILER(`smtp')dnl
"""


def prepare():
    unpack("sendmail", PACKAGES)


class Sendmail:
    """`extra`: lines of the page, before the mailers. Started by start(), when what it connects to is there."""

    def __init__(self, directory, extra="", port=25, address="127.0.0.1", prefix=()):
        self.port, self.prefix = port, prefix
        self.root = root = Root("sendmail", unpack("sendmail", PACKAGES), directory)
        self.server = None
        root.write("/etc/passwd", f"smmta:x:{UID}:{UID}::/var/lib/sendmail:/usr/sbin/nologin\nsmmsp:x:{UID + 1}:{UID + 1}::/var/lib/sendmail:/usr/sbin/nologin\n", "a")
        root.write("/etc/group", f"smmta:x:{UID}:\nsmmsp:x:{UID + 1}:\n", "a")
        root.write("/etc/mail/sendmail.mc", MC.replace("{port}", str(port)).replace("{address}", address).replace("MAILER(`local')", extra + "MAILER(`local')"))
        # Names are not looked up anywhere: there is no network.
        root.write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        root.write("/etc/hosts", f"127.0.0.1 mx1.example.org mx1 {socket.gethostname()} localhost\n")
        root.write("/etc/mail/local-host-names", "example.org\n")
        root.write("/etc/mail/aliases", "postmaster: root\nbox: root\n")
        for path in ("/var/spool/mqueue", "/var/lib/sendmail", "/run/sendmail/mta"):
            os.makedirs(root.file(path), exist_ok=True)
            os.chmod(root.file(path), 0o755)
        done = root.run("sh", "-ec", "m4 /etc/mail/sendmail.mc >/etc/mail/sendmail.cf", check=False)
        check(done.returncode == 0, f"{done.stdout}{done.stderr}")

    def start(self):
        self.server = Program([*self.prefix, "chroot", self.root.path, SENDMAIL, "-bD", "-C", "/etc/mail/sendmail.cf"])
        wait_for(lambda: listening(self.port) or not self.server.alive(), "Sendmail")
        check(self.server.alive(), self.server.output())

    def queued(self):
        return sum(name.startswith("qf") for _, _, files in os.walk(self.root.file("/var/spool/mqueue")) for name in files)

    def stop(self):
        if self.server and self.server.alive():
            self.server.stop()
        subprocess.run(["umount", "-R", "-l", self.root.path], check=False)
