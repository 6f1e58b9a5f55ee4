"""Files that a program serves by FUSE, as lxcfs serves files of /proc in a container of LXC, and a program that hangs: it reads no request
any more."""
import ctypes
import errno
import os
import select
import stat
import struct
import tempfile
import threading

from lib.tap import Skip

_libc = ctypes.CDLL(None, use_errno=True)
# Of linux/fuse.h.
FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT, INTERRUPT, BATCH_FORGET = 2, 3, 14, 15, 18, 25, 26, 36, 42
MODE = stat.S_IFREG | 0o444
DIRECT_IO = 1  # what is read is asked for each time, as lxcfs has it


class ServedFile:
    """A file system of one file, which is its root. `content`: a function that gives the octets; `goes_on`: an event, the program hangs while
    it is not set."""

    def __init__(self, content, goes_on):
        self.content, self.goes_on, self.ended = content, goes_on, False
        handle, self.path = tempfile.mkstemp(prefix="penstock-test-")
        os.close(handle)
        try:
            self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        except OSError as why:
            raise Skip(f"/dev/fuse: {why}") from None
        options = f"fd={self.fd},rootmode={MODE:o},user_id=0,group_id=0,allow_other"
        if _libc.mount(b"served", self.path.encode(), b"fuse.lxcfs", 0, options.encode()) != 0:
            raise Skip(f"a mount of FUSE: {os.strerror(ctypes.get_errno())}")
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.ended:
            self.goes_on.wait(0.2)
            if not self.goes_on.is_set() or not select.select([self.fd], [], [], 0.2)[0]:
                continue
            try:
                request = os.read(self.fd, 1 << 18)
            except OSError:
                continue
            _, operation, unique = struct.unpack_from("IIQ", request)
            if operation in (FORGET, BATCH_FORGET, INTERRUPT):
                continue
            error, body = self.answer(operation, request[40:])
            try:
                os.write(self.fd, struct.pack("IiQ", 16 + len(body), -error, unique) + body)
            except OSError:
                pass  # who asked has ended

    def answer(self, operation, request):
        """errno and what is told."""
        if operation == INIT:
            return 0, struct.pack("IIIIHHIIHH32x", 7, 31, 0, 0, 0, 0, 1 << 17, 1, 0, 0)
        if operation == GETATTR:
            return 0, struct.pack("QII6Q10I", 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, MODE, 1, 0, 0, 0, 4096, 0)
        if operation == OPEN:
            return 0, struct.pack("QII", 0, DIRECT_IO, 0)
        if operation == READ:
            _, offset, size = struct.unpack_from("QQI", request)
            return 0, self.content()[offset:offset + size]
        return (0, b"") if operation in (RELEASE, FLUSH) else (errno.ENOSYS, b"")

    def close(self):
        self.goes_on.set()
        self.ended = True
        self.thread.join()
        os.close(self.fd)  # who still asks is told ENOTCONN
        _libc.umount2(self.path.encode(), 2)
        os.unlink(self.path)


class Served:
    """Files of /proc (`names`) served by such a program. `prefix()`: a command line that runs what follows where it sees them."""

    def __init__(self, names):
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.files = {}
        try:
            for name in names:
                self.files[name] = ServedFile(lambda name=name: self.true(name), self.goes_on)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def true(name):
        with open("/proc/" + name, "rb") as f:
            return f.read()

    def prefix(self):
        binds = "".join(f"mount --bind {file.path} /proc/{name}; " for name, file in self.files.items())
        return ["unshare", "-m", "sh", "-ec", binds + 'exec "$@"', "sh"]

    def hang(self):
        self.goes_on.clear()

    def go_on(self):
        self.goes_on.set()

    def close(self):
        for file in self.files.values():
            file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
