#!/usr/bin/env python3
"""penstockctl check: each misconfiguration is found on a tree that has it, and not on one that is in order."""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, postfix, tap
from lib.packages import unpack
from lib.place import BIN
from lib.programs import Daemon, Program
from lib.tap import check, test

MASTER = "smtp inet n - y - {maxproc} smtpd\n{options}\npickup unix n - y 60 1 pickup\n"
GOOD_POLICY = ("  -o smtpd_delay_reject=no\n  -o { smtpd_client_restrictions = permit_mynetworks, check_policy_service "
               "{ unix:private/penstock, timeout=2s, default_action=DUNNO } }\n")
GOOD = {"queue_minfree": "20480000", "message_size_limit": "10240000"}
POLICY = {"front.policy.enabled": "yes", "front.policy.listen": "unix:/var/spool/postfix/private/penstock"}


class Tree:
    """A root with a Postfix configuration and the kernel's files, everything in order but for what a test changes."""

    def __init__(self, main=None, master=None, options="", maxproc="100", somaxconn=4096, psi=True, memory_kib=16 << 20):
        self.root = tempfile.mkdtemp(prefix="penstock-test-")
        self.write("/etc/postfix/main.cf", "".join(f"{k} = {v}\n" for k, v in (GOOD if main is None else main).items()))
        self.write("/etc/postfix/master.cf", master or MASTER.format(maxproc=maxproc, options=options))
        self.write("/proc/sys/net/core/somaxconn", f"{somaxconn}\n")
        self.write("/proc/sys/net/ipv4/tcp_abort_on_overflow", "0\n")
        self.write("/proc/sys/net/ipv4/tcp_syncookies", "1\n")
        self.write("/proc/sys/fs/file-max", "9223372036854775807\n")
        self.write("/proc/meminfo", f"MemTotal:       {memory_kib} kB\n")
        if psi:
            self.write("/proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
        self.write("/proc/self/net/tcp", "  sl  local_address rem_address   st\n   0: 0100007F:0019 00000000:0000 0A 0:0\n")
        os.makedirs(self.root + "/proc/self/ns", exist_ok=True)
        self.write("/proc/self/ns/net", "")
        os.makedirs(self.root + "/var/spool/postfix", exist_ok=True)

    def write(self, path, text):
        os.makedirs(os.path.dirname(self.root + path), exist_ok=True)
        with open(self.root + path, "w") as f:
            f.write(text)

    def check(self, settings=None):
        settings = {"service.mx.slots": 100, "service.mx.queue_dirs": "/var/spool/postfix", **(settings or {})}
        return run(self.root, settings)


def run(root, settings, json_too=True):
    argv = [os.path.join(BIN, "penstockctl"), "-c", "/dev/null", *[a for k, v in settings.items() for a in ("-o", f"{k}={v}")],
            *(["--root", root] if root else []), *(["--json"] if json_too else []), "check"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    check(done.returncode in (0, 1, 4), f"{argv} gave {done.returncode}: {done.stdout}{done.stderr}")
    if not json_too:
        return done
    answer = json.loads(done.stdout)
    worst = max([["note", "warning", "error"].index(f["severity"]) for f in answer["findings"]], default=0)
    check(done.returncode == [0, 1, 4][worst], f"exit code {done.returncode} with {answer}")
    for f in answer["findings"]:
        check(f["what"] and f["do"] and "%" not in f["id"], f"{f}")
    return {f["id"]: f for f in answer["findings"]}


def only(found, *ids):
    check(set(found) == set(ids), f"found {json.dumps(found, indent=1)}, expected {ids}")


@test("a host in order: nothing is found, with each front")
def _():
    only(Tree().check())
    only(Tree(options=GOOD_POLICY).check(POLICY))
    only(Tree(options="  -o smtpd_upstream_proxy_protocol=haproxy\n").check({
        "front.proxy.enabled": "yes", "front.proxy.listen": "0.0.0.0:2525", "front.proxy.backend": "127.0.0.1:25",
        "front.proxy.proxy_protocol": "v1"}))


@test("the kernel: pressure stall information off, short accept queues, resets, no SYN cookies, few files")
def _():
    only(Tree(psi=False).check(), "psi")
    found = Tree(somaxconn=128).check()
    only(found, "somaxconn")
    check("128" in found["somaxconn"]["what"], "the value")
    t = Tree()
    t.write("/proc/sys/net/ipv4/tcp_abort_on_overflow", "1\n")
    t.write("/proc/sys/net/ipv4/tcp_syncookies", "0\n")
    only(t.check(), "abort-on-overflow", "syncookies")
    t = Tree(options="  -o smtpd_upstream_proxy_protocol=haproxy\n")
    t.write("/usr/lib/systemd/system/penstock-proxy.service", "[Service]\nLimitNOFILE=1000\n")
    t.write("/proc/sys/fs/file-max", "30000\n")
    proxy = {"front.proxy.enabled": "yes", "front.proxy.listen": "0.0.0.0:2525", "front.proxy.backend": "127.0.0.1:25",
             "front.proxy.proxy_protocol": "v2"}
    only(t.check(proxy), "descriptors", "file-max")
    t.write("/etc/systemd/system/penstock-proxy.service.d/override.conf", "[Service]\nLimitNOFILE=65536\n")
    t.write("/proc/sys/fs/file-max", "3000000\n")
    only(t.check(proxy))


@test("a ledger larger than MemoryMax= of penstockd's unit")
def _():
    t = Tree()
    t.write("/usr/lib/systemd/system/penstockd.service", "[Service]\n# MemoryMax=9G\nMemoryMax=1G\n")
    only(t.check())
    only(t.check({"source.ledger_size": "2GiB"}), "ledger-memory")
    t.write("/etc/systemd/system/penstockd.service.d/override.conf", "[Service]\nMemoryMax=4G\n")
    only(t.check({"source.ledger_size": "2GiB"}))


@test("Postfix's size: processes against memory, slots, queue_minfree, the queue's place and space")
def _():
    only(Tree(maxproc="2000", memory_kib=4 << 20).check({"service.mx.slots": 2000}), "processes-memory")
    only(Tree(maxproc="0").check(), "processes-memory")
    only(Tree(main={**GOOD, "default_process_limit": "400"}, maxproc="-").check(), "slots")
    only(Tree(main={}).check(), "queue-minfree")
    only(Tree(main={"queue_minfree": "10240000"}).check(), "queue-minfree")
    only(Tree().check({"service.mx.queue_dirs": ""}), "queue-dirs")
    only(Tree().check({"service.mx.queue_dirs": "/nowhere"}), "queue-dir")
    only(Tree().check({"objective.disk_reserve": "100000GiB"}), "spool-space")


@test("the policy service: default_action, delay_reject, scope, no service asks, postscreen")
def _():
    only(Tree(options=GOOD_POLICY.replace(", default_action=DUNNO", "")).check(POLICY), "policy-default-action")
    only(Tree(options=GOOD_POLICY.replace("DUNNO", "451 4.3.5 away")).check(POLICY), "policy-default-action")
    only(Tree(main={**GOOD, "smtpd_policy_service_default_action": "DUNNO"},
              options=GOOD_POLICY.replace(", default_action=DUNNO", "")).check(POLICY))
    only(Tree(options=GOOD_POLICY.replace("  -o smtpd_delay_reject=no\n", "")).check(POLICY), "delay-reject")
    only(Tree(main={**GOOD, "smtpd_delay_reject": "no"}, options=GOOD_POLICY).check(POLICY), "delay-reject-scope")
    only(Tree(main={**GOOD, "smtpd_client_restrictions": "check_policy_service { inet:127.0.0.1:9826, default_action=DUNNO }"},
              options="  -o smtpd_delay_reject=no\n").check({**POLICY, "front.policy.listen": "127.0.0.1:9826"}), "policy-scope")
    only(Tree().check(POLICY), "policy-not-asked")
    only(Tree(options=GOOD_POLICY.replace("private/penstock", "private/other")).check(POLICY), "policy-not-asked")
    only(Tree(master="smtp inet n - y - 1 postscreen\nsmtpd pass - - y - 100 smtpd\n" + GOOD_POLICY).check(POLICY),
         "postscreen-policy")


@test("the proxy: a PROXY header that only one side knows of")
def _():
    settings = {"front.proxy.enabled": "yes", "front.proxy.listen": "0.0.0.0:2525", "front.proxy.backend": "127.0.0.1:25"}
    found = Tree().check({**settings, "front.proxy.proxy_protocol": "v1"})
    only(found, "proxy-protocol")
    check("does not expect" in found["proxy-protocol"]["what"], f"{found}")
    hidden = {**settings, "front.proxy.proxy_protocol": "none", "front.proxy.client_addresses_hidden": "yes"}
    found = Tree(options="  -o smtpd_upstream_proxy_protocol=haproxy\n").check(hidden)
    only(found, "proxy-protocol", "addresses-hidden")
    check("sends none" in found["proxy-protocol"]["what"], f"{found}")
    found = Tree().check(hidden)
    only(found, "proxy-protocol", "addresses-hidden")
    check("relays for all" in found["proxy-protocol"]["what"], f"{found}")


@test("the proxy: a mail server that learns no address, of whatever name, and one that others reach past the proxy")
def _():
    settings = {"front.proxy.enabled": "yes", "front.proxy.listen": "0.0.0.0:25", "front.proxy.backend": "127.0.0.1:2525",
                "service.mx.ports": 2525}
    line = "  sl  local_address rem_address   st\n   0: {}:09DD 00000000:0000 0A 0:0\n"

    def tree(address="0100007F"):
        t = Tree()
        os.unlink(t.root + "/etc/postfix/main.cf")
        t.write("/proc/self/net/tcp", line.format("0100007F") if len(address) > 8 else line.format(address))
        t.write("/proc/self/net/tcp6", line.format(address) if len(address) > 8 else "")
        return t

    found = tree().check(settings)
    only(found, "configuration")
    check("-o: front.proxy.proxy_protocol: is missing" in found["configuration"]["what"], f"{found}")
    found = tree().check({**settings, "front.proxy.proxy_protocol": "none", "front.proxy.client_addresses_hidden": "yes"})
    only(found, "addresses-hidden")
    check("open relay" in found["addresses-hidden"]["what"], f"{found}")
    told = {**settings, "front.proxy.proxy_protocol": "v1"}
    for address in ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"):
        only(tree(address).check(told))
    for address in ("00000000", "0A00000A", "0" * 32, "B80D0120000000000000000001000000"):
        found = tree(address).check(told)
        only(found, "backend-open")
        check("may name an address for which the server relays" in found["backend-open"]["what"], f"{found}")


def listening_tree(name, cmdline="", files=None, port=25):
    """A program of that name listens on the port; its socket has the inode 4711."""
    t = Tree()
    t.write("/proc/self/net/tcp", f"  sl  local_address rem_address   st\n   0: 00000000:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 "
            "00000000     0        0 4711 1 0000000000000000 100 0 0 10 0\n")
    t.write("/proc/42/comm", name + "\n")
    t.write("/proc/42/cmdline", cmdline)
    os.makedirs(t.root + "/proc/42/fd")
    os.symlink("socket:[4711]", t.root + "/proc/42/fd/3")
    for path, text in (files or {}).items():
        t.write(path, text)
    return t


@test("who listens is what is looked at: Exim beside a Postfix that was left behind, Exim's backlog, Haraka, OpenSMTPD, docker-proxy")
def _():
    left = {"service.mx.slots": 20}
    exim = {"/var/lib/exim4/config.autogenerated": "smtp_accept_max = 20\n smtp_connect_backlog = 20\n"}
    bad = "smtp inet n - y - 2000 smtpd\n"
    t = listening_tree("exim4", files={**exim, "/etc/postfix/master.cf": bad})
    only(t.check(left), "exim-backlog")
    check("exim4 is what listens" in run(t.root, left, False).stdout, "it says that Postfix was not looked at")
    only(listening_tree("exim4", files={"/etc/exim4/exim4.conf": "smtp_connect_backlog=1024\n"}).check(left))
    found = listening_tree("exim4", files={"/etc/exim4/exim4.conf": "smtp_accept_max = 200\nsmtp_connect_backlog = 1024\n"}).check(left)
    only(found, "slots")
    check(found["slots"]["severity"] == "note" and "slots = 200" in found["slots"]["do"], f"{found}")
    told = {"front.proxy.enabled": "yes", "front.proxy.listen": "0.0.0.0:25", "front.proxy.backend": "127.0.0.1:2525",
            "service.mx.ports": 2525}
    haraka, opensmtpd = (listening_tree("node", "node\0/usr/bin/haraka\0", port=2525), listening_tree("smtpd", port=2525))
    for tree, wrong, right in ((haraka, "v2", "v1"), (opensmtpd, "v1", "v2")):
        check("proxy-protocol" in tree.check({**told, "front.proxy.proxy_protocol": wrong}), f"{wrong}")
        check("proxy-protocol" not in tree.check({**told, "front.proxy.proxy_protocol": right}), f"{right}")
    found = listening_tree("docker-proxy").check({"front.gate.enabled": "yes"})
    check(found["docker-proxy"]["severity"] == "error" and "containers.md" in found["docker-proxy"]["do"], f"{found}")
    check("docker-proxy" in listening_tree("docker-proxy").check(), "without a front, too")
    check("docker-proxy" not in listening_tree("docker-proxy", port=2525).check({**told, "front.proxy.proxy_protocol": "v1"}), "behind the proxy")


@test("a port of mail that is open and that no service names is found; one of this host alone, and the proxy's own, are not")
def _():
    def tree(port, address="00000000", table="tcp"):
        t = Tree()
        with open(f"{t.root}/proc/self/net/{table}", "a") as f:
            f.write(f"   1: {address}:{port:04X} {address}:0000 0A 00000000:00000000 00:00000000 00000000 0 0 77 1\n")
        return t

    found = tree(587).check()
    only(found, "port-unwatched")
    check("port 587" in found["port-unwatched"]["what"] and "shed = no" in found["port-unwatched"]["do"], f"{found}")
    only(tree(465, "0" * 32, "tcp6").check(), "port-unwatched")
    only(tree(587).check({"service.submission.ports": 587, "service.submission.shed": "no"}))
    only(tree(587, "0100007F").check())
    only(tree(2525).check())
    moved = {"service.mx.ports": 2525}
    check("port-unwatched" in tree(25).check(moved), "the service was moved, port 25 was not")
    proxy = {"front.proxy.enabled": "yes", "front.proxy.listen": "0.0.0.0:25", "front.proxy.backend": "127.0.0.1:2525",
             "front.proxy.proxy_protocol": "v1"}
    check("port-unwatched" not in tree(25).check({**moved, **proxy}), "the proxy's own")


@test("the running daemon is asked: a file that is not in force, a front in observe mode, a front that is down, faults")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    path = os.path.join(directory, "penstock.conf")

    def write(text):
        with open(path, "w") as f:
            f.write("[service.mx]\nports = 2599\nslots = 100\n[http]\nlisten = 127.0.0.1:9825\n" + text)

    def ids(*wanted):
        done = subprocess.run([os.path.join(BIN, "penstockctl"), "--run-dir", daemon.run_dir, "-c", path, "--json", "check"],
                              capture_output=True, text=True, timeout=120)
        found = {f["id"]: f for f in json.loads(done.stdout)["findings"]}
        return {i: found.get(i) for i in wanted}

    write("")
    os.utime(path, (1, 1))
    daemon = Daemon(directory, {}, argv=["-c", path])
    every = ids("not-in-force", "observing", "front-down", "fault-address_unknown")
    check(not any(every.values()), f"{every}")
    write("[daemon]\nmode = observe\n[front.policy]\nenabled = yes\nlisten = 127.0.0.1:9826\n")
    os.utime(path, (4e9, 4e9))
    found = ids("not-in-force", "front-down")
    check(found["not-in-force"] and "not running" in found["front-down"]["what"], f"{found}")
    os.utime(path, (1, 1))
    daemon.ctl("reload", check=0)
    daemon.wait_status(lambda s: s["mode"] == "observe" and "policy" in s["decisions"]["by_front"], "the new configuration")
    with socket.create_connection(("127.0.0.1", 9826), 120) as s:
        s.sendall(b"request=smtpd_access_policy\nclient_address=unknown\n\n")
        check(s.recv(100).startswith(b"action=DUNNO"), "an answer")
    daemon.wait_status(lambda s: "address_unknown" in s["faults"], "the fault")
    found = ids("not-in-force", "observing", "front-down", "fault-address_unknown")
    check(not found["not-in-force"] and not found["front-down"] and "no connection is refused" in found["observing"]["what"], f"{found}")
    check(found["fault-address_unknown"]["severity"] == "warning", f"{found}")
    daemon.stop()


@test("two enforcing fronts for one service: the configuration is what is found")
def _():
    found = Tree().check({**POLICY, "front.gate.enabled": "yes"})
    only(found, "configuration")
    check("one enforcing front" in found["configuration"]["what"], f"{found}")


@test("the mail server in another network namespace is found, and where; nothing listening is said")
def _():
    settings = {"service.mx.slots": 100, "service.mx.queue_dirs": "/var/spool", "service.mx.ports": 2599}
    check("no-listener" in run("", settings), "no server listens")
    with socket.create_server(("127.0.0.1", 2599)):
        found = run("", settings)
        check("no-listener" not in found and "netns" not in found, f"{found}")
    server = Program(["unshare", "--net", sys.executable, "-c",
                      "import socket, time; s = socket.create_server(('0.0.0.0', 2599)); print('up', flush=True); time.sleep(600)"])
    server.logged("up")
    found = run("", settings)
    check("netns" in found and f"process {server.pid}" in found["netns"]["what"], f"{found}")
    found = run("", {**settings, "front.gate.enabled": "yes"})
    check(f"netns = /proc/{server.pid}/ns/net" in found["netns"]["do"], f"{found}")
    server.stop(9)


@test("Debian's own Postfix configuration is read; text for people; what cannot be looked at is said")
def _():
    image = unpack("postfix", postfix.PACKAGES)
    t = Tree()
    for name in ("main.cf", "master.cf"):
        for path in (f"/usr/share/postfix/{name}.debian", f"/usr/share/postfix/{name}.dist", f"/etc/postfix/{name}"):
            if os.path.exists(image + path):
                t.write(f"/etc/postfix/{name}", open(image + path).read())
                break
    only(t.check(), "queue-minfree")
    done = run(t.root, {"service.mx.slots": 100, "service.mx.queue_dirs": "/var/spool/postfix"}, json_too=False)
    check("queue-minfree: " in done.stdout and "do: postconf -e queue_minfree=" in done.stdout, done.stdout)
    os.unlink(t.root + "/etc/postfix/main.cf")
    done = run(t.root, {"service.mx.slots": 100, "service.mx.queue_dirs": "/var/spool/postfix"}, json_too=False)
    check("not looked at: Postfix" in done.stdout and done.returncode == 0, done.stdout)


@test("an image, which has no /proc: nothing is said of its kernel, or of who listens, and that this was not looked at is")
def _():
    t = Tree()
    shutil.rmtree(t.root + "/proc")
    done = run(t.root, {"service.mx.slots": 100, "service.mx.queue_dirs": "/var/spool/postfix"}, json_too=False)
    check("not looked at: the kernel" in done.stdout and done.returncode == 0, done.stdout)


place.isolate(postfix.prepare)
tap.run()
