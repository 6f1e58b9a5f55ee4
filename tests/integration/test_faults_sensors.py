#!/usr/bin/env python3
"""Sensors lost, frozen, absurd or refused: mail flows, status says what is missing, and what comes back is used again."""
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.cgroup import ahead
from lib.fuse import Served
from lib.place import wait_for
from lib.smtp import Client, deliver
from lib.tap import Skip, check, test
from lib.world import PORT, World

FILES = ("pressure/cpu", "pressure/memory", "pressure/io", "stat", "meminfo", "vmstat", "diskstats", "net/netstat", "net/softnet_stat",
         "mounts", "self/mountinfo")

# A file system that is dead: who asks for its space does not come back while the file "dead" is there.
DEAD = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

int statvfs(const char *path, struct statvfs *ret)
{
	static int (*next)(const char *, struct statvfs *);
	char mark[4096], told[4096];

	if (!next)
		next = (int (*)(const char *, struct statvfs *))dlsym(RTLD_NEXT, "statvfs");
	snprintf(mark, sizeof(mark), "%s/dead", path);
	snprintf(told, sizeof(told), "%s/asked", path);
	while (access(mark, F_OK) == 0) {
		FILE *f = fopen(told, "w");

		if (f)
			fclose(f);
		usleep(20000);
	}
	return next(path, ret);
}
"""


class Fakes:
    """Copies of the kernel's files that one daemon sees in place of them; what is written to one is seen at once."""

    def __init__(self, files=FILES):
        self.directory = tempfile.mkdtemp(prefix="penstock-test-")
        self.true, self.binds = {}, []
        for name in files:
            if not os.path.exists("/proc/" + name):
                continue
            with open("/proc/" + name, "rb") as f:
                self.true[name] = f.read()
            path = self.path(name)
            with open(path, "wb") as f:
                f.write(self.true[name])
            where = "/proc/" + (name if not name.startswith("net/") else "$$/" + name).replace("self/", "$$/")
            self.binds.append(f"mount --bind {path} {where};")

    def path(self, name):
        return os.path.join(self.directory, name.replace("/", "-"))

    def prefix(self, more=""):
        return ["unshare", "-m", "sh", "-c", " ".join(self.binds) + more + ' exec "$@"', "sh"]

    def write(self, name, content):
        """In place: the daemon keeps the file open."""
        fd = os.open(self.path(name), os.O_WRONLY)
        os.pwrite(fd, content, 0)
        os.ftruncate(fd, len(content))
        os.close(fd)

    def refresh(self, *but):
        for name in self.true:
            if name not in but:
                with open("/proc/" + name, "rb") as f:
                    self.write(name, f.read())


def greetings_of(number):
    """So many at once, at a pace that any bucket lets through."""
    clients = []
    for _ in range(number):
        clients.append(Client(PORT, timeout=120))
        time.sleep(0.06)
    greetings = [c.greeting[:3] for c in clients]
    for c in clients:
        c.say(b"QUIT")
        c.close()
    return greetings


def several_served(world, number=12):
    """They are all greeted with 220. A client that is refused late comes again: the machine that runs this, and the server in this very
    process, may really be slow."""
    for _ in range(5):
        late = world.daemon.status()["decisions"]["by_reason"].get("late", 0)
        greetings = greetings_of(number)
        refused = number - greetings.count(b"220")
        if not refused:
            return
        s = world.daemon.wait_status(lambda s: sum(s["decisions"]["by_reason"].values()) >= refused, "the refusals counted")
        if s["decisions"]["by_reason"].get("late", 0) - late < refused:
            break
    raise AssertionError(f"{greetings} {s['decisions']} {s['driver']} {s['services']} {world.daemon.ctl('explain').stdout}")


def ticks(world, number):
    until = world.daemon.status()["at"], world.daemon.metric("penstock_tick_duration_seconds_count")
    wait_for(lambda: world.daemon.metric("penstock_tick_duration_seconds_count") >= until[1] + number, f"{number} ticks")


def numbers(content, to):
    return re.sub(rb"(?<![A-Za-z0-9_.])\d+(\.\d+)?", to, content)


