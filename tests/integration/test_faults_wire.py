#!/usr/bin/env python3
"""Foreign bytes on every socket: silent, slow, half-open and malformed clients. The others are served, and mail flows."""
import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.listeners import LISTENERS, PROPER, Listeners
from lib.place import ROOT, wait_for
from lib.programs import Proxy
from lib.smtp import Client, Server, deliver, smtp_server
from lib.tap import Skip, check, test
from lib.world import PORT


class Wire(Listeners):
    def __init__(self, **kwargs):
        # Places for all: how many a slow machine has is not what is asked here.
        super().__init__(options={"objective.window_min": "1000"}, **kwargs)

    def answers(self, listener):
        """Whether a proper client is served."""
        try:
            if listener == "proxy":
                return deliver(PORT)[0] == "250"
            with self.connect(listener) as s:
                if listener == "proxy-header":
                    s.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n")
                    return s.recv(600).startswith(b"220")
                s.sendall(PROPER[listener])
                wanted = {"http": b"HTTP/1.1 200", "policy": b"action=", "control": b'{"parameters"'}[listener]
                return s.recv(600).startswith(wanted)
        except OSError:
            return False

    def all_answer(self, seconds=120):
        for listener in LISTENERS:
            wait_for(lambda: self.answers(listener), f"{listener} to answer a proper client\n{self.daemon.output()[-2000:]}", seconds)
        check(self.daemon.alive() and self.proxy.alive() and self.proxied.alive(), "all live")


@test("half-open floods on each listener in turn: hundreds that connect and say nothing, or half of something; mail flows meanwhile")
def _():
    with Wire() as w:
        for listener in LISTENERS:
            crowd = []
            for number in range(400):
                try:
                    s = w.connect(listener)
                    if number % 2:
                        s.sendall(PROPER[listener][:number % len(PROPER[listener])])
                    crowd.append(s)
                except OSError:
                    pass  # past its limit the listener closes
            for other in LISTENERS:
                if other != listener:
                    wait_for(lambda: w.answers(other), f"{other} while {listener} is flooded")
            # The flood is of the sender's own address: one 4yz on a slow machine is no outage, a minute of them would be.
            wait_for(lambda: deliver(PORT)[0] == "250", f"mail while {listener} is flooded")
            for s in crowd:
                s.close()
            wait_for(lambda: w.answers(listener), f"{listener} after the flood")
        w.all_answer()


@test("slow-loris on each listener: a byte now and then, for as long as it lasts; proper clients of the same listener are served")
def _():
    with Wire() as w:
        crowd = [(listener, w.connect(listener)) for listener in LISTENERS for _ in range(30)]
        for n in range(25):
            for listener, s in crowd:
                try:
                    s.sendall(PROPER[listener][n:n + 1])
                except OSError:
                    pass
            if n % 6 == 0:
                w.all_answer()
            time.sleep(0.1)  # an octet at a time, slowly: that is the attack
        for _, s in crowd:
            s.close()
        w.all_answer()
        wait_for(lambda: w.daemon.status()["in_flight"] == 0, "nothing left in flight")


def mutations(proper, noise, count):
    for _ in range(count):
        data = bytearray(proper)
        for _ in range(noise.randrange(1, 8)):
            kind, at = noise.randrange(5), noise.randrange(len(data) + 1)
            if kind == 0 and at < len(data):
                data[at] = noise.randrange(256)
            elif kind == 1:
                data[at:at] = noise.randbytes(noise.randrange(1, 40))
            elif kind == 2:
                del data[at:at + noise.randrange(1, 20)]
            elif kind == 3:
                data[at:at] = noise.choice([b"\0", b"\r\n", b"\n\n", b"=" * 50, b"9" * 400, b"{" * 300, b"[" * 2000, b"\xff" * 70000])
            else:
                data += data[:at]
        yield bytes(data)


