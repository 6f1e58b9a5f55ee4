#!/usr/bin/env python3
"""No open relay: each mail server is set up behind penstock-proxy, nginx or HAProxy as its page in packaging/snippets says, and a client
with a foreign address tries to relay through it. The settings are taken from the pages. Docker's set-ups are tried in test_pages.py; no
other front stands between the server and its clients."""
import os
import re
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import exim, haproxy, haraka, nginx, place, postfix, tap
from lib.packages import Root, npm, unpack
from lib.place import BIN, BUILD, ROOT, wait_for
from lib.programs import Program, listening
from lib.tap import check, test
from lib.wire import Wire
from lib.world import Asked, World

OPENSMTPD = ["opensmtpd", "libdb5.3", "libevent-2.1-7"]
FOREIGN = "10.77.0.9"
CONF = "/etc/penstock/penstock.conf.d/mail.conf"
HIDDEN = ("proxy_protocol = none", "client_addresses_hidden = yes")


def text_of(page):
    with open(os.path.join(ROOT, "packaging/snippets", page)) as f:
        return f.read()


def blocks(page):
    """{file: text} of a page: blocks that are a file, and those under a paragraph that begins with the name of one."""
    text = text_of(page)
    return dict(re.findall(r"^```file (\S+)\n(.*?)```", text, re.S | re.M) +
                re.findall(r"^`([^`\n]+)`[^\n]*(?:\n[^\n]+)*\n\n```\n(.*?)```", text, re.S | re.M))


class Relayed(World):
    """penstockd and penstock-proxy with the configuration of a page, before a mail server that listens on its backend."""

    def __init__(self, directory, settings, server):
        super().__init__(directory, options={"daemon.bpf": "no"}, config=settings, server=None, proxy=False)
        self.proxy = Program([os.path.join(BIN, "penstock-proxy"), "-c", self.config, "--run-dir", self.daemon.run_dir])
        self.tells.update({"penstock-proxy": self.proxy.output, "The mail server": server.output})
        try:
            wait_for(lambda: listening(25) or not self.proxy.alive(), "the proxy on port 25")
            check(self.proxy.alive(), "penstock-proxy ended")
        except BaseException:
            self.__exit__(True)
            raise


def attempt(recipient, address="10.77.0.1"):
    """The reply to RCPT that a client of FOREIGN gets."""
    source = "fd77::9" if ":" in address else FOREIGN
    with WIRE.client(25, source, 60, address=address) as c:
        for line in (b"EHLO client.example.net", b"MAIL FROM:<a@example.net>"):
            reply = c.say(line)
            check(reply.startswith(b"250"), f"{line}: {reply}")
        reply = c.say(b"RCPT TO:<" + recipient + b">")
        c.say(b"QUIT")
        return reply


def is_no_relay(local):
    for address in ("10.77.0.1", "fd77::1"):
        reply = attempt(b"victim@foreign.example.com", address)
        check(reply[:1] in (b"4", b"5") and b"4.3.2" not in reply, f"a relay, or no answer of the server's own: {reply}")
        reply = attempt(local, address)
        check(reply.startswith(b"250"), f"its own mail: {reply}")


def would_relay():
    """That this test would see a relay."""
    reply = attempt(b"victim@foreign.example.com")
    check(reply.startswith(b"250"), f"Postfix with mynetworks = 127.0.0.0/8 was expected to relay: {reply}")


def a_directory(name):
    directory = tempfile.mkdtemp(prefix=f"test-relay-{name}-", dir=BUILD)
    os.chmod(directory, 0o755)
    return directory


@test("Postfix as its page says: a foreign client cannot relay; with hidden addresses it could")
def _():
    page, directory = blocks("postfix/proxy.md"), a_directory("postfix")
    option = re.search(r"smtpd_upstream_proxy_protocol=\w+", text_of("postfix/proxy.md"))[0]
    server = postfix.Postfix(directory, options=[option], main={"inet_protocols": "all"})
    text = page[CONF].replace(":2525", f":{postfix.SMTP}").replace("ports = 2525", f"ports = {postfix.SMTP}")
    try:
        with Relayed(directory, text, server.master):
            is_no_relay(b"box@example.org")
        # That this test would see a relay: a Postfix that learns no address takes the same mail.
        text = text.replace(f":{postfix.SMTP}", f":{postfix.POLICY}").replace("proxy_protocol = v1", "\n".join(HIDDEN))
        with Relayed(directory, text, server.master) as w:
            w.proxy.logged("takes every client for this host")
            would_relay()
    finally:
        server.stop()
        subprocess.run(["rm", "-rf", directory])


@test("Exim (Debian's exim4-daemon-heavy) as its page says: a foreign client cannot relay")
def _():
    page, directory = blocks("exim/proxy.md"), a_directory("exim")
    macros = "/etc/exim4/exim4.conf.localmacros"
    root = exim.make_root("heavy", directory, {macros: page[macros]}, re.findall(r"^sed .*", text_of("exim/proxy.md"), re.M))
    server = None
    try:
        server = exim.start(root, 2525)
        with Relayed(directory, page[CONF], server):
            is_no_relay(b"postmaster@example.org")
    finally:
        if server:
            server.stop(signal.SIGKILL)
        exim.remove(root, directory)


