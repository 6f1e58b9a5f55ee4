#!/usr/bin/env python3
"""Who waits, on the wire: sources as the proxy and the daemon remember, rank and tell them. Each 127.N.0.1 is a source of its own."""
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import wait_for
from lib.programs import Daemon, no_targets, Proxy
from lib.smtp import Client, Server, deliver, smtp_server
from lib.tap import check, test
from lib.world import World

PORT = 2525
HEAD = 4096  # of the ledger's file, before its records
RECORD = 4096 + 16


class Sourced(World):
    def __init__(self, options=None, handle=smtp_server, directory=None):
        super().__init__(directory, options={"test.source.retry_min": "1s", **(options or {})}, server=handle, calm=True)
        wait_for(lambda: "following the plan" in self.proxy.output(), "the proxy follows the plan")

    def sources(self, *arguments):
        return json.loads(self.daemon.ctl("sources", "--json", *arguments, check=0).stdout)

    def source(self, address):
        return next((s for s in self.sources("--sort", "age") if s["address"] == address), None)

    def wait_source(self, address, condition, what):
        return wait_for(lambda: (lambda s: s if s and condition(s) else None)(self.source(address)), what)

    def ledger(self):
        return os.path.join(self.daemon.state_dir, "ledger")

    def ledger_written(self):
        """Whether all that is in the table is on disk: what changes is written once a second, so a file that rests is whole."""
        return time.time() - os.stat(self.ledger()).st_mtime > 4

    def drain(self):
        """Until the proxy obeys it; asked by a source that no test looks at."""
        self.daemon.ctl("drain", check=0)
        wait_for(lambda: attempt("127.250.0.1").startswith("451"), "the drain")
        self.wait_source("127.250.0.1", lambda s: s["waiting"], "the asker waits")


def attempt(source):
    """The first digit and the text of what a source hears."""
    with Client(PORT, source) as c:
        c.say(b"QUIT")
        return c.greeting.decode()


@test("who is deferred is remembered: since when, proper retries alone count, and an admission ends it")
def _():
    with Sourced() as w:
        w.drain()
        check(attempt("127.5.0.1").startswith("451"), "deferred")
        first = w.wait_source("127.5.0.1", lambda s: s["waiting"], "it waits")
        check(first["attempts"] == 1 and not first["regular"], f"{first}")
        # The rank rises with the time waited.
        second = wait_for(lambda: attempt("127.5.0.1") and (lambda s: s if s["attempts"] >= 2 and s["rank"] > first["rank"] else None)(
            w.source("127.5.0.1")), lambda: f"a retry that counts, and a rank over {first['rank']}; it is {w.source('127.5.0.1')}")
        check(second["waits_since"] == first["waits_since"], "since the first")
        attempt("127.6.0.1")
        w.wait_source("127.6.0.1", lambda s: s["waiting"], "another one waits")
        words = w.daemon.ctl("explain", "127.5.0.77", check=0).stdout
        check("127.5.0.0/24" in words and "deferred since" in words and "promised before" in words, words)
        w.daemon.wait_status(lambda s: s["sources"]["deferred_waiting"] == s["sources"]["tracked"] == 3, "three wait")
        w.daemon.wait_status(lambda s: s["sources"]["oldest_deferral_s"] >= 1, "the oldest is seen")
        check(w.daemon.metric("penstock_sources_waiting") == 3, "the metric")
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: deliver(PORT, source="127.5.0.1")[0] == "250", "mail")
        done = w.wait_source("127.6.0.1", lambda s: s["waiting"], "the other still waits")
        check(done["attempts"] == 1, "and has gained nothing")
        w.daemon.wait_status(lambda s: s["sources"]["deferred_waiting"] == 2, "one is served")
        # It is regular once its session has ended, which may be a tick later.
        w.wait_source("127.5.0.1", lambda s: s["proven"] and s["regular"] and s["rate"] > 0, "it delivers, and is regular")
        check(w.daemon.metric("penstock_deferral_age_seconds_count") == 1, "its wait is in the histogram")


@test("who delivers is regular; who only connects, or says EHLO and QUIT, is not remembered")
def _():
    with Sourced() as w:
        for _ in range(3):
            check(attempt("127.5.0.1").startswith("220"), "served")
        with Client(PORT, "127.6.0.1") as c:
            c.say(b"EHLO client.example")
            c.say(b"QUIT")
        check(deliver(PORT, source="127.7.0.1")[0] == "250", "mail")
        wait_for(lambda: any(s["address"] == "127.7.0.1" and s.get("regular") for s in w.sources()), "regular")
        check(not any(s.get("regular") for s in w.sources() if s["address"] != "127.7.0.1"), f"{w.sources()}")
        w.daemon.wait_status(lambda s: s["sources"]["tracked"] == 1, "only one is remembered")


