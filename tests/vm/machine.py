"""Emulated machines: a root image with what penstock's programs need, Debian's kernels, and one boot that runs the driver in
guest/. Nothing in here is timed; a machine that does not end is stopped by a generous bound."""
import ctypes
import hashlib
import json
import mmap
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time

import archive
from archive import CACHE, NoKernel, run
from lib import container, packages
from lib.packages import MKFS
from lib.place import BUILD, ROOT

QEMU = "qemu-system-x86_64"
# A boot takes 160 s of the emulator's CPU, more where others share its caches. One that hangs with interrupts off burns it; on a busy machine it takes long to get it.
LIMIT_CPU_S = 900
LIMIT_S = int(os.environ.get("PENSTOCK_VM_LIMIT_S", "3000"))
MEMORY_MIB = 1024
# What the guest needs besides the libraries of our programs.
TOOLS = ["python3", "iproute2", "procps", "kmod", "e2fsprogs", "bpftool"]
# Of a kernel's modules, what the tests load and what that depends on.
MODULES = ["kernel/net", "kernel/lib", "kernel/crypto", "kernel/arch", "kernel/fs/xfs", "kernel/fs/btrfs", "kernel/fs/overlayfs",
           "kernel/drivers/net", "kernel/drivers/md", "kernel/drivers/block", "kernel/block"]
# In one interpreter, since each program that an emulated CPU starts takes it half a second. Nothing of it is in guest/, which lies on a disk of its own.
INIT = """#!/usr/bin/python3 -ISB
import ctypes, os, runpy, time
libc = ctypes.CDLL(None, use_errno=True)

def mount(what, where, kind, flags=0):
    if libc.mount(what.encode(), where.encode(), kind.encode(), ctypes.c_ulong(flags), None):
        raise OSError(ctypes.get_errno(), f"{what} on {where}: {os.strerror(ctypes.get_errno())}")

# Which disk is which is told by its number in the controller: they are found in no order.
def disks():
    found = {}
    for name in os.listdir("/sys/block"):
        try:
            with open(f"/sys/block/{name}/nsid") as f:
                found[int(f.read())] = "/dev/" + name
        except OSError:
            pass  # no such disk, or not ready yet
    return found

if not os.path.ismount("/dev"):
    mount("devtmpfs", "/dev", "devtmpfs")
mount("proc", "/proc", "proc")
mount("sysfs", "/sys", "sysfs")
for _ in range(600):
    if {2, 3, 4} <= set(disks()):
        break
    time.sleep(0.1)
mount(disks()[2], "/penstock", "ext4")
runpy.run_path("/penstock/tests/vm/guest/init.py", {"mount": mount, "disks": disks()})
"""
MIB = 1 << 20
DISK_SIGNATURE = 0x50454E53
RDTSC = b"\x0f\x31\x48\xc1\xe2\x20\x48\x09\xd0\xc3"  # rdtsc; shl rdx, 32; or rax, rdx; ret


def tsc_word():
    """Tells a kernel how fast this host's time stamp counter runs, which is the emulated one. A kernel that measures it while the machine lets it run
    seldom takes too small a figure, and its clock runs several times too fast: each bound in there is over that much sooner."""
    try:
        code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:  # a host that forbids it: the kernel measures
        return ""
    code.write(RDTSC)
    rdtsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(code)))

    def look():
        """(ns, count), of many looks the one that nothing came between."""
        looks = [(time.monotonic_ns(), rdtsc(), time.monotonic_ns()) for _ in range(1000)]
        before, count, after = min(looks, key=lambda each: each[2] - each[0])
        return (before + after) / 2, count
    (began, first), _, (ended, last) = look(), time.sleep(0.3), look()
    return f"tsc_early_khz={(last - first) / (ended - began) * 1e6:.0f}"


def why_not():
    """Why no machine can be emulated here; None: it can."""
    if os.geteuid() != 0:
        return "needs root for file system images with their owners: sudo make test-vm"
    if os.uname().machine != "x86_64":
        return f"the machines are x86_64, this one is {os.uname().machine}"
    for program in (QEMU, "mmdebstrap", "mke2fs", "dpkg-deb"):
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            return f"{program} is not installed: make deps-test"
    return None


