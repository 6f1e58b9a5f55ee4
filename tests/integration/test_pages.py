#!/usr/bin/env python3
"""The documentation is executed. Each page of packaging/snippets, and the README, that has `<!-- run with: postfix exim -->` is followed word by
word in a booted Debian with that mail server, from the installation of the package to a delivered and a refused message and back.

In a page, ```sh is a block of commands, run by root as they stand; each must succeed. ```file PATH is the whole of a file. ```output is
what the block before it prints: each line is found in it, up to "..." . While it is not, the block is run again for up to two minutes, as a
person would and a busy machine may need. A last word postfix, exim or docker is the server that the block is for. On the machine with podman a
user without privilege runs the blocks, in its home directory. Every block of ```ini is
a configuration that penstockd takes. The machine has the addresses of the documentation: 192.0.2.10 and 2001:db8::10, mx1.example.org; that
with Postfix has a Redis, too, at 192.0.2.7. Images for Docker and podman cannot be fetched in a test: lib/dockerhost.py and lib/podmanhost.py
say what stands in their place. That no block of any page is forgotten is what tests/check-docs sees."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import container, dockerhost, pages, place, podmanhost, tap
from lib.place import BIN, BUILD, ROOT
from lib.tap import Skip, check, test

COMMON = {"systemd", "systemd-sysv", "dbus", "procps", "iproute2", "netbase", "socat", "swaks", "libio-socket-inet6-perl", "apt"}
SERVERS = {"postfix": {"postfix", "redis-server"}, "exim": {"exim4-daemon-heavy"}, "opensmtpd": {"opensmtpd"},
           "sendmail": {"sendmail", "sendmail-bin", "make"}, "docker": dockerhost.PACKAGES, "podman": podmanhost.PACKAGES}
ENGINES = {"docker": dockerhost, "podman": podmanhost}
# What debconf would ask of an administrator: an Internet site named mx1.example.org.
ANSWERS = {
    "postfix": "postconf -e myhostname=mx1.example.org mydestination=mx1.example.org,localhost inet_interfaces=all inet_protocols=all mynetworks_style=host"
               " && sed -i 's/^bind .*/bind */; s/^protected-mode .*/protected-mode no/' /etc/redis/redis.conf",
    "exim": "sed -i \"s/^dc_eximconfig_configtype=.*/dc_eximconfig_configtype='internet'/; s/^dc_other_hostnames=.*/dc_other_hostnames='mx1.example.org'/; "
            "s/^dc_local_interfaces=.*/dc_local_interfaces=''/\" /etc/exim4/update-exim4.conf.conf && update-exim4.conf",
    "opensmtpd": "sed -i 's/^listen on .*/listen on 0.0.0.0 port 25/' /etc/smtpd.conf && echo mx1.example.org >/etc/mailname",
    # It refuses all clients while the load is high, as it may be beside other tests, those that come as often as ours, and 192.0.2.0/24.
    "sendmail": """sed -i 's/, Addr=127.0.0.1//' /etc/mail/sendmail.mc