@test("the ledger survives kill -9 and a restart, and is known to be the same")
def _():
    with Sourced() as w:
        w.drain()
        check(attempt("127.5.0.1").startswith("451"), "deferred")
        before = w.wait_source("127.5.0.1", lambda s: s["waiting"], "it waits")
        wait_for(w.ledger_written, "the ledger on disk")
        w.daemon.kill(9)
        w.daemon.process.wait()
        wait_for(lambda: attempt("127.7.0.1").startswith("220"), "without a daemon mail flows")
        w.start_daemon()
        w.daemon.logged("2 sources are remembered")
        words = w.daemon.ctl("explain", "127.5.0.1", check=0).stdout
        check(f"deferred since {before['waits_since']}" in words, f"{before['waits_since']} in {words}")
        w.daemon.stop()
        w.start_daemon()
        check(before["waits_since"] in w.daemon.ctl("explain", "127.5.0.1", check=0).stdout, "after an orderly stop too")


@test("a damaged, cut or foreign ledger is set aside and said; a damaged part of one costs that part")
def _():
    with Sourced() as w:
        w.drain()
        for n in range(5, 44):
            attempt(f"127.{n}.0.1")
        w.daemon.wait_status(lambda s: s["sources"]["deferred_waiting"] == 40, "forty wait")
        w.daemon.ctl("resume", check=0)  # or the drain would be kept over the restarts
        w.daemon.stop()
        whole = open(w.ledger(), "rb").read()
        used = [at for at in range(HEAD, len(whole), RECORD) if any(whole[at:at + RECORD])]
        check(len(used) > 1, "several parts")
        with open(w.ledger(), "r+b") as f:
            f.seek(used[0] + 3000)
            f.write(b"\xa5\x5a")
        w.start_daemon()
        w.daemon.logged("1 of ")
        w.daemon.logged("are damaged")
        left = w.daemon.status()["sources"]["tracked"]
        check(0 < left < 40, f"{left} of 40 are left")
        w.daemon.ctl("resume", check=0)  # a drain holds over restarts
        w.daemon.stop()
        for name, bad in (("cut", whole[:5000]), ("foreign", b"GIF89a" + whole[6:]), ("empty", b""), ("head", whole[:70] + b"\1" + whole[71:]),
                          ("noise", os.urandom(100000))):
            with open(w.ledger(), "wb") as f:
                f.write(bad)
            aside = w.ledger() + ".corrupt"
            if os.path.exists(aside):
                os.unlink(aside)
            w.start_daemon()
            check(open(aside, "rb").read() == bad, f"{name}: set aside")
            w.daemon.logged("set aside as ledger.corrupt")
            check(w.daemon.status()["sources"]["tracked"] == 0, f"{name}: begins empty")
            check(attempt("127.5.0.1").startswith("220"), "mail flows")
            w.daemon.stop()
        with open(w.ledger(), "wb") as f:
            f.write(whole)
        w.start_daemon({"source.ledger_size": "1MiB"})
        w.daemon.logged("The size of the ledger changed (source.ledger_size)")
        check(w.daemon.status()["sources"]["tracked"] == 0, "and begins empty")


