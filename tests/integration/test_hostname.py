#!/usr/bin/env python3
"""The name of this host in what clients are told, also when it has changed."""
import contextlib
import ctypes
import os
import signal
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import wait_for
from lib.programs import Proxy
from lib.smtp import Client
from lib.tap import check, test
from lib.world import PORT, World


@contextlib.contextmanager
def names_of_its_own():
    """What is started within has host names apart from this machine's, and so may change them."""
    newuts, libc = 0x04000000, ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/self/ns/uts", os.O_RDONLY)
    try:
        check(libc.unshare(newuts) == 0, f"unshare: {os.strerror(ctypes.get_errno())}")
        yield
    finally:
        libc.setns(own, newuts)
        os.close(own)


@test("a new name of this host counts after a reload, in the replies of the proxy and of fronts that are asked; the units let it through")
def _():
    with names_of_its_own():
        socket.sethostname("one.example.org")
        with World(server=None, options={"service.mx.ports": 2599}, daemon_options={"front.line.enabled": "yes", "front.line.listen": "127.0.0.1:2530"},
                   proxy=False, calm=True) as w:
            w.proxy = Proxy(w.directory, PORT, 1)
            w.daemon.ctl("drain", check=0)

            def told():
                with Client(PORT) as c, socket.create_connection(("127.0.0.1", 2530), 120) as s:
                    s.sendall(b"connect 192.0.2.1\n")
                    return c.greeting, s.recv(1000)

            def say(name):
                return all(reply.startswith(b"451 ") and name in reply for reply in told())
            wait_for(lambda: say(b"one.example.org"), lambda: f"the name of the start: {told()}")
            socket.sethostname("two.example.org")
            w.daemon.ctl("reload", check=0)
            w.proxy.kill(signal.SIGHUP)
            wait_for(lambda: say(b"two.example.org"), lambda: f"the name of now: {told()}")
    for unit in ("penstockd", "penstock-proxy"):
        with open(os.path.join(place.ROOT, f"packaging/systemd/{unit}.service")) as f:
            check("\nProtectHostname=" not in f.read(), f"{unit} would keep the name of its start")


place.isolate()
tap.run()
