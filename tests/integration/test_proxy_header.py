#!/usr/bin/env python3
"""PROXY headers at penstock-proxy: those that it writes, and those that it is told to expect of a balancer in front of it."""
import os
import socket
import struct
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import wait_for
from lib.smtp import Client, Server
from lib.tap import check, test
from lib.world import PORT, World


def world(handle, daemon=True, proxy_options=None):
    return World(server=handle, daemon=daemon, proxy_options=proxy_options, calm=True)


def noting(answer=b"221 bye\r\n"):
    """A list, and a server that greets, puts the first bytes of each connection there, answers, and hears what else comes."""
    heads = []

    def handle(connection, _address):
        connection.sendall(b"220 sink\r\n")
        heads.append(connection.recv(1000))
        connection.sendall(answer)
        if not answer.startswith(b"221"):
            connection.recv(1000)
    return heads, handle


@test("PROXY v1 and v2 tell the backend who the client is; none sends nothing")
def _():
    for kind in ("none", "v1", "v2"):
        heads, handle = noting()
        with world(handle, daemon=False, proxy_options={"front.proxy.proxy_protocol": kind}):
            with Client(PORT, source="127.9.8.7") as c:
                port = c.socket.getsockname()[1]
                c.say(b"QUIT")
            head = wait_for(lambda: heads, "the backend's first bytes")[0]
        v1 = b"PROXY TCP4 127.9.8.7 127.0.0.1 %d %d\r\n" % (port, PORT)
        v2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", 12) + socket.inet_aton("127.9.8.7") +
              socket.inet_aton("127.0.0.1") + struct.pack("!HH", port, PORT))
        wanted = {"none": b"QUIT\r\n", "v1": v1, "v2": v2}[kind]
        check(head.startswith(wanted), f"{kind}: {head!r}")


@test("commands in one segment with the PROXY header are answered, also if the client is refused")
def _():
    options = {"front.proxy.accept_proxy_protocol": "yes", "front.proxy.proxy_from": "127.0.0.0/8", "front.proxy.proxy_protocol": "v1"}
    header = b"PROXY TCP4 192.0.2.44 192.0.2.1 4444 25\r\n"

    def heard():
        with Client(PORT, greeting=False) as c:
            c.send(header + b"EHLO x\r\nMAIL FROM:<a@b>\r\nQUIT\r\n")
            return [line[:3] for line in c.file.read().splitlines()]
    with world(noting()[1], proxy_options=options) as w:
        w.daemon.ctl("drain", check=0)
        wait_for(lambda: heard()[:1] == [b"451"], "the drain")
        check(heard() == [b"451", b"451", b"451", b"221"], f"{heard()}")


@test("many are refused at once behind a balancer, with headers whole and in pieces: each hears its reply and the answer to QUIT")
def _():
    options = {"front.proxy.accept_proxy_protocol": "yes", "front.proxy.proxy_from": "127.0.0.0/8", "front.proxy.proxy_protocol": "v1"}
    header = b"PROXY TCP4 192.0.2.44 192.0.2.1 4444 25\r\n"

    def begun(*pieces):
        c = Client(PORT, greeting=False)
        for octets in pieces:
            c.send(octets)
        return c

    def heard():
        with begun(header) as c:
            return c.reply()
    with world(noting()[1], proxy_options=options) as w:
        w.daemon.ctl("drain", check=0)
        wait_for(lambda: heard().startswith(b"451"), "the drain")
        for pieces in ((header,), (header[:9], header[9:])):
            clients = [begun(*pieces) for _ in range(100)]
            for c in clients:
                check(c.reply().startswith(b"451 4.3.2 "), "each is told")
                c.send(b"QU")
            for c in clients:
                c.send(b"IT\r\n")
            for c in clients:
                check(c.file.read().startswith(b"221 "), "each is answered")
                c.close()
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: heard().startswith(b"220"), "an admission after it")


