#!/usr/bin/env python3
"""Metrics, alert rules, runbook and dashboards, held against each other, and all of them against a real Prometheus that scrapes a real
daemon."""
import base64
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import pages, place, tap
from lib.packages import unpack
from lib.place import BIN, PATIENCE, ROOT, wait_for
from lib.programs import Program, port_open
from lib.smtp import deliver
from lib.tap import check, test
from lib.world import PORT, World

RULES = os.path.join(ROOT, "packaging/prometheus/penstock.rules.yml")
DASHBOARDS = [os.path.join(ROOT, "packaging/grafana", name) for name in ("penstock-host.json", "penstock-fleet.json")]
PROMETHEUS_PORT = 9090
PACKAGES = {"prometheus": ["prometheus"], "prometheus-client": ["python3-prometheus-client"], "jsonnet": ["jsonnet", "libjsonnet0"],
            "nginx": ["nginx"], "yaml": ["python3-yaml"]}


def prepare():
    for name, packages in PACKAGES.items():
        unpack(name, packages)


def program(name):
    """Its path, and an environment in which it finds its libraries."""
    image = unpack(name, PACKAGES[name])
    libraries = glob.glob(os.path.join(image, "usr/lib/*-linux-gnu"))
    return os.path.join(image, "usr/bin", name), {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)}


def table():
    """name -> (kind, unit, labels, replaced by)"""
    printed = subprocess.run([os.path.join(BIN, "penstockd"), "--print-metrics"], capture_output=True, text=True, check=True).stdout
    rows = [line.split("\t") for line in printed.splitlines()]
    return {row[0]: row[1:5] for row in rows}


def openmetrics(daemon):
    return daemon.document("/metrics", accept="application/openmetrics-text; version=1.0.0")


def promtool(*arguments, **options):
    return subprocess.run([os.path.join(unpack("prometheus", PACKAGES["prometheus"]), "usr/bin/promtool"), *arguments], capture_output=True, text=True, **options)


