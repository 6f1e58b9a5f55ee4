"""The waiting room of penstock-proxy, in front of a test's own plan (tests/programs/planner), so that the test says how many places there are."""
import os
import socket
import subprocess

from lib.place import BUILD, wait_for
from lib.programs import Proxy
from lib.smtp import Client, smtp_server
from lib.tap import check
from lib.world import PORT, World

OPTIONS = {"service.mx.hostname": "mx.example.org"}


class Planner:
    def __init__(self, run_dir):
        self.process = subprocess.Popen([os.path.join(BUILD, "tests/programs/planner"), run_dir], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        check(self.process.stdout.readline() == "ok\n", "the planner answers")

    def plan(self, window, hold_ms=60000, per_s=1000, order="serve", mode="enforce", late_ms=0):
        self.say(f"{window} {hold_ms} {per_s} {order} {mode} {late_ms}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Room(World):
    """A daemon that sees the counts, and a proxy that follows the test's plan in a run directory of its own."""

    def __init__(self, window=1, handle=smtp_server, options=None, manager=None, **plan):
        self.clients = []
        super().__init__(server=handle, proxy=False)
        self.front_directory = os.path.join(self.directory, "front")
        run = os.path.join(self.front_directory, "run")
        os.makedirs(run)
        for name in ("counts", "sources"):
            path = os.path.join(self.daemon.run_dir, name)
            wait_for(lambda: os.path.exists(path), path)
        os.symlink(os.path.join(self.daemon.run_dir, "counts"), os.path.join(run, "counts"))
        os.link(os.path.join(self.daemon.run_dir, "sources"), os.path.join(run, "sources"))
        self.planner = Planner(run)
        self.at_end.append(self.planner.close)
        self.plan = self.planner.plan
        self.plan(window, **plan)
        self.options = options or {}
        self.proxy = self.start(**(manager.service() if manager else {}))

    def start(self, **kwargs):
        return Proxy(self.front_directory, PORT, self.server.port, {**OPTIONS, "objective.wait": "60s", **self.options}, **kwargs)

    def client(self, source="127.1.0.1", greeting=True):
        c = Client(PORT, source, greeting=greeting)
        self.clients.append(c)
        return c

    def fill(self, places=1, source="127.99.0.1"):
        full = [self.client(source) for _ in range(places)]
        for c in full:
            check(c.greeting.startswith(b"220"), f"{c.greeting!r}")
        return full

    def learn_greetings(self):
        """So many quick greetings, as before them no client is refused late for load. The plan is the caller's again afterwards."""
        self.plan(1000)
        clients = [self.client("127.98.0.1", greeting=False) for _ in range(80)]
        for c in clients:
            check(c.reply().startswith(b"220"), "the proxy learns")
        for c in clients:
            c.close()
        self.wait(lambda s: s["in_flight"] == 0, "they have left")

    def held(self, source="127.1.0.1", count=None):
        """A client that waits; `count`: so many do then."""
        before = self.now()["held"] or 0
        c = self.client(source, greeting=False)
        self.wait(lambda s: s["held"] == (before + 1 if count is None else count), "it is held")
        return c

    def now(self):
        return self.daemon.status()["services"]["mx"]

    def wait(self, condition, what, seconds=120):
        return wait_for(lambda: (lambda s: s if condition(s) else None)(self.now()), what, seconds)

    def __exit__(self, *why):
        for c in self.clients:
            c.close()
        super().__exit__(*why)


def silent(client, seconds=0.3):
    """Whether nothing is said to it."""
    client.socket.settimeout(seconds)
    try:
        print(f"# not silent: {client.socket.recv(100, socket.MSG_PEEK)!r}")
        return False
    except TimeoutError:
        return True
    finally:
        client.socket.settimeout(120)
