#!/usr/bin/env python3
"""An upgrade finds the files of the release before (kept in tests/fixtures/release-0.2.0, made by that release): each is read, or set
aside and that is said; mail flows in either case."""
import fcntl
import glob
import lzma
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import BIN, ROOT, wait_for
from lib.tap import check, test
from lib.world import PORT, World

KEPT = os.path.join(ROOT, "tests", "fixtures", "release-0.2.0")


def put(name, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with lzma.open(os.path.join(KEPT, name + ".xz")) as f, open(path, "wb") as to:
        shutil.copyfileobj(f, to)
    os.chmod(path, 0o640)


def upgraded():
    """A directory as 0.2.0 leaves it when its programs are replaced."""
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    for name in ("learned", "ledger"):
        put(name, f"{directory}/state/{name}")
    for name in ("plan", "sources"):
        put(name, f"{directory}/run/{name}")
    for path in glob.glob(KEPT + "/counts-*.xz"):
        name = os.path.basename(path)[:-3]
        put(name, f"{directory}/run/counts/{name.removeprefix('counts-')}")
    return directory


@test("mail flows over the files of 0.2.0, and the senders that it deferred are still known")
def _():
    with World(upgraded(), {"source.ledger_size": "1MiB", "test.source.rate_size": "1MiB"}, calm=True) as w:
        w.mail_flows()
        status = w.daemon.wait_status(lambda s: s["decisions"]["admitted"] >= 1, "the admission is counted")
        w.daemon.logged("115 sources are remembered from before")
        check(status["sources"]["deferred_waiting"] >= 30, f"{status['sources']}")
        w.daemon.wait_status(lambda s: s["in_flight"] == 0, "no session of a proxy that is gone to be counted")


@test("what 0.2.0 had learned is taken over")
def _():
    with World(upgraded(), calm=True) as w:
        w.daemon.logged("going on from what was learned before")
        w.mail_flows()


@test("a proxy that maps the plan of 0.2.0 admits, and says that it has no plan that it knows")
def _():
    with World(upgraded(), daemon=False) as w:
        w.mail_flows()
        w.proxy.logged("There is no current plan in")


@test("a proxy of another version that runs on after an upgrade is named, and a dead one's file is none")
def _():
    options = {"front.proxy.enabled": "yes", "front.proxy.listen": f"127.0.0.1:{PORT}", "front.proxy.backend": "127.0.0.1:1",
               "front.proxy.proxy_protocol": "v1"}
    with World(upgraded(), options, proxy=False, calm=True) as w:
        def why():
            return w.daemon.status()["decisions"]["by_front"]["proxy"]["reason"]
        check("does not run" in why(), why())
        [path] = [p for p in glob.glob(w.directory + "/run/counts/proxy-*") if not p.endswith(".events")]
        with open(path, "r+b") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            wait_for(lambda: "of another version" in why(), why)
            check("restart it" in w.daemon.status()["headline"]["sentence"], "the first line says what to do")
        wait_for(lambda: "does not run" in why(), why)


def upgrade(text):
    """What the package's preinst makes of a configuration of 0.2.0: the directory, and what it said."""
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    conf = directory + "/penstock.conf"
    with open(conf, "w") as f:
        f.write(text)
    said = run_script("preinst", directory, "upgrade", "0.2.0-1")
    checked = subprocess.run([os.path.join(BIN, "penstockd"), "--check-config", "-c", conf], capture_output=True, text=True, timeout=120)
    return directory, said, checked


@test("an upgrade from 0.2.0 leaves a proxy that said no proxy_protocol running as before, and warns; others are left alone")
def _():
    proxy = "[service.mx]\nports = 2525\n[front.proxy]\nenabled = yes\nlisten = 127.0.0.1:9625\nbackend = 127.0.0.1:2525\n"
    for more, warned in (("", True), ("# proxy_protocol = v1\n", True), ("proxy_protocol = v1\n", False),
                         ("proxy_protocol=none\nclient_addresses_hidden = yes\n", False)):
        directory, said, checked = upgrade(proxy + more)
        check(checked.returncode == 0, f"{more}: {checked.stdout}{checked.stderr}")
        check(("WARNING" in said) == warned, f"{more}: {said}")
        check(os.path.exists(directory + "/penstock.conf.d/01-proxy-protocol-of-0.2.conf") == warned, more)
    for other in ("[service.mx]\nports = 25\n", proxy.replace("enabled = yes", "enabled = no")):
        check("WARNING" not in upgrade(other)[1], other)


def run_script(name, directory, *arguments):
    """A script of the package, on the configuration in this directory."""
    with open(os.path.join(ROOT, "packaging", "debian", f"penstock.{name}")) as f:
        script = f.read().replace("#DEBHELPER#", "").replace("/etc/penstock/penstock.conf", directory + "/penstock.conf")
    done = subprocess.run(["sh", "-c", script, name, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    check(done.returncode == 0, f"{name} {arguments}: {done}")
    return done.stderr


@test("back to 0.2.0, which does not know the option that the upgrade wrote: it is taken out, and stays where an administrator changed the file")
def _():
    for version, change, stays in (("0.2.0", "", False), ("0.2.0", "linger = 10s\n", True), ("0.3.1-1", "", True)):
        directory = upgrade("[front.proxy]\nenabled = yes\nlisten = 127.0.0.1:9625\nbackend = 127.0.0.1:2525\n")[0]
        written = directory + "/penstock.conf.d/01-proxy-protocol-of-0.2.conf"
        with open(written, "a") as f:
            f.write(change)
        with open(written) as f:
            before = f.read()
        run_script("prerm", directory, "upgrade", version)
        check(os.path.exists(written) == stays, f"{version} {change!r}")
        run_script("postinst", directory, "abort-upgrade", version)
        with open(written) as f:
            check(f.read() == before, f"{version} {change!r}: an aborted downgrade changes nothing")


@test("after a downgrade that was done, the next upgrade loses no setting, and leaves nothing of the downgrade beside")
def _():
    directory = upgrade("[front.proxy]\nenabled = yes\nlisten = 127.0.0.1:9625\nbackend = 127.0.0.1:2525\n")[0]
    run_script("prerm", directory, "upgrade", "0.2.0")
    check("WARNING" in run_script("preinst", directory, "upgrade", "0.2.0"), "it warns again")
    left = sorted(os.listdir(directory + "/penstock.conf.d"))
    check(left == ["00-from-penstock.conf", "01-proxy-protocol-of-0.2.conf"], f"{left}")
    with open(directory + "/penstock.conf.d/00-from-penstock.conf") as f:
        check("backend = 127.0.0.1:2525" in f.read(), "what was edited before the first upgrade")


@test("a trace of 0.2.0 is refused in one line that tells what to do")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    put("trace", directory + "/trace")
    done = subprocess.run([os.path.join(BIN, "penstock-replay"), directory + "/trace"], capture_output=True, text=True, timeout=240)
    said = done.stdout + done.stderr
    check(done.returncode == 3 and said.count("\n") == 1 and "written by another version" in said, f"{done.returncode}: {said[:600]}")


@test("the package may go back: this release's files do not stop 0.2.0's readers from knowing that they are not theirs")
def _():
    # Every kept file carries a magic word and a version; a reader compares both. Here: ours differ from those of 0.2.0 where the layout does.
    with World(calm=True) as w:
        w.mail_flows()
        with lzma.open(KEPT + "/plan.xz") as f:
            old = f.read(8)
        new = wait_for(lambda: open(w.daemon.run_dir + "/plan", "rb").read(8), "the plan")
        check(old[:4] == new[:4], "the magic word")
        check(old[4:8] != new[4:8], "the same version for another layout")


place.isolate()
tap.run()
