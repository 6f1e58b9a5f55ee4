"""The ways of refusing that tests/bench/refusals compares: each a program that refuses, with what it needs."""
import os
import re
import signal
import subprocess
import tempfile

from lib import exim, haraka, place
from lib.opensmtpd import Opensmtpd
from lib.place import BIN, BUILD, wait_for
from lib.postfix import POLICY, SMTP, Postfix
from lib.programs import Daemon, Program, Proxy, listening
from lib.sendmail import Sendmail

GATED, PROXIED, SCREENED = 2525, 2530, 2528
BASE = {"service.mx.hostname": "mx.example.org", "daemon.log_level": "warning"}


class Way:
    """Started in the server's control group, on CPU 0; `more`: what the clients are told besides."""

    more = ()
    def __init__(self, cgroup):
        self.directory = tempfile.mkdtemp(prefix="bench-", dir=BUILD)
        os.chmod(self.directory, 0o755)
        # With priority over everything else on this machine, in the order of the units: penstockd 10 steps before the server.
        self.prefix = cgroup.prefix("nice", "-n", "-10", "taskset", "-c", "0")
        self.ahead = cgroup.prefix("nice", "-n", "-20", "taskset", "-c", "0")
        self.parts = []
        self.start()

    def daemon(self, options):
        d = Daemon(self.directory, {**BASE, **options}, prefix=self.ahead)
        self.parts.append(d)
        return d

    def stop(self):
        for part in reversed(self.parts):
            part.stop(signal.SIGTERM) if isinstance(part, Daemon) else part.stop()
        subprocess.run(["rm", "-rf", "--one-file-system", self.directory])


def sink(way, port):
    p = Program([*way.prefix, os.path.join(BIN, "penstock-sink"), "--listen", f"0.0.0.0:{port}"])
    wait_for(lambda: listening(port), "the sink")
    way.parts.append(p)


def refusing(daemon):
    daemon.ctl("drain", check=0)
    daemon.wait_status(lambda s: s["state"] == "draining", "the drain")


class Gate(Way):
    name, port, cpu = "(a) gate + responder, every dialogue until QUIT (cpu = 100%)", GATED, "100%"

    def start(self):
        sink(self, GATED)
        d = self.daemon({"service.mx.ports": GATED, "front.gate.enabled": "yes", "front.gate.cpu": self.cpu})
        refusing(d)


class GateSteady(Gate):
    """At a rate that leaves it idle between clients."""
    name, more = "(a) the same at 6000 clients a second", ("--rate", "6000")


class GateDefault(Gate):
    """Clients that come as fast as they are answered take it past its share: 451 and QUIT for some, 421 and closed for most."""
    name, cpu = "(a) gate + responder as shipped (cpu = 30%), in a flood", "30%"


class ProxyWay(Way):
    name, port = "(b) penstock-proxy", PROXIED

    def start(self):
        sink(self, GATED)
        d = self.daemon({"service.mx.ports": GATED})
        p = Proxy(self.directory, PROXIED, GATED, {**BASE, "service.mx.ports": GATED, "front.proxy.listen": f"0.0.0.0:{PROXIED}"},
                  prefix=self.prefix)
        self.parts.append(p)
        refusing(d)


class PostfixWay(Way):
    name, port = "(d) Postfix, smtpd_client_restrictions = defer", SMTP
    options = ["smtpd_delay_reject=no", "smtpd_client_restrictions=defer"]
    main, master = {}, ""

    def start(self):
        self.parts.append(Postfix(self.directory, options=self.options, main={"inet_interfaces": "all", **self.main},
                                  prefix=self.prefix, master_extra=self.master))


class PolicyWay(PostfixWay):
    name, port, options = "(c) Postfix asking penstock's policy service", POLICY, []

    def start(self):
        refusing(self.daemon({"service.mx.ports": POLICY, "front.policy.enabled": "yes", "front.policy.listen": "127.0.0.1:9826"}))
        super().start()


class PolicyRepeatWay(PostfixWay):
    name, port, options, more = "(c) the same, the gate resets whom it refused before (repeat = reset)", POLICY, [], ("--rate", "6000")

    def start(self):
        refusing(self.daemon({"service.mx.ports": POLICY, "front.policy.enabled": "yes", "front.policy.listen": "127.0.0.1:9826",
                              "front.gate.enabled": "yes", "front.gate.repeat": "reset"}))
        super().start()


