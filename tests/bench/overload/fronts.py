"""What stands before the server: nothing, penstock in one of its forms, or what others use."""
import os
import signal
import subprocess

from lib.place import wait_for
from lib.postfix import POLICY, SMTP
from lib.programs import Daemon, Program, Proxy

from plants import SERVER_CORE

PROXY = 2525
NAMES = {"alone": "alone", "proxy": "behind penstock-proxy", "policy": "asking penstock's policy service", "gate": "behind the gate",
         "postscreen": "postscreen's limits", "static20": "told 20 at a time"}
PINNED = ["taskset", "-c", SERVER_CORE]


class Front:
    """`port` is where the load goes. Everything runs on the server's core: its cost is the server's."""

    def __init__(self, name, plant):
        self.name, self.plant, self.port = name, plant, plant.port
        self.daemon = self.proxy = None
        settings = {"service.mx.ports": plant.port, "service.mx.hostname": "mx.example.org"}
        if name == "policy":
            self.port = POLICY
            settings = {"service.mx.ports": POLICY, "service.mx.hostname": "mx.example.org", "front.policy.enabled": "yes",
                        "front.policy.listen": "127.0.0.1:9826"}
        if name == "gate":
            settings.update({"front.gate.enabled": "yes", "front.gate.loopback": "yes"})
        trace = os.environ.get("RECORD")
        if trace and name in ("proxy", "policy", "gate"):
            settings["daemon.record"] = trace
        if name in ("proxy", "policy", "gate"):
            self.daemon = Daemon(plant.directory, settings, prefix=PINNED)
        if name == "proxy":
            self.proxy = self.start_proxy(plant, {**settings, "front.proxy.proxy_protocol": plant.upstream})
        if name == "static20":
            # The proxy with no plan admits up to its own limit: a cap that somebody has set by hand.
            self.proxy = self.start_proxy(plant, {**settings, "front.proxy.proxy_protocol": plant.upstream,
                                                  "front.proxy.connections_max": 20})

    def start_proxy(self, plant, settings):
        self.port = PROXY
        if os.environ.get("WIRE"):
            settings = {**settings, "front.proxy.listen": f"0.0.0.0:{PROXY}"}
        proxy = Proxy(plant.directory, PROXY, SMTP, settings)
        subprocess.run(["taskset", "-p", "-c", SERVER_CORE, str(proxy.pid)], check=True, capture_output=True)
        return proxy

    def sample(self):
        """What penstock thinks now: for the plots."""
        if not self.daemon:
            return {}
        status = self.daemon.status()
        return {"window": status.get("window"), "pressure": status.get("pressure"), "in_flight": status.get("in_flight"),
                "level": status.get("level")}

    def close(self):
        if self.proxy:
            self.proxy.stop(signal.SIGKILL)
        if self.daemon:
            self.daemon.stop()