def names_in(expression):
    """The metrics of penstock in a query, without what a histogram or a counter adds to its name."""
    found = set(re.findall(r"\b(?:penstock|process)_[a-z0-9_]+", expression))
    known = table()
    return {name if name in known else re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


def rules():
    """[(name, text of the rule)]"""
    with open(RULES) as f:
        parts = re.split(r"^      - alert: ", f.read(), flags=re.M)[1:]
    return [(part.split("\n")[0], part) for part in parts]


def panels():
    for path in DASHBOARDS:
        with open(path) as f:
            for panel in json.load(f)["panels"]:
                for target in panel.get("targets", []):
                    yield f"{os.path.basename(path)}: {panel['title']}", target["expr"]


@test("promtool has nothing to say about the metrics, with fronts, several services and traffic")
def _():
    with World(options={"service.submission.ports": "2587", "service.submission.shed": "last"}, calm=True) as w:
        w.mail_flows()
        wait_for(lambda: w.daemon.metric('penstock_offered_connections_total{service="mx"}') >= 1, "the connection in the metrics")
        text = w.daemon.document("/metrics")
        done = promtool("check", "metrics", input=text)
        check(done.returncode == 0 and not done.stdout and not done.stderr, f"{done}")
        for service in ("mx", "submission"):
            check(f'penstock_service_info{{service="{service}",shed="' in text, f"no {service}")
            check(f'penstock_connect_to_220_seconds_bucket{{service="{service}",le="+Inf"}}' in text, f"no histogram of {service}")
        added_up = {reason for found in re.findall(r'reason=~"([a-z|]+)"', open(RULES).read()) for reason in found.split("|")}
        for reason in added_up:
            check(f'penstock_decisions_total{{front="proxy",verdict="defer",reason="{reason}"}} 0' in text, f"no series from the start: {reason}")
        check({"cpu", "backend"} <= added_up, f"{added_up}")
        for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds"):
            check(w.daemon.metric(name) > 0, name)
        # Not rounded to ten seconds: each restart changes it.
        check(re.search(r"^process_start_time_seconds \d{10}\.\d", text, re.M), re.search(r"^process_start_time.*", text, re.M)[0])
        check(w.daemon.metric("process_resident_memory_bytes") < w.daemon.metric("process_virtual_memory_bytes"), "memory")


@test("OpenMetrics is read by a strict parser; units, infos, state sets; the table has each family, and no other")
def _():
    sys.path.insert(0, os.path.join(unpack("prometheus-client", PACKAGES["prometheus-client"]), "usr/lib/python3/dist-packages"))
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
    from prometheus_client.parser import text_string_to_metric_families as classic_families
    # Samples of both formats have the same names and labels, but for the label that a state set has besides.
    def keys(found, besides):
        return {(s.name, tuple(sorted((k, v) for k, v in s.labels.items() if k not in besides))) for f in found.values() for s in f.samples}
    # Those that do not come and go with what sensors see between two requests.
    always = ("penstock_level", "penstock_state", "penstock_mode", "penstock_service", "penstock_offered", "penstock_connect", "penstock_held_total",
              "penstock_decisions", "penstock_faults", "penstock_front", "penstock_sensor_up", "penstock_tick", "penstock_build", "process_")
    families, classic = {}, {}

    def in_classic_only():
        return set(stable(classic)) - keys(families, ("penstock_state", "penstock_mode", "penstock_sensor_state", "penstock_regime"))

    def stable(found):
        return [k for k in keys(found, ()) if k[0].startswith(always)]

    def alike(daemon):
        """The second document is of another tick: a sample that began between the two is in both at the next look."""
        families.clear()
        families.update((f.name, f) for f in text_string_to_metric_families(openmetrics(daemon)))
        classic.clear()
        classic.update((f.name, f) for f in classic_families(daemon.document("/metrics")))
        return not in_classic_only()
    with World(options={"front.policy.enabled": "yes", "front.policy.listen": "127.0.0.1:9826"}, proxy=False) as w:
        wait_for(lambda: alike(w.daemon), lambda: f"what is in the classic text only: {sorted(in_classic_only())[:3]}", 30)
    ending = {"counter": "_total", "info": "_info"}
    known = {name.removesuffix(ending.get(kind, "")): (kind, unit, name) for name, (kind, unit, *_) in table().items()}
    for name, family in families.items():
        check(name in known, f"{name} is not in the table")
        kind, unit, _ = known[name]
        check((family.type, family.unit) == (kind, unit), f"{name}: {family.type}, unit '{family.unit}'; the table says {kind}, '{unit}'")
    for name in ("penstock_level", "penstock_build", "penstock_service", "penstock_state", "penstock_signal_seconds", "process_cpu_seconds"):
        check(name in families, f"no {name}")
    states = {s.labels["state"]: s.labels["penstock_state"] for s in families["penstock_state"].samples}
    check(states and all(a == b for a, b in states.items()), f"a query by state works in both formats: {states}")
    check(len(stable(classic)) > 100, f"only {len(stable(classic))} samples to compare")


@test("the number of series is bounded: no client, and nothing that outsiders choose, is in a label")
def _():
    with World(options={"service.submission.ports": "2587"}, calm=True) as w:
        w.mail_flows()
        wait_for(lambda: w.daemon.metric('penstock_offered_connections_total{service="mx"}') >= 1, "the connection in the metrics")
        before = len(w.daemon.document("/metrics").splitlines())
        for i in range(2, 42):
            deliver(PORT, source=f"127.0.0.{i}")
        wait_for(lambda: w.daemon.metric('penstock_offered_connections_total{service="mx"}') >= 41, "forty more clients")
        text = w.daemon.document("/metrics")
    lines = len(text.splitlines())
    # A signal may appear meanwhile: each has at most three samples.
    check(lines <= before + 60 and lines < 2500, f"{before} lines before, {lines} after forty more clients")
    check("127.0.0." not in text, "an address is in a label")
    labels = {label for name in table().values() for label in re.split(r", *", name[2]) if label}
    check(labels == {"device", "direction", "fault", "front", "level", "mode", "op", "outcome", "reason", "regime", "resource", "scope", "sensor", "service",
                     "shed", "signal", "state", "verdict", "version"}, f"{labels}")
    used = set(re.findall(r'[{,]([a-z_]+)="', text))
    check(used <= labels | {"le"}, f"labels that the table does not tell: {used - labels}")


@test("each alert fires when it should and is silent when it should be")
def _():
    done = promtool("check", "rules", RULES)
    check(done.returncode == 0, f"{done}")
    cases = os.path.join(ROOT, "tests/monitoring/rules.test.yml")
    done = promtool("test", "rules", cases)
    check(done.returncode == 0, f"{done.stdout}{done.stderr}")
    with open(cases) as f:
        tested = re.findall(r"^  - name: (\w+)", f.read(), re.M)
    check(tested == [name for name, _ in rules()], f"rules without a case, or the other way round: {set(tested) ^ {n for n, _ in rules()}}")


@test("each alert has severity, summary, description and a section of the runbook; rules and dashboards use metrics that stay")
def _():
    with open(os.path.join(ROOT, "packaging/doc/runbook.md")) as f:
        sections = re.findall(r"^## (\w+)\n\nSeverity: (\w+)\.\n\n\*\*What it means\.\*\* .+\n\n\*\*What to look at\.\*\* .+\n\n\*\*What to do\.\*\* .+$", f.read(), re.M)
    check([name for name, _ in sections] == [name for name, _ in rules()], f"{set(n for n, _ in sections) ^ set(n for n, _ in rules())}")
    severities = dict(sections)
    for name, text in rules():
        for wanted in (f"severity: {severities[name]}\n", "summary: ", "description: ", f'penstock/runbook.md#{name.lower()}"'):
            check(wanted in text, f"{name}: no {wanted}")
    known = table()
    used = [(name, text) for name, text in rules()] + list(panels())
    for where, text in used:
        for metric in names_in(re.sub(r"(summary|description|runbook_url): .*", "", text)):
            check(metric in known, f"{where}: {metric} does not exist")
            check(not known[metric][3], f"{where}: {metric} goes away, use {known[metric][3]}")
    check(not re.search(r'\bjob="', open(RULES).read()), "a rule names a job")


@test("the mixin gives the same alerts and dashboards, with a runbook of the user's")
def _():
    jsonnet, env = program("jsonnet")
    source = ("local m = (import 'penstock/prometheus/mixin.libsonnet') + { _config+:: { penstockRunbookBase: 'https://wiki/p' } };"
              "{ rules: m.prometheusAlerts.groups[0].rules, boards: m.grafanaDashboards }")
    with tempfile.TemporaryDirectory(prefix="penstock-test-") as directory:
        os.symlink(os.path.join(ROOT, "packaging"), os.path.join(directory, "penstock"))
        done = subprocess.run([jsonnet, "-J", directory, "-e", source], capture_output=True, text=True, env=env)
    check(done.returncode == 0, done.stderr)
    made = json.loads(done.stdout)
    check([r["alert"] for r in made["rules"]] == [name for name, _ in rules()], "the alerts")
    check(all(r["annotations"]["runbook_url"] == "https://wiki/p#" + r["alert"].lower() for r in made["rules"]), "the runbook")
    check(sorted(made["boards"]) == sorted(os.path.basename(d) for d in DASHBOARDS), "the dashboards")


MONITORING = os.path.join(ROOT, "packaging/monitoring")


@test("Icinga and NRPE call check_penstock with options that it has, and the command of NRPE runs")
def _():
    usage = subprocess.run([os.path.join(BIN, "check_penstock"), "--help"], capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"--[a-z-]+", usage))
    with open(os.path.join(MONITORING, "icinga2-penstock.conf")) as f:
        text = f.read()
    used = set(re.findall(r'"(--[a-z-]+)" =', text))
    check(used and used <= options, f"{used - options}")
    macros = {m for m in re.findall(r"\$(penstock_\w+)\$", text)}
    check({v for v in re.findall(r"vars\.(penstock_\w+) =", text)} <= macros, "variables that no argument takes")
    check(text.count("{") == text.count("}") and text.count("[") == text.count("]"), "brackets")
    with open(os.path.join(MONITORING, "nrpe-penstock.cfg")) as f:
        command = re.search(r"^command\[check_penstock\]=(\S+)(.*)$", f.read(), re.M)
    with World(server=None, proxy=False) as w:
        done = subprocess.run([os.path.join(BIN, os.path.basename(command[1])), *command[2].split(), "--run-dir", w.daemon.run_dir],
                              capture_output=True, text=True, timeout=120 * PATIENCE)
        check(done.returncode in (0, 1, 2) and " | level=" in done.stdout, f"{done}")