@test("files of the kernel lost, one and all together: said with its reason, mail flows, and they are used again when they are back")
def _():
    fakes = Fakes()
    with World(prefix=fakes.prefix()) as w:
        for lost, files in (("memory", ["meminfo"]), ("cpu", list(fakes.true))):
            for file in files:
                fakes.write(file, b"")
            for _ in range(2):
                fakes.refresh(*files)
                ticks(w, 5)
                several_served(w)

            def told():
                sensor = w.daemon.status()["sensors"][lost]
                return sensor["state"] != "ok" and sensor.get("reason")
            wait_for(told, f"{lost} told with its reason: {w.daemon.status()['sensors'].get(lost)}")
            check(w.daemon.metric(f'penstock_sensor_up{{sensor="{lost}"}}') == 0, "and by the metric")
        wait_for(lambda: fakes.refresh() or all(w.daemon.status()["sensors"][n]["state"] == "ok" for n in ("cpu", "memory", "psi")),
                 "all are back", 150)
        w.mail_flows()


@test("files of the kernel absurd: the largest number, noise, one number that is too large: no 5xx, no hang, no crash, mail flows")
def _():
    # Three of the cases that tests/unit/test_sensor_rubbish.c has for every file.
    fakes = Fakes()
    with World(prefix=fakes.prefix()) as w:
        for name, content in (("pressure/cpu", numbers(fakes.true["pressure/cpu"], b"18446744073709551615")),
                              ("diskstats", random.Random(5).randbytes(3000)),
                              ("meminfo", numbers(fakes.true["meminfo"], b"1e400"))):
            fakes.refresh(name)
            fakes.write(name, content)
            ticks(w, 4)
            several_served(w, 6)
            check(w.daemon.alive(), f"{name}: {content[:60]!r}")
            fakes.refresh()
        # A meminfo that says that there is none cannot be told from the truth at once: never a 5xx, never silence.
        fakes.write("meminfo", numbers(fakes.true["meminfo"], b"0"))
        for _ in range(10):
            with Client(PORT, timeout=120) as c:
                check(c.greeting[:3] in (b"220", b"451"), f"{c.greeting!r}")
                c.say(b"QUIT")
        fakes.refresh()
        wait_for(lambda: deliver(PORT)[0] == "250", "mail")


