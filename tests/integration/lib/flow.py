"""Mail of clients from elsewhere while something happens to penstockd: whether it flows, and how long a client waits for its greeting."""
import contextlib
import signal
import statistics
import threading
import time

from lib.place import wait_for
from lib.smtp import Client, deliver
from lib.tap import check

FOREIGN = "127.0.0.9"  # an address that the server does not trust
DRAINED = "451 4.3.2 mx1.example.org server shutdown in progress"
OVERLOADED = "451 4.3.2 mx1.example.org overloaded at the moment, come back in a few minutes"


def delays(count=10, port=25):
    """Connect to greeting, in seconds; a client that is refused fails the test."""
    times = []
    for _ in range(count):
        began = time.monotonic()
        with Client(port, FOREIGN) as c:
            times.append(time.monotonic() - began)
            check(c.greeting.startswith(b"220"), f"mail flows: {c.greeting!r}")
            c.say(b"QUIT")
    return times


def show(**times):
    for name, each in times.items():
        print(f"# connect to greeting, {name.replace('_', ' ')}: median {statistics.median(each) * 1e3:.1f} ms, longest {max(each) * 1e3:.1f} ms")


def mail(recipient=b"box@example.org", port=25):
    code, said = deliver(port, source=FOREIGN, recipient=recipient)
    check(code == "250", f"delivered: {code} {said}")


@contextlib.contextmanager
def flowing(each, senders=3, recipient=b"box@example.org", port=25):
    """`senders` at once deliver `each` messages one after the other; each has to be taken at the first attempt."""
    failed = []

    def send():
        try:
            for _ in range(each):
                mail(recipient, port)
        except (AssertionError, OSError) as error:
            failed.append(error)
    threads = [threading.Thread(target=send) for _ in range(senders)]
    for t in threads:
        t.start()
    try:
        yield
    finally:
        for t in threads:
            t.join()
    check(not failed, f"all are delivered: {failed[:1]}")


def outages(world, drain, resume, each=(5, 15, 3), recipient=b"box@example.org", port=25, while_hung=dict):
    """penstockd is stopped, killed and hung while three senders deliver, `each` so many: mail flows, and it is obeyed whenever it is back.
    `drain()`, `resume()`: wait until clients see it. `while_hung()` gives more times, by name. Gives the times of clients while it hung."""
    usual = delays(port=port)
    with flowing(each[0], recipient=recipient, port=port):
        world.daemon.stop()
        stopped = delays(port=port)
    world.start_daemon()
    with flowing(each[1], recipient=recipient, port=port):
        world.daemon.stop(signal.SIGKILL)
        killed = delays(port=port)
    world.start_daemon()
    drain()
    resume()
    world.daemon.hang()
    with flowing(each[2], recipient=recipient, port=port):
        hung = delays(5, port=port)
    more = while_hung()
    world.daemon.hang(signal.SIGCONT)
    drain()
    resume()
    show(usual=usual, stopped=stopped, killed=killed, hung=hung, **more)
    return hung


def until_told(stage, port=25, reply=DRAINED):
    """Waits until a client is told `reply`, what a drain tells: a machine that is too slow to answer in time admits, so it is tried again.
    `stage`: "greeting", or the command that is answered so."""
    def look():
        with Client(port, FOREIGN) as c:
            said = c.greeting
            if stage != "greeting":
                check(said.startswith(b"220") and c.say(b"EHLO x").startswith(b"250"), f"{said!r}")
                said = c.say(stage)
            return said.decode().strip() == reply
    wait_for(look, f"{reply} as the answer to {stage}")


# Options of penstockd with which one session at port 25, or `port`, is all that the machine may carry. With BPF: it has to see the session.
PRESSED = {"daemon.bpf": "yes", "objective.window_min": 1, "objective.window_max": 1}


def pressed(stage, port=25, reply=OVERLOADED, recipient=b"box@example.org"):
    """One session is open and the next client is told `reply`; once the first one has ended, a retry is delivered."""
    with Client(port, "127.0.0.8") as first:
        check(first.greeting.startswith(b"220") and first.say(b"EHLO x").startswith(b"250"), f"the first one is served: {first.greeting!r}")
        until_told(stage, port, reply)
        first.say(b"QUIT")
    wait_for(lambda: deliver(port, source=FOREIGN, recipient=recipient)[0] == "250", "the retry")