@test("source.refused is always deferred with 451 4.7.1, by the proxy and to Postfix' question; trusted wins; reload takes it over")
def _():
    path = tempfile.mkdtemp(prefix="penstock-test-") + "/penstock.conf"

    def write(refused):
        with open(path, "w") as f:
            f.write(f"[source]\nrefused = {refused}\ntrusted = 127.5.9.0/24\n")

    write("127.5.0.0/16")
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    os.makedirs(directory + "/run")
    server = Server(smtp_server)
    options = {**no_targets(), "service.mx.ports": server.port, "service.mx.hostname": "mx.example.org", "service.other.ports": 2626,
               "front.policy.enabled": "yes", "front.policy.service": "other", "front.policy.listen": "127.0.0.1:2527"}
    daemon = Daemon(directory, options, argv=("-c", path))
    proxy = Proxy(directory, PORT, server.port, options, wait=False)
    proxy.stop()
    proxy = subprocess.Popen([os.path.join(place.BIN, "penstock-proxy"), "-c", path, "--run-dir", directory + "/run", "-o",
                              "front.proxy.enabled=yes", "-o", "front.proxy.loopback=yes", "-o", f"front.proxy.listen=127.0.0.1:{PORT}", "-o",
                              f"front.proxy.backend=127.0.0.1:{server.port}", "-o", "front.proxy.proxy_protocol=none", "-o",
                              "front.proxy.client_addresses_hidden=yes", "-o", "service.mx.hostname=mx.example.org"],
                             stderr=subprocess.DEVNULL)
    try:
        text = wait_for(lambda: can_connect() and (lambda g: g if g.startswith("451") else None)(attempt("127.5.0.1")), "a refusal")
        check(text == "451 4.7.1 mx.example.org mail from your address is not taken now, try again later\r\n", text)
        check(attempt("127.6.0.1").startswith("220"), "others are served")
        check(attempt("127.5.9.1").startswith("220"), "trusted wins")
        question = "request=smtpd_access_policy\nprotocol_state=CONNECT\nclient_address={}\nclient_port=9\ninstance=a\n\n"
        with socket.create_connection(("127.0.0.1", 2527), 120) as s:
            s.sendall(question.format("127.5.0.1").encode())
            answer = s.recv(500).decode()
        check(answer.startswith("action=451 4.7.1 "), answer)
        wait_for(lambda: daemon.metric('penstock_decisions_total{front="proxy",verdict="defer",reason="refused"}'), "the count")
        write("127.6.0.0/16")
        daemon.ctl("reload", check=0)
        os.kill(proxy.pid, 1)
        wait_for(lambda: attempt("127.5.0.1").startswith("220"), "no longer refused")
        check(attempt("127.6.0.1").startswith("451 4.7.1"), "but this one")
    finally:
        proxy.terminate()
        proxy.wait(120)
        daemon.stop()
        server.close()


def can_connect():
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", PORT)) == 0


@test("an address over source.rate_max hears 451 4.7.1, its neighbours do not")
def _():
    with Sourced({"source.rate_max": 5}) as w:
        text = wait_for(lambda: (lambda g: g if g.startswith("451") else None)(attempt("127.5.0.1")), "a refusal")
        check(text == "451 4.7.1 mx.example.org too much mail from your address, try again later\r\n", text)
        check(attempt("127.5.0.2").startswith("220"), "an address in the same network")
        check(w.daemon.wait_status(lambda s: s["decisions"]["by_reason"].get("rate"), "the reason"), "reason")
        check("over source.rate_max" in w.daemon.ctl("explain", "127.5.0.1", check=0).stdout, "explained")


@test("over source.sessions_max an address hears 451 4.7.1, at any load")
def _():
    with Sourced({"source.sessions_max": 2}) as w:
        held = [Client(PORT, "127.5.0.1") for _ in range(2)]
        try:
            check(all(c.greeting.startswith(b"220") for c in held), "two are served")
            third = attempt("127.5.0.1")
            check(third == "451 4.7.1 mx.example.org too many connections from your address, try again later\r\n", third)
            check(attempt("127.6.0.1").startswith("220"), "another address")
            held.pop().close()
            wait_for(lambda: attempt("127.5.0.1").startswith("220"), "a place that became free")
        finally:
            for c in held:
                c.close()


@test("while places are free no source is refused for its share, whatever the level is")
def _():
    with Sourced({"target.cpu_busy_ratio": "0.01%"}) as w:
        w.daemon.wait_status(lambda s: s["level"] >= 1, "elevated")
        held = [Client(PORT, "127.5.0.1") for _ in range(6)]
        greetings = [c.greeting for c in held]
        for c in held:
            c.close()
        check(all(g.startswith(b"220") for g in greetings), greetings)


@test("an address that stands for many is named in status, check, metrics, log and explain, with what to do; one of many that are alike is not")
def _():
    with World() as w:
        for n in range(90):
            attempt(f"127.{n % 45 + 5}.0.1")
        check("shared_address" not in w.daemon.wait_status(lambda s: s["sources"]["offered_per_s"] > 0, "arrivals")["faults"], "45 alike")
        for _ in range(200):
            attempt("127.9.9.9")
        fault = w.daemon.wait_status(lambda s: "shared_address" in s["faults"], "the fault")["faults"]["shared_address"]
        check("proxy_from" in fault["remedy"] and "source.trusted" in fault["remedy"], f"{fault}")
        check("address" not in fault, "HTTP does not show the addresses of senders")
        found = json.loads(w.daemon.ctl("--json", "check", check=None).stdout)["findings"]
        check(["127.9.9.9" in f["what"] for f in found if f["id"] == "fault-shared_address"] == [True], f"{found}")
        check(w.daemon.metric('penstock_faults_total{fault="shared_address"}') >= 1, "the metric")
        explained = w.daemon.ctl("explain", "127.9.9.9", check=0).stdout
        check("% of all connections, is a private address" in explained, explained)
        check("of all connections" not in w.daemon.ctl("explain", "127.5.0.1", check=0).stdout, "another one")
        w.daemon.logged("127.9.9.9 (private)")


