"""A real Postfix with a scanner, behind the proxy and asking the policy service, and load on it."""
import json
import os
import subprocess
import threading

from lib.cgroup import Cgroup
from lib.place import BIN, wait_for
from lib.postfix import POLICY, SMTP, Postfix
from lib.programs import Proxy
from lib.smtp import deliver
from lib.tap import check
from lib.world import World

PROXY = 2525


class Guarded(World):
    """Postfix in a control group of its own on one core, penstock in front of it. `machine`: what ahead() has returned; its groups are made
    there."""

    machine = None

    def __init__(self, scanner=(20, 4), options=None, controllers=(), **kwargs):
        self.accepted = 0
        self.cgroup = Cgroup(*controllers, inside=Guarded.machine)
        # One enforcing front a service: the proxy guards mx, the policy service guards what comes to Postfix directly.
        super().__init__(name="test-postfix", server=SMTP, daemon=False, proxy=False, options={
            "service.direct.ports": POLICY, "front.policy.service": "direct", "service.mx.slots": 100, **(options or {})}, daemon_options={
            "front.policy.enabled": "yes", "front.policy.listen": "127.0.0.1:9826"})
        self.at_end.append(self.cgroup.remove)
        try:
            self.postfix = Postfix(self.directory, options=["smtpd_upstream_proxy_protocol=haproxy"], scanner=scanner,
                                   prefix=self.cgroup.prefix("taskset", "-c", "0"), **kwargs)
            self.at_end.append(self.postfix.stop)
            self.options["service.mx.queue_dirs"] = self.postfix.root.file("/var/spool/postfix")
            self.start_daemon()
            self.tells["penstockd"] = lambda: self.daemon.output()
            self.proxy = Proxy(self.directory, PROXY, SMTP, {**self.options, "front.proxy.proxy_protocol": "v1"})
            self.deliver()
            self.daemon.wait_status(lambda s: s["decisions"]["admitted"] >= 1, "the first verdict")
        except BaseException:
            self.__exit__(True)
            raise

    def deliver(self, port=PROXY):
        reply = deliver(port)
        if reply[0] == "250":
            self.accepted += 1
        return reply

    def load(self, rate, seconds, port=PROXY, *more):
        argv = [os.path.join(BIN, "penstock-load"), "--target", f"127.0.0.1:{port}", "--rate", str(rate), "--duration",
                f"{seconds}s", "--drain", "60s", "--sources", "127.1.0.0/16", "--json", "-", *more]
        done = subprocess.run(["taskset", "-c", str(os.cpu_count() - 1), *argv], capture_output=True, text=True,
                              timeout=300)
        report = json.loads(done.stdout)
        self.accepted += report["outcomes"]["accepted"]
        return report

    def all_taken(self, rate, seconds, what):
        """That load is taken whole."""
        report = self.load(rate, seconds)
        check(report["outcomes"]["accepted"] == report["offered"],
              f"{what}: {report['outcomes']} {report['replies']}\n{self.daemon.ctl('explain').stdout}")

    def learn(self):
        """Some mail before the test, so that penstock knows this server as it would in life."""
        self.all_taken(10, 5, "refused while idle")

    def all_delivered(self):
        wait_for(lambda: self.postfix.queued() == 0, "an empty queue", 120)
        wait_for(lambda: self.postfix.delivered() == self.accepted,
                 f"{self.accepted} messages in the box; there are {self.postfix.delivered()}", 30)

    def heals(self, seconds=120):
        """Connections are admitted again."""
        wait_for(lambda: self.deliver()[0] == "250", "an admission after the pressure", seconds)


def in_background(function, *arguments):
    result = []
    thread = threading.Thread(target=lambda: result.append(function(*arguments)))
    thread.start()
    return thread, result
