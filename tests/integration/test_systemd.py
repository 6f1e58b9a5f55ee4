#!/usr/bin/env python3
"""The package under a real systemd, booted in a container: the units as they are shipped, as the user they run as."""
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
INSIDE = r"""#!/bin/bash
exec >/root/log 2>&1
result() { if [ "$2" = 0 ]; then echo "$1 ok" >>/root/results; else echo "$1 failed" >>/root/results; fi; }
wait_until() { for _ in $(seq 120); do eval "$1" && return 0; sleep 0.5; done; return 1; }
pid() { systemctl show -p MainPID --value penstockd; }
mail() { penstock-load --target 127.0.0.1:25 --rate 5 --duration 2 --json /root/load.json && grep -q '"accepted": 1\|"accepted": [2-9]' /root/load.json &&
	grep -q '"timeout": 0' /root/load.json && grep -q '"refused": 0' /root/load.json; }
set -x
printf '[front.proxy]\nenabled = yes\nlisten = 0.0.0.0:25\nbackend = 127.0.0.1:2525\n[service.mx]\nports = 2525\n' >/etc/penstock/penstock.conf.d/proxy.conf
sed -i 's/^ports = 25$/ports = 2525/' /etc/penstock/penstock.conf
penstock-sink --listen 127.0.0.1:2525 &
systemctl start penstockd; result started $?
systemctl start penstock-proxy; result proxy-started $?
[ "$(systemctl show -p StatusText --value penstockd | cut -d, -f1)" = serving ]; result status-text $?
[ "$(ps -o user= -p "$(pid)")" = penstock ]; result own-user $?
[ "$(ps -o user= -p "$(systemctl show -p MainPID --value penstock-proxy)")" = penstock ]; result own-user-proxy $?
penstockctl status --json >/root/status; grep -A2 '"bpf": {' /root/status | grep -q '"used": true'; result bpf-with-three-capabilities $?
grep -q 'mode": "observe' /root/status; result observes-as-installed $?
mail; result mail-through-the-proxy $?
wait_until "penstockctl status --json | grep -q '\"admitted\": [1-9]'"; result proxy-seen $?
systemctl reload penstockd; result reload $?
echo 'nonsense = x' >>/etc/penstock/penstock.conf.d/proxy.conf
! systemctl reload penstockd; result reload-of-a-bad-file-fails $?
systemctl is-active penstockd; result and-it-runs-on $?
sed -i '$d' /etc/penstock/penstock.conf.d/proxy.conf
systemctl reload penstockd; result reload-again $?
old=$(pid); kill -STOP "$old"; sleep 3
mail; result mail-while-stopped $?
wait_until '[ "$(pid)" != '"$old"' ] && [ "$(pid)" != 0 ] && systemctl is-active -q penstockd'; result watchdog-restarts-a-hung-daemon $?
old=$(pid); kill -KILL "$old"
mail; result mail-after-kill-9 $?
wait_until '[ "$(pid)" != '"$old"' ] && systemctl is-active -q penstockd'; result restarted-after-kill-9 $?
penstockctl drain --for 1m --reason test; sleep 2
journalctl -u penstockd MESSAGE_ID=b2a94f6de8f94c3c8f5a1e2d7c6b0d22 -o cat | grep -q 'draining (was serving)'; result state-change-in-the-journal $?
journalctl -u penstockd PENSTOCK_STATE=draining -o cat | grep -q draining; result structured-fields $?
penstockctl resume
for unit in penstockd penstock-proxy; do
	systemd-analyze security --no-pager "$unit" | tail -1 | awk '{ exit !($(NF-2) <= 2.0) }'; result "exposure-$unit" $?
	[ -z "$(systemd-analyze verify --man=no /usr/lib/systemd/system/$unit.service 2>&1)" ]; result "verify-$unit" $?
done
systemctl stop penstock-proxy penstockd; result stopped $?
[ ! -e /run/penstock/control.sock ] && [ ! -e /run/penstock/plan ]; result nothing-left-behind $?
journalctl -b --no-pager >/root/journal
poweroff
"""
results = {}