@test("OpenSMTPD as its page says: a foreign client cannot relay")
def _():
    page, directory = blocks("opensmtpd/proxy.md"), a_directory("opensmtpd")
    line = re.search(r"`(listen on .*)` takes", text_of("opensmtpd/proxy.md"))[1]
    root = Root("opensmtpd", unpack("opensmtpd", OPENSMTPD), directory)
    root.write("/etc/passwd", "opensmtpd:x:31300:31300::/var/lib/opensmtpd/empty:/usr/sbin/nologin\n"
               "opensmtpq:x:31301:31301::/var/lib/opensmtpd/empty:/usr/sbin/nologin\n", "a")
    root.write("/etc/group", "opensmtpd:x:31300:\nopensmtpq:x:31301:\n", "a")
    root.write("/etc/aliases", "postmaster: root\n")
    # Debian's own, with the line of the page.
    root.write("/etc/smtpd.conf", "table aliases file:/etc/aliases\n" + line + '\naction "local" mbox alias <aliases>\naction "relay" relay\n'
               'match from any for domain "example.org" action "local"\nmatch from local for any action "relay"\n')
    for path in ("/var/lib/opensmtpd/empty", "/var/spool/smtpd"):
        os.makedirs(root.file(path), mode=0o711, exist_ok=True)
        os.chmod(root.file(path), 0o711)
    server = Program(["chroot", root.path, "/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf"])
    try:
        wait_for(lambda: listening(2525) or not server.alive(), "OpenSMTPD")
        check(server.alive(), server.output())
        with Relayed(directory, page[CONF], server):
            is_no_relay(b"postmaster@example.org")
    finally:
        server.stop()
        subprocess.run(["umount", "-R", "-l", root.path], check=False)
        subprocess.run(["rm", "-rf", directory])


@test("Haraka as its page says: a foreign client cannot relay")
def _():
    page, directory = blocks("haraka/proxy.md"), a_directory("haraka")
    image, home = npm("haraka-relay", haraka.PACKAGES), os.path.join(directory, "haraka")
    node = os.path.join(image, "node_modules/.bin/node")
    program = os.path.join(image, "node_modules/Haraka/bin/haraka")
    subprocess.run([node, program, "-i", home], check=True, capture_output=True)
    # As its own documentation has it for a server whose own host may relay.
    files = {"plugins": "relay\nrcpt_to.in_host_list\n", "host_list": "example.org\n", "relay.ini": "[relay]\nacl=true\n",
             "relay_acl_allow": "127.0.0.0/8\n", "me": "mx1.example.org\n", "loglevel": "LOGNOTICE\n"}
    with open(os.path.join(image, "node_modules/Haraka/config/connection.ini")) as f:
        connection = f.read().replace("[haproxy]\n", page["config/connection.ini"])
    check(page["config/connection.ini"] in connection, "the section is there")
    for name, text in {**files, "smtp.ini": page["config/smtp.ini"], "connection.ini": connection}.items():
        with open(os.path.join(home, "config", name), "w") as f:
            f.write(text)
    server = Program([node, program, "-c", home])
    try:
        wait_for(lambda: listening(2525) or not server.alive(), "Haraka")
        check(server.alive(), server.output())
        with Relayed(directory, page[CONF], server):
            is_no_relay(b"postmaster@example.org")
    finally:
        server.stop(signal.SIGKILL)
        subprocess.run(["rm", "-rf", directory])


@test("Postfix behind nginx as that page says: a foreign client cannot relay; without XCLIENT it could")
def _():
    directory, option = a_directory("nginx"), re.search(r"`(smtpd_authorized_xclient_hosts) = (\S+)`", text_of("nginx.md"))
    server = postfix.Postfix(directory, main={"inet_protocols": "all", option[1]: option[2]})
    mail = nginx.page("nginx").replace("listen 192.0.2.1:25;", "listen 25; listen [::]:25;").replace("2525", str(postfix.SMTP))
    try:
        with Asked("nginx", nginx.page("ini").replace("2525", str(postfix.SMTP)), directory=directory) as w:
            front = nginx.start(directory, mail)
            w.at_end.append(front.stop)
            is_no_relay(b"box@example.org")
            front.stop()
            w.at_end.append(nginx.start(directory, mail.replace("xclient on", "xclient off")).stop)
            would_relay()
    finally:
        server.stop()
        subprocess.run(["rm", "-rf", directory])


@test("Postfix behind HAProxy as that page says: a foreign client cannot relay; without send-proxy it could")
def _():
    directory, page = a_directory("haproxy"), "haproxy.md"
    header, option = re.search(r"send-proxy", text_of(page))[0], re.search(r"smtpd_upstream_proxy_protocol=\w+", text_of(page))[0]
    server = postfix.Postfix(directory, options=[option], main={"inet_protocols": "all"})
    # Of the three hosts one is here, and it has no agent.
    text = re.sub(r"\n\tserver m[23] .*|\n\tdefault-server .*", "", haproxy.page("haproxy")[0]).replace("bind 192.0.2.1:25", "bind :25,:::25 v6only")
    line = re.search(r"\tserver m1 .*", text)[0]
    balancer = None
    try:
        for port, last in ((postfix.SMTP, header), (postfix.POLICY, "")):
            balancer = haproxy.Haproxy("bookworm", directory, text.replace(line, f"\tserver m1 127.0.0.1:{port} {last}"))
            wait_for(lambda: listening(25), "HAProxy on port 25")
            if last:
                is_no_relay(b"box@example.org")
            else:
                would_relay()
            balancer.stop()
    finally:
        if balancer and balancer.alive():
            balancer.stop()
        server.stop()
        subprocess.run(["rm", "-rf", directory])


def prepare():
    unpack("haproxy", haproxy.PACKAGES)
    postfix.prepare()
    nginx.prepare()
    exim.prepare("heavy")
    unpack("opensmtpd", OPENSMTPD)
    haraka.prepare()


place.isolate(prepare)
WIRE = Wire()
try:
    tap.run()
finally:
    WIRE.close()
