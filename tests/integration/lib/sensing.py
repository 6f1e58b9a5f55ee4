"""A daemon whose signals a test watches, without a front."""
from lib.tap import Skip
from lib.world import World


def bare_world(options=None):
    return World(None, options, server=2526, proxy=False)


def bpf_or_skip(world):
    bpf = world.daemon.status()["bpf"]
    if not bpf["used"]:
        raise Skip("BPF is refused here: " + bpf["reason"])
