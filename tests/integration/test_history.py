#!/usr/bin/env python3
"""What operators read, now and of the past, held against what clients were told: status, explain, metrics, the plugin and the history,
through a drain, observe mode and a kill -9."""
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place
from lib.place import BIN, wait_for
from lib.smtp import deliver
from lib.tap import check, run, test
from lib.varlink import varlink
from lib.world import PORT, World


def history(w, *arguments, expect=0):
    r = subprocess.run([os.path.join(BIN, "penstockctl"), "history", "-o", f"daemon.state_dir={w.directory}/state", *arguments],
                       capture_output=True, text=True, timeout=120)
    check(r.returncode == expect, f"history {arguments}: {r.returncode}: {r.stderr}")
    return r.stdout if expect == 0 else r.stderr


def records(w):
    """None yet: the thread writes each two seconds."""
    if not os.path.exists(f"{w.directory}/state/history"):
        return []
    return json.loads(history(w, "--since", "10m", "--json"))["records"]


def total(w, key):
    return sum(r[key] for r in records(w))


@test("a drain: all outlets say what clients are told, at once, and the minute after it too")
def _():
    with World(calm=True) as w:
        w.mail_flows()
        wait_for(lambda: total(w, "admitted") >= 1, "the history of one message")
        w.daemon.ctl("drain", "--reason", "disk swap", check=0)
        wait_for(lambda: deliver(PORT)[0] == "451", "the drain at the proxy")
        told = [deliver(PORT) for _ in range(20)]
        check(all(t[0] == "451" for t in told), f"not all were deferred: {told[:3]}")
        s = w.daemon.wait_status(lambda s: s["decisions"]["deferred"] >= 20, "20 refusals in the status")
        check(s["headline"]["state"] == "draining" and s["headline"]["reason"] == "drain", f"{s['headline']}")
        check(s["headline"]["sentence"].startswith("An operator drains this machine"), f"{s['headline']}")
        w.daemon.wait_status(lambda s: deliver(PORT) and s["admit_ratio"] < 0.5, "an admit_ratio that tells of the drain")
        first = w.daemon.ctl("status", check=0).stdout.splitlines()[0]
        check(first.startswith("An operator drains this machine"), first)
        check("451" in w.daemon.ctl("explain", check=0).stdout, "explain tells of no refusal")
        check(w.daemon.metric('penstock_state{state="draining"}') == 1, "metrics do not say draining")
        plugin = subprocess.run([os.path.join(BIN, "check_penstock"), "--run-dir", w.daemon.run_dir], capture_output=True, text=True)
        check("drain" in plugin.stdout, plugin.stdout)
        w.daemon.ctl("resume", check=0)
        wait_for(lambda: deliver(PORT)[0] == "250", "mail after the drain")
        s = w.daemon.wait_status(lambda s: s["headline"]["state"] != "draining", "the end of it")
        check("drain" not in s["headline"]["sentence"], s["headline"]["sentence"])
        w.daemon.wait_status(lambda s: deliver(PORT) and s["admit_ratio"] > 0.5, "an admit_ratio that tells of the end")
        deferred = w.daemon.status()["decisions"]["deferred"]
        wait_for(lambda: total(w, "deferred") == deferred, f"{deferred} deferred in the history; there are {total(w, 'deferred')}")
        text = history(w)
        words = " ".join(text.split())
        check("an operator drained the machine, deferred (" in words and re.search(r"connections, 1 source\)", words), text)
        found = records(w)
        check(max(r["deferred_sources"] for r in found) == 1, "all of them came from one address")
        check(sum(r["services"]["mx"]["deferred"] for r in found) == deferred, f"{deferred} by service")
        table = text[text.index("FROM "):]
        check(all(len(line) < 80 for line in table.splitlines()), table)
        check(sum("connections, 1 source)" in line and "drained the machine" in line for line in text.splitlines()) == 1, "a pipe gets whole lines: " + text)


@test("an operator's change of the mode stands in the history, with its time")
def _():
    with World(calm=True) as w:
        w.mail_flows()
        wait_for(lambda: total(w, "admitted") >= 1, "the history of one message")
        w.daemon.ctl("mode", "observe", check=0)
        wait_for(lambda: records(w)[-1]["mode"] == "observe", "observe mode in the history")
        w.daemon.ctl("mode", "enforce", check=0)
        wait_for(lambda: records(w)[-1]["mode"] == "enforce", "enforce mode in the history")
        text = history(w, "--since", "10m")
        for words in "the mode is observe now: nothing is refused for load.", "the mode is enforce now":
            check(sum(words in line for line in text.splitlines()) == 1, f"{words!r} is not told once: {text}")
        # The day is kept by ten seconds, so that both changes may be in one record, which is written at its end.
        wait_for(lambda: "the mode " in history(w), lambda: "the mode in the history of the day: " + history(w))