def libraries():
    """The Debian packages of the libraries that our programs and tests are linked with."""
    directories = [os.path.join(BUILD, d) for d in ("bin", "tests/kernel", "tests/programs")]
    programs = [os.path.join(d, p) for d in directories for p in os.listdir(d) if not p.endswith(".d")]
    paths = set(re.findall(r"=> (/\S+)", run(["ldd", *programs]).stdout))
    paths |= {os.path.realpath(p) for p in paths} | {p.removeprefix("/usr") for p in paths}
    found = run(["dpkg-query", "-S", *sorted(paths)]).stdout
    return sorted({line.split(":")[0] for line in found.splitlines()} - {"libc6"})


def image(path, tree, size_mib, *options):
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", *options, "-d", tree, path + ".new", f"{size_mib}M"], check=True,
                   stdout=subprocess.DEVNULL)
    os.rename(path + ".new", path)


def partitioned(path, size_mib):
    """Turns an image that has 1 MiB free before its file system into a disk with that as its first partition, which is what the
    kernel can find by itself when there are several disks."""
    entry = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0x83, b"\xff\xff\xff", MIB // 512, size_mib * MIB // 512)
    with open(path, "r+b") as f:
        f.write(bytes(440) + struct.pack("<IH", DISK_SIGNATURE, 0) + entry + bytes(48) + b"\x55\xaa")
        f.truncate((size_mib + 1) * MIB)


def root_tree():
    """Debian of this host's release, so that our programs run there as they were built here: a root that stays as it is."""
    codename = re.search(r"^VERSION_CODENAME=(\S+)", open("/etc/os-release").read(), re.M)[1]
    tree = container.image("vm", codename, {*container.BOOTS, *TOOLS, *libraries()})
    if not tree:
        raise NoKernel("no root could be made (see above)")
    return tree


def root_image():
    tree = root_tree()
    path, stamp = os.path.join(CACHE, "root.img"), os.path.join(CACHE, "root.stamp")
    content = os.path.basename(tree) + INIT
    if Machine.read(stamp) == content and os.path.exists(path):
        return path
    with tempfile.TemporaryDirectory(prefix="root-", dir=CACHE) as directory:
        copy = os.path.join(directory, "tree")
        subprocess.run(["cp", "-a", tree, copy], check=True)
        for unread in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man"):
            shutil.rmtree(os.path.join(copy, unread), ignore_errors=True)
        for mountpoint in ("penstock", "usr/lib/modules"):
            os.makedirs(os.path.join(copy, mountpoint), exist_ok=True)
        with open(os.path.join(copy, "init"), "w") as f:
            f.write(INIT)
        os.chmod(os.path.join(copy, "init"), 0o755)
        image(path, copy, 700, "-E", f"offset={MIB}")
    partitioned(path, 700)
    with open(stamp, "w") as f:
        f.write(content)
    return path


def modules_image(modules, release):
    """A kernel's modules, with their dependencies worked out by the guest's own kmod."""
    path = os.path.join(CACHE, f"modules-{release}.img")
    if os.path.exists(path):
        return path
    with tempfile.TemporaryDirectory(prefix="modules-", dir=CACHE) as top:
        tree = os.path.join(top, "lib/modules", release)
        for part in MODULES:
            if os.path.isdir(os.path.join(modules, part)):
                shutil.copytree(os.path.join(modules, part), os.path.join(tree, part))
        for name in os.listdir(modules):
            if name.startswith("modules."):
                shutil.copy(os.path.join(modules, name), tree)
        # The root that has kmod sees the tree by a bind mount in a mount namespace that ends with it.
        done = run(["unshare", "--mount", "sh", "-c", 'mount --bind "$1" "$2/mnt" && chroot "$2" depmod -b /mnt "$3"', "sh", top,
                    root_tree(), release])
        if done.returncode != 0:
            raise NoKernel(f"depmod for {release}: {archive.last_line(done.stderr)}")
        image(path, os.path.join(top, "lib/modules"), 250)
    return path


