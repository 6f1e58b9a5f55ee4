#!/usr/bin/env python3
"""postscreen of a real Postfix: the gate and penstock-proxy before it, the policy service beneath it (packaging/snippets/postfix/postscreen.md)."""
import os
import re
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import flow, pages, place, postfix
from lib.place import wait_for
from lib.postfix import Postfix
from lib.programs import Proxy, listening
from lib.tap import check, run, test
from lib.wire import Wire
from lib.world import World

# postscreen; postscreen that takes a PROXY header; the proxy before that one; postscreen that has its teaser and waits
BARE, BEHIND, PROXIED, WAITING = 2528, 2529, 2530, 2531
BEHIND_PROXY, ASKS = [b.body for b in pages.blocks("packaging/snippets/postfix/postscreen.md") if not b.kind]
# Both ways of the page at once: its smtpd that asks serves either postscreen. Nothing is in Postfix' chroot here.
MASTER = (BEHIND_PROXY.split("smtpd ")[0] + ASKS).replace("2525 ", f"{BEHIND} ").replace("smtp  ", f"{BARE}  ").replace(" y ", " n ") + f"""
{WAITING} inet n - n - 1 postscreen
  -o postscreen_greet_banner=$smtpd_banner
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
"""
RESTRICTIONS = re.search(r"^postconf -e 'penstock_restrictions = (.*)'$", pages.text_of("packaging/snippets/postfix/policy.md"), re.M)[1]
MAIN = {"inet_interfaces": "all", "postscreen_greet_wait": "1s", "postscreen_access_list": "permit_mynetworks",
        "postscreen_cache_map": "", "postscreen_greet_banner": "", "penstock_restrictions": RESTRICTIONS.replace("unix:private/penstock", "inet:127.0.0.1:9826")}


def deliver(port, source="10.77.0.30", seconds=120):
    """The last reply of one client, from its greeting on; b"" where it is left without one for so long."""
    try:
        return dialogue(WIRE.client(port, source, seconds))
    except TimeoutError:
        return b""


def dialogue(client):
    with client as c:
        if not c.greeting.startswith(b"220"):
            c.say(b"QUIT")
            return c.greeting
        for line in (b"EHLO x", b"MAIL FROM:<a@example.net>", b"RCPT TO:<box@example.org>", b"DATA"):
            reply = c.say(line)
            if reply[:1] not in b"23":
                return reply
        reply = c.say(b"Subject: x\r\n\r\nhello\r\n.")
        c.say(b"QUIT")
        return reply


def delays(port, count=4):
    """Connect to greeting, in seconds."""
    times = []
    for _ in range(count):
        began = time.monotonic()
        with WIRE.client(port, "10.77.0.32") as c:
            times.append(time.monotonic() - began)
            check(c.greeting.startswith(b"220"), f"mail flows: {c.greeting!r}")
            c.say(b"QUIT")
    return times


class Screened(World):
    """penstockd, and maybe the proxy, before or beneath the one Postfix of this suite."""

    def __init__(self, options, proxy=False):
        super().__init__(options={"service.mx.hostname": "mx.example.org", "source.sessions_max": 1000000, **options}, server=None, proxy=False,
                         calm=True)
        if proxy:
            self.proxy = Proxy(self.directory, PROXIED, BEHIND, {"service.mx.ports": BEHIND, "service.mx.hostname": "mx.example.org",
                               "front.proxy.listen": f"0.0.0.0:{PROXIED}", "front.proxy.proxy_protocol": "v1"})

    def ready(self):
        if "front.gate.enabled" in self.options:
            self.daemon.logged("the gate guards service mx")
        if "front.policy.enabled" in self.options:
            wait_for(lambda: listening(9826), "the policy service")

    def drained_and_back(self, port):
        """Delivered, told 451 4.3.2 in a drain, delivered after it, and when penstockd was killed in a drain."""
        before = SERVER.delivered()
        check(deliver(port).startswith(b"250"), "delivered")
        self.daemon.ctl("drain", check=0)
        told = wait_for(lambda: (lambda r: r if r.startswith(b"451") else None)(deliver(port)), "a 451")
        check(told.startswith(b"451 4.3.2 ") and b"server shutdown in progress" in told, f"{told}")
        self.daemon.ctl("resume", check=0)
        wait_for(lambda: deliver(port).startswith(b"250"), "the resume")
        self.daemon.ctl("drain", check=0)
        wait_for(lambda: deliver(port).startswith(b"451"), "a 451")
        self.daemon.stop(signal.SIGKILL)
        wait_for(lambda: deliver(port).startswith(b"250"), "mail flows")
        wait_for(lambda: SERVER.delivered() >= before + 3, "the messages")
        return told

    def pressed(self, port):
        """One session fills the window (flow.PRESSED): the next client is told so, and a retry after it is delivered. Returns the reply."""
        with WIRE.client(port, "10.77.0.29") as first:
            check(first.greeting.startswith(b"220") and first.say(b"EHLO x").startswith(b"250"), f"the first one is served: {first.greeting!r}")
            told = wait_for(lambda: (lambda r: r if r.startswith(b"4") else None)(deliver(port)), "a refusal")
            check(told.startswith(b"451 4.3.2 ") and b"overloaded" in told, f"{told}")
            first.say(b"QUIT")
        before = SERVER.delivered()
        wait_for(lambda: deliver(port).startswith(b"250"), "the retry")
        wait_for(lambda: SERVER.delivered() > before, "its message")
        return told

    def hung(self, port):
        """penstockd is hung while it drains: mail flows, three clients at once; it drains on when it goes on."""
        usual, failed = delays(port), []
        self.daemon.ctl("drain", check=0)
        wait_for(lambda: deliver(port).startswith(b"451"), "the drain")
        self.daemon.hang()
        # Who came at this very moment may be left without an answer: it hangs up and comes again.
        wait_for(lambda: deliver(port, seconds=5).startswith(b"250"), "mail to flow")

        def send():
            try:
                for _ in range(2):
                    told = deliver(port)
                    check(told.startswith(b"250"), f"delivered: {told}")
            except (AssertionError, OSError) as error:
                failed.append(error)
        threads = [threading.Thread(target=send) for _ in range(3)]
        for t in threads:
            t.start()
        hung = delays(port)
        for t in threads:
            t.join()
        check(not failed, f"{failed[:1]}")
        self.daemon.hang(signal.SIGCONT)
        wait_for(lambda: deliver(port).startswith(b"451"), "penstockd to go on")
        self.daemon.ctl("resume", check=0)
        wait_for(lambda: deliver(port).startswith(b"250"), "the resume")
        flow.show(usual=usual, hung=hung)


