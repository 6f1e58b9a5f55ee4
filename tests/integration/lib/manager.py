"""A service manager as penstock needs it: it receives sd_notify(), keeps descriptors and passes them on."""
import array
import os
import socket
import sys
import tempfile
import threading

from lib import tap

# In the child: the descriptors to 3 and up, and a PID of its own in the environment.
ARRANGE = """
import os, sys
fds = [int(n) for n in sys.argv[1].split(",") if n]
high = [os.dup2(fd, 200 + i) for i, fd in enumerate(fds)]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
    os.close(fd)
for fd in fds:
    if fd >= 3 + len(fds):
        os.close(fd)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Manager:
    before = None

    def __init__(self, reads=True):
        # One at a time: sockets that an earlier test left in the store would go on listening.
        if Manager.before:
            Manager.before.close()
        Manager.before = self
        self.path = os.path.join(tempfile.mkdtemp(prefix="penstock-test-"), "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.messages, self.store = [], {}
        self.thread = threading.Thread(target=self.listen, daemon=True)
        if reads:
            self.read()
        else:
            self.fill()

    def read(self):
        self.thread.start()

    def fill(self):
        """Stops reading its queue: from now on a sender has to wait, or to go on without an answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.setblocking(False)
            try:
                while True:
                    s.sendto(b"X_FILLED=1", self.path)
            except BlockingIOError:
                pass

    def listen(self):
        while True:
            try:
                data, control, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(64 * 4))
            except OSError:
                return
            if not data:
                return  # close() has shut it
            fds = array.array("i")
            for level, kind, payload in control:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    fds.frombytes(payload[:len(payload) - len(payload) % fds.itemsize])
            lines = data.decode(errors="replace").split("\n")
            fields = dict(line.partition("=")[::2] for line in lines)
            if fields.get("FDSTORE") == "1":
                self.store.setdefault(fields["FDNAME"], []).extend(fds)
            elif fields.get("FDSTOREREMOVE") == "1":
                for fd in self.store.pop(fields["FDNAME"], []):
                    os.close(fd)
            self.messages.append(fields)

    def heard(self, key, value=None):
        return [m for m in list(self.messages) if key in m and value in (None, m[key])]

    def count(self, key):
        return len(self.heard(key))

    def service(self, sockets=None):
        """Keyword arguments for Daemon() and Proxy(): started like a service, with `sockets` {name: descriptor or a list of them}
        and the store."""
        passed = [(name, fd) for name, fds in (sockets or {}).items() for fd in (fds if isinstance(fds, list) else [fds])]
        passed += [(name, fd) for name, fds in self.store.items() for fd in fds]

        numbers = ",".join(str(fd) for _, fd in passed)
        return {"prefix": [sys.executable, "-c", ARRANGE, numbers], "pass_fds": tuple(fd for _, fd in passed),
                "env": {**os.environ, "NOTIFY_SOCKET": self.path, "LISTEN_FDS": str(len(passed)),
                        "LISTEN_FDNAMES": ":".join(name for name, _ in passed)}}

    def close(self):
        """The thread ends first: it would keep what a program that is ending still sends, or close a descriptor that is another's by then."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        if self.thread.is_alive():
            self.thread.join()
        for fds in self.store.values():
            for fd in fds:
                os.close(fd)
        self.store = {}
        self.socket.close()


# Sockets that it kept would go on listening.
tap.leftovers.append(lambda: Manager.before and Manager.before.close())
