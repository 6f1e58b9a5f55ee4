"""A small blocking SMTP client that shows everything, and servers for the proxy's tests."""
import contextlib
import socket
import threading

from lib.place import LONG, PATIENCE


class Client:
    def __init__(self, port, source=None, timeout=LONG * PATIENCE, greeting=True):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout,
                                               source_address=(source, 0) if source else None)
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply() if greeting else None

    def reply(self):
        """All lines of one reply, b"" at the end of the stream."""
        text = b""
        while True:
            line = self.file.readline()
            text += line
            if not line or line[3:4] != b"-":
                return text

    def say(self, line):
        self.socket.sendall(line + b"\r\n")
        return self.reply()

    def send(self, data):
        self.socket.sendall(data)

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def deliver(port, body=b"Subject: test\r\n\r\nhello\r\n", source=None, timeout=LONG * PATIENCE, recipient=b"box@example.org"):
    """Sends a whole message; returns (code, text) of the reply that decided."""
    with Client(port, source, timeout) as c:
        for expected, line in ((b"2", None), (b"2", b"EHLO client.example"), (b"2", b"MAIL FROM:<a@example.net>"),
                               (b"2", b"RCPT TO:<" + recipient + b">"), (b"3", b"DATA")):
            reply = c.greeting if line is None else c.say(line)
            if not reply.startswith(expected):
                try:
                    c.say(b"QUIT")
                except OSError:
                    pass
                return reply[:3].decode(), reply.decode(errors="replace").strip()
        c.send(body.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        reply = c.reply()
        c.say(b"QUIT")
        return reply[:3].decode(), reply.decode(errors="replace").strip()


def crowd(port, count):
    """So many sockets that begin to connect, and do not wait until they have."""
    sockets = []
    for _ in range(count):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", port))
        sockets.append(s)
    return sockets


def harass(port, octets):
    """Sends each of these texts on a connection of its own, and reads until it is closed."""
    for bad in octets:
        with socket.create_connection(("127.0.0.1", port), LONG * PATIENCE) as c, contextlib.suppress(OSError):
            c.sendall(bad)
            c.shutdown(socket.SHUT_WR)
            while c.recv(4096):
                pass


class Server:
    """Accepts on a port and gives each connection to `handle(socket, address)` in a thread of its own. Its queue has room for thousands, because it
    may be slow to accept on a busy machine."""

    def __init__(self, handle, port=0, listener=None):
        self.socket = listener or socket.create_server(("127.0.0.1", port), backlog=4096)
        self.port = self.socket.getsockname()[1]
        self.handle = handle
        self.connections = 0
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def loop(self):
        while True:
            try:
                connection, address = self.socket.accept()
            except OSError:
                return
            self.accepted(address)
            try:
                threading.Thread(target=self.serve, args=(connection, address), daemon=True).start()
            except RuntimeError:  # no thread can start now; without this all later clients would hear nothing
                connection.close()

    def accepted(self, _address):
        self.connections += 1

    def serve(self, connection, address):
        try:
            self.handle(connection, address)
        except OSError:
            pass
        finally:
            connection.close()

    def close(self):
        """Waits for the end of the thread: a thread that still waits in accept() would take connections of the next server, if its socket gets the
        same number."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        if self.thread is not threading.current_thread():
            self.thread.join(60)
        self.socket.close()


def smtp_server(connection, _address, greeting=b"220 sink.example ESMTP\r\n", store=None, before=None):
    """A whole, simple SMTP dialogue; `store(bytes)` gets each message; `before(command)` may wait."""
    file = connection.makefile("rb")
    connection.sendall(greeting)
    data = None
    for line in file:
        if data is not None:
            if line == b".\r\n":
                if store:
                    store(b"".join(data))
                data = None
                connection.sendall(b"250 2.0.0 taken\r\n")
            else:
                data.append(line[1:] if line.startswith(b"..") else line)
            continue
        command = line[:4].upper()
        if before:
            before(command)
        if command == b"QUIT":
            connection.sendall(b"221 2.0.0 bye\r\n")
            return
        if command == b"DATA":
            data = []
            connection.sendall(b"354 go on\r\n")
        else:
            connection.sendall(b"250 2.0.0 ok\r\n")


def greets_after(event):
    """A server that accepts connections, and greets them once the event is set."""
    def handle(connection, address):
        event.wait(600)
        smtp_server(connection, address)
    return handle
