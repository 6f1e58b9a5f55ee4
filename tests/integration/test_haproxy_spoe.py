#!/usr/bin/env python3
"""HAProxy of Debian 12, 13 and testing in front of a mail server, configured by the page packaging/snippets/haproxy.md as it stands: a verdict
for each connection by SPOE."""
import os
import random
import signal
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import flow, haproxy, place, tap
from lib.balancer import Mailbox, connect, for_each_release, network, send, send_all
from lib.haproxy import Haproxy, page
from lib.place import wait_for
from lib.programs import listening
from lib.smtp import harass
from lib.tap import Skip, check
from lib.world import Asked


class Spoe(Asked):
    """HAProxy, the mail server and penstockd on one host."""

    def __init__(self, release, options=None):
        if not haproxy.command(release):
            raise Skip(f"HAProxy of {release} is not available here")
        super().__init__("haproxy", page("ini")[1], options)
        try:
            self.mail = Mailbox("mail", "127.0.0.1", 2525)
            self.at_end.append(self.mail.close)
            self.balancer = Haproxy(release, self.directory, page("haproxy")[1], page("spoe")[0])
            self.at_end.append(lambda: self.balancer.stop(signal.SIGKILL))
        except BaseException:
            self.__exit__(True)
            raise

    def start_daemon(self, *arguments, **kwargs):
        super().start_daemon(*arguments, **kwargs)
        wait_for(lambda: listening(9828) and listening(9829), "the ports")

    def until(self, code):
        """An open connection that was greeted so. Where penstockd answers later than timeout processing, HAProxy admits: then it is tried again."""
        def look():
            c = connect()
            return c if c.greeting.startswith(code) else c.close()
        return wait_for(look, f"a greeting {code}")

    def known_gone(self):
        wait_for(lambda: self.balancer.server("penstockd", "penstock_spoe")[0].startswith("DOWN"), "HAProxy's check to fail")

    def delays(self, count=40):
        """Connect to greeting, in seconds; a client that is refused or sees nothing fails."""
        times = []
        for _ in range(count):
            began = time.monotonic()
            with connect() as c:
                check(c.greeting.startswith(b"220"), f"mail flows: {c.greeting!r}")
                times.append(time.monotonic() - began)
        return times


@for_each_release("SPOE: 451 with the reason while penstock refuses, until QUIT; a retry is delivered after; counted")
def _(release):
    with Spoe(release) as s:
        mode = s.balancer.servers()["penstock_spoe", "BACKEND"]["mode"]
        check(mode == ("spop" if release == "forky" else "tcp"), f"HAProxy asks in its mode {mode}")
        send(1)
        s.daemon.ctl("drain", check=0)
        s.until(b"451 4.3.2 ").close()
        with s.until(b"451 4.3.2 ") as c:
            check(b"server shutdown in progress" in c.greeting, f"{c.greeting!r}")
            check(c.say(b"EHLO x") == c.greeting and c.say(b"QUIT").startswith(b"221"), "the same until QUIT")
        s.daemon.ctl("resume", check=0)
        send(2)
        check(len(s.mail.taken) == 2, "both are delivered")
        s.daemon.wait_status(lambda t: t["decisions"]["by_front"]["haproxy"]["deferred"] >= 2 and
                             t["decisions"]["by_front"]["haproxy"]["admitted"] >= 2 and t["decisions"]["by_reason"].get("drain", 0) >= 2, "the counts")


@for_each_release("SPOE: enforced pressure: a window that is full defers the next client as overloaded; a retry after it is delivered")
def _(release):
    with Spoe(release, flow.PRESSED) as s:
        with connect() as first:
            check(first.greeting.startswith(b"220"), f"the first one is served: {first.greeting!r}")
            with s.until(b"451 4.3.2 ") as c:
                check(b"overloaded" in c.greeting, f"{c.greeting!r}")
            first.say(b"QUIT")
        send(1)


@for_each_release("SPOE: penstockd stopped, killed or hung under load: mail flows at once or after timeout processing; a restart is picked up")
def _(release):
    with Spoe(release) as s:
        usual, ended, later = s.delays(), {}, []
        for round, number in enumerate((signal.SIGTERM, signal.SIGKILL), 1):
            sending = threading.Thread(target=send_all, args=(range(round * 1000, round * 1000 + 120),))
            sending.start()
            s.daemon.kill(number)
            ended[number] = s.delays(10)
            sending.join()
            check(s.daemon.stop() == (0 if number == signal.SIGTERM else -number), "its end")
            s.known_gone()
            later += s.delays()
            check(len(s.mail.taken) == 120 * round, f"all are delivered: {len(s.mail.taken)}")
            s.start_daemon()
            s.daemon.ctl("drain", check=0)
            s.until(b"451 4.3.2 ").close()
            s.daemon.ctl("resume", check=0)
            s.until(b"220").close()
        s.daemon.hang()
        hung = s.delays(10)
        s.known_gone()
        later += s.delays()
        s.daemon.hang(signal.SIGCONT)
        s.daemon.ctl("drain", check=0)
        s.until(b"451 4.3.2 ").close()
        for name, times in (("usual", usual), ("stopped", ended[signal.SIGTERM]), ("killed", ended[signal.SIGKILL]), ("hung", hung), ("once HAProxy knows", later)):
            print(f"# {release}: connect to greeting, {name}: median {statistics.median(times) * 1e3:.1f} ms, longest {max(times) * 1e3:.1f} ms")
        # The quickest of them: on a busy machine many are slow, and none of those who wait for a timeout is quick.
        check(min(later) < 0.1, f"no client waits once HAProxy knows: {later}")


@for_each_release("SPOE: garbage on its port is answered by DISCONNECT or a close, counted, and harms no client")
def _(release):
    with Spoe(release) as s:
        send(1)
        noise = random.Random(17)
        hello = bytes.fromhex("0000004201000000010000") + b"\x12supported-versions\x08\x032.0\x0emax-frame-size\x03\xfc\xf0\x06\x0ccapabilities\x08\x00"
        hello = (len(hello) - 4).to_bytes(4, "big") + hello[4:]
        harass(9828, [b"EHLO x\r\n", b"\xff" * 64, b"\0\0\0\0", b"\0\0\0\7\3\0\0\0\1\0\0", hello + hello, hello[:-1] + b"\7"] + \
                [noise.randbytes(noise.randrange(5, 3000)) for _ in range(100)])
        send(2)
        wait_for(lambda: s.daemon.metric("penstock_malformed_requests_total") >= 6, "the counter")
        s.daemon.logged_rarely("Cannot read what came on front.haproxy.listen")
        s.daemon.ctl("drain", check=0)
        s.until(b"451 4.3.2 ").close()


place.isolate(haproxy.prepare)
network()
tap.run()
