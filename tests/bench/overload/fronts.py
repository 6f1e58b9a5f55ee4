"""What stands before the server: nothing, penstock in one of its forms, or what others use."""
import glob
import os
import re
import shutil
import signal

from lib.haproxy import Haproxy
from lib.programs import Daemon, Proxy

from plants import SERVER_CORE

PROXY = 2525
NAMES = {"alone": "alone", "proxy": "behind penstock-proxy", "gate": "behind the gate", "policy": "asking penstock's policy service",
         "policy-reset": "asking the policy service; the gate resets whom Postfix has told",
         "proxy-reset": "behind penstock-proxy; the gate resets whom it has told",
         "postscreen": "postscreen's limits", "static14": "told 14 at a time", "watched14": "told 14 at a time, penstockd beside",
         "static20": "told 20 at a time", "haproxy": "HAProxy's queue, maxconn 20", "haproxy14": "HAProxy's queue, maxconn 14"}
PENSTOCK = ("proxy", "gate", "policy", "policy-reset", "proxy-reset", "other")
# The build directory of another penstock: its proxy and daemon, in turns with this one's.
OTHER = os.environ.get("OTHER")
if OTHER:
    NAMES["other"] = "behind the other build's proxy"


# The nearest relative of the waiting room: so many at a time at the server, the others wait for up to 5 s, and are closed without a word.
HAPROXY_CONFIG = """
	maxconn 9000
defaults
	mode tcp
	timeout connect 5s
	timeout client 5m
	timeout server 5m
	timeout queue 5s
frontend mail
	bind {listen}:{port}
	default_backend mx
backend mx
	server mx 127.0.0.1:{backend} maxconn {maxconn} {header}
"""


def title(name):
    if name in NAMES:
        return NAMES[name]
    return f"HAProxy's queue, maxconn {queue_limit(name)}" if queue_limit(name) else f"told {static_limit(name)} at a time"


def limit_of(name, kind):
    found = re.fullmatch(kind + r"(\d+)", name)
    return int(found[1]) if found else None


def static_limit(name):
    """staticN: a limit of N sessions set by hand; None: another front."""
    return limit_of(name, "static") or watched_limit(name)


def watched_limit(name):
    """watchedN: the same, and a penstockd that observes beside it: what measuring costs."""
    return limit_of(name, "watched")


def queue_limit(name):
    """haproxyN: HAProxy's queue with N sessions at the server; haproxy: 20; None: another front."""
    return 20 if name == "haproxy" else limit_of(name, "haproxy")


class Front:
    """A new one for each run, which has learned nothing. `port` is where the load goes; `record` the file in which penstockd notes its ticks, if any."""

    def __init__(self, name, plant, record=None):
        self.name, self.plant, self.port = name, plant, plant.port(name)
        self.daemon = self.proxy = self.haproxy = None
        self.forget()
        settings = {"service.mx.ports": self.port, "service.mx.hostname": "mx.example.org", "daemon.log_level": "warning"}
        if plant.queue_dirs:
            settings["service.mx.queue_dirs"] = plant.queue_dirs
        if name in ("policy", "policy-reset"):
            settings.update({"front.policy.enabled": "yes", "front.policy.listen": "127.0.0.1:9826"})
        if name in ("gate", "policy-reset", "proxy-reset"):
            settings.update({"front.gate.enabled": "yes", "front.gate.loopback": "yes"})
        if name.endswith("-reset"):
            settings["front.gate.repeat"] = "reset"
        if name == "proxy-reset":
            settings.update({"front.proxy.enabled": "yes", "front.proxy.listen": f"127.0.0.1:{PROXY}",
                             "front.proxy.backend": f"127.0.0.1:{self.port}", "front.proxy.proxy_protocol": plant.upstream})
        if record and name in PENSTOCK:
            settings["daemon.record"] = record
        if watched_limit(name):
            settings["daemon.mode"] = "observe"
        if name in PENSTOCK or watched_limit(name):
            self.daemon = Daemon(plant.directory, settings, prefix=self.prefix(plant.penstockd, -10), program=self.program("penstockd"))
        if name in ("proxy", "proxy-reset", "other"):
            self.proxy = self.start_proxy(settings)
        if queue_limit(name):
            self.haproxy = self.start_haproxy(queue_limit(name))
        if static_limit(name):
            # The proxy with no plan, or one that only observes, admits up to its own limit.
            self.proxy = self.start_proxy({**settings, "front.proxy.connections_max": static_limit(name)})

    def forget(self):
        for name in glob.glob(os.path.join(self.plant.directory, "run", "*")) + [os.path.join(self.plant.directory, "state")]:
            if os.path.isdir(name):
                shutil.rmtree(name)
            elif os.path.exists(name):
                os.unlink(name)

    def program(self, name):
        return os.path.join(OTHER, "bin", name) if self.name == "other" else None

    @staticmethod
    def prefix(cgroup, nice):
        """As its unit starts it."""
        return cgroup.prefix("nice", "-n", str(nice), "taskset", "-c", SERVER_CORE)

    def start_proxy(self, settings):
        settings = {key: value for key, value in settings.items() if not key.startswith("daemon.record")}
        settings["front.proxy.proxy_protocol"] = self.plant.upstream
        if os.environ.get("WIRE"):
            settings["front.proxy.listen"] = f"0.0.0.0:{PROXY}"
        backend, self.port = self.port, PROXY
        return Proxy(self.plant.directory, PROXY, backend, settings, prefix=self.prefix(self.plant.proxy, -5),
                     program=self.program("penstock-proxy"))

    def start_haproxy(self, maxconn):
        header = {"v1": "send-proxy", "v2": "send-proxy-v2"}.get(self.plant.upstream, "")
        listen = "0.0.0.0" if os.environ.get("WIRE") else "127.0.0.1"
        backend, self.port = self.port, PROXY
        return Haproxy("bookworm", self.plant.directory, HAPROXY_CONFIG.format(listen=listen, port=PROXY, backend=backend, maxconn=maxconn, header=header),
                       prefix=self.prefix(self.plant.proxy, -5), threads=1)

    def sample(self):
        """The present state of penstock, for the plots."""
        if not self.daemon:
            return {}
        status = self.daemon.status()
        return {**{key: status.get(key) for key in ("window", "pressure", "in_flight", "level")},
                "regime": status["services"]["mx"]["regime"], "reasons": status["decisions"]["by_reason"]}

    def check(self):
        """Whether it survived the run."""
        for program in (self.daemon, self.proxy, self.haproxy):
            if program and not program.alive():
                raise AssertionError(f"{program.argv[0]} ended during the run:\n{program.output()}")

    def close(self):
        if self.proxy:
            self.proxy.stop(signal.SIGKILL)
        if self.haproxy:
            self.haproxy.stop(signal.SIGKILL)
        if self.daemon:
            self.daemon.stop()
