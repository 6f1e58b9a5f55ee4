"""The first process of the emulated machine, in the interpreter of machine.INIT: mounts what a machine has, runs the driver, ends the machine.
`mount` and `disks` are that one's."""
import ctypes
import fcntl
import os
import resource
import runpy
import socket
import struct
import subprocess
import tty

READ_ONLY = 1  # MS_RDONLY
POWER_OFF = 0x4321FEDC
os.environ.update(PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG="C.UTF-8", PYTHONDONTWRITEBYTECODE="1",
                  SLOW_DISK=disks[4])


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack("16xh22x", fcntl.ioctl(s, 0x8913, request))[0]  # SIOCGIFFLAGS, then SIOCSIFFLAGS; IFF_UP
        fcntl.ioctl(s, 0x8914, struct.pack("16sh22x", b"lo", flags | 1))


def prepare():
    for directory in ("/dev/pts", "/dev/shm"):
        os.makedirs(directory, exist_ok=True)
    mount("devpts", "/dev/pts", "devpts")
    for directory in ("/dev/shm", "/run", "/tmp"):
        mount("tmpfs", directory, "tmpfs")
    mount("cgroup2", "/sys/fs/cgroup", "cgroup2")
    mount("bpf", "/sys/fs/bpf", "bpf")
    mount("tracefs", "/sys/kernel/tracing", "tracefs")
    mount(disks[3], "/usr/lib/modules", "ext4", READ_ONLY)
    subprocess.run(["modprobe", "loop"])
    with open("/sys/fs/cgroup/cgroup.subtree_control", "w") as f:
        f.write("+cpu +memory +io +pids")
    loopback_up()
    socket.sethostname("penstock")
    resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))


def drive():
    """In a process of its own: the first one also waits for what others leave behind."""
    os.setsid()
    line = os.open("/dev/ttyS1", os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    os.dup2(line, 1)
    os.dup2(line, 2)
    os.chdir("/penstock")
    runpy.run_path("tests/vm/guest/driver.py", run_name="__main__")


prepare()
driver = os.fork()
if not driver:
    try:
        drive()
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
while True:
    pid, status = os.wait()
    if pid == driver:
        break
print(f"driver: exit status {os.waitstatus_to_exitcode(status)}", flush=True)
os.sync()
ctypes.CDLL(None).reboot(POWER_OFF)
