"""A real Postfix in a private root: Debian's package, unpacked under build/ and laid over the host's root by an overlay in the
test's own mount namespace. Nothing is installed, nothing is left."""
import os
import subprocess

from lib.packages import Root, unpack
from lib.place import BUILD, wait_for
from lib.programs import Program, listening

PACKAGES = ["postfix", "libdb5.3", "libicu72", "libnsl2", "libtirpc3"]
SMTP = 2526          # plain smtpd, or behind the proxy with a PROXY header
POLICY = 2527        # smtpd that asks the policy service

MAIN_CF = """
compatibility_level = 3.6
queue_directory = /var/spool/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
data_directory = /var/lib/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
virtual_mailbox_domains = example.org
virtual_mailbox_base = /var/mailtest
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
virtual_minimum_uid = 100
maillog_file = /var/log/postfix-test.log
maillog_file_prefixes = /var
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
smtpd_tls_security_level = none
alias_maps =
alias_database =
in_flow_delay = 0
"""

MASTER_CF = """
{smtp} inet n - n - {processes} smtpd {options}
{policy} inet n - n - {processes} smtpd
  -o smtpd_delay_reject=no
  -o {{ smtpd_client_restrictions = check_policy_service {{ inet:127.0.0.1:{policy_service}, timeout=2s, try_limit=1, default_action=DUNNO }} }}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def prepare():
    unpack("postfix", PACKAGES)


class Postfix:
    """`options` go to the first smtpd, `main` to main.cf; `cpus`: the cores it may use; `prefix`: run under this command."""

    uid = 31100

    def __init__(self, directory, options=(), main=None, processes=100, scanner=None, policy_service=9826, prefix=(),
                 queue_disk=None, master_extra=""):
        self.root = Root("postfix", unpack("postfix", PACKAGES), directory)
        root = self.root
        root.write("/etc/passwd", f"postfix:x:{self.uid}:{self.uid}:postfix:/:/usr/sbin/nologin\n", "a")
        root.write("/etc/group", f"postfix:x:{self.uid}:\npostdrop:x:{self.uid + 1}:\n", "a")
        settings = dict(main or {})
        self.scanner = None
        if scanner:
            self.scanner = Program([*prefix, os.path.join(BUILD, "tests/programs/scanner"), "2999", *map(str, scanner)])
            settings["smtpd_milters"] = "inet:127.0.0.1:2999"
            settings["milter_connect_timeout"] = "30s"
        root.write("/etc/postfix/main.cf", MAIN_CF.format(uid=self.uid) +
                   "".join(f"{k} = {v}\n" for k, v in settings.items()))
        root.write("/etc/postfix/master.cf", MASTER_CF.format(
            smtp=SMTP, policy=POLICY, processes=processes, policy_service=policy_service,
            options="".join(f"\n  -o {o}" for o in options)) + master_extra)
        os.makedirs(root.file("/var/spool/postfix"), exist_ok=True)
        if queue_disk:
            subprocess.run(["mount", *queue_disk, root.file("/var/spool/postfix")], check=True)
        os.makedirs(root.file("/var/mailtest/box"), exist_ok=True)
        os.chown(root.file("/var/mailtest/box"), self.uid, self.uid)
        os.makedirs(root.file("/var/lib/postfix"), exist_ok=True)
        os.chown(root.file("/var/lib/postfix"), self.uid, -1)
        root.run("/usr/lib/postfix/sbin/post-install", "create-missing", check=False)
        done = root.run("/usr/sbin/postfix", "set-permissions", check=False)
        self.master = Program([*prefix, "chroot", root.path, "/usr/sbin/postfix", "start-fg"])
        wait_for(lambda: not self.master.alive() or (listening(SMTP) and listening(POLICY)), "Postfix' ports")
        if not self.master.alive():
            raise AssertionError(f"Postfix ended: {self.master.output()}\n{done.stderr}\n{self.log()}")

    def log(self):
        try:
            with open(self.root.file("/var/log/postfix-test.log"), errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def delivered(self):
        box = self.root.file("/var/mailtest/box/new")
        return len(os.listdir(box)) if os.path.isdir(box) else 0

    def queued(self):
        count = 0
        for queue in ("incoming", "active", "deferred", "maildrop", "hold"):
            for _, _, files in os.walk(self.root.file(f"/var/spool/postfix/{queue}")):
                count += len(files)
        return count

    def stop(self):
        self.root.run("/usr/sbin/postfix", "stop", check=False)
        self.master.stop()
        if self.scanner:
            self.scanner.stop()
        subprocess.run(["umount", "-R", "-l", self.root.path], check=False)
