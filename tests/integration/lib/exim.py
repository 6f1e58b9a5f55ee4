"""Debian's Exim in a private root, configured as Debian configures an Internet site and then as a page says."""
import os
import re
import subprocess

from lib.packages import Root, unpack
from lib.place import ROOT, wait_for
from lib.programs import Program, listening
from lib.tap import check

COMMON = ["exim4-base", "exim4-config", "libgnutls-dane0", "libunbound8", "libidn2-0", "libidn12", "libdb5.3", "libevent-2.1-7"]
PACKAGES = {"light": ["exim4-daemon-light", *COMMON],
            "heavy": ["exim4-daemon-heavy", *COMMON, "libldap-2.5-0", "libmariadb3", "libnsl2", "libtirpc3", "libperl5.36", "libpq5", "libsasl2-2",
                      "libspf2-2", "libsqlite3-0"]}
UID = 31200


def page(kind):
    """{argument: block} of the page's blocks of one kind, as they stand there."""
    with open(os.path.join(ROOT, "packaging/snippets/exim/line.md")) as f:
        return dict(re.findall(rf"^```{kind} ?(\S*)\n(.*?)^```$", f.read(), re.S | re.M))


def prepare(*flavours):
    for flavour in flavours:
        unpack("exim-" + flavour, PACKAGES[flavour])


def make_root(flavour, directory, files, commands, split=False):
    """`files`: {path: text}, `commands`: shell, both from a page."""
    root = Root("exim", unpack("exim-" + flavour, PACKAGES[flavour]), directory)
    root.write("/etc/passwd", f"Debian-exim:x:{UID}:{UID}::/var/spool/exim4:/usr/sbin/nologin\n", "a")
    root.write("/etc/group", f"Debian-exim:x:{UID}:\n", "a")
    root.write("/etc/mailname", "example.org\n")
    root.write("/etc/aliases", "postmaster: root\n")
    root.write("/etc/email-addresses", "")
    # What Debian asks at the installation of an "internet site".
    settings = {"dc_eximconfig_configtype": "'internet'", "dc_other_hostnames": "'example.org'", "dc_readhost": "''", "dc_relay_domains": "''",
                "dc_minimaldns": "'false'", "dc_relay_nets": "''", "dc_smarthost": "''", "CFILEMODE": "'644'",
                "dc_use_split_config": "'true'" if split else "'false'", "dc_hide_mailname": "''", "dc_mailname_in_oh": "'true'",
                "dc_localdelivery": "'mail_spool'", "dc_local_interfaces": "''"}
    root.write("/etc/exim4/update-exim4.conf.conf", "".join(f"{k}={v}\n" for k, v in settings.items()))
    for path, text in files.items():
        root.write(path, text)
    for path in ("/var/spool/exim4", "/var/log/exim4", "/var/lib/exim4"):
        os.makedirs(root.file(path), exist_ok=True)
        os.chown(root.file(path), UID, UID)
    for command in ("/usr/sbin/update-exim4.conf.template -r", *commands, "/usr/sbin/update-exim4.conf"):
        done = root.run("sh", "-ec", command, check=False)
        check(done.returncode == 0, f"{command}: {done.stdout}{done.stderr}")
    return root


def start(root, port, prefix=()):
    server = Program([*prefix, "chroot", root.path, "/usr/sbin/exim4", "-bdf"])
    wait_for(lambda: listening(port) or not server.alive(), "Exim")
    check(server.alive(), server.output())
    return server


def remove(root, directory):
    subprocess.run(["umount", "-R", "-l", root.path], check=False)
    subprocess.run(["rm", "-rf", "--one-file-system", directory])