@test("every file of the kernel frozen: mail flows; memory that is frozen near its end is not believed for longer than a minute")
def _():
    fakes = Fakes()
    with World(prefix=fakes.prefix()) as w:
        ticks(w, 30)  # frozen from the first moment: nothing refreshes them
        several_served(w, 30)
        total = int(re.search(rb"MemTotal:\s+(\d+)", fakes.true["meminfo"])[1])
        short = re.sub(rb"(MemAvailable:\s+)\d+", rb"\g<1>%d" % (total // 200), fakes.true["meminfo"])
        short = re.sub(rb"((?:MemFree|Cached|Buffers|SReclaimable):\s+)\d+", rb"\g<1>1000", short)
        fakes.write("meminfo", short)
        held = []
        def some_refused():
            held.append(Client(PORT, timeout=120))
            return held[-1].greeting.startswith(b"451")
        wait_for(some_refused, "memory that is about to run out sheds")
        w.daemon.logged("has not changed for a minute. It is left out until it changes. Two seconds from now no mail is refused for it", 240)
        for c in held:
            c.close()
        wait_for(lambda: deliver(PORT)[0] == "250", "mail")
        ticks(w, 30)  # a reading that is missing does not take the limit away for two seconds (BLIND_S)
        w.daemon.wait_status(lambda s: not s["services"]["mx"]["hard_limit_binds"], "no limit is made of what was frozen")
        several_served(w, 30)
        fakes.refresh()
        s = w.daemon.wait_status(lambda s: "mem_used_ratio" in s["resources"]["memory"]["signals"], "believed again when it moves")
        check(s["state"] == "serving", s["state"])


@test("proc and sys empty altogether: what is left is used, mail flows")
def _():
    with World(prefix=["unshare", "-m", "sh", "-c", "mount -t tmpfs tmpfs /sys; mount -t tmpfs tmpfs /proc; exec \"$@\"", "sh"]) as w:
        ticks(w, 20)
        several_served(w, 30)
        s = w.daemon.status()
        check(s["state"] in ("serving", "blind"), s["state"])
        gone = [n for n, v in s["sensors"].items() if v["state"] != "ok"]
        check({"psi", "cpu", "memory"} <= set(gone), f"told: {gone}")
        check(all(s["sensors"][n].get("reason") for n in gone), f"each with its reason: {s['sensors']}")


@test("PSI switched off: said with the remedy, the run queue and the CPU's use stand in, mail flows")
def _():
    with World(prefix=["unshare", "-m", "sh", "-c", "mount -t tmpfs tmpfs /proc/pressure; exec \"$@\"", "sh"]) as w:
        s = w.daemon.wait_status(lambda s: "cpu_busy_ratio" in s["resources"]["cpu"]["signals"], "the CPU's use")
        check(s["sensors"]["psi"]["state"] == "skipped" and "psi=1" in s["sensors"]["psi"]["reason"], f"{s['sensors']['psi']}")
        check("cpu_stall_ratio" not in s["resources"]["cpu"]["signals"], "absent, not 0")
        several_served(w, 30)


@test("BPF refused (no capability, no file system, no memory to lock): said once, what stands in is used, mail flows")
def _():
    with World(prefix=["setpriv", "--bounding-set", "-bpf,-perfmon,-sys_admin", "--inh-caps", "-all", "--reuid", "65534", "--clear-groups"],
               mode=0o777) as w:
        s = w.daemon.status()
        check(not s["bpf"]["used"] and s["bpf"]["reason"], f"{s['bpf']}")
        w.daemon.logged("Cannot use BPF")
        check(w.daemon.output().count("Cannot use BPF") == 1, "said once")
        several_served(w, 30)
        w.daemon.wait_status(lambda s: s["decisions"]["admitted"] >= 30, "counted by the proxy")


def hidden(path):
    """Words before the daemon's: an empty directory stands in the place of `path`."""
    return ["unshare", "-m", "sh", "-c", f'mount -t tmpfs tmpfs {path}; exec "$@"', "sh"]


@test("what the kernel would give is hidden from penstockd: the reason is not blamed on the kernel, and check tells it")
def _():
    with World(prefix=hidden("/sys/kernel/btf"), proxy=False) as w:
        s = w.daemon.status()
        if not s["bpf"]["used"]:
            raise Skip(f"no BPF here: {s['bpf']['reason']}")
        reasons = {name: s["reason"] for name, s in s["sensors"].items() if name.startswith("bpf_") and s["state"] == "skipped"}
        check("bpf_runq" in reasons and "bpf_smtp" in reasons, f"{reasons}")
        for name, reason in reasons.items():
            check("/sys/kernel/btf/vmlinux" in reason or reason.startswith("not needed"), f"{name}: {reason}")
    with World(prefix=hidden("/sys/devices/system/cpu"), proxy=False) as w:
        reason = w.daemon.status()["bpf"]["reason"]
        check("/sys/devices/system/cpu/possible cannot be read" in reason, reason)
        found = w.daemon.ctl("check").stdout
        check(f"note: bpf: penstockd does without BPF: {reason}" in found, found)
    with World(prefix=hidden("/proc"), proxy=False, server=None, options={"service.mx.ports": 2599}) as w:
        reason = w.daemon.status()["sensors"]["psi"]["reason"]
        check("sees no /proc/pressure" in reason and "boot" not in reason, reason)


def ip(*arguments):
    return subprocess.run(["ip", *arguments], capture_output=True, text=True)


@test("the watched link removed and put back, in the middle of traffic: no value while it is gone, mail flows")
def _():
    if ip("link", "add", "pens0", "type", "veth", "peer", "name", "pens1").returncode:
        raise Skip("no veth can be made here")
    up = [("link", "set", "pens0", "up"), ("link", "set", "pens1", "up")]
    for command in up:
        ip(*command)
    with World(daemon_options={"nic.interfaces": "pens0"}) as w:
        w.daemon.wait_status(lambda s: "nic_tx_bytes_per_s" in s["resources"]["nic"]["signals"], "the link")
        for _ in range(3):
            ip("link", "del", "pens0")
            w.daemon.wait_status(lambda s: "nic_tx_bytes_per_s" not in s["resources"]["nic"]["signals"], "nothing about a link that is gone")
            several_served(w, 10)
            ip("link", "add", "pens0", "type", "veth", "peer", "name", "pens1")
            for command in up:
                ip(*command)
            w.daemon.wait_status(lambda s: "nic_tx_bytes_per_s" in s["resources"]["nic"]["signals"], "the link again")
        several_served(w, 10)
    ip("link", "del", "pens0")


@test("the queue's file system is dead: a reload that opens the sensors again does not wait for it, and a stop does not; mail flows")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    queue, conf, library = directory + "/queue", directory + "/penstock.conf", directory + "/dead.so"
    os.makedirs(queue)

    def configure(code):
        with open(conf, "w") as f:
            f.write(f"[service.mx]\nreply_code = {code}\nqueue_dirs = {queue}\n")

    configure(451)
    with open(queue + "/dead", "w"):
        pass
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, "-x", "c", "-"], input=DEAD, text=True, check=True)
    with World(directory, argv=["-c", conf], prefix=["env", "LD_PRELOAD=" + library]) as w:
        wait_for(lambda: os.path.exists(queue + "/asked"), "the thread that hangs")
        for code in (421, 451, 421):
            configure(code)
            w.daemon.ctl("reload", check=0)
        w.daemon.logged("the file system does not answer")
        check(deliver(PORT)[0] == "250", "mail flows")
        os.unlink(queue + "/dead")
        w.daemon.wait_status(lambda s: "spool_used_ratio" in s["resources"]["disk"]["signals"], "it answers, and is seen again")
        w.mail_flows()
        os.unlink(queue + "/asked")
        with open(queue + "/dead", "w"):
            pass
        wait_for(lambda: os.path.exists(queue + "/asked"), "the thread that hangs again")
        w.daemon.stop()


