"""The programs that tests/bench/fronts compares: each with a port that does not ask penstock and one that
does, in one program where it can; and penstockd."""
import contextlib
import os
import re
import signal
import subprocess
import tempfile

from lib import exim, haproxy, haraka, nginx, opensmtpd, postfix, sendmail
from lib.gate import Mta
from lib.haproxy import Haproxy
from lib.opensmtpd import Opensmtpd
from lib.place import BIN, BUILD, ROOT, wait_for
from lib.postfix import POLICY, SMTP, Postfix
from lib.sendmail import Sendmail
from lib.programs import Daemon, Program, listening, no_targets

# Observe: each verdict is made as always, and no load of this machine turns a client away.
OPTIONS = {"daemon.mode": "observe", "daemon.bpf": "no", "service.mx.ports": "2525", "source.sessions_max": 1000000, "daemon.log_level": "warning"}
BARE, ASKING, LUA = 2541, 2542, 2543
MILTER = 2528  # smtpd that asks the milter
HARAKA = os.path.join(ROOT, "packaging/snippets/haraka/haraka-plugin-penstock")

EXIM_PORTS = f"""
sed -i 's/^acl_smtp_connect = .*/acl_smtp_connect = ${{if eq{{$received_port}}{{{ASKING}}}{{acl_penstock}}{{acl_bare}}}}/' /etc/exim4/exim4.conf.template
sed -i '/^begin acl/a acl_bare:\\n  accept' /etc/exim4/exim4.conf.template
sed -i "s/^dc_local_interfaces=.*/dc_local_interfaces='127.0.0.1.{BARE} ; 127.0.0.1.{ASKING}'/" /etc/exim4/update-exim4.conf.conf
"""


def prepare():
    for server in (postfix, haproxy, nginx, haraka, opensmtpd, sendmail):
        server.prepare()
    exim.prepare("light")


@contextlib.contextmanager
def directory():
    path = tempfile.mkdtemp(prefix="b-", dir=BUILD)
    os.chmod(path, 0o755)
    try:
        yield path
    finally:
        for root in ("exim", "opensmtpd", "sendmail"):
            subprocess.run(["umount", "-R", "-l", os.path.join(path, root)], capture_output=True)
        subprocess.run(["rm", "-rf", "--one-file-system", path], check=True)


@contextlib.contextmanager
def penstockd(path, front, listen, options=None, **more):
    options = {**(options or {}), f"front.{front}.enabled": "yes", f"front.{front}.listen": listen, **{f"front.{front}.{k}": v for k, v in more.items()}}
    daemon = Daemon(path, {**no_targets(), **OPTIONS, **options})
    try:
        daemon.wait_status(lambda s: s["decisions"]["by_front"].get(front, {}).get("up"), front)
        yield daemon
    finally:
        daemon.stop()


@contextlib.contextmanager
def by_line(path):
    """penstockd on a socket that every server may ask."""
    os.makedirs(path + "/sock")
    with penstockd(path, "line", f"unix:{path}/sock/line.sock", socket_mode="0666") as daemon:
        yield path + "/sock/line.sock", daemon


@contextlib.contextmanager
def running(server):
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def postfix_policy():
    with directory() as path, penstockd(path, "policy", "127.0.0.1:9826") as daemon, running(Postfix(path)):
        yield SMTP, POLICY, daemon


@contextlib.contextmanager
def postfix_milter():
    milter = "{ inet:127.0.0.1:9832, connect_timeout=1s, command_timeout=1s, default_action=accept }"
    master = f"{MILTER} inet n - n - 100 smtpd\n  -o {{ smtpd_milters = {milter} }}\n"
    with directory() as path, penstockd(path, "milter", "127.0.0.1:9832", loopback="yes") as daemon, running(Postfix(path, master_extra=master)):
        wait_for(lambda: listening(MILTER), "the port that asks the milter")
        yield SMTP, MILTER, daemon


@contextlib.contextmanager
def haproxy_spoe(release):
    config = haproxy.page("haproxy")[1].replace("192.0.2.1:25", f"127.0.0.1:{ASKING}")
    config += f"\nfrontend bare\n\tbind 127.0.0.1:{BARE}\n\tdefault_backend mx\n"
    with directory() as path, penstockd(path, "haproxy", "127.0.0.1:9828", responder="127.0.0.1:9829") as daemon, contextlib.closing(Mta(2525)):
        balancer = Haproxy(release, path, config, haproxy.page("spoe")[0])
        try:
            wait_for(lambda: balancer.server("penstockd", "penstock_spoe")[0].startswith("UP"), "the check")
            yield BARE, ASKING, daemon
        finally:
            balancer.stop(signal.SIGKILL)


@contextlib.contextmanager
def haproxy_ways(release):
    """One HAProxy with a port for each way of asking: its process, penstockd, and the ports by name."""
    ports = {"alone": BARE, "SPOE": ASKING, "Lua": LUA}
    lines = haproxy.page("haproxy")[1].replace("192.0.2.1:25", f"127.0.0.1:{ASKING}") + f"""
frontend bare
\tbind 127.0.0.1:{BARE}
\tdefault_backend mx
frontend lua
\tbind 127.0.0.1:{LUA}
\ttcp-request content lua.penstock
\tuse_backend smtp_reject if {{ var(sess.penstock.defer) -m bool }}
\tdefault_backend mx
"""
    lines = f"global\n\tlua-load {os.path.join(ROOT, 'tests/bench/haproxy.lua')}\n" + lines
    both = {"front.line.enabled": "yes", "front.line.listen": "127.0.0.1:9833", "front.haproxy.service": "mx", "front.line.service": "other",
            "service.other.ports": LUA}
    with directory() as path, penstockd(path, "haproxy", "127.0.0.1:9828", options=both, responder="127.0.0.1:9829") as daemon, \
            running(Program([os.path.join(BIN, "penstock-sink"), "--listen", "127.0.0.1:2525"])):
        wait_for(lambda: listening(2525) and listening(9833), "the sink and the line protocol")
        balancer = Haproxy(release, path, lines, haproxy.page("spoe")[0])
        try:
            wait_for(lambda: balancer.server("penstockd", "penstock_spoe")[0].startswith("UP"), "the check")
            yield balancer, daemon, ports
        finally:
            balancer.stop(signal.SIGKILL)