@test("an expected PROXY header is read, a missing one closes, and the address is the header's")
def _():
    options = {"front.proxy.accept_proxy_protocol": "yes", "front.proxy.proxy_from": "127.0.0.0/8", "front.proxy.proxy_protocol": "v1"}
    heads, handle = noting()
    with world(handle, daemon=False, proxy_options=options) as w:
        c = Client(PORT, greeting=False)
        c.send(b"PROXY TCP4 192.0.2.44 192.0.2.1 4444 25\r\nEHLO x\r\n")
        check(c.reply().startswith(b"220"), "greeting behind the header")
        wait_for(lambda: heads, "the backend's first bytes")
        check(heads[0].startswith(b"PROXY TCP4 192.0.2.44 192.0.2.1 4444 25\r\n"), f"{heads[0]!r}")
        c.close()
        c = Client(PORT, greeting=False)
        c.send(b"EHLO this is no PROXY header\r\n")
        try:
            reply = c.reply()
        except ConnectionResetError:
            reply = b""
        check(not reply.startswith(b"2"), f"{reply!r}")
        check(w.server.connections == 1, "what brings no header never reaches the backend")


@test("a PROXY header on a UNIX socket, whose peers count as ::, is believed if proxy_from has ::/128, and only then")
def _():
    heads, handle = noting()
    for networks, answer in (("127.0.0.0/8, ::/128", b"220 "), ("127.0.0.0/8", b"")):
        path = os.path.join(tempfile.mkdtemp(prefix="penstock-test-"), "smtp")
        options = {"front.proxy.accept_proxy_protocol": "yes", "front.proxy.proxy_from": networks, "front.proxy.proxy_protocol": "v1",
                   "front.proxy.listen": f"127.0.0.1:{PORT}, unix:{path}"}
        with world(handle, proxy_options=options), socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            wait_for(lambda: os.path.exists(path), "the socket")
            s.connect(path)
            try:
                s.sendall(b"PROXY TCP4 192.0.2.77 192.0.2.1 4444 25\r\n")
                said = s.recv(600)
            except (ConnectionResetError, BrokenPipeError):
                said = b""
            check(said[:4] == answer, f"{networks}: {said!r}")
    check([h for h in heads if b"192.0.2.77" in h], f"the server hears the client's address: {heads}")


@test("a PROXY header is believed from the networks of proxy_from only: others are closed, counted and logged with the peer")
def _():
    heads, handle = noting()
    options = {"front.proxy.accept_proxy_protocol": "yes", "front.proxy.proxy_from": "127.5.0.0/16", "front.proxy.proxy_protocol": "v1"}
    with world(handle, proxy_options=options) as w:
        for claim in (b"127.0.0.1", b"10.1.1.1", b"127.66.0.1"):
            c = Client(PORT, source="127.66.0.1", greeting=False)
            try:
                c.send(b"PROXY TCP4 " + claim + b" 192.0.2.1 4444 25\r\n")
                check(c.reply() == b"", "closed without a word")
            except (ConnectionResetError, BrokenPipeError):
                pass
        check(w.server.connections == 0, "the server never saw them")
        w.proxy.logged("127.66.0.1")
        w.proxy.logged_rarely("outside front.proxy.proxy_from")
        w.daemon.wait_status(lambda s: s.get("faults", {}).get("header_foreign", {}).get("count") == 3, "the count")
        check("header_foreign" in w.daemon.ctl("explain", check=0).stdout, "explain says it")
        c = Client(PORT, source="127.5.0.1", greeting=False)
        c.send(b"PROXY TCP4 192.0.2.44 192.0.2.1 4444 25\r\nEHLO x\r\n")
        check(c.reply().startswith(b"220"), "the balancer is believed")
        wait_for(lambda: heads, "the backend's first bytes")
        check(heads[0].startswith(b"PROXY TCP4 192.0.2.44 "), f"{heads[0]!r}")
        c.close()


