#!/usr/bin/env python3
"""The MTA's queue as penstockd sees it: each layout walked in a running daemon, found where it is not configured, its rate and bounds,
what is said when it may not be read; and the devices under it."""
import os
import re
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import packages, place, postfix, tap
from lib.place import wait_for
from lib.programs import Program, Proxy, listening
from lib.tap import Skip, check, test
from lib.world import World


def world(options=None, **kwargs):
    return World(None, {"daemon.bpf": "no", **(options or {})}, server=2526, proxy=False, mode=0o777, **kwargs)


def touch(path, age=0):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").close()
    os.utime(path, (time.time() - age,) * 2)


def postfix_spool():
    spool = tempfile.mkdtemp(prefix="penstock-test-")
    for d in ("active", "incoming", "deferred", "maildrop", "hold"):
        os.mkdir(os.path.join(spool, d))
    return spool


@test("messages that wait for this machine are counted apart from those put back, with the age of the oldest")
def _():
    spool = postfix_spool()
    with world({"service.mx.queue_dirs": spool}) as w:
        w.wait_signal("smtp", "queue_count", lambda v: v == 0, "spool")
        for i in range(30):
            touch(f"{spool}/incoming/{0xA0000000 + i:X}", 5)
        for i in range(300):
            touch(f"{spool}/deferred/{i % 16:X}/{0xB0000000 + i:X}", -300)
        touch(f"{spool}/active/4C3F71234B", 90)
        w.wait_signal("smtp", "queue_count", lambda v: v == 331, "spool")
        w.wait_signal("smtp", "queue_ready_count", lambda v: v == 31, "spool")
        w.wait_signal("smtp", "queue_oldest_s", lambda v: 89 < v < 200, "spool")
        check(w.daemon.metric('penstock_signal{resource="smtp",signal="queue_count"}') == 331, "the metric")
        for d in ("incoming", "active"):
            for name in os.listdir(f"{spool}/{d}"):
                os.unlink(f"{spool}/{d}/{name}")
        w.wait_signal("smtp", "queue_ready_count", lambda v: v == 0, "spool")
        w.wait_signal("smtp", "queue_oldest_s", lambda v: v == 0, "spool")


@test("several queue directories of several MTAs make one sum")
def _():
    spool, exim = postfix_spool(), tempfile.mkdtemp(prefix="penstock-test-")
    touch(f"{spool}/incoming/A0000001", 3)
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    for i, sub in enumerate(("7", "a", "Z")):
        n, name = int(time.time()) - 20, ""
        for _ in range(6):
            n, name = n // 62, digits[n % 62] + name
        touch(f"{exim}/input/{sub}/{name}-0003c{i}-2B-H", 20)
    with world({"service.mx.queue_dirs": f"{spool} {exim}"}) as w:
        w.wait_signal("smtp", "queue_count", lambda v: v == 4, "spool")
        w.wait_signal("smtp", "queue_oldest_s", lambda v: v > 15, "spool")


@test("not configured: found where the MTA's processes stand")
def _():
    spool = postfix_spool()
    touch(f"{spool}/incoming/A0000001", 3)
    # A process that is called as Postfix' master is, stands where it stands and listens as it does.
    master = os.path.join(spool, "master.py")
    with open(master, "w") as f:
        f.write("import ctypes, os, socket, time\n"
                "ctypes.CDLL(None).prctl(15, b'master')\n"
                "s = socket.create_server(('127.0.0.1', 2526))\ntime.sleep(900)\n")
    process = subprocess.Popen([sys.executable, master], cwd=spool)
    try:
        with world() as w:
            w.wait_signal("smtp", "queue_count", lambda v: v == 1, "spool")
            w.daemon.logged("the mail server's queue is taken to be " + spool)
    finally:
        process.kill()
        process.wait()


@test("a queue that may not be read is said with what to do; the rest is measured")
def _():
    spool = postfix_spool()
    os.chmod(spool, 0o755)
    for d in os.listdir(spool):
        os.chmod(f"{spool}/{d}", 0o700)
    with world({"service.mx.queue_dirs": spool}, prefix=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]) as w:
        def said():
            return w.daemon.status()["sensors"]["queue"].get("reason")
        reason = wait_for(said, "a reason")
        check("CAP_DAC_READ_SEARCH" in reason, reason)
        check(w.value("smtp", "queue_count") is None, "absent, not 0")
        w.wait_signal("disk", "spool_free_bytes", lambda v: v > 0, "statvfs")


@test("a large queue is walked less often, in bounds, and the tick does not wait for it")
def _():
    spool = postfix_spool()
    for i in range(60000):
        fd = os.open(f"{spool}/incoming/{0xA0000000 + i:X}", os.O_CREAT | os.O_WRONLY)
        os.close(fd)
    with world({"service.mx.queue_dirs": spool}) as w:
        # 60,000 file times are more than one walk may ask for: all are counted, and it says that it stopped looking.
        w.wait_signal("smtp", "queue_count", lambda v: v == 60000, "spool")
        reason = wait_for(lambda: w.daemon.status()["sensors"]["queue"].get("reason"), "a word about its size")
        check("larger" in reason, reason)
        ticks = w.daemon.metric("penstock_tick_duration_seconds_count")
        wait_for(lambda: w.daemon.metric("penstock_tick_duration_seconds_count") > ticks + 10, "ten ticks")