@contextlib.contextmanager
def nginx_auth():
    """Without penstock nginx asks its own location that says yes: it has to ask some server."""
    page = nginx.page("nginx").replace("192.0.2.1:25", f"127.0.0.1:{ASKING}")
    page = page.replace("http {\n", "http {\n\tserver { listen 127.0.0.1:9834; location / { add_header Auth-Status OK; "
                        "add_header Auth-Server 127.0.0.1; add_header Auth-Port 2525; return 200 \"\"; } }\n")
    page = page.replace("\tserver {\n", f"\tserver {{ listen 127.0.0.1:{BARE}; protocol smtp; smtp_auth none; auth_http 127.0.0.1:9834/; }}\n\tserver {{\n", 1)
    with directory() as path, penstockd(path, "nginx", "127.0.0.1:9831", backend="127.0.0.1:2525") as daemon, contextlib.closing(Mta(2525)), \
            running(nginx.start(path, page, ASKING)):
        yield BARE, ASKING, daemon


@contextlib.contextmanager
def exim_line():
    with directory() as path, by_line(path) as (socket, daemon):
        root = exim.make_root("light", path, {"/etc/exim4/penstock.acl": exim.page("file")["/etc/exim4/penstock.acl"]},
                              [exim.page("sh")["one-file"], EXIM_PORTS])
        os.makedirs(root.file("/run/penstock"), exist_ok=True)
        subprocess.run(["mount", "--bind", os.path.dirname(socket), root.file("/run/penstock")], check=True)
        with running(exim.start(root, ASKING)):
            yield BARE, ASKING, daemon


@contextlib.contextmanager
def haraka_line():
    """Two Harakas, one with the plugin: a plugin is asked on each port."""
    with directory() as path, by_line(path) as (socket, daemon), contextlib.ExitStack() as stack:
        with open(HARAKA + "/config/penstock.ini") as f:
            shipped = f.read().replace("/run/penstock/line.sock", socket)
        for port, plugins in ((BARE, ""), (ASKING, "penstock\n")):
            home = os.path.join(path, str(port))
            haraka.make(home, {"plugins": plugins, "me": "mx1.example.org\n", "loglevel": "LOGWARN\n", "smtp.ini": f"listen=127.0.0.1:{port}\n",
                               "penstock.ini": shipped}, HARAKA)
            stack.enter_context(running(haraka.start(home, port)))
        yield BARE, ASKING, daemon


@contextlib.contextmanager
def opensmtpd_filter(release):
    lines = 'filter "penstock" proc-exec "/usr/sbin/penstock-opensmtpd"\n' + \
        f'listen on 127.0.0.1 port 25 filter "penstock"\nlisten on 127.0.0.1 port {BARE}\n'
    with directory() as path, by_line(path) as (socket, daemon), running(Opensmtpd(release, path, lines, socket)):
        yield BARE, 25, daemon


@contextlib.contextmanager
def sendmail_milter():
    """The page's filter is that of one of two ports, instead of all."""
    with open(os.path.join(ROOT, "packaging/snippets/sendmail/milter.md")) as f:
        lines = re.search(r"^```mc\n(.*?)^```$", f.read(), re.S | re.M)[1].replace("INPUT_MAIL_FILTER", "MAIL_FILTER")
    lines += f"DAEMON_OPTIONS(`Family=inet, Name=asking, Port={ASKING}, Addr=127.0.0.1, InputFilter=penstock')dnl\n"
    with directory() as path:
        os.makedirs(path + "/sock")
        with penstockd(path, "milter", f"unix:{path}/sock/milter.sock", loopback="yes", socket_mode="0600") as daemon, \
                running(Sendmail(path, lines, BARE)) as server:
            os.makedirs(server.root.file("/run/penstock"), exist_ok=True)
            subprocess.run(["mount", "--bind", path + "/sock", server.root.file("/run/penstock")], check=True)
            server.start()
            wait_for(lambda: listening(ASKING), "the port that asks the milter")
            yield BARE, ASKING, daemon


def servers():
    """(name, what starts it and gives its two ports and penstockd)."""
    yield "Postfix, policy", postfix_policy
    yield "Postfix, milter", postfix_milter
    for release in haproxy.RELEASES:
        if haproxy.command(release):
            yield f"HAProxy of {release}, SPOE", lambda release=release: haproxy_spoe(release)
    yield "nginx, auth_http (RCPT to its answer)", nginx_auth
    yield "Exim, line protocol", exim_line
    yield "Haraka, line protocol", haraka_line
    for release, version in (("bookworm", "6.8"), ("trixie", "7.6")):
        if opensmtpd.available(release):
            yield f"OpenSMTPD {version}, filter", lambda release=release: opensmtpd_filter(release)
    yield "Sendmail, milter", sendmail_milter