def prepare():
    """Outside, where there is a network: the package, and a root with what it depends on."""
    subprocess.run(["make", "--no-print-directory", "deb", f"BUILD={os.path.relpath(BUILD, ROOT)}"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    if os.path.exists(IMAGE + "/.done"):
        return
    shutil.rmtree(IMAGE, ignore_errors=True)
    control = subprocess.run(["dpkg-deb", "-f", package(), "Depends"], capture_output=True, text=True, check=True).stdout
    wanted = ["systemd", "systemd-sysv", "dbus", "procps"] + [d.strip() for d in control.split(",")]
    sources = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"], capture_output=True, text=True)
    mirror = [line for line in sources.stdout.splitlines() if "security" not in line][:1]
    done = subprocess.run(["debootstrap", "--variant=minbase", "--include=" + ",".join(sorted(set(wanted))), "bookworm", IMAGE, *mirror],
                          capture_output=True, text=True)
    if done.returncode == 0:
        open(IMAGE + "/.done", "w").close()
    else:
        print(f"# debootstrap: {done.stdout[-400:]} {done.stderr[-400:]}", flush=True)


def package():
    directory = os.path.join(ROOT, "build/deb")
    return os.path.join(directory, [f for f in os.listdir(directory) if f.endswith(".deb")][0])


@test("it boots, and the units do what they are shipped for")
def _():
    if not os.path.exists(IMAGE + "/.done"):
        raise Skip("no root to boot: debootstrap could not make one here (see above)")
    directory = tempfile.mkdtemp(prefix="test-systemd-", dir=BUILD)
    root, upper, work = (os.path.join(directory, d) for d in ("root", "upper", "work"))
    for d in (root, upper, work):
        os.mkdir(d)
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={IMAGE},upperdir={upper},workdir={work}", root], check=True)
    subprocess.run(["dpkg-deb", "-x", package(), directory + "/deb"], check=True)
    for top in os.listdir(directory + "/deb"):
        subprocess.run(["cp", "-a", f"{directory}/deb/{top}/.", f"{root}/{top}/"], check=True)
    with open(root + "/root/check", "w") as f:
        f.write(INSIDE)
    os.chmod(root + "/root/check", 0o755)
    with open(root + "/etc/systemd/system/check.service", "w") as f:
        f.write("[Unit]\nAfter=multi-user.target\n[Service]\nExecStart=/root/check\n")
    wants = root + "/etc/systemd/system/multi-user.target.wants"
    os.makedirs(wants, exist_ok=True)
    os.symlink("../check.service", wants + "/check.service")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    boot = subprocess.run(["systemd-nspawn", "--register=no", "--keep-unit", "-D", root, "--boot", "--private-network",
                           "--capability=CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN", "--system-call-filter=bpf perf_event_open"],
                          capture_output=True, text=True, timeout=400, errors="replace",
                          env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})
    path = root + "/root/results"
    if not os.path.exists(path):
        raise Skip(f"no container can be booted here: {boot.stdout[-300:]} {boot.stderr[-300:]}".replace("\n", " "))
    for line in open(path):
        name, outcome = line.split()
        results[name] = outcome
    failed = [name for name, outcome in results.items() if outcome != "ok"]
    if failed:
        for name in ("log", "journal"):
            if os.path.exists(f"{root}/root/{name}"):
                print("# " + open(f"{root}/root/{name}", errors="replace").read()[-6000:].replace("\n", "\n# "))
    subprocess.run(["umount", "-l", root])
    shutil.rmtree(directory, ignore_errors=True)
    wanted = len(re.findall(r"; result ", INSIDE)) + 2  # two results stand in a loop of two
    check(not failed, f"failed: {failed}")
    check(len(results) == wanted, f"{len(results)} results of {wanted}: {results}")


place.isolate(prepare)
tap.run()