@test("a PROXY header that never comes is counted and logged with the peer and what to do; a large one passes")
def _():
    heads, handle = noting()
    options = {"front.proxy.accept_proxy_protocol": "yes", "front.proxy.proxy_from": "127.0.0.0/8", "front.proxy.proxy_protocol": "v1"}
    with world(handle, proxy_options=options) as w:
        silent = [Client(PORT, source="127.7.0.1", greeting=False) for _ in range(3)]
        for length in (600, 2048, 60000):
            tlv = b"\xe0" + struct.pack("!H", length) + b"x" * length
            body = socket.inet_aton("192.0.2.9") + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 4444, 25) + tlv
            c = Client(PORT, greeting=False)
            c.send(b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", len(body)) + body + b"EHLO x\r\n")
            check(c.reply().startswith(b"220"), f"greeting behind a TLV of {length} octets")
            wait_for(lambda: heads, "the backend's first bytes")
            check(heads.pop().startswith(b"PROXY TCP4 192.0.2.9 192.0.2.1 4444 25\r\n"), f"{heads}")
            c.close()
        w.proxy.logged("(127.7.0.1)")
        w.proxy.logged("header_placement = on_first_ack")
        for c in silent:
            check(c.reply() == b"", "closed")
        w.daemon.wait_status(lambda s: s.get("faults", {}).get("header_missing", {}).get("count") == 3, "the count")
        check("header_missing" in w.daemon.ctl("explain", check=0).stdout, "explain says it")
        check(any("header_missing" in line and line.endswith(" 3") for line in w.daemon.document("/metrics").splitlines()), "metrics have it")
        c = Client(PORT, greeting=False)
        c.send(b"EHLO this is no PROXY header\r\n")
        w.daemon.wait_status(lambda s: s.get("faults", {}).get("header_malformed", {}).get("count") == 1, "the count of others")
        c.close()


class NetworkLoadBalancer(Server):
    """What AWS' NLB does with PROXY version 2: the header goes out with the client's first bytes (its default,
    on_first_ack_with_payload), or as soon as the connection stands (on_first_ack)."""

    def __init__(self, placement):
        self.placement = placement
        super().__init__(self.balance)

    def balance(self, client, source):
        target = socket.create_connection(("127.0.0.1", PORT), source_address=("127.9.0.1", 0))
        body = socket.inet_aton(source[0]) + socket.inet_aton("192.0.2.1") + struct.pack("!HH", source[1], 25) + b"\x03\x00\x04\0\0\0\0"
        header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", len(body)) + body
        if self.placement == "on_first_ack":
            target.sendall(header)
            header = b""
        back = threading.Thread(target=self.carry, args=(target, client, b""), daemon=True)
        back.start()
        self.carry(client, target, header)
        back.join()

    @staticmethod
    def carry(source, to, before):
        try:
            while data := source.recv(65536):
                to.sendall(before + data)
                before = b""
        except OSError:
            pass
        for s in (source, to):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@test("AWS' NLB: with on_first_ack mail flows under the client's address; with its default neither side speaks first, and the log says what to set")
def _():
    heads, handle = noting(b"250 sink\r\n")
    options = {"front.proxy.accept_proxy_protocol": "yes", "front.proxy.proxy_from": "127.9.0.0/16", "front.proxy.proxy_protocol": "v1"}
    with world(handle, proxy_options=options) as w:
        nlb = NetworkLoadBalancer("on_first_ack_with_payload")
        c = Client(nlb.port, source="127.8.0.8", greeting=False)
        check(c.reply() == b"", "closed, for both wait for the other")
        c.close()
        nlb.close()
        w.proxy.logged("proxy_protocol_v2.client_to_server.header_placement = on_first_ack")
        w.daemon.wait_status(lambda s: s.get("faults", {}).get("header_missing", {}).get("count") == 1, "the fault")
        check(w.server.connections == 0, "the mail server never saw it")
        nlb = NetworkLoadBalancer("on_first_ack")
        c = Client(nlb.port, source="127.8.0.8")
        check(c.greeting.startswith(b"220"), f"{c.greeting}")
        check(c.say(b"EHLO x").startswith(b"250"), "the session goes on")
        wait_for(lambda: heads, "the backend's first bytes")
        check(heads[0].startswith(b"PROXY TCP4 127.8.0.8 192.0.2.1 "), f"{heads[0]!r}")
        c.close()
        nlb.close()


place.isolate()
tap.run()
