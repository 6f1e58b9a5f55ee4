#!/usr/bin/env python3
"""The package under a real systemd, booted in a container: the units as they are shipped, as the user they run as. One boot, from
start to power-off; each result that tests/integration/systemd/check and its companions write is a test here."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import container, place, tap
from lib.place import BUILD, ROOT
from lib.tap import Skip, check, test

INSIDE = os.path.join(ROOT, "tests", "integration", "systemd")
results, why_not = {}, []


def prepare():
    """Outside, where there is a network: the packages, and a root with what they depend on, which test_packages boots, too."""
    subprocess.run(["make", "--no-print-directory", "deb", f"BUILD={os.path.relpath(BUILD, ROOT)}"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    os.environ["PENSTOCK_TEST_ROOT"] = container.image("packages", "bookworm", container.SYSTEMD | container.depends(packages())) or ""


def packages():
    """The daemon and the tools; the documentation and the symbols stay outside."""
    directory = os.path.join(ROOT, "build/deb")
    return [os.path.join(directory, f) for f in os.listdir(directory) if re.match(r"penstock(-tools)?_.*\.deb$", f)]


def fill(root):
    directory = root + ".deb"
    for package in packages():
        subprocess.run(["dpkg-deb", "-x", package, directory], check=True)
    for top in os.listdir(directory):
        subprocess.run(["cp", "-a", f"{directory}/{top}/.", f"{root}/{top}/"], check=True)
    for name in os.listdir(INSIDE):
        at = "/etc/systemd/system/" if name.endswith(".service") else "/root/"
        shutil.copy(os.path.join(INSIDE, name), root + at + name)
    for variant in ("next", "planted"):
        os.makedirs(f"{root}/root/{variant}")
        for program in ("penstockd", "penstock-proxy"):
            path = os.path.join(BUILD, "tests", variant, program)
            if os.path.exists(path):
                shutil.copy(path, f"{root}/root/{variant}/{program}")
    wants = root + "/etc/systemd/system/multi-user.target.wants"
    os.makedirs(wants, exist_ok=True)
    for unit in ("check", "postfix", "observer", "penstockd"):
        where = "/usr/lib/systemd/system" if unit == "penstockd" else "/etc/systemd/system"
        os.symlink(f"{where}/{unit}.service", f"{wants}/{unit}.service")


def boot():
    """Fills `results` once, whichever test comes first."""
    if results or why_not:
        return
    image = os.environ["PENSTOCK_TEST_ROOT"]
    if not image:
        why_not.append("no root to boot: mmdebstrap could not make one here (see above)")
        return
    with container.overlay(image, "systemd") as root:
        fill(root)
        said = container.boot(root, 1500)
        found = container.results(root)
        if found is None:
            why_not.append(f"no container can be booted here: {said}")
        results.update(found or {})
        container.keep_logs(root, "systemd", ("log", "journal", "replies"))


def names():
    """What the scripts say that they show, `result NAME`, in the order of the files."""
    found = []
    for name in ("check", "postfix-started", "postfix-stopped", "judge-shutdown"):
        found += re.findall(r"\bresult ([a-z0-9-]+)", open(os.path.join(INSIDE, name)).read())
    return list(dict.fromkeys(found))


def add(name):
    @test(name.replace("-", " "))
    def _():
        boot()
        if why_not:
            raise Skip(why_not[0])
        check(name in results, f"it was not come to; see {BUILD}/test-logs/systemd-log.log and -journal.log")
        check(results[name] == "ok", f"see {BUILD}/test-logs/systemd-log.log and -journal.log")


for result in names():
    add(result)

place.isolate(prepare)
tap.run()
