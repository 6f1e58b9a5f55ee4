"""A mail server with penstock-proxy before it, on a machine that nothing presses."""
from lib.place import wait_for
from lib.smtp import Client, smtp_server
from lib.world import World

PORT = 2525


def world(handle=smtp_server, options=None, daemon=True, proxy_options=None, backend=None, daemon_options=None):
    return World(options=options, server=backend or handle, daemon=daemon, proxy_options=proxy_options, daemon_options=daemon_options, calm=True)


def drained(world):
    world.daemon.ctl("drain", "--reason", "test", check=0)
    return wait_for(lambda: greeting(PORT).startswith(b"451"), "a refusal after drain")


def greeting(port):
    with Client(port) as c:
        return c.greeting
