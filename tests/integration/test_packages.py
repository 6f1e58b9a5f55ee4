#!/usr/bin/env python3
"""The Debian packages: lintian finds nothing, two builds give the same bytes, and each release of Debian that is supported installs,
upgrades (under load), downgrades, removes and purges them on a booted system. The packages for another release than this one are
built in a root of that release. SYSTEMS=here does what concerns this release, SYSTEMS=others the other ones, arm64 and RPM; without
it, all of them."""
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import container, place, tap
from lib.place import BIN, BUILD, ROOT
from lib.tap import Skip, check, test

INSIDE = os.path.join(ROOT, "tests", "integration", "packages")
COMMON = os.path.join(ROOT, "tests", "integration", "systemd", "common")
RELEASES = ("bookworm", "trixie")
SYSTEMS = os.environ.get("SYSTEMS") or "all"
OUT = os.path.join(BUILD, "packages")
BUILD_DEPENDS = ["build-essential", "bpftool", "clang", "debhelper", "libbpf-dev", "libcmocka-dev", "libevent-dev", "libhiredis-dev", "libinih-dev", "libjansson-dev", "libncurses-dev",
                 "libnl-3-dev", "libnl-route-3-dev", "libssl-dev", "libsystemd-dev", "libxxhash-dev", "llvm", "pkg-config", "python3", "fakeroot", "xz-utils"]


def host_release():
    text = open("/etc/os-release").read()
    return re.search(r"VERSION_CODENAME=(\w+)", text).group(1)


# On a machine that runs another system, the oldest release stands for it.
HERE = host_release() if host_release() in RELEASES else RELEASES[0]
CHOSEN = {"here": [HERE], "others": [r for r in RELEASES if r != HERE], "all": RELEASES}[SYSTEMS]



def test_for(systems):
    """A test that runs when these systems are chosen."""
    return test if SYSTEMS in (systems, "all") else lambda name: lambda function: function


test_here, test_others = test_for("here"), test_for("others")


def make_deb(tree, *arguments):
    """`make deb` in a tree; the directory with what came out."""
    done = subprocess.run(["make", "--no-print-directory", "deb", *arguments], cwd=tree, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout[-1500:] + done.stderr[-1500:])
    return os.path.join(tree, "build", "deb")


# For the other architecture: its libraries and compiler, and an emulator of its programs.
CROSS_DEPENDS = [f"{p}:arm64" if p.startswith("lib") or p == "pkg-config" else p for p in BUILD_DEPENDS] + ["crossbuild-essential-arm64", "qemu-user-static"]
# What of the other architecture's programs is run: each says its version, and the law gives an answer.
EMULATED = r"""
for p in bin/penstockd bin/penstock-agent bin/penstock-opensmtpd bin/penstock-proxy bin/penstockctl bin/penstock-sim bin/penstock-replay bin/penstock-load bin/penstock-sink bin/penstock-refusals bin/check_penstock; do
	"$1" "build/$p" --version || exit 1; done
"$1" build/bin/penstockd --check-config -c /dev/null && "$1" build/bin/penstock-sim --seed 1 tests/sim/capacity/steady2x.sim
"""


def build_elsewhere(release, out, foreign=None):
    """The packages for another release or architecture, in a root of it. For another architecture `out` also gets what its programs
    say in an emulator, and its BPF objects."""
    image = container.image("cross" if foreign else "build", release, CROSS_DEPENDS if foreign else BUILD_DEPENDS, foreign)
    if not image:
        return
    tarball = glob.glob(os.path.join(ROOT, "build", "dist", "penstock-*.tar.xz"))[0]
    inside = "cd /root/penstock-*/ && exec >/root/log 2>&1\n"
    if foreign:
        inside += (f"nice make deb DEB_ARGS='-b -a{foreign} -d' DEB_PROFILES='nocheck cross' DEB_KEEP=1 || exit 1\n"
                   "made=$PWD/build/deb; cd build/deb/penstock-*/ && cp build/bpf/*.bpf.o $made/ || exit 1\n"
                   f"set -- qemu-aarch64-static; ( {EMULATED} ) >$made/emulated.log 2>&1; echo $? >$made/emulated.status\n"
                   "cd $made && rm -rf penstock-*/\n")
    else:
        inside += "nice make deb\n"
    script = f"""mount -t overlay overlay -o lowerdir={image},upperdir=$1/upper,workdir=$1/work $1/root &&
        mount -t proc proc $1/root/proc && tar -C $1/root/root -xf {tarball} && cp $1/inside $1/root/root/inside &&
        chroot $1/root bash /root/inside; status=$?
        cp $1/root/root/log {out}.log; [ $status = 0 ] && cp $1/root/root/penstock-*/build/deb/* {out}/; exit $status"""
    with tempfile.TemporaryDirectory(prefix="build-", dir=BUILD) as directory:
        for name in ("root", "upper", "work"):
            os.mkdir(os.path.join(directory, name))
        with open(os.path.join(directory, "inside"), "w") as f:
            f.write(inside)
        os.makedirs(out)
        done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", directory])
        if done.returncode:
            shutil.rmtree(out)


