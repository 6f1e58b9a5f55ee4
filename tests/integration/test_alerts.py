#!/usr/bin/env python3
"""Alerts made real: penstock is brought into the state that an alert names, a real Prometheus sees it fire, and sees it end when the
state is over. So that hours are seconds, `for` and the ranges of all rules are cut short; nothing else of them is changed. That each
fires after its own time, and not before, is in tests/monitoring/rules.test.yml."""
import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.clock import FakeClock
from lib.packages import unpack
from lib.place import PATIENCE, ROOT, wait_for
from lib.programs import Program
from lib.smtp import Client
from lib.tap import check, test
from lib.varlink import varlink
from lib.world import PORT, World

RULES = os.path.join(ROOT, "packaging/prometheus/penstock.rules.yml")
PROMETHEUS = "prometheus", ["prometheus"]
PROMETHEUS_PORT = 9090
POLICY_PORT = 9826


def prepare():
    unpack(*PROMETHEUS)


def quick_rules():
    with open(RULES) as f:
        text = f.read()
    quick = re.sub(r"^( +for:) \w+$", r"\1 2s", text, flags=re.M)
    return re.sub(r"\[\d+[mhd]\]", "[20s]", quick)


class Prometheus:
    """Scrapes http://127.0.0.1:9825 each second, with the quick rules."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="penstock-test-")
        with open(f"{self.directory}/rules.yml", "w") as f:
            f.write(quick_rules())
        with open(f"{self.directory}/prometheus.yml", "w") as f:
            f.write("global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
                    f"rule_files: ['{self.directory}/rules.yml']\n"
                    "scrape_configs: [{job_name: mail, static_configs: [{targets: ['127.0.0.1:9825']}]}]\n")
        self.program = Program([os.path.join(unpack(*PROMETHEUS), "usr/bin/prometheus"), f"--config.file={self.directory}/prometheus.yml",
                                f"--storage.tsdb.path={self.directory}/data", f"--web.listen-address=127.0.0.1:{PROMETHEUS_PORT}"])
        return self

    def __exit__(self, *_):
        self.program.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def query(self, expression):
        url = f"http://127.0.0.1:{PROMETHEUS_PORT}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(url, timeout=120 * PATIENCE) as answer:
                return json.load(answer)["data"]["result"]
        except OSError:  # it starts
            return []

    def firing(self, alert):
        return self.query(f'ALERTS{{alertname="{alert}",alertstate="firing"}}')

    def fires(self, alert):
        wait_for(lambda: self.firing(alert), lambda: f"{alert} to fire; there is {self.query('ALERTS')}; Prometheus said {self.program.output()[-500:]}", 600)

    def is_over(self, alert):
        """It has fired, and does not any more, while the host is still scraped."""
        wait_for(lambda: self.query("up == 1") and not self.query(f'ALERTS{{alertname="{alert}"}}'), f"the end of {alert}", 600)

    def never_fired(self, *alerts):
        fired = self.query('last_over_time(ALERTS{alertstate="firing",alertname=~"' + "|".join(alerts) + '"}[1h])')
        check(not fired, f"before its time: {fired}")

    def seen(self):
        """Some seconds of the host as it is."""
        wait_for(lambda: [s for s in self.query("count_over_time(up[1h]) > 8") if s], "scrapes")


@test("PenstockDrainForgotten: a drain, until resume")
def _():
    with World(calm=True) as w, Prometheus() as p:
        p.seen()
        p.never_fired("PenstockDrainForgotten")
        w.daemon.ctl("drain", "--for", "10h", check=0)
        p.fires("PenstockDrainForgotten")
        w.daemon.ctl("resume", check=0)
        p.is_over("PenstockDrainForgotten")


@test("PenstockLogDropped: the log is not read and lines are lost, until it is read")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    log = os.path.join(directory, "log")
    os.mkfifo(log)
    reader = os.open(log, os.O_RDWR)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    said = []

    def read():
        while True:
            said.append(os.read(reader, 65536))
    with World(directory, calm=True, prefix=["sh", "-c", f'exec "$@" 2>{log}', "sh"]) as w, Prometheus() as p:
        w.mail_flows()
        p.seen()
        p.never_fired("PenstockLogDropped")

        def dropped():
            for mode in ("observe", "enforce") * 50:
                varlink(w, {"method": "io.penstock.SetMode", "parameters": {"mode": mode}})
            return w.daemon.metric("penstock_log_dropped_total") > 0
        wait_for(dropped, "a line that is lost", 300)
        p.fires("PenstockLogDropped")
        w.mail_flows()
        threading.Thread(target=read, daemon=True).start()
        wait_for(lambda: b"log lines were dropped" in b"".join(said), "it is said in the log, too")
        p.is_over("PenstockLogDropped")


def ask(addresses):
    """A policy client asks for each of these addresses on one connection."""
    with socket.create_connection(("127.0.0.1", POLICY_PORT), 120 * PATIENCE) as s, s.makefile("rb") as answers:
        for n, address in enumerate(addresses):
            s.sendall(f"request=smtpd_access_policy\nclient_address={address}\ninstance={n}.{address}\n\n".encode())
            check(answers.readline().startswith(b"action="), "an answer")
            answers.readline()


@test("PenstockLedgerTooSmall: many more senders wait than the ledger holds, until no new ones come")
def _():
    options = {"source.ledger_size": "64KiB", "front.policy.enabled": "yes", "front.policy.listen": f"127.0.0.1:{POLICY_PORT}"}
    with World(options=options, calm=True, proxy=False, front="policy") as w, Prometheus() as p:
        ask(f"192.0.{n}.1" for n in range(200))
        p.seen()
        p.never_fired("PenstockLedgerTooSmall")
        w.daemon.ctl("drain", check=0)
        wait_for(lambda: w.daemon.status()["state"] == "draining", "the drain")
        networks = iter(f"{a}.{b}.{c}.1" for a in range(11, 120) for b in range(250) for c in range(250))

        def more():
            ask(next(networks) for _ in range(1000))
            return p.firing("PenstockLedgerTooSmall")
        wait_for(more, lambda: f"the alert; {w.daemon.status()['sources']}", 600)
        check(w.daemon.status()["sources"]["tracked"] > 3000, "the ledger is full")
        p.is_over("PenstockLedgerTooSmall")


HOUR = 3600


@test("PenstockWaitedADay: a sender that is deferred at each attempt of 25 hours, until one is admitted")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")

    def attempt():
        with Client(PORT, "127.5.0.1") as c:
            c.say(b"QUIT")
            return c.greeting.decode()

    def waits(w):
        found = json.loads(w.daemon.ctl("sources", "--json", "--sort", "age", check=0).stdout)
        return [s for s in found if s["address"] == "127.5.0.1" and s["waiting"]]
    # The day is six lives of penstockd: its ledger has the times of the wall clock, and a clock that is set while it runs is no waiting.
    first, *others = [FakeClock(int(-hours * HOUR)) for hours in (25, 23.2, 18.5, 11.5, 2)]
    with World(directory, options={"source.ledger_size": "64KiB"}, calm=True, env=first.env) as w, Prometheus() as p:
        for wall in (None, *others):
            if wall:
                w.daemon.stop()
                w.start_daemon(env=wall.env)
            w.daemon.ctl("drain", check=0)
            wait_for(lambda: attempt().startswith("451") and waits(w),
                     lambda: f"the sender to be deferred and to wait; it hears {attempt()}, and {w.daemon.ctl('sources', '--json', '--sort', 'age').stdout}; {w.daemon.output()}")
        p.seen()
        p.never_fired("PenstockWaitedADay")
        w.daemon.stop()
        w.start_daemon(env=os.environ)
        p.fires("PenstockWaitedADay")
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: attempt().startswith("220"), "it is admitted")
        p.is_over("PenstockWaitedADay")


@test("PenstockQueueBacklog: what waits for this machine does not leave, until it does; what waits for another host is none")
def _():
    spool = tempfile.mkdtemp(prefix="penstock-test-")
    for d in ("active", "incoming", "deferred", "maildrop", "hold"):
        os.mkdir(os.path.join(spool, d))

    def put(directory, count):
        os.makedirs(os.path.join(spool, directory), exist_ok=True)
        for i in range(count):
            open(f"{spool}/{directory}/{0xA0000000 + i:X}", "w").close()
    with World(options={"daemon.bpf": "no", "service.mx.queue_dirs": spool}, calm=True) as w, Prometheus() as p:
        put("deferred/A", 500)
        w.wait_signal("smtp", "queue_count", lambda v: v == 500, "spool")
        p.seen()
        p.never_fired("PenstockQueueBacklog")
        put("incoming", 500)
        p.fires("PenstockQueueBacklog")
        w.mail_flows()
        for name in os.listdir(f"{spool}/incoming"):
            os.unlink(f"{spool}/incoming/{name}")
        p.is_over("PenstockQueueBacklog")


@test("PenstockBlind: /proc, /sys and BPF tell nothing, until penstockd is started where they do")
def _():
    hidden = "mount -t tmpfs tmpfs /sys; mount -t tmpfs tmpfs /proc; exec \"$@\""
    with World(calm=True, proxy=False, options={"daemon.bpf": "no"}, prefix=["unshare", "-m", "sh", "-c", hidden, "sh"]) as w, Prometheus() as p:
        p.fires("PenstockBlind")
        w.daemon.stop()
        w.start_daemon(prefix=())
        p.is_over("PenstockBlind")


place.isolate(prepare)
tap.run()
