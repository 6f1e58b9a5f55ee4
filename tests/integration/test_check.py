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
from lib.place import BIN, wait_for
from lib.programs import Program
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
        self.write("/proc/self/net/tcp", "  sl  local_address rem_address   st\n   0: 00000000:0019 00000000:0000 0A 0:0\n")
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
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    check(done.returncode in (0, 1), f"{argv} gave {done.returncode}: {done.stdout}{done.stderr}")
    if not json_too:
        return done
    answer = json.loads(done.stdout)
    check(done.returncode == (1 if answer["findings"] else 0), f"exit code {done.returncode} with {answer}")
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


@test("the policy service: default_action, delay_reject, scope, nobody asks, postscreen")
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
    found = Tree(options="  -o smtpd_upstream_proxy_protocol=haproxy\n").check(settings)
    only(found, "proxy-protocol")
    check("sends none" in found["proxy-protocol"]["what"], f"{found}")
    found = Tree().check(settings)
    only(found, "proxy-protocol")
    check("relays for all" in found["proxy-protocol"]["what"], f"{found}")


@test("two enforcing fronts for one service: the configuration is what is found")
def _():
    found = Tree().check({**POLICY, "front.gate.enabled": "yes"})
    only(found, "configuration")
    check("one enforcing front" in found["configuration"]["what"], f"{found}")


@test("the mail server in another network namespace is found, and where; nothing listening is said")
def _():
    settings = {"service.mx.slots": 100, "service.mx.queue_dirs": "/var/spool", "service.mx.ports": 2599}
    check("no-listener" in run("", settings), "nobody listens")
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
