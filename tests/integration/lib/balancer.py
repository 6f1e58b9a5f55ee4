"""What tests with a real HAProxy share: the network with its address, mail servers behind it, and senders."""
import os
import socket
import subprocess
import threading
import time

from lib.haproxy import RELEASES, Haproxy
from lib.programs import Program
from lib.smtp import Client, Server, smtp_server
from lib.tap import check, test
from lib.wire import within

BALANCER = "192.0.2.1"
HOSTS = ("m1", "m2", "m3")


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def network():
    """A bridge with the balancer's address, and each host behind a veth pair in a namespace of its own."""
    ip("link", "add", "br0", "type", "bridge")
    ip("addr", "add", BALANCER + "/24", "dev", "br0")
    ip("link", "set", "br0", "up")
    os.makedirs("/run/netns", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/netns"], check=True)
    for n, name in enumerate(HOSTS, 1):
        ip("netns", "add", name)
        ip("link", "add", "v" + name, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", "v" + name, "master", "br0", "up")
        for arguments in (("addr", "add", f"192.0.2.1{n}/24", "dev", "eth0"), ("link", "set", "eth0", "up"), ("link", "set", "lo", "up")):
            ip("-n", name, *arguments)


class Mailbox(Server):
    """A mail server: it keeps what it takes."""

    def __init__(self, name, address, port=25, namespace=None):
        self.taken = []  # by threads: append() is one step
        make = lambda: socket.create_server((address, port), backlog=512)
        super().__init__(lambda c, a: smtp_server(c, a, greeting=f"220 {name}\r\n".encode(), store=self.taken.append),
                         listener=within(f"/run/netns/{namespace}", make) if namespace else make())


def connect(greeting=True, timeout=120):
    c = object.__new__(Client)
    c.socket = socket.create_connection((BALANCER, 25), timeout)
    c.file = c.socket.makefile("rb")
    c.greeting = c.reply() if greeting else None
    return c


def send(number):
    """One message as a sender's queue would: it comes again until it is taken. Returns how often it was told to. One that hears nothing for two
    minutes comes again, too; but if that happens again and again, it is told where HAProxy has its connections."""
    hung, heard = 0, b""
    for attempt in range(200):
        try:
            with connect() as c:
                heard = c.greeting
                if c.greeting.startswith(b"220"):
                    for line in (b"EHLO x", b"MAIL FROM:<a@example.net>", b"RCPT TO:<b@example.org>", b"DATA"):
                        heard = c.say(line)
                    if c.say(f"Message-Id: {number}\r\n.".encode()).startswith(b"250"):
                        c.say(b"QUIT")
                        return attempt
                else:
                    check(c.greeting[:4] in (b"451 ", b"421 ", b""), f"{c.greeting!r}")
        except TimeoutError:
            hung += 1
            check(hung < 3, f"message {number} hears nothing for the third time, after {heard!r}\n" + "\n".join(
                p.order("show sess all") for p in Program.started if isinstance(p, Haproxy) and p.alive()))
        except OSError:
            pass
        time.sleep(0.05)  # it was put off, and comes again
    raise AssertionError(f"message {number} is never taken")


def send_all(numbers, at_once=8):
    numbers, failed = iter(list(numbers)), []

    def sender():
        try:
            for n in numbers_of(numbers):
                send(n)
        except AssertionError as error:
            failed.append(error)
    lock = threading.Lock()

    def numbers_of(source):
        while True:
            with lock:
                n = next(source, None)
            if n is None:
                return
            yield n
    threads = [threading.Thread(target=sender) for _ in range(at_once)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check(not failed, f"{failed[:1]}".replace("\\n", "\n"))


def for_each_release(name, quiet=False):
    def add(function):
        for release in RELEASES:
            test(f"{release}: {name}", quiet=quiet)(lambda release=release: function(release))
        return function
    return add
