#!/usr/bin/env python3
"""What this kernel lets penstock see: probe by probe and signal by signal, through what, and why not. A little of everything that
penstock measures is provoked at once, because some signals are there only when something happens. Prints `@@ seen JSON`; runs in
each emulated machine and here."""
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(os.path.dirname(HERE)), "integration"), os.path.dirname(HERE)]
import table
from lib import place
from lib.cgroup import Cgroup
from lib.place import BIN, LONG, PATIENCE, wait_for
from lib.programs import Daemon, listening
from lib.smtp import deliver

PORT = 2526
# Nothing new for so long, and the survey is over. It is over sooner when all that the table names of this kernel was there.
QUIET_S = 30
SERVER = f"""
import sys, time
sys.path.insert(0, {sys.path[0]!r})
from lib.smtp import Server, smtp_server
Server(lambda c, a: smtp_server(c, a, before=lambda command: time.sleep(0.02)), {PORT})
time.sleep(900)
"""
RECLAIM = """
import os, sys, time
until = time.monotonic() + 900
with open(sys.argv[1], "wb") as f:
    while time.monotonic() < until:
        f.write(os.urandom(1 << 20))
        if f.tell() > 96 << 20:
            f.seek(0)
        time.sleep(0.02)
"""
SPIN = "until=$(($(cut -d. -f1 /proc/uptime) + 900)); while [ $(cut -d. -f1 /proc/uptime) -lt $until ]; do :; done"


def repeat(stop, function):
    def run():
        while not stop.is_set():
            try:
                function()
            except OSError:
                time.sleep(0.1)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()


@contextlib.contextmanager
def link():
    """A veth pair with a narrow queue, and something that fills it."""
    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)
    ip("link", "add", "ps0", "type", "veth", "peer", "name", "ps1")
    for words in (["addr", "add", "198.18.0.1/24", "dev", "ps0"], ["link", "set", "ps0", "up"], ["link", "set", "ps1", "up"],
                  ["neigh", "add", "198.18.0.2", "lladdr", "02:00:00:00:00:01", "dev", "ps0"]):
        ip(*words)
    subprocess.run(["tc", "qdisc", "add", "dev", "ps0", "root", "tbf", "rate", "200kbit", "burst", "2kb", "limit", "20kb"],
                   capture_output=True)
    yield
    ip("link", "del", "ps0")


def send_datagram():
    import socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _ in range(20):
            s.sendto(b"x" * 1000, ("198.18.0.2", 9))
    time.sleep(0.05)  # so many a second


def write_and_sync(directory):
    with open(os.path.join(directory, "message"), "wb") as f:
        f.write(os.urandom(16384))
        f.flush()
        os.fsync(f.fileno())
    time.sleep(0.02)  # so many a second


def spool(directory):
    """A queue directory: on the throttled disk of an emulated machine, else wherever a temporary directory is."""
    path = os.path.join(directory, "spool")
    os.mkdir(path)
    if os.environ.get("SLOW_DISK"):
        subprocess.run(["mount", "-t", "ext4", os.environ["SLOW_DISK"], path], check=True)
    for d in ("incoming", "active", "deferred", "maildrop", "hold"):
        os.makedirs(os.path.join(path, d), exist_ok=True)
    return path


def named():
    """The signals that the table in the tree gives this kernel; None: it has no column for it, or is to be written again."""
    column = table.written().get(table.version({"release": os.uname().release}))
    if column is None or os.environ.get("TABLE") == "write":
        return None
    return {name for name, cell in column.items() if cell not in (table.REFUSED, table.UNPROVOKED, table.UNNEEDED)}


def collect(daemon):
    """Signal -> via of every signal that was there at some moment."""
    seen, last_news, wanted = {}, time.monotonic(), named()
    while time.monotonic() - last_news < QUIET_S * min(PATIENCE, 1.5) and (wanted is None or not wanted <= set(seen)):
        for resource in daemon.status()["resources"].values():
            for name, signal in resource["signals"].items():
                if name not in seen:
                    seen[name] = signal["via"]
                    last_news = time.monotonic()
        time.sleep(0.3)
    return seen


def support(options):
    """(probe -> its form or why not, signal -> why absent, or None) as penstockd --support says it."""
    argv = [os.path.join(BIN, "penstockd"), "--support"] + [w for k, v in options.items() for w in ("-o", f"{k}={v}")]
    text = subprocess.run(argv, capture_output=True, text=True, timeout=LONG * PATIENCE).stdout
    head, _, rest = text.partition("\nsignal ")
    probes = dict(re.split(r"  +", line, maxsplit=1) for line in head.splitlines()[1:] if re.search(r"\S  +\S", line))
    signals = {}
    for line in rest.partition("\nsensor ")[0].splitlines()[1:]:
        match = re.match(r"(\S+) +(?:absent +(.*)|\S+)", line)
        if match:
            signals[match[1]] = match[2]
    return probes, signals


def end(children, stop):
    """Ends the load."""
    stop.set()
    for child in children:
        child.kill()
        child.wait()


def main():
    directory = tempfile.mkdtemp(prefix="penstock-survey-")
    path, group, small, stop = spool(directory), Cgroup("memory", "cpu", "blkio"), Cgroup("memory"), threading.Event()
    small.limit_memory(48 << 20)
    children = [subprocess.Popen(group.prefix(sys.executable, "-c", SERVER)),
                subprocess.Popen(small.prefix(sys.executable, "-c", RECLAIM, os.path.join(directory, "cache")))]
    options = {"service.mx.ports": PORT, "service.mx.queue_dirs": path, "nic.interfaces": "ps0", "nic.speed": 8000000}
    try:
        with link():
            wait_for(lambda: listening(PORT), "the server")
            # Each program is loaded and checked by the kernel before the load comes: beside it an emulated CPU needs minutes.
            probes, absent = support(options)
            daemon = Daemon(directory, options)
            children += [subprocess.Popen(group.prefix("sh", "-c", SPIN)) for _ in range(os.cpu_count())]
            for function in (send_datagram, lambda: write_and_sync(path), lambda: deliver(PORT)):
                repeat(stop, function)
            seen = collect(daemon)
            end(children, stop)
            daemon.stop()
    finally:
        end(children, stop)
        for g in (group, small):
            g.remove()
    signals = {name: seen.get(name) for name in absent}
    signals.update({name: via for name, via in seen.items() if name not in signals})
    why = {name: absent[name] or "not seen while surveyed" for name in absent if not signals[name]}
    print("@@ seen " + json.dumps({"release": os.uname().release, "probes": probes, "signals": signals, "why": why}), flush=True)


place.isolate()
main()
