#!/usr/bin/env python3
"""What packaging/container ships. No container engine is needed: the root that the Containerfile describes is made from the same
packages, and its command runs in namespaces; the manifests are held against Kubernetes' published schemas, the quadlet units against
podman's own generator."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import container, pages, place, tap
from lib.place import BIN, BUILD, ROOT, wait_for
from lib.tap import Skip, check, test

HERE = os.path.join(ROOT, "packaging", "container")
NODE = os.path.join(BUILD, "node")
VALIDATE = """
const fs = require('fs'), yaml = require('yaml');
const kinds = { DaemonSet: 'apps/v1', Deployment: 'apps/v1', ConfigMap: 'v1', Service: 'v1', Namespace: 'v1', Pod: 'v1' };
for (const file of process.argv.slice(2)) {
  const text = fs.readFileSync(file, 'utf8'), object = yaml.parse(text, { merge: true });
  if (object.kind === 'Kustomization') continue;
  const version = kinds[object.kind];
  if (version !== object.apiVersion) { console.log(`${file}: ${object.kind} ${object.apiVersion}`); process.exitCode = 1; continue; }
  const Model = require(`kubernetes-models/${version}`)[object.kind];
  try { new Model(object).validate(); } catch (error) { console.log(`${file}: ${error.message}`); process.exitCode = 1; }
}
"""


def lines(name):
    """A Containerfile's instructions, with continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", open(os.path.join(HERE, name)).read())
    return [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]


def final_stage():
    found = lines("Containerfile")
    return found[max(i for i, (word, _) in enumerate(found) if word == "FROM"):]


