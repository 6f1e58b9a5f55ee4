#!/usr/bin/env python3
"""Several hosts that share who waits through a real Redis: each has a penstockd and a penstock-proxy. Each 127.N.0.1 is a sender of its
own."""
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, redis, tap
from lib.clock import FakeClock, at
from lib.fleet import Fleet, Host
from lib.place import wait_for
from lib.programs import confined, descriptors, status_of
from lib.redis import Redis
from lib.smtp import Server
from lib.tap import check, test
from lib.wire import Wire, ip


@test("three hosts: a sender that walks the MX list is owed the same by all, and an admission anywhere ends its wait everywhere")
def _():
    with Fleet(3) as f:
        one, two, three = f.hosts
        for host in f.hosts:
            host.drain()
        check(one.attempt("127.5.0.1").startswith("451"), "deferred by the first")
        two.knows("127.5.0.1", "1 attempt", "the second host knows of it")
        # Retries that count come a second apart at least (test.source.retry_min), wherever they come.
        wait_for(lambda: two.attempt("127.5.0.1").startswith("451") and "attempts counted" in two.explain("127.5.0.1"), "the second attempt, on another host")
        three.knows("127.5.0.1", "attempts counted", "the third host knows of both")
        time.sleep(1.1)  # the next attempt counts
        three.knows("127.5.0.1", "band promised", "and owes it the next")
        three.resume()
        check(three.attempt("127.5.0.1").startswith("220"), "admitted by the third")
        for host in (one, two):
            wait_for(lambda: "counted" not in host.explain("127.5.0.1"), "its wait is over everywhere")
        words = one.daemon.ctl("fleet", check=0).stdout
        check(all(f"mx{n}.example.org" in words for n in (1, 2, 3)) and "draining" in words and "connected" in words, words)
        seen = one.until(lambda x: [h["state"] for h in x["hosts"]] == ["draining", "draining", "serving"], "all are seen")
        check([h["own"] for h in seen["hosts"]] == [True, False, False] and seen["records_refused"] == 0, f"{seen}")
        check(one.daemon.metric("penstock_fleet_connected") == 1 and one.daemon.metric("penstock_fleet_hosts") == 3, "metrics")
        check("mx3.example.org" in one.daemon.document("/"), "the page")
        # A new host learns what was said before it came.
        two.attempt("127.6.0.1")
        three.knows("127.6.0.1", "1 attempt", "told")
        f.add(4).knows("127.6.0.1", "1 attempt", "the new host catches up")


@test("the store is killed in the middle: each host goes on alone and says so; what it saw meanwhile is told when the store is back")
def _():
    with Fleet(2) as f:
        one, two = f.hosts
        one.drain()
        one.attempt("127.5.0.1")
        two.knows("127.5.0.1", "1 attempt", "told")
        f.store.kill(signal.SIGKILL)
        one.until(lambda x: not x["connected"], "it is seen")
        check(two.attempt("127.7.0.1").startswith("220"), "a host with room admits everybody")
        check(one.attempt("127.8.0.1").startswith("451"), "one that drains defers")
        one.daemon.logged("Cannot use the fleet's store")
        check("NOT CONNECTED" in one.daemon.ctl("fleet", check=0).stdout, "fleet says so")
        check("decides alone" in one.daemon.ctl("status", check=0).stdout, "status says so")
        check("fleet-alone" in one.daemon.ctl("check", "-o", "service.mx.ports=25", "--json").stdout, "check says so")
        check(one.daemon.metric("penstock_fleet_connected") == 0, "so does the metric")
        check("1 attempt" in two.explain("127.5.0.1"), "what is known stays known")
        check("1 attempt" not in two.explain("127.8.0.1"), "not told yet")
        f.start_store()
        two.knows("127.8.0.1", "1 attempt", "told when the store is back")
        one.daemon.logged_rarely("Cannot use the fleet's store")


