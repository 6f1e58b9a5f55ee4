"""TCP clients made by hand on the client's end of a Wire, packet by packet: handshakes that take as long as they are told to, that
are never finished, that send their SYN again. Their addresses (10.78.0.0/16, fd78::/64) belong to no stack, so none answers."""
import socket
import struct
import time

from lib.wire import SERVER4, SERVER6, ip, within

ETH_P_ALL = 3
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Crafted:
    def __init__(self, wire, port, client_port):
        self.wire, self.port, self.client_port = wire, port, client_port
        ip("route", "replace", "10.78.0.0/16", "via", "10.77.0.2")
        ip("-6", "route", "replace", "fd78::/64", "via", "fd77::2")

        def mac(*where):
            return bytes.fromhex(ip(*where).stdout.split("link/ether ")[1].split()[0].replace(":", ""))
        self.server_mac, self.own_mac = mac("link", "show", "wire0"), mac("-n", wire.name, "link", "show", "wire1")
        self.socket = within(wire.path, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)))
        self.socket.bind(("wire1", ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        # So that the first answer does not wait for the look-up of the link address.
        for address in (SERVER4, SERVER6):
            wire.connect_quietly(self.port, address)
        self.clients = {}

    def close(self):
        """All clients hang up: nothing stays open at the server."""
        for c in self.clients.values():
            if c.answered and not c.reset:
                c.send(RST | ACK)
        self.socket.close()

    def client(self, number, six=False, port=None):
        port = port or self.client_port
        c = CraftedClient(self, f"fd78::{number:x}" if six else f"10.78.{number // 250}.{1 + number % 250}", port)
        self.clients[(c.packed, port)] = c
        return c

    def receive(self, seconds, until=None):
        """Passes arriving packets to their clients, for so long or until the condition holds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (until and until()):
            self.socket.settimeout(max(0.001, min(0.05, end - time.monotonic())))
            try:
                frame = self.socket.recv(65536)
            except TimeoutError:
                continue
            self.dispatch(frame)

    def dispatch(self, frame):
        kind = frame[12:14]
        if kind == b"\x08\x00":
            header, to = (frame[14] & 15) * 4, frame[30:34]
            end = 14 + struct.unpack("!H", frame[16:18])[0]
        elif kind == b"\x86\xdd":
            header, to = 40, frame[38:54]
            end = 54 + struct.unpack("!H", frame[18:20])[0]
        else:
            return
        tcp = frame[14 + header:end]
        if len(tcp) < 20:
            return
        c = self.clients.get((to, struct.unpack("!H", tcp[2:4])[0]))
        if c:
            c.arrived(tcp)


class CraftedClient:
    def __init__(self, owner, address, port):
        self.owner, self.address, self.port, self.six = owner, address, port, ":" in address
        self.packed = socket.inet_pton(socket.AF_INET6 if self.six else socket.AF_INET, address)
        self.server = socket.inet_pton(socket.AF_INET6, SERVER6) if self.six else socket.inet_aton(SERVER4)
        self.seq, self.ack, self.data, self.reset, self.answered, self.finished = 1000, 0, b"", False, 0, False

    def send(self, flags, data=b"", seq=None):
        tcp = struct.pack("!HHIIBBHHH", self.port, self.owner.port, self.seq if seq is None else seq, self.ack, 5 << 4, flags,
                          64000, 0, 0) + data
        if self.six:
            pseudo = self.packed + self.server + struct.pack("!II", len(tcp), 6)
        else:
            pseudo = self.packed + self.server + struct.pack("!BBH", 0, 6, len(tcp))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
        if self.six:
            header, kind = struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + self.packed + self.server, b"\x86\xdd"
        else:
            header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + self.packed + self.server
            header, kind = header[:10] + struct.pack("!H", checksum(header)) + header[12:], b"\x08\x00"
        self.owner.socket.send(self.owner.server_mac + self.owner.own_mac + kind + header + tcp)

    def arrived(self, tcp):
        seq, flags = struct.unpack("!I", tcp[4:8])[0], tcp[13]
        if flags & RST:
            self.reset = True
        elif flags & SYN:
            self.answered += 1
            self.ack = seq + 1 & 0xffffffff
        else:
            data = tcp[(tcp[12] >> 4) * 4:]
            if seq != self.ack:
                return
            self.data += data
            self.ack = self.ack + len(data) + bool(flags & FIN) & 0xffffffff
            self.finished |= bool(flags & FIN)
            if data or flags & FIN:
                self.send(ACK)

    def syn(self):
        self.send(SYN)

    def established(self):
        """The handshake's third segment."""
        self.seq = 1001
        self.send(ACK)

    def close(self):
        self.send(FIN | ACK)
        self.seq += 1
