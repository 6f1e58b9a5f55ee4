#!/usr/bin/env python3
"""The gate against real sockets over a veth pair: who reaches the MTA, who is answered by the responder."""
import os
import signal
import socket
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place
from lib.place import wait_for
from lib.programs import Daemon
from lib.smtp import smtp_server
from lib.tap import check, run, test
from lib.wire import SERVER4, SERVER6, Wire

PORT = 2525
WIRE = None


class Mta:
    """A small SMTP server on every address of this namespace, IPv4 and IPv6."""

    def __init__(self, port=PORT, greeting=b"220 mta.example ESMTP\r\n", handle=None, backlog=512):
        self.socket = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=backlog)
        self.peers, self.greeting = [], greeting
        self.handle = handle or (lambda c, a: smtp_server(c, a, greeting=self.greeting))
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def loop(self):
        while True:
            try:
                connection, address = self.socket.accept()
            except OSError:
                return
            self.peers.append(address[0].replace("::ffff:", ""))
            threading.Thread(target=self.serve, args=(connection, address), daemon=True).start()

    def serve(self, connection, address):
        try:
            self.handle(connection, address)
        except OSError:
            pass
        finally:
            connection.close()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join()
        self.socket.close()


class World:
    def __init__(self, options=None, mta=True, **kwargs):
        self.directory = tempfile.mkdtemp(prefix="penstock-test-")
        self.mta = Mta() if mta else None
        self.options = {"service.mx.ports": PORT, "service.mx.hostname": "mx.example.org", "front.gate.enabled": "yes",
                        **(options or {})}
        self.daemon = Daemon(self.directory, self.options, **kwargs)
        self.daemon.logged("the gate guards service mx")

    def drain(self):
        self.daemon.ctl("drain", check=0)
        wait_for(lambda: self.greeting(source="10.77.0.250").startswith(b"451"), "the drain reaches the gate")

    def greeting(self, source=None, address=SERVER4):
        with WIRE.client(PORT, source, address=address) as c:
            return c.greeting

    def gate(self):
        return next((f for f in self.daemon.status()["fronts"] if f["name"] == "gate"), None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.daemon.alive():
            self.daemon.stop()
        if self.mta:
            self.mta.close()


@test("admitted connections reach the MTA itself, with the client's own address, over IPv4 and IPv6")
def _():
    with World() as w:
        check(w.greeting("10.77.0.7").startswith(b"220 mta.example"), "IPv4")
        check(w.greeting("fd77::7", SERVER6).startswith(b"220 mta.example"), "IPv6")
        check(w.mta.peers == ["10.77.0.7", "fd77::7"], f"{w.mta.peers}")


@test("refused connections reach the responder and not the MTA, over IPv4 and IPv6, and the dialogue holds until QUIT")
def _():
    with World() as w:
        w.drain()
        before = len(w.mta.peers)
        for source, address in (("10.77.0.8", SERVER4), ("fd77::8", SERVER6)):
            with WIRE.client(PORT, source, address=address) as c:
                check(c.greeting == b"451 4.3.2 mx.example.org server shutdown in progress\r\n", f"{c.greeting}")
                check(c.say(b"EHLO x").startswith(b"451"), "EHLO")
                check(c.say(b"QUIT").startswith(b"221"), "QUIT")
        check(len(w.mta.peers) == before, f"{w.mta.peers}")
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: w.greeting("10.77.0.9").startswith(b"220"), "the resume reaches the gate")


@test("SIGKILL of the daemon: the next connection goes to the MTA")
def _():
    with World() as w:
        w.drain()
        w.daemon.process.kill()
        w.daemon.process.wait()
        check(w.greeting("10.77.0.10").startswith(b"220 mta.example"), "after the kill")


if __name__ == "__main__":
    place.isolate()
    WIRE = Wire()
    run()
