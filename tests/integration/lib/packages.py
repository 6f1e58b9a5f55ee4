"""Programs under test from Debian packages: unpacked under build/, run in place or in a private root, never installed."""
import contextlib
import fcntl
import hashlib
import os
import subprocess

from lib.place import BUILD

MKFS = ["xfsprogs", "btrfs-progs", "libinih1", "liburcu8", "liblzo2-2", "libzstd1"]


@contextlib.contextmanager
def alone(path):
    """One suite at a time is in such a block with this path."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def making(directory):
    """True: the caller has to fill `directory`, while other suites that need it wait. False: it is filled already."""
    done = os.path.join(directory, ".done")
    if os.path.exists(done):
        yield False
        return
    with alone(directory + ".lock"):
        if os.path.exists(done):
            yield False
            return
        subprocess.run(["rm", "-rf", directory], check=True)
        os.makedirs(directory)
        yield True
        open(done, "w").close()


def image_of(name, packages):
    """The directory of unpack(): suites that need different packages under one name do not share it."""
    return os.path.join(BUILD, "roots", f"{name}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:12]}")


def unpack(name, packages):
    """build/roots/NAME-DIGEST with the packages' files; downloaded once, never installed."""
    image = image_of(name, packages)
    with making(image) as wanted:
        if wanted:
            download(packages, image)
    return image


def download(packages, image):
    debs = os.path.join(BUILD, "debs", os.path.basename(image))
    os.makedirs(debs, exist_ok=True)
    for attempt in range(2):
        done = subprocess.run(["apt-get", "-o", "APT::Sandbox::User=root", "download", "-qq", *packages], cwd=debs,
                              capture_output=True, text=True)
        if done.returncode == 0:
            break
        with alone(os.path.join(BUILD, "apt.lock")):
            subprocess.run(["apt-get", "update", "-qq"], capture_output=True)
    if done.returncode != 0:
        raise AssertionError(f"cannot download {packages}: {done.stderr}")
    for deb in os.listdir(debs):
        subprocess.run(["dpkg-deb", "-x", os.path.join(debs, deb), image], check=True)
    # The host's /lib is a link into /usr: a directory of that name in a layer above would hide it.
    for top in ("lib", "bin", "sbin", "lib64"):
        if os.path.isdir(os.path.join(image, top)):
            os.makedirs(os.path.join(image, "usr", top), exist_ok=True)
            subprocess.run(["cp", "-a", os.path.join(image, top) + "/.", os.path.join(image, "usr", top)], check=True)
            subprocess.run(["rm", "-rf", os.path.join(image, top)], check=True)


def npm(name, packages):
    """build/npm/NAME with packages of the npm registry, downloaded once; its path."""
    home = os.path.join(BUILD, "npm", name)
    with making(home) as wanted:
        if wanted:
            done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--omit=dev", "--omit=optional", *packages], cwd=home,
                                  capture_output=True, text=True)
            if done.returncode != 0:
                raise AssertionError(f"cannot install {packages}: {done.stderr[-500:]}")
    return home


class Root:
    """A copy of the image, overlaid on the host's root; what is written goes to `upper` and away with it."""

    def __init__(self, name, image, directory):
        self.path = os.path.join(directory, name)
        upper, work = self.path + "-upper", self.path + "-work"
        for d in (self.path, work):
            os.makedirs(d)
        subprocess.run(["cp", "-a", image, upper], check=True)
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}",
                        self.path], check=True)
        for d in ("proc", "dev", "sys"):
            subprocess.run(["mount", "--rbind", "/" + d, os.path.join(self.path, d)], check=True)

    def file(self, path):
        return os.path.join(self.path, path.lstrip("/"))

    def write(self, path, text, mode="w"):
        os.makedirs(os.path.dirname(self.file(path)), exist_ok=True)
        with open(self.file(path), mode) as f:
            f.write(text)

    def run(self, *argv, check=True):
        return subprocess.run(["chroot", self.path, *argv], check=check, capture_output=True, text=True)
