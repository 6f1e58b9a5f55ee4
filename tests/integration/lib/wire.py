"""A client host: a network namespace at the other end of a veth pair. A handshake over loopback ends inside connect(), and would not show what a
gate does during a handshake that takes time."""
import ctypes
import os
import select
import socket
import subprocess
import threading
import time

from lib.place import LONG, PATIENCE
from lib.smtp import Client

SERVER4, SERVER6 = "10.77.0.1", "fd77::1"
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def ip(*arguments, check=True, **options):
    return subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True, **options)


def within(namespace, function):
    """Runs function() in a thread inside the namespace (a path) and gives what it returns; sockets made there stay there."""
    result = []

    def run():
        fd = os.open(namespace, os.O_RDONLY)
        try:
            if _libc.setns(fd, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            result.append((True, function()))
        except BaseException as error:
            result.append((False, error))
        finally:
            os.close(fd)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    good, value = result[0]
    if not good:
        raise value
    return value


def burst(port, count, address, timeout, sources):
    waiting, greetings, poll = {}, {}, select.epoll()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for n in range(count):
        s = socket.socket(family)
        s.setblocking(False)
        host = 2 + n % (10 if family == socket.AF_INET6 else sources)
        s.bind((f"fd77::{host:x}" if family == socket.AF_INET6 else f"10.77.0.{host}", 0))
        s.connect_ex((address, port))
        poll.register(s, select.EPOLLIN)
        waiting[s.fileno()] = s
    everybody, until = list(waiting.values()), time.monotonic() + timeout
    while waiting and time.monotonic() < until:
        for fd, _ in poll.poll(0.5):
            s = waiting.pop(fd)
            poll.unregister(fd)
            try:
                greetings[s] = s.recv(512)
            except OSError:
                greetings[s] = b""
            s.setblocking(True)
    poll.close()
    return everybody, [greetings.get(s) for s in everybody]


class Wire:
    """`delay`: milliseconds that a packet of the client takes. Clients are 10.77.0.2 to .250 and fd77::2 to fd77::fa."""

    def __init__(self, name="client", delay=0, server_pid=None):
        self.name, self.path = name, "/run/netns/" + name
        if not os.path.exists("/run/.wire"):
            # A /run of our own, so that no name of a namespace stays behind on the host.
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
            open("/run/.wire", "w").close()
        ip("netns", "add", name)
        ip("link", "add", "wire0", "type", "veth", "peer", "name", "wire1", "netns", name)
        ip("addr", "add", SERVER4 + "/16", "dev", "wire0")
        ip("addr", "add", SERVER6 + "/64", "dev", "wire0", "nodad")
        ip("link", "set", "wire0", "up")
        commands = ["link set lo up", "link set wire1 up"]
        commands += [f"addr add 10.77.0.{n}/16 dev wire1" for n in range(2, 251)]
        commands += [f"addr add fd77::{n:x}/64 dev wire1 nodad" for n in range(2, 12)]
        # In one process: an emulated machine takes a tenth of a second to start one.
        ip("-n", name, "-batch", "-", input="\n".join(commands))
        if delay:
            within(self.path, lambda: subprocess.run(["tc", "qdisc", "add", "dev", "wire1", "root", "netem", "delay",
                                                      f"{delay}ms"], check=True))

    def connect(self, port, source=None, timeout=LONG * PATIENCE, address=SERVER4):
        def dial():
            return socket.create_connection((address, port), timeout, source_address=(source, 0) if source else None)
        return within(self.path, dial)

    def client(self, port, source=None, timeout=LONG * PATIENCE, address=SERVER4, greeting=True):
        connected = self.connect(port, source, timeout, address)
        return WireClient(connected, greeting)

    def connect_quietly(self, port, address):
        """The result does not matter: afterwards both ends know each other's hardware address."""
        try:
            self.connect(port, "fd77::2" if ":" in address else "10.77.0.2", 5, address).close()
        except OSError:
            pass

    def burst(self, port, count, address=SERVER4, timeout=LONG * PATIENCE, sources=200):
        """`count` connections at once, from many addresses; gives the open sockets and their greetings' first lines (b"" for
        one that was reset or closed, None for one that got nothing in time)."""
        return within(self.path, lambda: burst(port, count, address, timeout, sources))

    def run(self, argv, **options):
        return subprocess.Popen(["ip", "netns", "exec", self.name, *argv], **options)

    def close(self):
        ip("netns", "del", self.name, check=False)
        ip("link", "del", "wire0", check=False)


class WireClient(Client):
    def __init__(self, connected, greeting=True):
        self.socket = connected
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply() if greeting else None