GATE = {"service.mx.ports": BARE, "front.gate.enabled": "yes"}
POLICY = {"service.mx.ports": BARE, "front.policy.enabled": "yes", "front.policy.listen": "127.0.0.1:9826"}


@test("the gate before postscreen: 451 4.3.2 as greeting, and postscreen never sees the client")
def _():
    with Screened(GATE) as w:
        w.ready()
        w.daemon.ctl("drain", check=0)
        wait_for(lambda: deliver(BARE).startswith(b"451"), "the drain")
        for _ in range(3):
            check(deliver(BARE, "10.77.0.31").startswith(b"451"), "drained")
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: deliver(BARE).startswith(b"250"), "the resume")
        # The line about the one that was admitted comes after those about any before it.
        wait_for(lambda: "CONNECT from [10.77.0.30]" in SERVER.log(), "postscreen's line about the one that was admitted")
        check("[10.77.0.31]" not in SERVER.log(), "no line about the one that was refused")
        check(w.drained_and_back(BARE) == b"451 4.3.2 mx.example.org server shutdown in progress\r\n", "the gate's own words")


@test("penstock-proxy before postscreen, which takes its PROXY header")
def _():
    with Screened({"service.mx.ports": BEHIND}, proxy=True) as w:
        w.drained_and_back(PROXIED)
        wait_for(lambda: "CONNECT from [10.77.0.30]" in SERVER.log(), "the client's own address")


@test("the policy service beneath postscreen: the smtpd behind it asks and says 451 4.3.2")
def _():
    with Screened(POLICY) as w:
        w.ready()
        told = w.drained_and_back(BARE)
        check(b"Client host rejected: server shutdown in progress" in told, f"{told}")


@test("postscreen's own test goes on: it says its teaser and waits, and the smtpd beneath says 220, or 451 4.3.2 in place of it")
def _():
    with Screened({**POLICY, "service.mx.ports": WAITING}) as w:
        w.ready()

        def greeting():
            with WIRE.client(WAITING, "10.77.0.33") as c:
                c.say(b"QUIT")
                return c.greeting.split(b"\r\n")
        teaser, said, _ = greeting()
        check(teaser.startswith(b"220-") and said.startswith(b"220 "), f"{teaser} {said}")
        wait_for(lambda: "PASS NEW [10.77.0.33]" in SERVER.log(), "postscreen's verdict")
        w.daemon.ctl("drain", check=0)
        wait_for(lambda: (lambda g: g[0] == teaser and g[1].startswith(b"451 4.3.2 "))(greeting()), "a 451 after the teaser")


def for_each_way(name):
    """Its function gets the options, the port that clients use, and whether the proxy is in the path."""
    def add(function):
        for way, *arguments in (("the gate before postscreen", GATE, BARE, False), ("penstock-proxy before postscreen", {"service.mx.ports": BEHIND}, PROXIED, True),
                                ("the policy service beneath postscreen", POLICY, BARE, False)):
            test(f"{way}: {name}")(lambda arguments=arguments: function(*arguments))
        return function
    return add


@for_each_way("enforced pressure: a window that is full defers the next client as overloaded; a retry after it is delivered")
def _(options, port, proxy):
    with Screened({**options, **flow.PRESSED, "objective.wait": "0s"}, proxy) as w:
        w.ready()
        told = w.pressed(port)
        check((b"Client host rejected: overloaded" in told) == (options is POLICY), f"{told}")


@for_each_way("penstockd hung under load: mail flows; it is asked again when it goes on")
def _(options, port, proxy):
    with Screened(options, proxy) as w:
        w.ready()
        w.hung(port)


place.isolate(postfix.prepare)
WIRE = Wire()
DIRECTORY = tempfile.mkdtemp(prefix="penstock-test-")
os.chmod(DIRECTORY, 0o755)
SERVER = Postfix(DIRECTORY, main=MAIN, master_extra=MASTER)
wait_for(lambda: listening(BARE) and listening(BEHIND) and listening(WAITING), "postscreen")
try:
    run()
finally:
    SERVER.stop()
