"""Debian roots under build/roots/, and booting one of them with systemd in a container. Roots are made once, outside (where there is
a network) and never changed: what runs in one runs in an overlay that vanishes."""
import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile

from lib.cgroup import Cgroup
from lib.packages import making
from lib.place import BUILD

# What penstockd needs in addition to the rights that a container usually has.
BPF = ["--capability=CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN", "--system-call-filter=bpf perf_event_open"]
# What a boot starts for a machine with disks, a console or accounting of logins, and no test looks at. Generators run at each daemon-reload, too: a
# dozen processes, and starting one is most of what a booted machine costs.
IDLE_GENERATORS = [f"systemd-{name}-generator" for name in ("cryptsetup", "debug", "fstab", "getty", "gpt-auto", "hibernate-resume", "integritysetup",
                                                            "rc-local", "run", "system-update", "veritysetup")]
IDLE_UNITS = ["console-getty.service", "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service"]
SYSTEMD = {"systemd", "systemd-sysv", "dbus", "polkitd", "libpam-systemd", "procps", "iproute2", "socat"}


def mirror():
    """The source of Debian's packages on this machine."""
    sources = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"], capture_output=True, text=True)
    return [line for line in sources.stdout.splitlines() if "security" not in line][:1]


def depends(packages):
    """Names of the packages that .deb files depend on; of alternatives, the first."""
    names = set()
    for package in packages:
        fields = subprocess.run(["dpkg-deb", "-f", package, "Depends"], capture_output=True, text=True, check=True).stdout
        names |= {d.split("|")[0].split("(")[0].strip() for d in fields.replace("\n", " ").split(",") if d.strip()}
    return {name for name in names if not name.startswith("penstock")}


# What no program of an engine's image reads, where that is made of a machine's own files: as words for tar.
NO_IMAGE_NEEDS = " ".join(f"--exclude=./{path}" for path in (
    "root", "var/lib/apt", "usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man", "usr/share/perl", "usr/lib/x86_64-linux-gnu/perl",
    "usr/lib/python3", "usr/lib/python3.*"))


# What a root with a service manager has, whatever else is in it.
BOOTS = {"systemd", "systemd-sysv", "dbus", "procps", "iproute2", "socat"}
# Packages are added to a copy of another root: $0, to $1. No service is started there, and nothing is recommended.
ADD = r"""rm -rf "$1" && cp -a "$0" "$1" && cd "$1" && mount -t proc proc proc && cp -L /etc/resolv.conf etc/resolv.conf || exit 1
printf '#!/bin/sh\nexit 101\n' >usr/sbin/policy-rc.d && chmod 755 usr/sbin/policy-rc.d
apt-config dump | grep -E '^Acquire::(https?|Retries|ForceIPv4)' >etc/apt/apt.conf.d/99host
export DEBIAN_FRONTEND=noninteractive LC_ALL=C; shift
chroot . apt-get update -qq -o Acquire::Check-Valid-Until=false && chroot . apt-get install -qq -y --no-install-recommends "$@" || exit 1
chroot . apt-get clean && rm -rf usr/sbin/policy-rc.d etc/apt/apt.conf.d/99host var/lib/apt/lists/* && umount proc"""


def image(name, release, packages, foreign=None, whole=False):
    """The path of a root with `packages`, made where it is missing; None when it cannot be made, with the reason on stdout.
    `foreign`: another architecture whose packages may be among them, as NAME:ARCHITECTURE. `whole`: made by itself, as is right where no other
    root is alike; others are a copy of one that many share, with what they need besides, and made by themselves where that fails."""
    wanted = sorted(packages)
    more = [f"--architectures=amd64,{foreign}"] if foreign else []
    # No root has to outlive a power failure: dpkg need not sync each file, here or in a machine that is booted from it.
    more += ["--dpkgopt=force-unsafe-io"]
    # Package lists of a release that is not stable yet expire, and a mirror may be behind. So the date is ignored; the signature is checked.
    more += ['--aptopt=Acquire::Check-Valid-Until "false"', *(["--include=" + ",".join(wanted)] if wanted else [])]
    path = os.path.join(BUILD, "roots", f"{name}-{hashlib.sha256(' '.join([release] + wanted).encode()).hexdigest()[:12]}")
    try:
        with making(path) as missing:
            if missing:
                done = None
                shared = BOOTS if BOOTS <= set(packages) else set()
                base = None if whole or foreign else image("base", release, shared, whole=True)
                if base:
                    done = subprocess.run(["nice", "unshare", "--mount", "sh", "-c", ADD, base, path + ".new", *sorted(set(packages) - shared)],
                                          capture_output=True, text=True)
                if not done or done.returncode:
                    subprocess.run(["rm", "-rf", path + ".new"])
                    done = subprocess.run(["nice", "mmdebstrap", "--quiet", "--variant=minbase", *more, release, path + ".new", *mirror()],
                                          capture_output=True, text=True)
                if done.returncode:
                    subprocess.run(["rm", "-rf", path, path + ".new"])
                    raise RuntimeError(done.stderr[-600:])
                os.rmdir(path)
                os.rename(path + ".new", path)
    except (RuntimeError, OSError) as error:
        print(f"# a root of {release}: {error}".replace("\n", " "), flush=True)
        return None
    return path


@contextlib.contextmanager
def overlay(base, name):
    """A root that may be changed, on top of `base`."""
    directory = tempfile.mkdtemp(prefix=f"test-{name}-", dir=BUILD)
    root, upper, work = (os.path.join(directory, d) for d in ("root", "upper", "work"))
    for d in (root, upper, work):
        os.mkdir(d)
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={base},upperdir={upper},workdir={work}", root], check=True)
    try:
        yield root
    finally:
        subprocess.run(["umount", "-l", root])
        shutil.rmtree(directory, ignore_errors=True)


def mask_idle(root):
    for directory, names in (("system-generators", IDLE_GENERATORS), ("system", IDLE_UNITS)):
        os.makedirs(f"{root}/etc/systemd/{directory}", exist_ok=True)
        for name in names:
            os.symlink("/dev/null", f"{root}/etc/systemd/{directory}/{name}")


def boot(root, seconds, rights=BPF):
    """Boots it and waits until it powers off. Others may boot at the same time: each has its own /run and control group. Returns the last lines of
    its output."""
    try:
        group = Cgroup()
    except OSError as why:
        return f"no control group can be made: {why}"
    mask_idle(root)
    try:
        done = subprocess.run(group.prefix("unshare", "--mount", "sh", "-ec", 'mount -t tmpfs tmpfs /run; exec "$@"', "sh", "systemd-nspawn",
                                           "--register=no", "--keep-unit", "-D", root, "--boot", "--private-network", *rights),
                              capture_output=True, text=True, timeout=seconds, errors="replace",
                              env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})
    finally:
        group.remove()
    return f"{done.stdout[-300:]} {done.stderr[-300:]}".replace("\n", " ")


def results(root):
    """What its scripts wrote to /root/results, `NAME ok|failed` a line: a name that comes twice fails when either did. None: nothing."""
    path, found = root + "/root/results", {}
    if not os.path.exists(path):
        return None
    for line in open(path):
        name, outcome = line.split()
        found[name] = outcome if found.get(name, "ok") == "ok" else found[name]
    return found


def keep_logs(root, suite, names):
    logs = os.path.join(BUILD, "test-logs")
    os.makedirs(logs, exist_ok=True)
    for name in names:
        if os.path.exists(f"{root}/root/{name}"):
            shutil.copy(f"{root}/root/{name}", f"{logs}/{suite}-{name}.log")