@test("a program serves files of /proc and hangs, as lxcfs may in LXC: no tick waits, and no reload, it is said, mail flows; what comes back is used again")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    conf = directory + "/penstock.conf"
    hung = ("cpu", "memory", "psi", "disk")

    def configure(code):
        with open(conf, "w") as f:
            f.write(f"[service.mx]\nreply_code = {code}\n")

    def states():
        return {name: w.daemon.status()["sensors"][name] for name in hung}

    def told():
        return all(s["state"] == "quarantined" and "does not answer" in s.get("reason", "") for s in states().values())

    def well():
        signals = w.daemon.status()["resources"]
        return "cpu_busy_ratio" in signals["cpu"]["signals"] and "mem_used_ratio" in signals["memory"]["signals"] and \
            "cpu_stall_ratio" in signals["cpu"]["signals"] and all(s["state"] == "ok" for s in states().values())
    configure(451)
    with Served(["pressure/cpu", "pressure/memory", "pressure/io", "stat", "meminfo", "diskstats"]) as lxcfs, \
            World(directory, argv=["-c", conf], prefix=lxcfs.prefix()) as w:
        try:
            wait_for(well, lambda: f"what is served is used: {states()}")
            ticks(w, 20)
            lxcfs.hang()
            ticks(w, 20)
            wait_for(told, lambda: f"each is told: {states()}")
            ticks(w, 50)  # meanwhile each is tried again
            check(told(), f"each is told all the while: {states()}")
            several_served(w)
            for code in (421, 451):
                configure(code)
                w.daemon.ctl("reload", check=0)
            w.daemon.logged("Cannot end the thread that reads files of /proc")
            several_served(w)
            lxcfs.go_on()
            wait_for(well, lambda: f"all are used again: {states()}")
            lxcfs.hang()
            wait_for(told, lambda: f"each is told again: {states()}")
            # The kernel ends a process when its files are closed, of which it tells the program that serves them.
            w.daemon.kill(signal.SIGTERM)
            w.daemon.logged("penstockd stops")
            w.mail_flows()
            lxcfs.go_on()
            check(w.daemon.process.wait(120) == 0, w.daemon.output())
        finally:
            lxcfs.go_on()  # else nothing could end who waits for it


@test("netlink overrun: thousands of link changes while the daemon cannot read: it finds the truth again, mail flows")
def _():
    if ip("link", "add", "pens0", "type", "veth", "peer", "name", "pens1").returncode:
        raise Skip("no veth can be made here")
    for name in ("pens0", "pens1"):
        ip("link", "set", name, "up")
    with World(daemon_options={"nic.interfaces": "pens0"}) as w:
        w.daemon.wait_status(lambda s: "nic_tx_bytes_per_s" in s["resources"]["nic"]["signals"], "the link")
        w.daemon.kill(signal.SIGSTOP)
        batch = "".join(f"link set pens1 alias {'x' * 200}{n}\nlink set pens1 mtu {1400 + n % 50}\n" for n in range(4000))
        subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)
        wait_for(lambda: set(greetings_of(10)) == {b"220"}, "everybody served: a stopped daemon's plan goes stale")
        ip("link", "del", "pens0")
        w.daemon.kill(signal.SIGCONT)
        w.daemon.wait_status(lambda s: "nic_tx_bytes_per_s" not in s["resources"]["nic"]["signals"], "the truth: there is no such link")
        several_served(w, 10)
        ip("link", "add", "pens0", "type", "veth", "peer", "name", "pens1")
        ip("link", "set", "pens0", "up")
        w.daemon.wait_status(lambda s: "nic_tx_bytes_per_s" in s["resources"]["nic"]["signals"], "and when it is back")
    ip("link", "del", "pens0")


place.isolate()
ahead()
tap.run()