@test("history, check and support judge by the configuration of the running penstockd, and without it by the default files: they say which")
def _():
    with World(calm=True) as w:
        w.mail_flows()
        wait_for(lambda: total(w, "admitted") >= 1, "the history of one message")
        judged = "Judged by the configuration of the running penstockd: "
        origin = json.loads(w.daemon.ctl("status", "--json", check=0).stdout)["config"]["origin"]
        check(f"service.mx.ports={w.server.port}" in origin["overrides"] and origin["state_dir"] == f"{w.directory}/state", f"{origin}")
        text = w.daemon.ctl("history", check=0).stdout
        check(" ".join(text.split()).startswith(judged), text)
        check(w.daemon.ctl("support", check=0).stdout.startswith(judged), "support does not say by what it judges")
        check(json.loads(w.daemon.ctl("check", "--json").stdout)["judged"].startswith(judged), "check does not say by what it judges")
        check(json.loads(w.daemon.ctl("check", "--json", "-c", "/dev/null").stdout)["judged"] == "", "-c says it already")
        check(json.loads(w.daemon.document("/status.json"))["config"]["origin"] is None, "HTTP tells where the configuration is")
        nobody = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", os.path.join(BIN, "penstockctl"), "--run-dir",
                                 w.daemon.run_dir, "check", "--json"], capture_output=True, text=True, timeout=120)
        check("to root and control.group only" in json.loads(nobody.stdout)["judged"], f"{nobody}")
        w.daemon.stop()
        check("penstockd does not answer" in json.loads(w.daemon.ctl("check", "--json").stdout)["judged"], "no penstockd")


@test("the history is the same by HTTP, by the control socket and in the file, and bad questions get an answer")
def _():
    with World(calm=True) as w:
        for _ in range(5):
            w.mail_flows()
        wait_for(lambda: total(w, "admitted") == 5, f"5 in the file; there are {records(w)}")
        by_http = json.loads(w.daemon.document("/history.json?span=300"))
        check(sum(r["admitted"] for r in by_http["records"]) == 5, f"{by_http}")
        check(by_http["period_s"] == 1 and len(by_http["records"]) <= 400, f"period {by_http['period_s']}")
        check("neighbour" not in by_http["records"][0], "HTTP names neighbours")
        day = json.loads(w.daemon.document("/history.json?span=86400"))
        wait_for(lambda: sum(r["admitted"] for r in json.loads(w.daemon.document("/history.json?span=86400"))["records"]) == 5,
                 f"5 in a day; there is {day}")
        for until_s in int(time.time()) + 1, int(time.time()) + 86400 * 365, 1 << 40:
            by_socket = varlink(w, {"method": "io.penstock.History", "parameters": {"until_s": until_s}})[0]["parameters"]["history"]
            check(sum(r["admitted"] for r in by_socket["records"]) == 5, f"until {until_s}: {by_socket}")
        for bad in ("--since", "yesterday"), ("--since", "2h", "--until", "3h"):
            check("penstockctl:" in history(w, *bad, expect=2), f"{bad}")


@test("kill -9: what was known seconds before is there, and the next penstockd goes on with it")
def _():
    with World(calm=True) as w:
        for _ in range(5):
            w.mail_flows()
        wait_for(lambda: total(w, "admitted") == 5, "5 in the file")
        w.daemon.kill(signal.SIGKILL)
        wait_for(lambda: not w.daemon.alive(), "the end of penstockd")
        check(total(w, "admitted") == 5, f"{records(w)}")
        check("penstockd started." in history(w), history(w))


@test("observe mode: everything is admitted, and nothing that is said alarms")
def _():
    with World(calm=True, options={"daemon.mode": "observe"}) as w:
        w.mail_flows()
        s = w.daemon.wait_status(lambda s: s["decisions"]["admitted"] >= 1, "one admitted")
        check(s["headline"]["state"] == "observing" and s["admit_ratio"] == 1, f"{s['headline']} {s['admit_ratio']}")
        check(s["level"] <= 1, f"level {s['level']}")
        check(s["headline"]["sentence"].startswith("Observe mode: everything is admitted"), s["headline"]["sentence"])


place.isolate()
run()