@test("malformed input on each socket: a thousand mutations of proper requests harm no other client and crash nothing")
def _():
    noise = random.Random(11)
    with Wire() as w:
        for listener in LISTENERS:
            for number, data in enumerate(mutations(PROPER[listener], noise, 200)):
                try:
                    with w.connect(listener) as s:
                        s.settimeout(0.05)
                        s.sendall(data)
                        if number % 3:
                            s.shutdown(socket.SHUT_WR)
                        if number % 5 == 0:
                            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        s.recv(4096)
                except OSError:
                    pass
            wait_for(lambda: w.answers(listener), f"{listener} after malformed input")
        w.all_answer()
        check(w.daemon.status()["state"] == "serving", "no mutation of a call drained it")
        wait_for(lambda: w.daemon.metric('penstock_front_up{front="policy"}') == 1, "the policy service")
        for program in (w.daemon, w.proxy, w.proxied):
            check(not re.search(r"AddressSanitizer|runtime error", program.output()), program.output()[-3000:])


@test("a backend that hangs after the greeting, one that hangs in DATA, one that resets: the client gets 4xx or its own timeout, others are served")
def _():
    def hang(connection, address):
        connection.sendall(b"220 hangs\r\n")
        connection.recv(1000)
        time.sleep(30)  # longer than the client waits

    def reset(connection, address):
        connection.sendall(b"220 resets\r\n")
        connection.recv(10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    for handle in (hang, reset):
        directory = tempfile.mkdtemp(prefix="penstock-test-")
        os.makedirs(os.path.join(directory, "run"))
        server = Server(handle)
        proxy = Proxy(directory, PORT, server.port, {"front.proxy.idle": "2s"})
        with Client(PORT, timeout=120) as c:
            try:
                reply = c.say(b"EHLO x")
                check(reply == b"" or reply.startswith(b"4"), f"{reply!r}")
            except OSError:
                pass  # the reset, passed on
        server.handle = smtp_server
        wait_for(lambda: deliver(PORT)[0] == "250", "mail when the backend is well again")
        proxy.stop()
        server.close()


@test("every parser of foreign bytes has a fuzzer and a corpus, and all of them build")
def _():
    sources = [f[5:-2] for f in os.listdir(os.path.join(ROOT, "tests/fuzz")) if f.startswith("fuzz_") and f.endswith(".c")]
    for name in sources:
        check(os.listdir(os.path.join(ROOT, "tests/fuzz/corpus", name)), f"a corpus for {name}")
    # What reads bytes from outside says so in its header, by "fuzzed"; and whatever is fuzzed is there.
    wanted = {"config", "dialogue", "parse", "policy", "procparse", "proxy_protocol", "smtp_track", "varlink", "frame", "plan", "counts",
              "sockdiag", "http", "mountinfo", "queue_names", "postfix_conf"}
    check(wanted <= set(sources), f"missing: {wanted - set(sources)}")


@test("a planted overread of one byte is found within minutes")
def _():
    made = subprocess.run(["make", "--no-print-directory", "build/fuzz/planted"], cwd=ROOT, capture_output=True, text=True)
    if made.returncode and "clang" in made.stderr and "not found" in made.stderr:
        raise Skip("no clang with libFuzzer here")
    check(made.returncode == 0, made.stderr[-2000:])
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    began = time.monotonic()
    done = subprocess.run([os.path.join(ROOT, "build/fuzz/planted"), "-max_total_time=240", "-verbosity=0", f"-artifact_prefix={directory}/",
                           directory, os.path.join(ROOT, "tests/fuzz/corpus/policy")], capture_output=True, text=True, errors="replace")
    check(done.returncode != 0 and "heap-buffer-overflow" in done.stderr, f"nothing found: {done.stderr[-500:]}")
    check("policy_parse" in done.stderr, "and where")
    check(any(f.startswith("crash-") for f in os.listdir(directory)), "and the input is kept")
    print(f"# found after {time.monotonic() - began:.1f} s", flush=True)


place.isolate()
tap.run()