def values_at(status, path):
    """What a JSONPath of the template finds: $.a.b['c']; fails when it leads nowhere."""
    for dotted, quoted in re.findall(r"\.([a-z_0-9]+)|\['([^']+)'\]", path):
        check(isinstance(status, dict) and (dotted or quoted) in status, f"{path}: no {dotted or quoted}")
        status = status[dotted or quoted]
    return status


@test("each alert of Prometheus has a trigger for Zabbix, of the same urgency, and it is said which of them check_penstock tells")
def _():
    with open(os.path.join(MONITORING, "zabbix-penstock.yaml")) as f:
        triggers = re.findall(r"priority: (\w+)\n +description: '[^\n]*Runbook: (\w+)\.'", f.read())
    check({name for _, name in triggers} == {name for name, _ in rules()}, f"{ {n for _, n in triggers} ^ {n for n, _ in rules()} }")
    severities = {name: re.search(r"severity: (\w+)", text)[1] for name, text in rules()}
    wrong = [(name, priority) for priority, name in triggers if priority != {"critical": "HIGH", "warning": "WARNING", "info": "INFO"}[severities[name]]]
    check(not wrong, f"another urgency than in the rules: {wrong}")
    with open(os.path.join(ROOT, "packaging/doc/monitoring.md")) as f:
        said = re.search(r"it tells of these: (.+?)It does not tell of these: (.+?);", f.read(), re.S)
    names = [re.findall(r"Penstock\w+", part) for part in said.groups()]
    check(sorted(names[0] + names[1]) == sorted(name for name, _ in rules()), f"{set(names[0] + names[1]) ^ {n for n, _ in rules()} }")