class LineWay(Way):
    """A server that asks by the line protocol, as its page says."""
    port = 25

    def line(self):
        """penstockd, and the directory of its socket."""
        directory = os.path.join(self.directory, "sock")
        os.makedirs(directory)
        refusing(self.daemon({"service.mx.ports": 25, "front.line.enabled": "yes", "front.line.listen": f"unix:{directory}/line.sock",
                              "front.line.socket_mode": "0666"}))
        return directory


class EximWay(LineWay):
    name = "(f) Exim asking by the line protocol"

    def start(self):
        # Debian's Exim takes 20 clients at once.
        commands = [exim.page("sh")["one-file"], "sed -i '1i smtp_accept_max = 200' /etc/exim4/exim4.conf.template"]
        root = exim.make_root("light", self.directory, {"/etc/exim4/penstock.acl": exim.page("file")["/etc/exim4/penstock.acl"]}, commands)
        os.makedirs(root.file("/run/penstock"), exist_ok=True)
        subprocess.run(["mount", "--bind", self.line(), root.file("/run/penstock")], check=True)
        self.parts.append(exim.start(root, 25, self.prefix))

    def stop(self):
        subprocess.run(["umount", "-R", "-l", self.directory + "/exim"], check=True)
        super().stop()


class HarakaWay(LineWay):
    name = "(g) Haraka asking by the line protocol"

    def start(self):
        plugin = os.path.join(place.ROOT, "packaging/snippets/haraka/haraka-plugin-penstock")
        with open(plugin + "/config/penstock.ini") as f:
            shipped = f.read().replace("/run/penstock", self.line())
        home = os.path.join(self.directory, "haraka")
        haraka.make(home, {"plugins": "penstock\n", "me": "mx1.example.org\n", "loglevel": "LOGWARN\n", "smtp.ini": "listen=0.0.0.0:25\n",
                           "penstock.ini": shipped}, plugin)
        self.parts.append(haraka.start(home, 25, self.prefix))


class OpensmtpdWay(LineWay):
    name = "(h) OpenSMTPD asking by its filter"

    def start(self):
        lines = 'filter "penstock" proc-exec "/usr/sbin/penstock-opensmtpd"\nlisten on 127.0.0.1 port 25 filter "penstock"\n'
        self.parts.append(Opensmtpd("bookworm", self.directory, lines, self.line() + "/line.sock", address="0.0.0.0", prefix=self.prefix))

    def stop(self):
        super().stop()
        subprocess.run(["umount", "-R", "-l", self.directory + "/opensmtpd"], capture_output=True)


class SendmailWay(Way):
    name, port = "(i) Sendmail asking the milter, 421 at connect", 25

    def start(self):
        path = os.path.join(self.directory, "sock")
        os.makedirs(path)
        refusing(self.daemon({"service.mx.ports": 25, "service.mx.reply_code": 421, "front.milter.enabled": "yes",
                              "front.milter.listen": f"unix:{path}/milter.sock", "front.milter.socket_mode": "0600"}))
        with open(os.path.join(place.ROOT, "packaging/snippets/sendmail/milter.md")) as f:
            server = Sendmail(self.directory, re.search(r"^```mc\n(.*?)^```$", f.read(), re.S | re.M)[1], address="0.0.0.0", prefix=self.prefix)
        os.makedirs(server.root.file("/run/penstock"), exist_ok=True)
        subprocess.run(["mount", "--bind", path, server.root.file("/run/penstock")], check=True)
        self.parts.append(server)
        server.start()


class PostscreenWay(PostfixWay):
    name, port, options = "(e) postscreen, access list reject, drop", SCREENED, []
    main = {"postscreen_access_list": "static:reject", "postscreen_blacklist_action": "drop", "soft_bounce": "yes"}
    master = (f"{SCREENED} inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\ndnsblog unix - - n - 0 dnsblog\n"
              "tlsproxy unix - - n - 0 tlsproxy\n")


WAYS = [Gate, GateSteady, GateDefault, ProxyWay, PolicyWay, PolicyRepeatWay, PostfixWay, PostscreenWay, EximWay, HarakaWay, OpensmtpdWay, SendmailWay]