# What a machine gets: from where, its place there, and what of it is left out.
PARTS = [(os.path.join(BUILD, "bin"), "build/bin", ("penstock-sim", "penstock-replay")),
         (os.path.join(BUILD, "tests"), "build/tests", ("*.d", "obj", "unit", "codec", "law")),
         (os.path.join(ROOT, "tests"), "tests", ("fuzz", "sim", "unit", "codec", "fixtures", "bench", "__pycache__"))]


def content():
    """What marks the files of payload()."""
    seen = hashlib.sha256((Machine.read(__file__) + root_tree()).encode())
    for top, _, left_out in PARTS:
        for directory, directories, files in os.walk(top):
            ignored = shutil.ignore_patterns(*left_out)(directory, directories + files)
            directories[:] = sorted(set(directories) - ignored)
            for name in sorted(set(files) - ignored):
                stat = os.stat(os.path.join(directory, name))
                seen.update(f"{directory}/{name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return seen.hexdigest()


def payload():
    """Where there are the images of our programs and tests, laid out as in the source tree, and of an empty file system on a disk that will be
    slow. They stand until a file has changed: several boots share them."""
    stamp, wanted = os.path.join(CACHE, "payload.stamp"), content()
    if Machine.read(stamp) != wanted:
        with tempfile.TemporaryDirectory(prefix="payload-", dir=CACHE) as directory:
            make_payload(directory)
        with open(stamp, "w") as f:
            f.write(wanted)
    return CACHE


def make_payload(directory):
    tree = os.path.join(directory, "tree")
    for top, place, left_out in PARTS:
        shutil.copytree(top, os.path.join(tree, place), ignore=shutil.ignore_patterns(*left_out))
    # Else an emulated CPU would compile the modules each time that a test starts: the guest's own Python does it here, once.
    run(["unshare", "--mount", "sh", "-c", 'mount --bind "$1" "$2/mnt" && chroot "$2" python3 -m compileall -q --invalidation-mode unchecked-hash '
         "-s /mnt -p /penstock /mnt/tests/integration/lib /mnt/tests/vm", "sh", tree, root_tree()])
    os.makedirs(os.path.join(tree, "daemon", "kernel"))
    shutil.copy(os.path.join(ROOT, "daemon", "kernel", "SUPPORT.md"), os.path.join(tree, "daemon", "kernel"))
    try:  # what test_probes.py would download; the machine has no network
        unpacked = packages.unpack("mkfs", MKFS)
        shutil.copytree(unpacked, os.path.join(tree, "build", os.path.relpath(unpacked, BUILD)), symlinks=True)
    except AssertionError as why:
        print(f"# {why}", flush=True)
    programs = [os.path.join(d, f) for part in ("bin", "tests") for d, _, files in os.walk(f"{tree}/build/{part}") for f in files]
    run(["strip", "-g", *programs])
    image(os.path.join(CACHE, "payload.img"), tree, 400)
    os.makedirs(os.path.join(directory, "empty"))
    image(os.path.join(CACHE, "slow.img"), os.path.join(directory, "empty"), 64, "-O", "^resize_inode", "-E", "lazy_itable_init=0")


class Machine:
    """One boot of one kernel. What the driver says arrives on the second serial line."""

    def __init__(self, kernel, load, directory, environment):
        self.vmlinuz, modules, self.release = kernel
        self.version = re.match(r"\d+\.\d+", self.release)[0]
        self.directory = os.path.join(directory, self.release)
        os.makedirs(self.directory)
        self.console = os.path.join(self.directory, "console")
        self.results = os.path.join(self.directory, "results")
        self.monitor = os.path.join(self.directory, "monitor")
        words = " ".join(f"{k}={v}" for k, v in environment.items())
        disks = [root_image(), os.path.join(load, "payload.img"), modules_image(modules, self.release), os.path.join(load, "slow.img")]
        # tsc=reliable: both CPUs have one counter, which kernels before 6.12 do not know; each look at the clock would leave the emulated CPU.
        self.argv = [QEMU, "-M", "q35", "-accel", "tcg,thread=single", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MIB),
                     "-display", "none", "-monitor", f"unix:{self.monitor},server=on,wait=off", "-no-reboot", "-nic", "none", "-kernel", self.vmlinuz,
                     "-serial", "file:" + self.console, "-serial", "file:" + self.results,
                     "-append", f"root=PARTUUID={DISK_SIGNATURE:08x}-01 rootwait rw init=/init console=ttyS0 panic=-1 mitigations=off net.ifnames=0 "
                     "apparmor=0 selinux=0 psi=1 no_timer_check "
                     f"tsc=reliable {tsc_word()} " + words, "-device", "nvme,id=disks,serial=penstock"]
        for number, disk in enumerate(disks, 1):
            slow = ",throttling.iops-total=25" if disk.endswith("slow.img") else ""
            self.argv += ["-drive", f"if=none,id=d{number},file={disk},format=raw,snapshot=on{slow}",
                          "-device", f"nvme-ns,drive=d{number},bus=disks,nsid={number}"]

    def start(self):
        self.log = open(os.path.join(self.directory, "qemu"), "w")
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        env={**os.environ, "TMPDIR": self.directory})
        return self

    def wait(self):
        """None, or what went wrong. A kernel that hangs says so on its console and is not waited for."""
        until = time.monotonic() + LIMIT_S
        while True:
            try:
                status = self.process.wait(2)
                break
            except subprocess.TimeoutExpired:
                stuck = re.search(r"Kernel panic.*|(?:soft lockup[^\0]*){3}", self.read(self.console))
                burnt = self.cpu_s() > LIMIT_CPU_S
                if stuck or burnt or time.monotonic() > until:
                    self.registers()
                    self.process.kill()
                    self.process.wait()
                    return f"the kernel hangs: {stuck[0].splitlines()[0]}" if stuck else \
                        f"no end within {LIMIT_CPU_S} s of CPU" if burnt else f"no end within {LIMIT_S} s"
        if status != 0:
            return f"qemu ended with {status}: {archive.last_line(open(self.log.name).read())}"
        return None if "@@ done" in self.said() else "it stopped before its driver was done: " + archive.last_line(self.read(self.console))

    def cpu_s(self):
        """What the emulator has used so far, all its threads."""
        try:
            with open(f"/proc/{self.process.pid}/stat") as f:
                user, system = f.read().rpartition(")")[2].split()[11:13]
        except OSError:
            return 0
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def registers(self):
        """Where each CPU of a machine that hangs is, for the log."""
        try:
            with socket.socket(socket.AF_UNIX) as monitor:
                monitor.settimeout(3)
                monitor.connect(self.monitor)
                monitor.sendall(b"info registers -a\n")
                said = b""
                while said.count(b"(qemu)") < 2 and (part := monitor.recv(65536)):
                    said += part
                self.log.write("\n".join(re.findall(r"CPU#\d+|.IP=.*", said.decode(errors="replace"))))
                self.log.flush()
        except OSError:
            pass

    def misemulated(self):
        """Whether the kernel fell over a breakpoint of its own: while it replaces code that runs (a tracepoint is switched on), an
        emulated CPU may still run the breakpoint that stood there meanwhile, which a real one cannot after the interrupt."""
        return re.search(r"Oops: int3|int3: 0000 \[#1\]", self.read(self.console)) is not None

    @staticmethod
    def read(path):
        return open(path, errors="replace").read() if os.path.exists(path) else ""

    def said(self):
        return self.read(self.results).replace("\r", "")

    def log_text(self):
        return f"=== console\n{self.read(self.console)}\n=== driver\n{self.said()}\n=== qemu\n{self.read(self.log.name)}"


def json_said(text, what):
    """The object that the driver printed under this name; None: none."""
    found = re.search(rf"^@@ {what} (\{{.*\}})$", text, re.M)
    return json.loads(found[1]) if found else None