@contextlib.contextmanager
def told_status(status):
    """A run directory where a control socket answers one question with this status."""
    with tempfile.TemporaryDirectory(prefix="penstock-test-") as directory, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.join(directory, "control.sock"))
        listener.listen()
        listener.settimeout(120)

        def answer():
            connection, _ = listener.accept()
            with connection:
                while b"\0" not in connection.recv(65536):
                    pass
                connection.sendall(json.dumps({"parameters": {"status": status}}).encode() + b"\0")
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield directory
        thread.join()


@test("check_penstock is as urgent as the alert of Prometheus for the same state")
def _():
    severities = {name: re.search(r"severity: (\w+)", text)[1] for name, text in rules()}
    share = {name: re.search(r"expr: .* > ([0-9.]+)$", text, re.M) for name, text in rules()}
    refuses = float(share["PenstockFrontRefuses"][1])
    fine = {"level": 0, "level_name": "normal", "mode": "enforce", "state": "serving", "admit_ratio": 1, "headline": {"deferred_ratio": 0, "reason": "none"},
            "decisions": {"admitted": 9, "deferred": 0, "by_front": {"proxy": {"up": True}}}, "config": {"last_reload_successful": True},
            "sources": {"oldest_deferral_s": 0}, "resources": {}}
    runs_out = {resource: {"known": True, "pressure": 0, "signals": {signal: {"value": 60}}}
                for resource, signal in (("memory", "mem_exhaustion_s"), ("disk", "spool_exhaustion_s"))}
    table = [  # the alert, how the status differs, and options
        (None, {}, ()),
        ("PenstockBlind", {"state": "blind"}, ()),
        ("PenstockDeferring", {"level": 2, "level_name": "shedding"}, ()),
        ("PenstockDeferring", {"level": 3, "level_name": "severe"}, ()),
        ("PenstockCritical", {"level": 4, "level_name": "critical"}, ()),
        ("PenstockFrontDown", {"decisions": {"admitted": 9, "deferred": 0, "by_front": {"proxy": {"up": False, "reason": "it does not run"}}}}, ()),
        ("PenstockFrontRefuses", {"headline": {"deferred_ratio": refuses + .001, "reason": "backend"}}, ()),
        ("PenstockFrontRefuses", {"mode": "observe", "headline": {"deferred_ratio": 1, "reason": "limit"}}, ()),
        ("PenstockReloadFailed", {"config": {"last_reload_successful": False}}, ()),
        ("PenstockDrainForgotten", {"state": "draining"}, ()),
        ("PenstockWaitedADay", {"sources": {"oldest_deferral_s": 86400}}, ("--critical-wait", "14400")),
        ("PenstockBoundInfeasible", {"sources": {"oldest_deferral_s": 86400}}, ("--critical-wait", "14400")),
        ("PenstockMemoryRunsOut", {"resources": {"memory": runs_out["memory"]}}, ("--critical-exhaustion", "7200:")),
        ("PenstockSpoolRunsOut", {"resources": {"disk": runs_out["disk"]}}, ("--critical-exhaustion", "7200:")),
        ("PenstockInodesRunOut", {"resources": {"disk": {"known": True, "pressure": 0, "signals": {"spool_inodes_exhaustion_s": {"value": 60}}}}},
         ("--critical-exhaustion", "7200:")),
    ]
    codes = {None: 0, "info": 1, "warning": 1, "critical": 2}  # a plugin has no status below WARNING
    for alert, differs, options in table:
        with told_status({**fine, **differs}) as directory:
            done = subprocess.run([os.path.join(BIN, "check_penstock"), "--run-dir", directory, "-t", "120", *options], capture_output=True, text=True)
        check(done.returncode == codes[severities[alert] if alert else None], f"{alert}: {done}")
    with told_status({**fine, "headline": {"deferred_ratio": refuses, "reason": "backend"}}) as directory:
        done = subprocess.run([os.path.join(BIN, "check_penstock"), "--run-dir", directory, "-t", "120"], capture_output=True, text=True)
    check(done.returncode == 1, f"below the alert: {done}")
    with open(os.path.join(ROOT, "packaging/doc/monitoring.md")) as f:
        said = set(re.findall(r"Penstock\w+", re.search(r"it tells of these: (.+?)It does not tell of these", f.read(), re.S)[1]))
    check(said == {alert for alert, *_ in table if alert} | {"PenstockDown"}, f"{said ^ {alert for alert, *_ in table}}")