def repack(package, out, change):
    """A package with other contents: `change(directory)`."""
    with tempfile.TemporaryDirectory(prefix="repack-", dir=BUILD) as directory:
        subprocess.run(["dpkg-deb", "-R", package, directory], check=True)
        change(directory)
        os.makedirs(out, exist_ok=True)
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", directory, out], check=True, stdout=subprocess.DEVNULL)


def edit(path, change):
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(change(text))


def version_is(version):
    return lambda text: re.sub(r"^Version: .*$", f"Version: {version}", text, flags=re.M)


def make_next(directory):
    """The version after this one: other programs, another shipped file."""
    edit(directory + "/DEBIAN/control", version_is("99.0-1"))
    edit(directory + "/etc/penstock/penstock.conf", lambda text: text + "# One more comment.\n")
    path = directory + "/usr/sbin/penstockd"
    data, version = open(path, "rb").read(), open(os.path.join(ROOT, "packaging", "VERSION"), "rb").read().strip()
    # The string alone: a library's symbol version ends with the same digits.
    own = b"\0" + version + b"\0"
    check(own in data, "penstockd does not hold its version")
    with open(path, "wb") as f:
        f.write(data.replace(own, b"\0" + b"next".ljust(len(version), b".") + b"\0"))


def make_before(directory):
    """The release before, as far as an upgrade sees it: its version, its file, in which it said to edit, and all of it in one package: files that
    penstock-tools and penstock-doc have now."""
    edit(directory + "/DEBIAN/control", version_is("0.2.0"))
    shutil.copy(os.path.join(ROOT, "tests", "fixtures", "release-0.2.0", "penstock.conf"), directory + "/etc/penstock/penstock.conf")
    os.remove(directory + "/usr/lib/penstock/penstock.conf")
    os.remove(directory + "/DEBIAN/preinst")
    for path in ("/usr/bin/penstock-load", "/usr/share/doc/penstock/prometheus/penstock.rules.yml"):
        os.makedirs(os.path.dirname(directory + path), exist_ok=True)
        with open(directory + path, "w") as f:
            f.write("of the release before\n")


def debs(release, name):
    return glob.glob(os.path.join(OUT, release, name, "penstock_*.deb"))[0]


def prepare():
    """Outside, where there is a network."""
    made = make_deb(ROOT)
    for release in CHOSEN:
        shutil.rmtree(os.path.join(OUT, release), ignore_errors=True)
        now = os.path.join(OUT, release, "now")
        if release == host_release():
            shutil.copytree(made, now)
        else:
            build_elsewhere(release, now)
        if not os.path.isdir(now):
            continue
        repack(debs(release, "now"), os.path.join(OUT, release, "next"), make_next)
        repack(debs(release, "now"), os.path.join(OUT, release, "before"), make_before)
        container.image("packages", release, wanted(release))
    if SYSTEMS != "here":
        shutil.rmtree(os.path.join(OUT, "arm64"), ignore_errors=True)
        build_elsewhere("bookworm", os.path.join(OUT, "arm64"), "arm64")
        prepare_rpm()
    if SYSTEMS == "others":
        return
    for old in glob.glob(os.path.join(ROOT, "build", "dist", "*.spdx.json")):
        os.remove(old)