@test("sources are for root and the group: anybody else is told no, and explain keeps them to itself")
def _():
    with Sourced() as w:
        w.drain()
        check(attempt("127.5.0.1").startswith("451"), "deferred")
        w.wait_source("127.5.0.1", lambda s: s["waiting"], "it waits")
        ctl = [os.path.join(place.BIN, "penstockctl"), "--run-dir", w.daemon.run_dir]
        os.chmod(w.directory, 0o755)
        said = subprocess.run([*ctl, "sources"], capture_output=True, text=True, user=65534, timeout=120)
        check(said.returncode == 1 and "only root" in said.stderr, f"{said}")
        said = subprocess.run([*ctl, "explain", "127.5.0.1"], capture_output=True, text=True, user=65534, timeout=120)
        check(said.returncode == 0 and "deferred since" not in said.stdout, said.stdout)
        check(os.stat(w.daemon.run_dir + "/sources").st_mode & 0o007 == 0, "the table is not for everybody")
        no_such = w.daemon.ctl("sources", "--sort", "size")
        check(no_such.returncode == 2 and "--sort size: give rate, age or attempts" in no_such.stderr, f"{no_such}")
        table = w.daemon.ctl("sources", "--sort", "age", check=0).stdout
        check("127.5.0.1" in table and "waits" in table, table)


@test("overload by strangers: who comes back properly gets in by the third attempt, and the strangers hear 4.3.2")
def _():
    one = threading.Lock()
    stop = threading.Event()

    def before(command):
        if command == b"DATA":
            with one:  # one message at a time, 0.2 s each: a capacity of 5 a second
                time.sleep(0.2)

    heard, lock = {}, threading.Lock()

    def flood(number):
        n = number
        while not stop.is_set():  # 61 thousand networks: no source comes back within the test
            n += 16
            try:
                text = deliver(PORT, source=f"127.{16 + n // 256 % 240}.{n % 256}.1", timeout=20)[1]
            except OSError:
                continue
            with lock:
                heard[text[:9]] = heard.get(text[:9], 0) + 1
            stop.wait(0.1)

    # Where connections may wait, 16 that come one after the other all wait two seconds and are served: that is no overload.
    with Sourced({"test.source.retry_min": "2s", "objective.window_max": 6, "objective.wait": "0"},
               lambda c, a: smtp_server(c, a, before=before)) as w:
        threads = [threading.Thread(target=flood, args=(n,), daemon=True) for n in range(16)]
        for t in threads:
            t.start()
        try:
            w.daemon.wait_status(lambda s: any(s["sources"]["cutoff"].values()), "ranks decide", 120)
            w.daemon.wait_status(lambda s: s["sources"]["active"] > 16 and s["sources"]["credits_per_s"], "the strangers are seen")
            tried = {f"127.{n}.0.1": [] for n in range(5, 15)}
            while any("220" not in t and len(t) < 6 for t in tried.values()):
                for source, texts in tried.items():
                    if "220" not in texts and len(texts) < 6:
                        texts.append(deliver(PORT, source=source)[0].replace("250", "220"))
                time.sleep(2.3)  # as a mail server: not before retry_min
            in_by = {source: texts.index("220") + 1 if "220" in texts else None for source, texts in tried.items()}
            check(sum(1 for n in in_by.values() if n and n <= 4) >= 9, f"admitted with attempt: {in_by}; {w.daemon.status()['sources']}")
        finally:
            stop.set()
            for t in threads:
                t.join(120)
        check(set(heard) <= {"250 2.0.0", "451 4.3.2", "451 4.7.1"}, f"{heard}")
        check(heard.get("451 4.3.2", 0) > heard.get("451 4.7.1", 0), f"{heard}")
        s = w.daemon.status()["sources"]
        check(s["events_lost"] == 0 and s["broken"] <= s["promised"], f"{s}")


place.isolate()
tap.run()
