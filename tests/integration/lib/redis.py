"""A real Redis from Debian's packages, unpacked and never installed."""
import os
import socket

from lib import container
from lib.packages import image_of, unpack
from lib.place import wait_for
from lib.programs import Program

PACKAGES = ["redis-server", "redis-tools", "libjemalloc2", "liblzf1", "liblua5.1-0", "lua-cjson", "lua-bitop", "libatomic1"]


def prepare():
    """Call it outside of the test's namespace, where there is a network."""
    unpack("redis", PACKAGES)
    os.environ["PENSTOCK_TEST_VALKEY"] = container.image("valkey", "trixie", ["valkey-server"]) or ""


def image():
    return image_of("redis", PACKAGES)


def environment():
    return {**os.environ, "LD_LIBRARY_PATH": os.path.join(image(), "usr/lib", os.uname().machine + "-linux-gnu")}


def command(program):
    """How it is run; None: it is not there."""
    if program == "redis":
        return [os.path.join(image(), "usr/bin/redis-server")]
    root = os.environ.get("PENSTOCK_TEST_VALKEY")
    return root and [root + "/usr/lib64/ld-linux-x86-64.so.2", "--library-path", root + "/usr/lib/x86_64-linux-gnu", root + "/usr/bin/valkey-server"]


class Redis(Program):
    """`options`: of its configuration. Nothing is kept on disk. `program`: redis or valkey."""

    def __init__(self, directory, port=6379, options=(), wait=True, program="redis", address="127.0.0.1", prefix=()):
        self.port, self.address = port, address
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        super().__init__([*prefix, *command(program), "--port", str(port), "--bind", address, "--save", "",
                          "--appendonly", "no", "--dir", directory, *options], env=environment() if program == "redis" else None)
        if wait:
            wait_for(lambda: self.call("PING") == "+PONG", f"{program} answers")

    def call(self, *words):
        """The first line of the answer; "": none."""
        return self.answer(*words).split("\r\n")[0].strip()

    def answer(self, *words):
        """Up to 64 KiB of the answer, as one read gives it."""
        try:
            with socket.create_connection((self.address, self.port), timeout=30) as s:
                s.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w.encode()), w.encode()) for w in words))
                return s.recv(65536).decode()
        except OSError:
            return ""


class Sentinel(Redis):
    """Watches the master on `master`, alone, and makes a replica of it the master a second after it is gone."""

    def __init__(self, directory, port, master):
        os.makedirs(directory, exist_ok=True)
        file = os.path.join(directory, "sentinel.conf")
        with open(file, "w") as f:
            f.write(f"sentinel monitor store 127.0.0.1 {master} 1\nsentinel down-after-milliseconds store 1000\n"
                    "sentinel failover-timeout store 5000\n")
        self.port, self.address = port, "127.0.0.1"
        Program.__init__(self, ["nice", "-n", "-19", *command("redis"), file, "--sentinel", "--port", str(port), "--bind", "127.0.0.1", "--dir", directory],
                         env=environment())
        wait_for(lambda: self.call("PING") == "+PONG", "Sentinel answers")