def prepare_rpm():
    shutil.rmtree(os.path.join(OUT, "rpm"), ignore_errors=True)
    done = subprocess.run(["make", "--no-print-directory", "rpm", "RPM_ARGS=--without check"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        print("# " + done.stderr[-300:].replace("\n", " "), flush=True)
    shutil.copytree(os.path.join(ROOT, "build", "rpm"), os.path.join(OUT, "rpm"), ignore=shutil.ignore_patterns("BUILD"))


def wanted(release):
    return container.SYSTEMD | container.depends(glob.glob(os.path.join(OUT, release, "now", "penstock*.deb")))


def fill(root, release):
    shutil.copytree(os.path.join(OUT, release), root + "/root/debs")
    for name in os.listdir(INSIDE):
        shutil.copy(os.path.join(INSIDE, name), root + ("/etc/systemd/system/" if name.endswith(".service") else "/root/") + name)
    shutil.copy(COMMON, root + "/root/common")
    wants = root + "/etc/systemd/system/multi-user.target.wants"
    os.makedirs(wants, exist_ok=True)
    os.symlink("/etc/systemd/system/check.service", wants + "/check.service")


booted = {}


def results_of(release):
    """What the scripts found on that release; booted once, whichever test comes first."""
    if release not in booted:
        if not os.path.isdir(os.path.join(OUT, release, "now")):
            raise Skip(f"the packages could not be built for {release} here: {OUT}/{release}/now.log")
        image = container.image("packages", release, wanted(release))
        if not image:
            raise Skip(f"no root of {release} could be made here (see above)")
        with container.overlay(image, "packages") as root:
            fill(root, release)
            said = container.boot(root, 1500)
            booted[release] = container.results(root)
            container.keep_logs(root, f"packages-{release}", ("log", "left", "remove", "upgrade"))
            if booted[release] is None:
                booted[release] = {}
                print(f"# {said}")
    if not booted[release]:
        raise Skip("no container can be booted here (see above)")
    return booted[release]


@test_here("the version stands in one place: the changelog tells the same")
def _():
    version = open(os.path.join(ROOT, "packaging", "VERSION")).read().strip()
    first = open(os.path.join(ROOT, "packaging", "debian", "changelog")).readline()
    check(first.startswith(f"penstock ({version}-"), f"packaging/VERSION says {version}, packaging/debian/changelog {first}")


@test_here("the file that an upgrade from 0.2.0 puts in the place of an edited one is the one that is shipped: dpkg asks nothing about it")
def _():
    preinst = open(os.path.join(ROOT, "packaging", "debian", "penstock.preinst")).read()
    shipped = open(os.path.join(ROOT, "packaging", "conf", "penstock.conf")).read()
    check(re.search(r"<<'END'\n(.*?)^END$", preinst, re.S | re.M).group(1) == shipped, "preinst and packaging/conf/penstock.conf differ")


@test_here("lintian finds nothing")
def _():
    changes = glob.glob(os.path.join(OUT, HERE, "now", "*.changes"))
    done = subprocess.run(["lintian", "--allow-root", "-I", "-E", "--pedantic", *changes], capture_output=True, text=True)
    said = [line for line in done.stdout.splitlines() if not line.startswith("N:")]
    check(done.returncode == 0 and not said, "\n".join(said) or done.stderr)


@test_others("two builds give the same bytes: another path, another umask")
def _():
    first = os.path.join(OUT, HERE, "now")
    with tempfile.TemporaryDirectory(prefix="another-and-longer-path-", dir=BUILD) as directory:
        tarball = glob.glob(os.path.join(ROOT, "build", "dist", "penstock-*.tar.xz"))[0]
        subprocess.run(f"umask 077 && tar -C {directory} -xf {tarball} && cd {directory}/penstock-* && nice make deb DEB_BUILD_OPTIONS=nocheck", shell=True, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        second = glob.glob(directory + "/penstock-*/build/deb")[0]
        names = sorted(f for f in os.listdir(first) if f.endswith((".deb", ".orig.tar.xz")))
        check(len(names) >= 4, f"only {names}")
        for name in names:
            digests = [hashlib.sha256(open(os.path.join(d, name), "rb").read()).hexdigest() for d in (first, second)]
            check(digests[0] == digests[1], f"{name} differs")


@test_others("arm64: packages are cross-built, the programs run in an emulator, the BPF objects are the same as here")
def _():
    made = os.path.join(OUT, "arm64")
    if not os.path.isdir(made):
        raise Skip(f"no packages for arm64 could be built here: {made}.log")
    found = glob.glob(made + "/penstock*.deb")
    kinds = {os.path.basename(p).split("_")[0]: subprocess.run(["dpkg-deb", "-f", p, "Architecture"], capture_output=True, text=True).stdout.strip() for p in found}
    check(kinds.get("penstock") == kinds.get("penstock-tools") == "arm64", f"{kinds}")
    said = open(made + "/emulated.log").read()
    check(open(made + "/emulated.status").read().strip() == "0", said[-800:])
    version = open(os.path.join(ROOT, "packaging", "VERSION")).read().strip()
    programs = [n for n in os.listdir(BIN) if os.access(os.path.join(BIN, n), os.X_OK)]
    silent = [n for n in programs if f"{n} {version}\n" not in said]
    check(not silent and "goodput" in said, f"{silent}: {said[-800:]}")
    objects = glob.glob(made + "/*.bpf.o")
    check(len(objects) >= 5, f"{objects}")
    for path in objects:
        here = os.path.join(BUILD, "bpf", os.path.basename(path))
        check(open(path, "rb").read() == open(here, "rb").read(), f"{os.path.basename(path)} differs")


@test_others("RPM packages build, rpmlint finds nothing, and they install into a root and leave it")
def _():
    made = os.path.join(OUT, "rpm")
    if not glob.glob(made + "/RPMS/*/*.rpm"):
        raise Skip(f"rpmbuild failed outside: {made}.log")
    packages = glob.glob(made + "/RPMS/*/*.rpm")
    check(len(packages) == 3, f"{packages}")
    done = subprocess.run(["rpmlint", "-c", os.path.join(ROOT, "packaging", "rpm", "rpmlint.toml"), made + "/SPECS/penstock.spec", *packages],
                          capture_output=True, text=True)
    said = [line for line in done.stdout.splitlines() if re.search(r": [EW]: ", line)]
    check(done.returncode == 0 and not said, "\n".join(said))
    version = open(os.path.join(ROOT, "packaging", "VERSION")).read().strip()
    check(f"\nVersion:        {version}\n" in open(made + "/SPECS/penstock.spec").read(), "the spec tells another version than packaging/VERSION")
    with tempfile.TemporaryDirectory(prefix="rpm-root-", dir=BUILD) as root:
        # Scriptlets need the system's own tools, which an empty root does not have.
        for arguments in (["-i", *packages], ["-V", "penstock"], ["-e", "penstock", "penstock-tools", "penstock-doc"]):
            flags = ["--nodeps"] + ([] if arguments[0] == "-V" else ["--noscripts"])
            done = subprocess.run(["rpm", "--root", root, *flags, *arguments], capture_output=True, text=True)
            check(done.returncode == 0, f"rpm {arguments[0]}: {done.stdout} {done.stderr}")
            if arguments[0] == "-i":
                installed = {os.path.relpath(os.path.join(d, f), root) for d, _, files in os.walk(root) for f in files}
                for path in ("usr/sbin/penstockd", "usr/sbin/penstock-proxy", "usr/bin/penstockctl", "usr/lib/systemd/system/penstockd.service",
                             "usr/lib/penstock/penstock.conf", "etc/penstock/penstock.conf", "usr/lib64/nagios/plugins/check_penstock"):
                    check(path in installed, f"{path} is not installed")
        left = [f for d, _, files in os.walk(root) for f in files if "penstock" in os.path.join(d, f).removeprefix(root)]
        check(not left, f"left behind: {left}")


@test_here("the bill of materials names each library that the programs load, with its version")
def _():
    subprocess.run(["make", "--no-print-directory", "sbom", f"BUILD={os.path.relpath(BUILD, ROOT)}"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with open(glob.glob(os.path.join(ROOT, "build", "dist", "penstock-*.spdx.json"))[0]) as f:
        bill = json.load(f)
    check(bill["spdxVersion"] == "SPDX-2.3" and bill["dataLicense"] == "CC0-1.0", f"{bill}")
    versions = {p["name"]: p["versionInfo"] for p in bill["packages"]}
    check(versions["penstock"] == open(os.path.join(ROOT, "packaging", "VERSION")).read().strip(), f"{versions}")
    for name in ("libbpf1", "libc6", "libjansson4", "libnl-3-200", "libsystemd0"):
        here = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True).stdout
        check(versions.get(name) == here, f"{name}: {versions.get(name)}, installed is {here}")
    ids = {p["SPDXID"] for p in bill["packages"]}
    check(all(r["relatedSpdxElement"] in ids for r in bill["relationships"]), "a relationship to nothing")


@test_here("the SELinux module compiles")
def _():
    with tempfile.TemporaryDirectory(prefix="selinux-", dir=BUILD) as directory:
        module = os.path.join(directory, "penstock.mod")
        for command in (["checkmodule", "-M", "-m", "-o", module, os.path.join(ROOT, "packaging", "selinux", "penstock.te")],
                        ["semodule_package", "-o", directory + "/penstock.pp", "-m", module]):
            done = subprocess.run(command, capture_output=True, text=True)
            check(done.returncode == 0, done.stdout + done.stderr)


def names():
    return list(dict.fromkeys(re.findall(r"\bresult ([a-z0-9-]+)", open(os.path.join(INSIDE, "check")).read())))


def add(release, name):
    @test(f"{release}: {name.replace('-', ' ')}")
    def _():
        found = results_of(release)
        logs = f"{BUILD}/test-logs/packages-{release}-log.log"
        check(name in found, f"the script did not come to it; see {logs}")
        check(found[name] == "ok", f"see {logs}")


for each in CHOSEN:
    for result in names():
        add(each, result)

place.isolate(prepare)
tap.run()
