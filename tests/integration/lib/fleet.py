"""Hosts that share a store: each has a penstockd and a penstock-proxy before one server of all. Each 127.N.0.1 is a sender of its own."""
import json
import multiprocessing
import os
import tempfile

from lib.place import wait_for
from lib.programs import Daemon, Proxy, no_targets
from lib.redis import Redis
from lib.smtp import Client, Server, smtp_server

# Tests run beside each other, in processes: each fleet has ports of its own.
_fleets = multiprocessing.Value("i", 0)


class Host:
    """mxN, with a proxy in front of the one server of all."""

    def __init__(self, fleet, number, options=None, **kwargs):
        self.number, self.port = number, fleet.ports + number
        directory = os.path.join(fleet.directory, f"mx{number}")
        os.makedirs(os.path.join(directory, "run"), exist_ok=True)
        options = {**no_targets(), "service.mx.ports": fleet.server.port, "service.mx.hostname": "mx.example.org", "test.source.retry_min": "1s",
                   "fleet.servers": f"127.0.0.1:{fleet.ports}", "fleet.name": f"mx{number}.example.org", **fleet.options, **(options or {})}
        self.daemon = Daemon(directory, options, http=fleet.ports + 20 + number, **kwargs)
        self.proxy = Proxy(directory, self.port, fleet.server.port, options) if fleet.proxies else None
        if self.proxy:
            wait_for(lambda: "following the plan" in self.proxy.output(), "the proxy follows the plan")

    def drain(self):
        """Until the proxy obeys it; asked by a sender that no test looks at."""
        self.daemon.ctl("drain", check=0)
        wait_for(lambda: self.attempt("127.250.0.1").startswith("451"), "the drain")

    def resume(self):
        self.daemon.ctl("resume", check=0)
        wait_for(lambda: self.attempt("127.251.0.1").startswith("220"), "the end of the drain")

    def attempt(self, source):
        """What a sender hears."""
        with Client(self.port, source) as c:
            c.say(b"QUIT")
            return c.greeting.decode()

    def explain(self, source):
        return self.daemon.ctl("explain", source, check=0).stdout

    def knows(self, source, words, what):
        return wait_for(lambda: (lambda text: text if words in text else None)(self.explain(source)),
                        lambda: f"{what}; mx{self.number} says:\n{self.explain(source)}")

    def fleet(self):
        return json.loads(self.daemon.ctl("fleet", "--json", check=0).stdout)

    def until(self, condition, what, seconds=120):
        return wait_for(lambda: (lambda f: f if condition(f) else None)(self.fleet()), lambda: f"{what}: {self.fleet()}", seconds)

    def stop(self):
        for program in (self.proxy, self.daemon):
            if program and program.alive():
                program.stop()


class Fleet:
    """Its store listens on `ports`, hosts on those after it; from `ports` + 40 on they are the test's."""

    def __init__(self, count, options=None, store=(), start=True, proxies=True, program="redis"):
        with _fleets.get_lock():
            self.ports = 20000 + 100 * _fleets.value
            _fleets.value += 1
        self.program = program
        self.directory = tempfile.mkdtemp(prefix="penstock-test-")
        options = options(self.ports) if callable(options) else options or {}
        self.options, self.proxies = options, proxies
        self.store_options = store(self.ports) if callable(store) else store
        self.server = Server(smtp_server)
        self.store, self.hosts = None, []
        try:
            if start:
                self.start_store()
            self.hosts = [Host(self, number) for number in range(1, count + 1)]
            for host in self.hosts:
                self.joined(host)
        except BaseException:
            self.__exit__()
            raise

    def start_store(self):
        self.store = Redis(os.path.join(self.directory, "store"), self.ports, self.store_options, program=self.program)

    def add(self, number, options=None, **kwargs):
        """`kwargs`: of Daemon()."""
        self.hosts.append(Host(self, number, options, **kwargs))
        if self.store and not (options or {}):
            self.joined(self.hosts[-1])
        return self.hosts[-1]

    def joined(self, host):
        if self.store:
            host.until(lambda f: f["connected"] and f["caught_up"], "the store is in use")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            host.stop()
        if self.store and self.store.alive():
            self.store.stop()
        self.server.close()