@test("the device under the queue is named: overlay on a loop device on the disk that holds the image")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-", dir=place.BUILD)
    image = os.path.join(directory, "image")
    with open(image, "wb") as f:
        f.truncate(32 << 20)
    done = subprocess.run(["mkfs.ext4", "-q", image], capture_output=True)
    if done.returncode:
        raise Skip("mkfs.ext4 is not there")
    os.makedirs(f"{directory}/m")
    done = subprocess.run(["mount", "-o", "loop", image, f"{directory}/m"], capture_output=True, text=True)
    if done.returncode:
        raise Skip("no loop device is available: " + done.stderr.strip())
    try:
        for d in ("upper", "work", "lower"):
            os.mkdir(f"{directory}/m/{d}")
        os.mkdir(f"{directory}/merged")
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={directory}/m/lower,upperdir={directory}/m/upper,"
                        f"workdir={directory}/m/work", f"{directory}/merged"], check=True)
        for d in ("active", "incoming", "deferred"):
            os.mkdir(f"{directory}/merged/{d}")
        with world({"service.mx.queue_dirs": f"{directory}/merged"}) as w:
            said = wait_for(lambda: re.search(r"queue lies on (.*)", w.daemon.output()), "the chain")[1]
            check(re.match(r"overlay on ext4 on loop\d+ on \w+ on \S+", said), said)
    finally:
        subprocess.run(["umount", f"{directory}/merged"])
        subprocess.run(["umount", f"{directory}/m"])
        subprocess.run(["rm", "-rf", directory])


class SlowFilter:
    """An after-queue filter: takes a message in `pause` s, one at a time."""

    def __init__(self, port, pause):
        self.server = socket.create_server(("127.0.0.1", port))
        self.pause, self.passed = pause, 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            client = self.server.accept()[0]
            try:
                self.talk(client, client.makefile("rb"))
            except OSError:
                pass
            client.close()

    def talk(self, client, lines):
        client.sendall(b"220 filter\r\n")
        for line in lines:
            verb = line[:4].upper()
            if verb == b"DATA":
                client.sendall(b"354 go on\r\n")
                for text in lines:
                    if text == b".\r\n":
                        break
                time.sleep(self.pause)
                self.passed += 1
            elif verb == b"QUIT":
                client.sendall(b"221 bye\r\n")
                return
            client.sendall(b"250 ok\r\n")


@test("a real Postfix with a slow after-queue filter: sessions end fast, the queue grows, penstock takes what the filter carries")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-", dir=place.BUILD)
    os.chmod(directory, 0o755)
    slow = SlowFilter(2998, 0.25)
    mta = postfix.Postfix(directory, main={"content_filter": "smtp:[127.0.0.1]:2998", "smtp_destination_concurrency_limit": "1",
                                           "default_destination_concurrency_limit": "1", "initial_destination_concurrency": "1"})
    stop, told, sent = threading.Event(), [], []

    def send():
        while not stop.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", 2525, timeout=120) as s:
                    s.sendmail("a@example.net", ["box@example.org"], "Subject: x\r\n\r\nx\r\n")
                sent.append(1)
            except (smtplib.SMTPException, OSError) as e:
                told.append(str(e))
                time.sleep(0.2)  # it comes again
            time.sleep(0.3)  # so many a second are offered
    try:
        # No queue_dirs: found where the master stands.
        # Only the queue presses here, whatever else this machine does.
        with world({"target.queue_drain_s": "60"}, calm=True) as w:
            w.wait_signal("smtp", "queue_count", lambda v: v == 0, "spool")
            proxy = Proxy(w.directory, 2525, 2526)
            senders = [threading.Thread(target=send) for _ in range(12)]
            for t in senders:
                t.start()
            try:
                w.wait_signal("smtp", "queue_ready_count", lambda v: v > 60, "spool")
                # Nothing else would say so: the server answers at once.
                check((w.value("smtp", "server_time_us") or 0) < 10_000_000, "sessions do not end fast here")
                w.daemon.wait_status(lambda s: s["services"]["mx"]["queue_binds"], "the queue to bind", 120)
                w.daemon.wait_status(lambda s: s["decisions"]["by_reason"].get("queue", 0) > 10, "refusals for the queue", 120)
                text = w.daemon.ctl("explain").stdout
                check("queue behind it" in text and "(binds)" in text, text)
                check(slow.passed > 0 and any("4.3.2" in t for t in told), told[:3])
                # It settles: at most some minutes of what the filter carries.
                until = time.monotonic() + 30
                while time.monotonic() < until:
                    time.sleep(1)  # a look a second, for half a minute
                    check((w.value("smtp", "queue_ready_count") or 0) < 4 * 120, "the queue is bounded")
            finally:
                stop.set()
                for t in senders:
                    t.join()
                proxy.stop()
    finally:
        mta.stop()
        subprocess.run(["rm", "-rf", directory])