sed -i '/^Client/d; /^Connect:192/d' /etc/mail/access
echo 'postmaster: root' >/etc/mail/aliases
newaliases
cat >>/etc/mail/m4/provider.m4 <<'END'
FEATURE(`accept_unresolvable_domains')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confDELAY_LA', `0')dnl
define(`confCONNECTION_RATE_THROTTLE', `0')dnl
END
echo mx1.example.org >>/etc/mail/local-host-names
make -C /etc/mail""",
    "docker": dockerhost.ANSWERS, "podman": podmanhost.ANSWERS}
# Runs the blocks one after the other; NAME.rc and NAME.out tell how each went.
RUNNER = r"""
cd /root/penstock
ip addr add 192.0.2.10/32 dev lo; ip addr add 192.0.2.7/32 dev lo; ip addr add 2001:db8::10/128 dev lo nodad
state() { ss -Hltn | awk '{ print $4 }' | sort; find /etc/systemd/system -type l -printf '%p %l\n' | sort; find /etc -type f ! -name '*.db' ! -name sendmail.cf ! -path /etc/mail/Makefile ! -path /etc/mail/databases ! -path '/etc/systemd/system/page.service' ! -name '.pwd.lock' ! -name 'passwd*' ! -name 'group*' ! -name '*shadow*' ! -name 'sub[ug]id*' ! -name '*cache*' -exec sha256sum {} + | sort -k2
	# Sendmail's own say in a comment when they were made.
	for file in sendmail.cf Makefile databases; do echo "$(grep -sv '^#' /etc/mail/$file | sha256sum) /etc/mail/$file"; done; }
expected() { while IFS= read -r line; do grep -qF -- "${line%%...*}" "$2" || { echo "missing: $line" >>"$2.missing"; return 1; }; done <"$1"; }
wait_for_mail() { for i in $(seq 100); do ss -Hltn 'sport = :25' | grep -q . && return; sleep 0.2; done; }
if [ -e /root/setup ]; then
	bash -e /root/setup >/root/setup.out 2>&1 || { echo $? >/root/setup.rc; systemctl poweroff; exit; }
else
	wait_for_mail
fi
as=
if [ -e /root/user ]; then
	user=$(cat /root/user)
	as="runuser -u $user -- env -C /home/$user HOME=/home/$user XDG_RUNTIME_DIR=/run/user/$(id -u $user)"
fi
state >/root/before
for block in /root/blocks/*.sh; do
	name=${block%.sh}; until=$((SECONDS + 120))
	while :; do
		rm -f $name.out.missing
		timeout 300 $as bash -ec "$(cat $block)" >$name.out 2>&1 </dev/null; echo $? >$name.rc
		[ -e $name.expected ] || break
		expected $name.expected $name.out && break
		[ $SECONDS -lt $until ] || break
		sleep 1
	done
	[ "$(cat $name.rc)" = 0 ] || [ -e $name.expected ] || break
	[ ! -e $name.out.missing ] || break
done
state >/root/after
journalctl -b --no-pager >/root/journal
systemctl poweroff
"""
UNIT = "[Unit]\nAfter=multi-user.target\n[Service]\nExecStart=/bin/bash /root/runner\n"


def debs():
    directory = os.path.join(ROOT, "build/deb")
    return [os.path.join(directory, f) for f in sorted(os.listdir(directory)) if re.match(r"penstock_.*\.deb$", f)]


def prepare():
    """Outside, where there is a network."""
    subprocess.run(["make", "--no-print-directory", "deb", f"BUILD={os.path.relpath(BUILD, ROOT)}"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    names = [name for name, *_ in tap.chosen()]
    for server, packages in SERVERS.items():
        if any(f"with {server}:" in name for name in names):
            os.environ["PENSTOCK_TEST_PAGES_" + server] = container.image("pages-" + server, "bookworm", COMMON | packages | container.depends(debs())) or ""


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path, errors="replace") as f:
        return f.read()


def put_blocks(root, page, server):
    """Each block as a script; returns [(name, what it is)]."""
    plan = []
    for _, kind, argument, body, _ in pages.blocks_for(page, server):
        name = f"{len(plan):02d}"
        at = f"{root}/root/blocks/{name}"
        if kind == "output":
            write(f"{root}/root/blocks/{plan[-1][0]}.expected", body)
        elif kind == "file":
            write(at + ".sh", f"mkdir -p {os.path.dirname(argument)}\ncat >{argument} <<'END_OF_FILE'\n{body}END_OF_FILE\n")
            plan.append((name, argument))
        elif kind == "sh":
            write(at + ".sh", body)
            plan.append((name, body.strip()))
    return plan


def answer(root, server):
    """Sets the server up as an administrator has it before penstock. That is no part of the page: Sendmail's newaliases once ended with status
    70 and was not heard, so what it says is shown, and it is asked once more."""
    for attempt in (1, 2):
        done = subprocess.run(["chroot", root, "sh", "-ec", ANSWERS[server]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode == 0:
            return
        said = "".join(f"\n#   {line}" for line in done.stdout.splitlines())
        print(f"# {server} is not set up, attempt {attempt}, status {done.returncode}:{said}", flush=True)
    raise AssertionError(f"{server} could not be set up: {done.stdout}")


def follow(page, server):
    image = os.environ["PENSTOCK_TEST_PAGES_" + server]
    if not image:
        raise Skip("no root to boot could be made here (see above)")
    with container.overlay(image, "pages") as root:
        for deb in debs():
            os.makedirs(root + "/root/penstock/build/deb", exist_ok=True)
            shutil.copy(deb, root + "/root/penstock/build/deb/")
        write(root + "/etc/hostname", "mx1.example.org\n")
        write(root + "/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n192.0.2.10 mx1.example.org mx1\n2001:db8::10 mx1.example.org mx1\n")
        answer(root, server)
        # There is no network inside: what penstock only recommends (polkitd) stays away.
        write(root + "/etc/apt/apt.conf.d/90recommends", 'APT::Install-Recommends "false";\n')
        write(root + "/root/runner", RUNNER)
        write(root + "/etc/systemd/system/page.service", UNIT)
        os.symlink("/etc/systemd/system/page.service", root + "/etc/systemd/system/multi-user.target.wants/page.service")
        plan = put_blocks(root, page, server)
        rights = container.BPF
        engine = ENGINES.get(server)
        if engine:
            write(root + "/root/setup", engine.SETUP)
            os.mkdir(root + "/../engine")
            rights = [*engine.NSPAWN, f"--bind={os.path.dirname(root)}/engine:{engine.STATE}"]
        if server == "podman":
            write(root + "/root/user", podmanhost.USER)
        said = container.boot(root, 3600, rights)
        if os.path.exists(root + "/root/setup.rc"):
            said = read(root + "/root/setup.out")[-400:].replace("\n", " ")
            check(read(root + "/root/setup.rc").strip() == str(dockerhost.CANNOT), f"the machine cannot be set up: {said}")
            raise Skip(f"{server} does not run here: {said}")
        if not os.path.exists(root + "/root/before"):
            raise Skip(f"no container can be booted here: {said}")
        judge(root, page, server, plan)


def judge(root, page, server, plan):
    def read_in(name):
        return read(f"{root}/root/{name}")

    logs = os.path.join(BUILD, "test-logs")
    log = os.path.join(logs, f"pages-{page.replace('/', '-')}-{server}.log")
    write(log, "".join(f"$ {what}\n{read_in(f'blocks/{name}.out')}[{read_in(f'blocks/{name}.rc').strip()}]\n" for name, what in plan) + read_in("journal"))
    for name, what in plan:
        code, out = read_in(f"blocks/{name}.rc").strip(), read_in(f"blocks/{name}.out")
        check(not read_in(f"blocks/{name}.out.missing"), f"{what}\nprints\n{out}\n{read_in(f'blocks/{name}.out.missing')}(see {log})")
        check(code == "0" or os.path.exists(f"{root}/root/blocks/{name}.expected"), f"{what}\nexits with {code or 'nothing: not come to'}:\n{out}\n(see {log})")
    before, after = read_in("before").splitlines(), read_in("after").splitlines()
    changed = sorted(set(before) ^ set(after))
    check(not changed, f"the state before is not there again: {changed}")


for page in pages.names():
    for server in pages.mark(page, "run with"):
        def add(page=page, server=server):
            @test(f"{page} with {server}: from the package to a delivered and a refused message and back")
            def _():
                follow(page, server)
        add()


@test("each configuration in a page is taken as it stands, alone")
def _():
    for page in pages.names():
        for _, kind, argument, body, note in pages.blocks(page):
            is_file = kind == "file" and argument.startswith("/etc/penstock/") and argument.split()[0].endswith(".conf")
            if not (kind == "ini" or is_file) or note.startswith("not run: "):
                continue
            with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
                f.write(body)
                f.flush()
                done = subprocess.run([os.path.join(BIN, "penstockd"), "-c", f.name, "--check-config"], capture_output=True, text=True)
                check(done.returncode == 0, f"{page}: {body}\n{done.stdout}{done.stderr}")


if not tap._tests:
    tap.skip_all("no page is run")
place.isolate(prepare)
# Each page has a machine of its own, which mostly waits.
tap.run(together=3)