@test("the template for Zabbix: ids, keys, triggers and paths hold together, and each path leads to something in a live status")
def _():
    sys.path.insert(0, os.path.join(unpack("yaml", PACKAGES["yaml"]), "usr/lib/python3/dist-packages"))
    import yaml
    with open(os.path.join(MONITORING, "zabbix-penstock.yaml")) as f:
        text = f.read()
    export = yaml.safe_load(text)["zabbix_export"]
    check(export["version"] == "7.0", "version")
    template = export["templates"][0]
    ids = re.findall(r"uuid: '?([0-9a-f]+)'?$", text, re.M)
    check(len(ids) == len(set(ids)) and all(re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", i) for i in ids), "ids")
    with World(options={"front.policy.enabled": "yes", "front.policy.listen": "127.0.0.1:9826"}, proxy=False) as w:
        status = w.daemon.wait_status(lambda s: s["services"] and s["decisions"]["by_front"], "a whole status")
    items = [(i, None) for i in template["items"]]
    for rule in template["discovery_rules"]:
        source = rule["preprocessing"][0]["parameters"][0]
        macro = re.search(r"'(\{#[A-Z]+\})'", rule["preprocessing"][1]["parameters"][0])[1]
        found = list(values_at(status, source))
        # No fault has happened in a new world.
        check((found or source == "$.faults") and rule["master_item"]["key"] == "penstock.status", f"{rule['name']} finds nothing")
        items += [(i, (macro, found)) for i in rule["item_prototypes"]]
    keys = {i["key"] for i, _ in items}
    check(len(keys) == len(items), "a key stands twice")
    known = {"JSONPATH", "MATCHES_REGEX", "BOOL_TO_DECIMAL", "CHANGE_PER_SECOND", "MULTIPLIER"}
    for i, prototype in items:
        if i["type"] == "HTTP_AGENT":
            continue
        check(i["type"] == "DEPENDENT" and i["master_item"]["key"] == "penstock.status" and i["delay"] == "0", i["name"])
        check({p["type"] for p in i["preprocessing"]} <= known, i["name"])
        path, fallback = i["preprocessing"][0]["parameters"][0], i["preprocessing"][0].get("error_handler")
        for name in prototype[1] if prototype else [None]:
            try:
                value = values_at(status, path.replace(prototype[0], name) if prototype else path)
            except AssertionError:
                check(fallback, f"{path} leads nowhere")
                continue
            numeric = i.get("value_type", "UNSIGNED") in ("FLOAT", "UNSIGNED")
            check(isinstance(value, str) != numeric or value is None, f"{path}: {value} is a {i.get('value_type')}")
        if prototype:
            check(prototype[0] in i["key"] and prototype[0] in path, i["key"])
        for trigger in i.get("triggers", []) + i.get("trigger_prototypes", []):
            named = re.findall(r"\(/([^/]+)/(penstock[a-z_.]*(?:\[[^]]*\])?)", trigger["expression"])
            check(named and all(host == template["template"] and key in keys for host, key in named), trigger["expression"])
            check(trigger["priority"] in ("INFO", "WARNING", "AVERAGE", "HIGH", "DISASTER"), trigger["name"])
    macros = {m["macro"] for m in template["macros"]}
    check(set(re.findall(r"\{\$[A-Z.]+\}", text)) == macros, "macros")
    check({i["valuemap"]["name"] for i, _ in items if "valuemap" in i} == {v["name"] for v in template["valuemaps"]}, "value maps")


def query(expression):
    url = f"http://127.0.0.1:{PROMETHEUS_PORT}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(url, timeout=120 * PATIENCE) as answer:
            return json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        if error.code == 503:  # it starts
            return []
        raise AssertionError(f"{expression}: {error.read().decode()[:300]}") from None
    except OSError:
        return []


# What only BPF gives.
PROBES = ("penstock_runq_", "penstock_fsync_", "penstock_disk_latency_")


@test("a real Prometheus scrapes a real daemon, and each panel of both dashboards has data; the rules are evaluated: PenstockDown for one that hangs")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    config = os.path.join(directory, "prometheus.yml")
    with open(config, "w") as f:
        f.write("global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
                f"rule_files: ['{RULES}']\n"
                "scrape_configs: [{job_name: mail, static_configs: [{targets: ['127.0.0.1:9825']}]}]\n")
    with World() as w:
        prometheus = Program([program("prometheus")[0], f"--config.file={config}", f"--storage.tsdb.path={directory}/data",
                              f"--web.listen-address=127.0.0.1:{PROMETHEUS_PORT}"])
        wait_for(lambda: query("up == 1"), f"a scrape; Prometheus said {prometheus.output()[-500:]}")
        probes = [p for p in PROBES if p in w.daemon.document("/metrics")]
        waiting = []
        for where, expression in panels():
            if any(p in expression and p not in probes for p in PROBES):
                print(f"# not asked, no probe here: {where}")
                continue
            expression = expression.replace("$__rate_interval", "60s").replace("$job", "mail").replace("$instance", ".+")
            waiting.append((where, expression))

        def empty():
            # fsync(), so that its histogram is not empty, and mail, which other work on this machine may have put off.
            with open(os.path.join(directory, "file"), "w") as f:
                f.write("x")
                f.flush()
                os.fsync(f.fileno())
            deliver(PORT)
            waiting[:] = [(where, e) for where, e in waiting if not query(e)]
            return waiting
        wait_for(lambda: not empty(), lambda: f"data in {waiting[:3]}", every=0.5)
        w.daemon.ctl("drain", check=0)
        wait_for(lambda: query('penstock_state{state="draining"} == 1'), "the drain in Prometheus")
        wait_for(lambda: query('ALERTS{alertname="PenstockDrainForgotten",alertstate="pending"}'), "the pending alert")
        check(not query('ALERTS{alertstate="firing",severity="critical"}'), f"{query('ALERTS')}")
        w.daemon.kill(signal.SIGSTOP)
        wait_for(lambda: query('ALERTS{alertname="PenstockDown",alertstate="pending"}'), "PenstockDown, while penstockd hangs")
        w.daemon.kill(signal.SIGCONT)
        wait_for(lambda: query("up == 1") and not query('ALERTS{alertname="PenstockDown"}'), "its end")
        prometheus.stop()


@test("monitoring.md: nginx before it gives the metrics by TLS and password only, and nothing else; every query is one")
def _():
    with open(os.path.join(ROOT, "packaging/doc/monitoring.md")) as f:
        page = f.read()
    server = re.search(r"```nginx\n(.*?)```", page, re.S)[1]
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    os.chmod(directory, 0o755)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-days", "2", "-keyout", f"{directory}/metrics.key", "-out", f"{directory}/metrics.crt"], check=True, capture_output=True)
    secret = subprocess.run(["openssl", "passwd", "-apr1", "word"], capture_output=True, text=True, check=True).stdout
    with open(f"{directory}/metrics.htpasswd", "w") as f:
        f.write("prometheus:" + secret)
    with open(f"{directory}/nginx.conf", "w") as f:
        f.write(f"daemon off; pid {directory}/pid; error_log {directory}/error.log; user root; events {{}}\n"
                f"http {{ access_log off; client_body_temp_path {directory}/b; proxy_temp_path {directory}/p; fastcgi_temp_path {directory}/f;"
                f" uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;\n" + server.replace("/etc/penstock", directory) + "}\n")
    for expression in re.findall(r"^\| [^|]+ \| `(.+)` \|$", page.split("## Questions")[1], re.M):
        check(all(name in table() for name in names_in(expression)), expression)

    def ask(path, password=None):
        request = urllib.request.Request(f"https://localhost:9826{path}")
        if password:
            request.add_header("Authorization", "Basic " + base64.b64encode(f"prometheus:{password}".encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=120 * PATIENCE, context=ssl.create_default_context(cafile=f"{directory}/metrics.crt")) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
    with World(server=None, proxy=False):
        nginx = os.path.join(unpack("nginx", PACKAGES["nginx"]), "usr/sbin/nginx")
        nginx = Program([nginx, "-c", f"{directory}/nginx.conf", "-e", f"{directory}/error.log"])
        wait_for(lambda: not nginx.alive() or port_open(9826, "localhost"), "nginx")
        check(nginx.alive(), nginx.output())
        code, text = ask("/metrics", "word")
        check(code == 200 and "penstock_level " in text, f"{code}")
        check(ask("/metrics")[0] == 401 and ask("/metrics", "wrong")[0] == 401, "without the password")
        check(ask("/", "word")[0] == 404, "another path")
        nginx.stop(signal.SIGTERM)


@test("monitoring.md and runbook.md: promtool takes the configurations, and the commands run")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    blocks = pages.blocks("packaging/doc/monitoring.md")
    of_kind = {kind: [b.body for b in blocks if b.kind == kind] for kind in ("yaml", "json", "sh")}
    one_host, from_afar, discovery = of_kind["yaml"]
    shutil.copy(RULES, directory)
    for name, text in (("host", one_host), ("afar", from_afar), ("fleet", one_host.split("    static_configs")[0] + discovery)):
        with open(f"{directory}/{name}.yml", "w") as f:
            f.write(text.replace("/usr/share/doc/penstock/prometheus", directory).replace("/etc/prometheus", directory))
        for each in re.findall(r"(?:ca|password)_file: (/[^,}]+)", open(f"{directory}/{name}.yml").read()):
            shutil.copy("/etc/ssl/certs/ca-certificates.crt", each)
        with open(f"{directory}/mail-1.json", "w") as f:
            f.write(of_kind["json"][0])
        done = promtool("check", "config", f"{directory}/{name}.yml")
        check(done.returncode == 0, done.stdout + done.stderr)
    subprocess.run(["sh", "-ec", of_kind["sh"][0]], cwd=directory, check=True)
    with open(directory + "/penstock.rules.yml") as f:
        check("file:///" not in f.read(), "every link leads to the wiki")
    commands = [line.split("#")[0].split() for b in pages.blocks("packaging/doc/runbook.md") for line in b.body.splitlines()]
    check(len(commands) == 3, f"{commands}")
    with World(server=None, proxy=False) as w:
        for program, *arguments in commands:
            check(program == "penstockctl" and w.daemon.ctl(*arguments).returncode in ((0, 1, 4) if arguments == ["check"] else (0,)), f"{arguments}")


place.isolate(prepare)
tap.run()