@test("the store hangs, is wiped, or is full of rubbish: verdicts and ticks go on, and what makes sense is still shared")
def _():
    with Fleet(2) as f:
        one, two = f.hosts
        f.store.kill(signal.SIGSTOP)
        one.until(lambda x: not x["connected"], "a store that hangs is given up")
        for n in range(20):
            check(one.attempt(f"127.9.{n}.1").startswith("220"), "admitted while it hangs")
        check(one.daemon.status()["fleet"]["failures"] >= 1, "and the daemon answers")
        f.store.kill(signal.SIGCONT)
        one.until(lambda x: x["connected"], "it is taken again")
        check(f.store.call("FLUSHALL") == "+OK", "wiped")
        f.store.call("XADD", "{penstock}:ledger", "*", "r", "PSF1" + "x" * 100)
        f.store.call("XADD", "{penstock}:ledger", "*", "other", "field")
        f.store.call("XADD", "{penstock}:hosts", "*", "r", "")
        two.until(lambda x: x["messages_bad"] >= 3, "rubbish is counted")
        one.drain()
        one.attempt("127.5.0.1")
        two.knows("127.5.0.1", "1 attempt", "and what makes sense is shared")
        # A key of another kind under that name: an error each time, and no harm.
        f.store.call("DEL", "{penstock}:ledger")
        f.store.call("SET", "{penstock}:ledger", "x")
        two.until(lambda x: not x["connected"] and "WRONGTYPE" in x["reason"], "the reason is said")
        check(two.attempt("127.7.0.1").startswith("220"), "mail flows")
        f.store.call("DEL", "{penstock}:ledger")
        two.until(lambda x: x["connected"], "it recovers")


