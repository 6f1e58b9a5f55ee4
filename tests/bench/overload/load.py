"""The generator on the last core, and what it saw: one row an attempt, times from the start of the load."""
import csv
import json
import os
import subprocess
import tempfile

from lib import wire
from lib.place import BIN

GENERATOR_CORE = str(os.cpu_count() - 1)
# For what is open when the load ends. A client that has been greeted, and is not through by then, counts as accepted at that time.
DRAIN_S = 3
TIMES = ("scheduled_s", "started_s", "greeted_s", "ended_s")


class Stream:
    """One kind of sender."""

    def __init__(self, prefix, port, name, schedule, seconds, seed, sources, more, net):
        self.name, self.seconds = name, seconds
        # In memory: the disk may be slow, and must not slow the generator down.
        self.trace, self.json = (tempfile.NamedTemporaryFile(suffix=s, dir="/dev/shm") for s in (".csv", ".json"))
        argv = ["taskset", "-c", GENERATOR_CORE, os.path.join(BIN, "penstock-load"), "--target",
                f"{wire.SERVER4 if net else '127.0.0.1'}:{port}", "--schedule", schedule, "--duration", f"{seconds}s", "--drain",
                f"{DRAIN_S}s", "--seed", str(seed), "--sources", "10.77.0.128/26" if net else sources, "--json", self.json.name,
                "--trace", self.trace.name, *more]
        if net:
            argv = ["ip", "netns", "exec", net.name, *argv]
        self.process = subprocess.Popen([*prefix, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def rows(self):
        rows = list(csv.DictReader(open(self.trace.name)))
        for row in rows:
            row["class"] = self.name
            for key in TIMES:
                row[key] = float(row[key])
        return rows

    def wait(self):
        """Its rows, and the largest delay of the generator itself."""
        _, said = self.process.communicate(timeout=self.seconds + 60)
        if self.process.returncode:
            raise AssertionError(f"penstock-load: {said}")
        return self.rows(), json.load(open(self.json.name)).get("generator_late_s", 0)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Streams:
    """All kinds of senders of a case at once."""

    def __init__(self, prefix, port, loads, capacity, seconds, seed, more=(), net=None):
        self.streams = [Stream(prefix, port, one.name, one.text(capacity), seconds, seed + 1000 * n, one.sources, more, net)
                        for n, one in enumerate(loads)]

    def wait(self):
        got = [stream.wait() for stream in self.streams]
        return [row for rows, _ in got for row in rows], max(late for _, late in got)

    def kill(self):
        for stream in self.streams:
            stream.kill()
