"""A daemon whose signals a test watches, without a front."""
from lib.tap import Skip
from lib.world import World


# A program that makes the journal work and does next to no I/O of its own: a new name in a directory (its argument) is the journal's to write.
COMMITTING = """
import os, sys, time
end = time.monotonic() + 400
os.mkdir(sys.argv[1])
d = os.open(sys.argv[1], os.O_RDONLY)
while time.monotonic() < end:
    os.close(os.open("f", os.O_CREAT | os.O_RDWR, dir_fd=d))
    os.fsync(d)
    os.unlink("f", dir_fd=d)
"""


def bare_world(options=None):
    return World(None, options, server=2526, proxy=False)


def bpf_or_skip(world):
    bpf = world.daemon.status()["bpf"]
    if not bpf["used"]:
        raise Skip("BPF is refused here: " + bpf["reason"])