def liar(connection, _address):
    """Answers anything: the kinds of rubbish in turn."""
    rubbish = [b"*1000000000\r\n", b"$536870912\r\n" + b"x" * 100000, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*1\r\n*1\r\n*1\r\n:1\r\n", b"\x00\xff\x16\x03",
               b"$-1\r\n", b"+OK\r\n:5\r\n", b"-ERR no\r\n", b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", b""]
    with liar.lock:
        liar.turn += 1
        turn = liar.turn
    try:
        while connection.recv(65536):
            connection.sendall(rubbish[turn % len(rubbish)])
            if turn % len(rubbish) == 9:
                break
    except OSError:
        pass


liar.lock, liar.turn = threading.Lock(), -1


@test("a store that lies in every way: the daemon lives, mail flows, and the reason is said")
def _():
    lies = Server(liar)
    try:
        with Fleet(0, {"fleet.servers": ", ".join([f"127.0.0.1:{lies.port}"] * 8)}, start=False) as f:
            one = f.add(1)
            wait_for(lambda: liar.turn >= 10, "every kind of rubbish was sent")
            x = one.until(lambda x: not x["connected"] and x["failures"] >= 5, "given up each time")
            check(x["reason"], f"{x}")
            check(one.attempt("127.7.0.1").startswith("220"), "mail flows")
            # Room for the billion elements that the first kind announces would be 8 GB. A sanitizer takes terabytes for itself.
            with open(f"/proc/{one.daemon.process.pid}/status") as status:
                peak = int(re.search(r"VmPeak:\s+(\d+)", status.read())[1])
            check(peak < 4 << 20 or peak > 1 << 30, f"{peak} KiB")
    finally:
        lies.close()


def certificate(directory):
    def run(*argv):
        subprocess.run(["openssl", *argv], cwd=directory, check=True, capture_output=True)
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "9", "-subj", "/CN=test authority")
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "store.key", "-out", "store.csr", "-subj", "/CN=redis.example.org")
    with open(os.path.join(directory, "ext"), "w") as f:
        f.write("subjectAltName=DNS:redis.example.org\n")
    run("x509", "-req", "-in", "store.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "store.pem", "-days", "9", "-extfile", "ext")


def secret(directory, name, text, mode=0o600):
    path = os.path.join(directory, name)
    with open(path, "w") as f:
        f.write(text + "\n")
    os.chmod(path, mode)
    return path


@test("TLS, a user of its own, sealed and hidden: shared all the same; a wrong name, password, key or mode is reported and stops no mail")
def _():
    d = tempfile.mkdtemp(prefix="penstock-test-")
    certificate(d)
    options = lambda ports: {"fleet.servers": f"127.0.0.1:{ports + 40}", "fleet.tls": "yes", "fleet.tls_ca": f"{d}/ca.pem", "fleet.tls_name": "redis.example.org",
               "fleet.user": "penstock", "fleet.password_file": secret(d, "password", "not so secret"),
               "fleet.key_file": secret(d, "key", "0123456789abcdef0123"), "fleet.hide_addresses": "yes"}
    store = lambda ports: ["--tls-port", str(ports + 40), "--tls-cert-file", f"{d}/store.pem", "--tls-key-file", f"{d}/store.key", "--tls-ca-cert-file", f"{d}/ca.pem",
             "--tls-auth-clients", "no", "--user", "penstock", "on", "#" + hashlib.sha256(b"not so secret").hexdigest(), "~{penstock}:*", "+xadd", "+xread"]
    with Fleet(2, options, store) as f:
        one, two = f.hosts
        one.drain()
        one.attempt("127.5.0.1")
        two.knows("127.5.0.1", "1 attempt", "shared")
        for number, (wrong, said) in enumerate([({"fleet.tls_name": "other.example.org"}, "mismatch"),
                                                ({"fleet.password_file": secret(d, "wrong", "wrong")}, "WRONGPASS"),
                                                ({"fleet.key_file": secret(d, "open", "0123456789abcdef0123", 0o644)}, "mode 0640")]):
            three = f.add(3, wrong)
            x = three.until(lambda x: not x["connected"] and said in x["reason"], f"{said} is said")
            check(three.attempt("127.7.0.1").startswith("220"), "mail flows")
            three.stop()
            f.hosts.remove(three)
        foreign = f.add(3, {"fleet.key_file": secret(d, "foreign", "another key, quite long")})
        foreign.until(lambda x: x["connected"] and x["messages_bad"] > 0 and len(x["hosts"]) == 1, "what another key sealed is not taken")
        check("1 attempt" not in foreign.explain("127.5.0.1"), "nor believed")


@test("a password and an authority that change are taken with the next connection, without a reload; without tls_ca this system's are believed")
def _():
    d = tempfile.mkdtemp(prefix="penstock-test-")
    os.mkdir(f"{d}/system")
    certificate(d)
    digest = lambda password: "#" + hashlib.sha256(password.encode()).hexdigest()
    options = lambda ports: {"fleet.servers": f"127.0.0.1:{ports + 40}", "fleet.tls": "yes", "fleet.tls_ca": f"{d}/ca.pem", "fleet.tls_name": "redis.example.org",
                             "fleet.user": "penstock", "fleet.password_file": secret(d, "password", "the first")}
    store = lambda ports: ["--tls-port", str(ports + 40), "--tls-cert-file", f"{d}/store.pem", "--tls-key-file", f"{d}/store.key", "--tls-ca-cert-file", f"{d}/ca.pem",
                           "--tls-auth-clients", "no", "--user", "penstock", "on", digest("the first"), "~{penstock}:*", "+xadd", "+xread"]
    with Fleet(1, options, store) as f:
        one = f.hosts[0]
        certificate(d)
        secret(d, "password", "the second")
        f.store.stop()
        one.until(lambda x: not x["connected"], "the store is gone")
        f.store_options = [digest("the second") if word == digest("the first") else word for word in f.store_options]
        f.start_store()
        one.until(lambda x: x["connected"], "the new ones are in use")
        check(one.fleet()["restarts"] == 0, "the same process")
        # A directory of authorities as OpenSSL has it: names are hashes.
        name = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", f"{d}/ca.pem"], check=True, capture_output=True, text=True).stdout.strip()
        shutil.copy(f"{d}/ca.pem", f"{d}/system/{name}.0")
        place = subprocess.run(["openssl", "version", "-d"], check=True, capture_output=True, text=True).stdout.split('"')[1]
        subprocess.run(["mount", "--bind", f"{d}/system", os.path.realpath(f"{place}/certs")], check=True)
        try:
            two = f.add(2, {"fleet.tls_ca": ""})
            two.until(lambda x: x["connected"], "the authorities of this system")
        finally:
            subprocess.run(["umount", os.path.realpath(f"{place}/certs")], check=True)


def alone(host, reason):
    """What a host does whose store is of no use: what it does without a fleet, and it says why."""
    x = host.until(lambda x: not x["connected"] and reason in x["reason"], f"{reason} is said")
    host.daemon.logged("Cannot use the fleet's store")
    check("decides alone" in host.daemon.ctl("status", check=0).stdout, "status says so")
    check(host.attempt("127.7.0.1").startswith("220"), "mail flows")
    return x


@test("Valkey in place of Redis: shared; killed and started again, what was seen meanwhile is told")
def _():
    if not redis.command("valkey"):
        raise tap.Skip("there is no root with valkey-server")
    with Fleet(2, program="valkey") as f:
        one, two = f.hosts
        f.store.kill(signal.SIGKILL)
        alone(one, "")
        alone(two, "")
        one.drain()
        one.attempt("127.5.0.1")
        check("1 attempt" not in two.explain("127.5.0.1"), "not told yet")
        f.start_store()
        two.knows("127.5.0.1", "1 attempt", "told when the store is back")


@test("a store that is full (maxmemory, noeviction): each host goes on alone and says OOM; with room again all is told")
def _():
    with Fleet(2, store=["--maxmemory-policy", "noeviction"]) as f:
        one, two = f.hosts
        check(f.store.call("CONFIG", "SET", "maxmemory", "1") == "+OK", "full")
        for host in (one, two):
            alone(host, "OOM")
        one.drain()
        one.attempt("127.5.0.1")
        check(f.store.call("CONFIG", "SET", "maxmemory", "0") == "+OK", "room")
        two.knows("127.5.0.1", "1 attempt", "told")


@test("a partition: the store's answers end in a blackhole; each host goes on alone and says so, and all is told afterwards")
def _():
    route = ("-n", "store", "route")
    with Fleet(2, lambda ports: {"fleet.servers": f"10.77.0.2:{ports}"}, start=False) as f:
        one, two = f.hosts
        store = Redis(os.path.join(f.directory, "store"), f.ports, ["--protected-mode", "no"], address="10.77.0.2", prefix=["ip", "netns", "exec", "store"])
        try:
            for host in (one, two):
                host.until(lambda x: x["connected"] and x["caught_up"], "the store is in use")
            ip(*route, "add", "blackhole", "10.77.0.1/32")
            for host in (one, two):
                alone(host, "timed out")
            one.drain()
            one.attempt("127.5.0.1")
            ip(*route, "del", "blackhole", "10.77.0.1/32")
            two.knows("127.5.0.1", "1 attempt", "told")
        finally:
            store.stop()


@test("a cluster of three: the one that has the slot of both streams is used, the others are passed over")
def _():
    with Fleet(0, lambda ports: {"fleet.servers": ", ".join(f"127.0.0.1:{ports + 40 + n}" for n in range(3))}) as f:
        nodes = [Redis(os.path.join(f.directory, f"node{n}"), f.ports + 40 + n, ["--cluster-enabled", "yes"]) for n in range(3)]
        try:
            for n, (first, last) in enumerate(((0, 5460), (5461, 10922), (10923, 16383))):
                check(nodes[n].call("CLUSTER", "ADDSLOTSRANGE", str(first), str(last)) == "+OK", "slots")
                nodes[n].call("CLUSTER", "MEET", "127.0.0.1", str(nodes[0].port))
            for node in nodes:
                wait_for(lambda: "cluster_state:ok" in node.answer("CLUSTER", "INFO"), "the cluster is one")
            slot = int(nodes[0].call("CLUSTER", "KEYSLOT", "{penstock}:ledger")[1:])
            owner = nodes[0 if slot <= 5460 else 1 if slot <= 10922 else 2]
            hosts = [Host(f, number) for number in (1, 2)]
            f.hosts = hosts
            for host in hosts:
                host.until(lambda x: x["connected"] and x["server"] == f"127.0.0.1:{owner.port}", "the owner of the slot is used")
            hosts[0].drain()
            hosts[0].attempt("127.5.0.1")
            hosts[1].knows("127.5.0.1", "1 attempt", "shared")
        finally:
            for node in nodes:
                node.stop()


@test("servers are a list: a replica that takes no writes is passed over, and after Sentinel's failover it is the one that is used")
def _():
    with Fleet(0, lambda ports: {"fleet.servers": f"127.0.0.1:{ports + 40}, 127.0.0.1:{ports}"}) as f:
        replica = Redis(os.path.join(f.directory, "replica"), f.ports + 40, ["--replicaof", "127.0.0.1", str(f.ports)])
        one = f.add(1)
        one.until(lambda x: x["connected"] and x["server"] == f"127.0.0.1:{f.ports}", "the other one is used")
        wait_for(lambda: "master_link_status:up" in replica.answer("INFO", "replication"), "the replica follows")
        sentinel = redis.Sentinel(os.path.join(f.directory, "sentinel"), f.ports + 41, f.ports)
        try:
            wait_for(lambda: "num-slaves\r\n$1\r\n1" in sentinel.answer("SENTINEL", "MASTER", "store"), "Sentinel knows the replica")
            f.store.kill(signal.SIGKILL)
            one.until(lambda x: x["connected"] and x["server"] == f"127.0.0.1:{f.ports + 40}", "the new master is found",
                      600)  # a Sentinel that was kept from the CPU for two seconds rests for thirty, each time
        finally:
            sentinel.stop()
            replica.stop()


def hold_s(host):
    return host.daemon.status()["services"]["mx"]["hold_s"]


def store_process(host):
    return host.daemon.helper("penstockd-fleet")


def another_process(host, before):
    def other():
        pid = store_process(host)
        return pid if pid and pid != before else None
    return wait_for(other, lambda: f"another process after {before}; the log is:\n{host.daemon.output()}")


@test("a host whose clock was a year behind, or two hours ahead, and is set: the others believe no wait of that length, and it is heard as before")
def _():
    for wrong in (-365 * 86400, 7200):
        wall = FakeClock(wrong)
        with Fleet(1) as f:
            one, two = f.hosts[0], f.add(2, env=wall.env)
            for host in f.hosts:
                host.drain()
            check(two.attempt("127.5.0.1").startswith("451"), "deferred by the host whose clock is wrong")
            two.knows("127.5.0.1", "1 attempt", "it knows")
            wall.jump(0)
            two.daemon.logged("The clock was set " + ("back" if wrong > 0 else "forward"))
            two.until(lambda x: x["connected"] and x["caught_up"], "it is in the fleet again")
            # A second attempt, at the other host: both know a wait that began a moment ago, as it did.
            wait_for(lambda: one.attempt("127.5.0.1").startswith("451") and two.attempt("127.5.0.1").startswith("451") and
                     "attempts counted" in two.explain("127.5.0.1"), "more attempts")
            one.knows("127.5.0.1", "attempts counted", "told")
            for host in f.hosts:
                found = json.loads(host.daemon.ctl("sources", "--json", "--sort", "age", check=0).stdout)
                since = [at(s["waits_since"]) for s in found if s["address"] == "127.5.0.1"]
                check(since and abs(since[0] - time.time()) < 900, f"{wrong}: {found}")
            seen = one.until(lambda x: len([h for h in x["hosts"] if h["age_s"] < 10]) == 2, "each hears the other")
            check({h["name"] for h in seen["hosts"]} == {"mx1.example.org", "mx2.example.org"}, f"{seen}")
            two.resume()
            two.until(lambda x: [h["state"] for h in x["hosts"] if h["own"]] == ["serving"], "its own line goes on")


@test("the process that talks to the store has no capability, and its system calls are filtered; it has the socket of the store and no other descriptor of penstockd's")
def _():
    with Fleet(1) as f:
        pid = store_process(f.hosts[0])
        confined(pid)
        check(status_of(pid)["Threads"] == "1", "it has one thread")
        wait_for(lambda: all(what.startswith("socket:") for fd, what in descriptors(pid).items() if fd > 2), "sockets only")
        check(len(os.listdir(f"/proc/{pid}/fd")) <= 5, f"{os.listdir(f'/proc/{pid}/fd')}")
        check(f.hosts[0].fleet()["restarts"] == 0, "no restart")


@test("kill -9 and SIGSTOP of the process that talks to the store: said, mail flows, it is started again, and what was seen meanwhile is told")
def _():
    with Fleet(2) as f:
        one, two = f.hosts
        pid = store_process(one)
        os.kill(pid, signal.SIGKILL)
        one.daemon.logged("The process that talks to the fleet's store ended: signal 9.")
        one.drain()
        one.attempt("127.5.0.1")
        pid = another_process(one, pid)
        two.knows("127.5.0.1", "1 attempt", "told by the next one")
        os.kill(pid, signal.SIGSTOP)
        one.attempt("127.6.0.1")
        one.daemon.logged("ended: it said nothing for 10 s")
        check(one.attempt("127.7.0.1").startswith("451") and two.attempt("127.7.0.1").startswith("220"), "each decides")
        another_process(one, pid)
        two.knows("127.6.0.1", "1 attempt", "what the one that was stopped did not write")
        one.until(lambda x: x["connected"] and x["restarts"] == 2, "it is in use")
        check(one.daemon.metric("penstock_fleet_restarts_total") == 2, "the metric")
        # penstockd hangs: the process waits, and both go on.
        pid = store_process(two)
        two.daemon.kill(signal.SIGSTOP)
        try:
            one.attempt("127.8.0.1")
            time.sleep(3)  # so long it hangs; after ten seconds its process would be replaced
        finally:
            two.daemon.kill(signal.SIGCONT)
        two.knows("127.8.0.1", "1 attempt", "told when it goes on")
        check(store_process(two) == pid, "the same process")


@test("next_mx: no client waits for longer than a second while another host has room; where none has, or the store is gone, as a host alone")
def _():
    with Fleet(2, {"fleet.next_mx": "yes"}) as f:
        one, two = f.hosts
        one.until(lambda x: x["sends_on"], "the second host has room")
        wait_for(lambda: 0 < hold_s(one) <= 1, f"a second at most; it is {hold_s(one)} s")
        check("no client waits here" in one.daemon.ctl("fleet", check=0).stdout, "fleet says so")
        two.drain()
        one.until(lambda x: not x["room_elsewhere"], "the second host is drained")
        wait_for(lambda: hold_s(one) > 1, f"as alone; it is {hold_s(one)} s")
        two.resume()
        wait_for(lambda: hold_s(one) <= 1, "the second host has room again")
        f.store.kill(signal.SIGKILL)
        wait_for(lambda: hold_s(one) > 1, "without the store as alone")


if __name__ == "__main__":
    place.isolate(redis.prepare)
    Wire("store")  # a namespace of that name, for the partition
    tap.run(together=3)
