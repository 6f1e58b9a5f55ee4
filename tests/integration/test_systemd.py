#!/usr/bin/env python3
"""The package under a real systemd, booted in a container: the units as they are shipped, as the user they run as. One boot, from
start to power-off; each result that tests/integration/systemd/check and its companions write is a test here."""
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import BUILD, ROOT
from lib.tap import Skip, check, test

IMAGE = os.path.join(BUILD, "roots", "systemd")
INSIDE = os.path.join(ROOT, "tests", "integration", "systemd")
results, why_not = {}, []


def wanted_packages():
    depends = subprocess.run(["dpkg-deb", "-f", package(), "Depends"], capture_output=True, text=True, check=True).stdout
    return sorted({"systemd", "systemd-sysv", "dbus", "polkitd", "libpam-systemd", "procps", "iproute2", "socat"} | {d.strip() for d in depends.split(",")})


def prepare():
    """Outside, where there is a network: the package, and a root with what it depends on."""
    subprocess.run(["make", "--no-print-directory", "deb", f"BUILD={os.path.relpath(BUILD, ROOT)}"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    wanted = wanted_packages()
    mark = os.path.join(IMAGE, ".done-" + hashlib.sha256(" ".join(wanted).encode()).hexdigest()[:16])
    if os.path.exists(mark):
        return
    shutil.rmtree(IMAGE, ignore_errors=True)
    sources = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"], capture_output=True, text=True)
    mirror = [line for line in sources.stdout.splitlines() if "security" not in line][:1]
    done = subprocess.run(["debootstrap", "--variant=minbase", "--include=" + ",".join(wanted), "bookworm", IMAGE, *mirror],
                          capture_output=True, text=True)
    if done.returncode == 0:
        open(mark, "w").close()
    else:
        print(f"# debootstrap: {done.stdout[-400:]} {done.stderr[-400:]}", flush=True)
        shutil.rmtree(IMAGE + ".failed", ignore_errors=True)
        os.rename(IMAGE, IMAGE + ".failed")


def package():
    directory = os.path.join(ROOT, "build/deb")
    return os.path.join(directory, [f for f in os.listdir(directory) if f.endswith(".deb")][0])


def make_root(directory):
    root, upper, work = (os.path.join(directory, d) for d in ("root", "upper", "work"))
    for d in (root, upper, work):
        os.mkdir(d)
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={IMAGE},upperdir={upper},workdir={work}", root], check=True)
    subprocess.run(["dpkg-deb", "-x", package(), directory + "/deb"], check=True)
    for top in os.listdir(directory + "/deb"):
        subprocess.run(["cp", "-a", f"{directory}/deb/{top}/.", f"{root}/{top}/"], check=True)
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
    return root


def boot():
    """Fills `results` once, whichever test comes first."""
    if results or why_not:
        return
    if not [f for f in (os.listdir(IMAGE) if os.path.isdir(IMAGE) else []) if f.startswith(".done-")]:
        why_not.append("no root to boot: debootstrap could not make one here (see above)")
        return
    directory = tempfile.mkdtemp(prefix="test-systemd-", dir=BUILD)
    root = make_root(directory)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    done = subprocess.run(["systemd-nspawn", "--register=no", "--keep-unit", "-D", root, "--boot", "--private-network",
                           "--capability=CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN", "--system-call-filter=bpf perf_event_open"],
                          capture_output=True, text=True, timeout=800, errors="replace",
                          env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})
    path = root + "/root/results"
    if os.path.exists(path):
        for line in open(path):
            name, outcome = line.split()
            # A name that comes twice fails when either did.
            results[name] = outcome if results.get(name, "ok") == "ok" else results[name]
    else:
        why_not.append(f"no container can be booted here: {done.stdout[-300:]} {done.stderr[-300:]}".replace("\n", " "))
    for name in ("log", "journal", "replies"):
        if os.path.exists(f"{root}/root/{name}"):
            logs = os.path.join(BUILD, "test-logs")
            os.makedirs(logs, exist_ok=True)
            shutil.copy(f"{root}/root/{name}", f"{logs}/systemd-{name}.log")
    subprocess.run(["umount", "-l", root])
    shutil.rmtree(directory, ignore_errors=True)


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
