"""A program that holds the kernel's lock of the network configuration (rtnl), as one that sets up a link or a driver does: an ethtool
call whose argument lies on a page that is not there yet. The kernel copies it with the lock held, and waits for the page."""
import ctypes
import fcntl
import mmap
import os
import socket
import struct
import threading

from lib.tap import Skip

USERFAULTFD, UFFDIO_API, UFFDIO_REGISTER, UFFDIO_ZEROPAGE = 323, 0xc018aa3f, 0xc020aa00, 0xc020aa04
SIOCETHTOOL, ETHTOOL_GSTRINGS = 0x8946, 0x1b
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]


class Rtnl:
    """Holds it until the end of the block, at most for `most` seconds, because the lock is one for the whole machine."""

    def __init__(self, most):
        self.fd = _libc.syscall(USERFAULTFD, os.O_CLOEXEC | os.O_NONBLOCK)
        if self.fd < 0:
            raise Skip(f"userfaultfd: {os.strerror(ctypes.get_errno())}")
        fcntl.ioctl(self.fd, UFFDIO_API, bytearray(struct.pack("QQQ", 0xaa, 0, 0)))
        self.page = _libc.mmap(None, 2 * mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1,
                               0) + mmap.PAGESIZE
        # The command's number is there, so that it is read before the lock is taken; the rest is on the missing page.
        ctypes.memmove(self.page - 4, struct.pack("I", ETHTOOL_GSTRINGS), 4)
        fcntl.ioctl(self.fd, UFFDIO_REGISTER, bytearray(struct.pack("QQQQ", self.page, mmap.PAGESIZE, 1, 0)))
        self.held = threading.Event()
        self.once = threading.Lock()
        self.timer = threading.Timer(most, self.release)
        self.thread = threading.Thread(target=self.call, daemon=True)

    def call(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            _libc.ioctl(s.fileno(), SIOCETHTOOL, ctypes.create_string_buffer(struct.pack("16sQ16x", b"lo", self.page - 4)))

    def release(self):
        with self.once:
            if self.held.is_set():
                self.held.clear()
                fcntl.ioctl(self.fd, UFFDIO_ZEROPAGE, bytearray(struct.pack("QQQq", self.page, mmap.PAGESIZE, 0, 0)))

    def __enter__(self):
        self.held.set()
        self.thread.start()
        self.timer.start()
        return self

    def __exit__(self, *_):
        self.timer.cancel()
        self.release()
        self.thread.join()
        os.close(self.fd)