EXIM = ["exim4-daemon-light", "exim4-base", "libgnutls-dane0", "libunbound8", "libidn2-0", "libidn12", "libdb5.3", "libfile-fcntllock-perl",
        "libevent-2.1-7", "libhogweed6", "libnettle8", "libprotobuf-c1", "libpsl5"]
EXIM_CONF = """
exim_user = 31200
exim_group = 31200
never_users =
spool_directory = /var/spool/exim4
split_spool_directory = true
log_file_path = /var/log/exim-test-%s.log
primary_hostname = mx.example.org
domainlist local = example.org
trusted_users = root
timezone = UTC
begin routers
away:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = out
begin transports
out:
  driver = smtp
  port = 2997
begin retry
* * F,1h,10m
"""


@test("a real Exim with a split spool: what was queued and not yet tried is ready, what was tried and put back is not")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-", dir=place.BUILD)
    os.chmod(directory, 0o755)
    root = packages.Root("exim", packages.unpack("exim", EXIM), directory)
    try:
        root.write("/etc/passwd", "Debian-exim:x:31200:31200::/var/spool/exim4:/usr/sbin/nologin\n", "a")
        root.write("/etc/group", "Debian-exim:x:31200:\n", "a")
        root.write("/etc/exim4/exim-test.conf", EXIM_CONF)
        os.makedirs(root.file("/var/spool/exim4"), exist_ok=True)
        os.chown(root.file("/var/spool/exim4"), 31200, 31200)
        for d in ("/var/log", "/etc/exim4/exim-test.conf"):
            os.chown(root.file(d), 0, 0)
        os.chmod(root.file("/var/log"), 0o777)

        def exim(*argv, text=""):
            return subprocess.run(["chroot", root.path, "/usr/sbin/exim4", "-C", "/etc/exim4/exim-test.conf", *argv], input=text,
                                  capture_output=True, text=True, timeout=240)
        for i in range(6):
            done = exim("-odq", "-f", "a@example.net", "box@example.org", text="Subject: x\n\nx\n")
            check(done.returncode == 0, done.stderr)
        with world({"service.mx.queue_dirs": root.file("/var/spool/exim4")}) as w:
            w.wait_signal("smtp", "queue_count", lambda v: v == 6, "spool")
            check(w.value("smtp", "queue_ready_count") == 6, "none was tried yet")
            # Tried in vain, at once: no server listens on the port.
            exim("-qf")
            w.wait_signal("smtp", "queue_ready_count", lambda v: v == 0, "spool")
            check(w.value("smtp", "queue_count") == 6, "they are still there")
    finally:
        subprocess.run(["umount", "-R", "-l", root.path])
        subprocess.run(["rm", "-rf", directory])


@test("a real OpenSMTPD: the messages in its queue, with their age")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-", dir=place.BUILD)
    os.chmod(directory, 0o755)
    root = packages.Root("opensmtpd", packages.unpack("opensmtpd", ["opensmtpd"]), directory)
    mta = None
    try:
        for n, name in ((31300, "opensmtpd"), (31301, "opensmtpq")):
            root.write("/etc/passwd", f"{name}:x:{n}:{n}::/var/lib/opensmtpd/empty:/bin/false\n", "a")
            root.write("/etc/group", f"{name}:x:{n}:\n", "a")
        for path in ("/var/lib/opensmtpd/empty", "/var/empty", "/var/spool/smtpd"):
            os.makedirs(root.file(path), exist_ok=True)
        os.chmod(root.file("/var/spool/smtpd"), 0o711)
        root.write("/etc/smtpd-test.conf", 'listen on 127.0.0.1 port 2526\naction "out" relay host smtp://127.0.0.1:2997\n'
                                           'match from any for any action "out"\n')
        mta = Program(["chroot", root.path, "/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd-test.conf"])
        wait_for(lambda: listening(2526) or not mta.alive(), "OpenSMTPD's port")
        check(mta.alive(), mta.output())
        with world({"service.mx.queue_dirs": root.file("/var/spool/smtpd")}) as w:
            w.wait_signal("smtp", "queue_count", lambda v: v == 0, "spool")
            for _ in range(3):
                with smtplib.SMTP("127.0.0.1", 2526, timeout=120) as s:
                    s.sendmail("a@example.net", ["box@example.org"], "Subject: x\r\n\r\nx\r\n")
            w.wait_signal("smtp", "queue_count", lambda v: v == 3, "spool")
            wait_for(lambda: w.value("smtp", "queue_ready_count") == 0 or (w.value("smtp", "queue_oldest_s") or 0) > 2, "their age, or that they were put back")
    finally:
        if mta:
            mta.stop()
        subprocess.run(["umount", "-R", "-l", root.path])
        subprocess.run(["rm", "-rf", directory])


def prepare_others():
    packages.unpack("exim", EXIM)
    packages.unpack("opensmtpd", ["opensmtpd"])


place.isolate(postfix.prepare, prepare_others)
tap.run()
