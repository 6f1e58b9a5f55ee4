"""File systems of our own, which no other program uses."""
import contextlib
import os
import subprocess
import tempfile

from lib import packages
from lib.place import BUILD
from lib.tap import Skip


def make_filesystem(kind, device):
    if kind == "ext4":
        argv = ["mkfs.ext4", "-q", "-F", device]
    else:
        root = packages.image_of("mkfs", packages.MKFS)
        program = {"xfs": "usr/sbin/mkfs.xfs", "btrfs": "usr/bin/mkfs.btrfs"}[kind]
        paths = [p for p in (os.path.join(root, program), os.path.join(root, program.replace("bin", "sbin"))) if os.path.exists(p)]
        if not paths:
            raise Skip(f"no mkfs.{kind} under {root}")
        library = ":".join(os.path.join(root, d) for d in ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu"))
        argv = ["env", "LD_LIBRARY_PATH=" + library, paths[0], "-q", "-f", device]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        raise Skip(f"mkfs.{kind}: {done.stderr.strip()[-200:]}")


@contextlib.contextmanager
def loop_file_system(kind="ext4", megabytes=320):
    """(device name, mount point) of a file system of our own on a loop device."""
    directory = tempfile.mkdtemp(prefix="penstock-test-", dir=BUILD)
    image, point = os.path.join(directory, "image"), os.path.join(directory, "at")
    os.mkdir(point)
    with open(image, "wb") as f:
        f.truncate(megabytes << 20)
    done = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True)
    if done.returncode != 0:
        raise Skip("no loop device is available: " + done.stderr.strip())
    device = done.stdout.strip()
    try:
        make_filesystem(kind, device)
        done = subprocess.run(["mount", "-t", kind, device, point], capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f"this kernel mounts no {kind}: {done.stderr.strip()}")
        try:
            yield os.path.basename(device), point
        finally:
            subprocess.run(["umount", "-l", point], check=True)
    finally:
        subprocess.run(["losetup", "-d", device], check=True)
        os.unlink(image)
