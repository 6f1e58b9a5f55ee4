"""Debian's kernels of other suites, by a private APT configuration under build/: fetched once, unpacked, never installed. Which
mirror, proxy and keys APT uses is asked of the host's own configuration."""
import glob
import os
import re
import subprocess

from lib.place import ROOT

CACHE = os.path.join(ROOT, "build", "vm")
META = "linux-image-cloud-amd64"
# Newer kernels come in several packages: image, modules, binary.
PARTS = re.compile(r"linux-(image|modules|binary|base)-\d\S*")


class NoKernel(Exception):
    pass


def run(argv, **options):
    return subprocess.run(argv, capture_output=True, text=True, errors="replace", **options)


def mirror():
    """The archive that the host itself uses; the security archive is another one."""
    lines = run(["apt-get", "indextargets", "--format", "$(CODENAME) $(SITE)", "Created-By: Packages", "Origin: Debian"])
    sites = [line.split()[1] for line in lines.stdout.splitlines() if len(line.split()) == 2 and "security" not in line]
    if not sites:
        raise NoKernel("the host's APT knows no Debian archive")
    return sites[0]


class Suite:
    """One suite's packages, known to an APT of its own."""

    def __init__(self, name):
        self.name = name
        self.directory = os.path.join(CACHE, "apt", name)
        self.config = os.path.join(self.directory, "apt.conf")

    def prepare(self):
        for d in ("state/lists/partial", "cache/archives/partial", "etc/sources.list.d", "etc/preferences.d", "debs"):
            os.makedirs(os.path.join(self.directory, d), exist_ok=True)
        for f in ("state/status", "etc/preferences"):
            open(os.path.join(self.directory, f), "a").close()
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        signed = f"Signed-By: {keyring}\n" if os.path.exists(keyring) else ""
        with open(os.path.join(self.directory, "etc/sources.list.d/debian.sources"), "w") as f:
            f.write(f"Types: deb\nURIs: {mirror()}\nSuites: {self.name}\nComponents: main\nArchitectures: amd64\n{signed}")
        with open(self.config, "w") as f:
            f.write(f'''Dir::State "{self.directory}/state";
Dir::State::status "{self.directory}/state/status";
Dir::Cache "{self.directory}/cache";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{self.directory}/etc/sources.list.d";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "{self.directory}/etc/preferences.d";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
''')

    def apt(self, *argv, cwd=None):
        return run([argv[0], *argv[1:]], cwd=cwd, env={**os.environ, "APT_CONFIG": self.config})

    def update(self):
        self.prepare()
        done = self.apt("apt-get", "update", "-qq")
        if done.returncode != 0:
            raise NoKernel(f"no list of packages of {self.name}: {last_line(done.stderr)}")

    def depends(self, package):
        shown = self.apt("apt-cache", "show", "--no-all-versions", package)
        found = re.search(r"^Depends: (.*)$", shown.stdout, re.M)
        return [re.split(r"[ (:]", d.strip())[0] for d in found[1].split(",")] if found else []

    def parts(self):
        """The packages of the kernel that the suite's metapackage stands for."""
        wanted, todo = [], [d for d in self.depends(META) if PARTS.fullmatch(d)]
        while todo:
            package = todo.pop()
            if package not in wanted:
                wanted.append(package)
                todo += [d for d in self.depends(package) if PARTS.fullmatch(d)]
        if not wanted:
            raise NoKernel(f"{self.name} has no {META}")
        return wanted

    def kernel(self):
        """(vmlinuz, directory of modules, release), from the cache when it is there."""
        tree = os.path.join(CACHE, "kernels", self.name)
        if not os.path.exists(tree + "/.done"):
            self.update()
            wanted = self.parts()
            debs = os.path.join(self.directory, "debs")
            done = self.apt("apt-get", "download", "-qq", *wanted, cwd=debs)
            if done.returncode != 0:
                raise NoKernel(f"cannot download {' '.join(wanted)}: {last_line(done.stderr)}")
            subprocess.run(["rm", "-rf", tree], check=True)
            os.makedirs(tree)
            for package in wanted:
                for deb in glob.glob(f"{debs}/{package}_*.deb"):
                    subprocess.run(["dpkg-deb", "-x", deb, tree], check=True)
                    os.unlink(deb)
            open(tree + "/.done", "w").close()
        images = glob.glob(tree + "/boot/vmlinuz-*") + glob.glob(tree + "/usr/lib/modules/*/vmlinuz")
        modules = glob.glob(tree + "/lib/modules/*") + glob.glob(tree + "/usr/lib/modules/*")
        if not images or not modules:
            raise NoKernel(f"{self.name}: no vmlinuz or no modules in {os.listdir(tree)}")
        return images[0], modules[0], os.path.basename(modules[0])


def last_line(text):
    return (text.strip().splitlines() or ["no reason given"])[-1]