def prepare():
    subprocess.run(["make", "--no-print-directory", "deb"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    debs = glob.glob(os.path.join(ROOT, "build", "deb", "penstock_*.deb"))
    release = re.search(r"debian:(\w+)", final_stage()[0][1]).group(1)
    extra = [word for word in re.search(r"apt-get install (.*?)&&", dict(final_stage())["RUN"]).group(1).split() if word[0] not in "-/"]
    wanted = [p for p in container.depends(debs) if p != "systemd"] + extra
    os.environ["PENSTOCK_TEST_ROOT"] = container.image("container", release, wanted, whole=True) or ""
    os.environ["PENSTOCK_TEST_PODMAN"] = container.image("podman", "trixie", ["podman"]) or ""
    if shutil.which("npm") and not os.path.isdir(NODE + "/node_modules/kubernetes-models"):
        os.makedirs(NODE, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", NODE, "kubernetes-models@4", "@kubernetes-models/validate", "yaml@2"], capture_output=True)


def needed(name, what):
    path = os.environ.get(name, "")
    if not path:
        raise Skip(f"{what} could not be made here (see above)")
    return path


def run_in(root, command, log, drop):
    """A program of the image in namespaces of its own, its root read-only, as an engine would run it."""
    script = f"""set -e
        mount --bind {root} {root}; mount -t proc proc {root}/proc; mount --rbind /sys {root}/sys; mount --bind {root}/../run {root}/run/penstock
        mount --bind {root}/../state {root}/var/lib/penstock; mount -o remount,ro,bind {root}
        exec chroot {root} {drop} {command}"""
    return subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script], stdout=log, stderr=log)


def get(path):
    done = subprocess.run(["curl", "-s", "-m", "5", "-o", "/dev/stdout", "-w", "%{http_code}", f"http://127.0.0.1:9825{path}"], capture_output=True, text=True)
    return done.stdout


def serve(drop):
    """The image with both programs over a sink; returns what the daemon logged."""
    base = needed("PENSTOCK_TEST_ROOT", "the image's root")
    programs = []
    with container.overlay(base, "container") as root:
        for deb in glob.glob(os.path.join(ROOT, "build", "deb", "penstock_*.deb")):
            shutil.copy(deb, root + "/tmp/")
            done = subprocess.run(["chroot", root, "dpkg", "-i", "/tmp/" + os.path.basename(deb)], capture_output=True, text=True)
            check(done.returncode == 0, done.stdout + done.stderr)
        for name in ("run", "state"):
            os.mkdir(root + "/../" + name)
            os.chmod(root + "/../" + name, 0o777)
        for volume in dict(final_stage())["VOLUME"].split():  # an engine makes the directories of volumes
            os.makedirs(root + volume, exist_ok=True)
        with open(root + "/etc/penstock/penstock.conf.d/local.conf", "w") as f:
            manifest = open(os.path.join(HERE, "kubernetes", "sidecar", "configmap.yaml")).read()
            f.write(re.sub(r"^    ", "", manifest.split("local.conf: |\n")[1], flags=re.M))
        command = json.loads(dict(final_stage())["CMD"])[0]
        try:
            with open(root + "/../log", "w") as log:
                programs.append(subprocess.Popen([BIN + "/penstock-sink", "--listen", "127.0.0.1:2525", "--proxy-protocol"] if sink_takes_header()
                                                 else [BIN + "/penstock-sink", "--listen", "127.0.0.1:2525"], stdout=log, stderr=log))
                programs.append(run_in(root, command, log, drop))
                wait_for(lambda: get("/readyz").endswith("200"), "the daemon to be ready")
                programs.append(run_in(root, "/usr/sbin/penstock-proxy", log, drop))
                wait_for(lambda: greeting().startswith("220"), "a greeting through the proxy")
                wait_for(lambda: get("/healthz").startswith("ok"), lambda: f"its health: {get('/healthz')}")
                wait_for(lambda: '"front"' in get("/status.json") or "proxy" in get("/status.json"), "the daemon to see the proxy")
            return open(root + "/../log").read()
        except AssertionError as error:
            raise AssertionError(f"{error}; {open(root + '/../log').read()[-800:]}") from None
        finally:
            for program in programs:
                program.kill()
                program.wait()
            time.sleep(0.1)  # penstockd's helper processes are no children of this one; they end when they notice


def sink_takes_header():
    return "--proxy-protocol" in subprocess.run([BIN + "/penstock-sink", "--help"], capture_output=True, text=True).stdout


def greeting():
    done = subprocess.run(["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/25 && read -r -t 5 line <&3 && echo \"$line\""], capture_output=True, text=True)
    return done.stdout


@test("the image's command serves with the capabilities of the DaemonSet, its root read-only")
def _():
    serve("setpriv --bounding-set -all,+bpf,+perfmon,+net_admin,+net_bind_service,+dac_override --inh-caps -all")


@test("it serves without any capability, and says what it does without")
def _():
    said = serve("setpriv --bounding-set -all,+net_bind_service --inh-caps -all")
    check("BPF" in said or "bpf" in said, said[-600:])


def validate(files):
    """What Kubernetes' schemas have against manifests."""
    if not os.path.isdir(NODE + "/node_modules/kubernetes-models"):
        raise Skip("npm or its package kubernetes-models is not here")
    with open(NODE + "/validate.js", "w") as f:
        f.write(VALIDATE)
    done = subprocess.run(["node", NODE + "/validate.js", *files], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr[-600:] or f"exit {done.returncode}"


@test("the manifests are what Kubernetes' schemas ask for")
def _():
    files = sorted(glob.glob(os.path.join(HERE, "kubernetes", "*", "*.yaml")))
    check(len(files) >= 6, f"{files}")
    check(not validate(files), validate(files))
    # The check can fail.
    broken = NODE + "/broken.yaml"
    with open(os.path.join(HERE, "kubernetes", "base", "daemonset.yaml")) as f, open(broken, "w") as to:
        to.write(f.read().replace("hostNetwork: true", "hostNetwork: 7"))
    check(validate([broken]), "a broken manifest passes")


@test("the probes that packaging/snippets/containers.md gives are what Kubernetes takes in a container, and ask what it says")
def _():
    probes = [b.body for b in pages.blocks("packaging/snippets/containers.md") if b.kind == "yaml" and "Probe:" in b.body]
    check(len(probes) == 1 and "tcpSocket: { port: 25 }" in probes[0] and "path: /readyz" in probes[0], f"{probes}")
    for probe, right in ((probes[0], True), (probes[0].replace("port: 9825", "port: [9825]"), False)):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            f.write("apiVersion: v1\nkind: Pod\nmetadata:\n  name: mail\nspec:\n  containers:\n  - name: mail\n    image: mail\n" + probe)
            f.flush()
            wrong = validate([f.name])
        check(bool(wrong) != right, f"{probe}{wrong}")


@test("each kustomization names its files, and probes ask HTTP, never SMTP")
def _():
    for directory in glob.glob(os.path.join(HERE, "kubernetes", "*", "")):
        named = set(re.findall(r"^  - (\S+\.yaml)$", open(directory + "kustomization.yaml").read(), re.M))
        there = set(os.listdir(directory)) - {"kustomization.yaml"}
        check(named == there, f"{directory}: {named} {there}")
        for name in named:
            text = open(directory + name).read()
            for probe in re.findall(r"(?:liveness|readiness)Probe:\n\s+(\w+):(?:\n\s+host: \S+)?\n\s+path: (\S+)", text):
                check(probe in (("httpGet", "/healthz"), ("httpGet", "/readyz")), f"{name}: {probe}")


@test("podman's generator takes the quadlet units")
def _():
    base = needed("PENSTOCK_TEST_PODMAN", "a root with podman")
    with container.overlay(base, "podman") as root:
        shutil.copytree(os.path.join(HERE, "quadlet"), root + "/etc/containers/systemd", dirs_exist_ok=True)
        done = subprocess.run(["chroot", root, "/usr/libexec/podman/quadlet", "-dryrun"], capture_output=True, text=True)
        text = done.stdout + done.stderr
        for unit in ("penstockd", "penstock-proxy"):
            check(f"---{unit}.service---" in text, text[-800:])
        check("nsupported" not in text and done.returncode == 0, text[-800:])


place.isolate(prepare)
tap.run()
