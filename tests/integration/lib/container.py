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


def image(name, release, packages, foreign=None):
    """The path of a root with `packages`, made where it is missing; None when it cannot be made, with the reason on stdout.
    `foreign`: another architecture whose packages may be among them, as NAME:ARCHITECTURE."""
    wanted = sorted(packages)
    more = [f"--architectures=amd64,{foreign}"] if foreign else []
    # Package lists of a release that is not stable yet expire, and a mirror may be behind. So the date is ignored; the signature is checked.
    more += ["--aptopt=Acquire::Check-Valid-Until \"false\""]
    path = os.path.join(BUILD, "roots", f"{name}-{hashlib.sha256(' '.join([release] + wanted).encode()).hexdigest()[:12]}")
    try:
        with making(path) as missing:
            if missing:
                done = subprocess.run(["nice", "mmdebstrap", "--quiet", "--variant=minbase", *more, "--include=" + ",".join(wanted), release, path + ".new", *mirror()],
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


def boot(root, seconds, rights=BPF):
    """Boots it and waits until it powers off. Others may boot at the same time: each has its own /run and control group. Returns the last lines of
    its output."""
    try:
        group = Cgroup()
    except OSError as why:
        return f"no control group can be made: {why}"
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
