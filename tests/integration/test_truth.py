#!/usr/bin/env python3
"""What operators read is held against what clients were really told, every second: the page, status, explain, metrics and check_penstock,
through a real overload, a drain, observe mode, a neighbour that takes the CPUs, and the time after each.

Nothing is compared with a clock of the test's own: a statement may be LATELY old, and what clients were told until then decides."""
import json
import math
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.neighbourhood import CPUS, SPIN, Neighbourhood
from lib.place import BIN, LONG, PATIENCE, wait_for
from lib.programs import Program, port_open
from lib.smtp import deliver
from lib.tap import check, test
from lib.world import PORT, World

LATELY = 10 * PATIENCE  # the promise: within ten seconds everything follows
RESTS = 130 * PATIENCE  # a level that came back stays for two minutes, and says that nothing is deferred meanwhile
SLOW = 3                # a look that takes so many seconds compares things that were not at one time
NORMAL, ELEVATED, SHEDDING = range(3)
ORDERS = ("draining", "maintenance")
SHARE = re.compile(r"([\d.]+) % of the new connections are deferred")


class Clients:
    """An open loop of senders, each from another address. What each was told is kept, with the time."""

    def __init__(self):
        self.rate, self.told, self.open, self.ends = 2.0, [], {}, False
        self.changed = time.monotonic()  # when what they meet was last changed
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def loop(self):
        number = 0
        while not self.ends:
            time.sleep(1 / self.rate)
            number += 1
            with self.lock:
                if len(self.open) >= 200:
                    continue
                self.open[number] = time.monotonic()
            threading.Thread(target=self.one, args=(number, f"127.1.{number // 250 % 250}.{number % 250 + 1}"), daemon=True).start()

    def one(self, number, source):
        try:
            code, said = deliver(PORT, source=source)
            deferred = code == "451" or said.startswith("451")
            check(deferred or code == "250", f"{code} {said}")
            with self.lock:
                self.told.append((time.monotonic(), deferred))
        except OSError:
            pass  # the end of the test
        finally:
            with self.lock:
                del self.open[number]

    def all_told(self, before):
        """Waits until each who came before that time was told, and has said so here."""
        def told():
            with self.lock:
                return all(began > before for began in self.open.values())
        wait_for(told, "clients to be told")

    def come(self, rate):
        self.rate, self.changed = rate, time.monotonic()

    def between(self, begin, end):
        """(how many were told anything, how many to come back)"""
        with self.lock:
            found = [deferred for at, deferred in self.told if begin <= at <= end]
        return len(found), sum(found)

    def end(self):
        """How many were told to come back, of all."""
        self.ends = True
        self.thread.join()
        wait_for(lambda: not self.open, "the last client")
        return sum(deferred for _, deferred in self.told)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Look:
    """All that an operator can read, once."""

    def __init__(self, w):
        self.begin = time.monotonic()
        self.page = w.daemon.get("/")
        self.status = w.daemon.status()
        self.explain = w.daemon.ctl("explain").stdout
        self.metrics = dict(re.findall(r"^(penstock_(?:level|admit_ratio)|penstock_state\{[^}]*\}) (\S+)$", w.daemon.get("/metrics"), re.M))
        plugin = subprocess.run([os.path.join(BIN, "check_penstock"), "--run-dir", w.daemon.run_dir], capture_output=True, text=True)
        self.plugin, self.exit = plugin.stdout, plugin.returncode
        check(plugin.stderr == "", plugin.stderr)
        self.end = time.monotonic()
        self.headline = self.status["headline"]
        self.badge = re.search(r'<p id="badge"[^>]*>([^<]*)<', self.page)[1]
        self.sentence = re.search(r'<p role="status"[^>]*>([^<]*)<', self.page)[1]

    def __str__(self):
        return f"status {self.headline['state']} {self.status['level_name']} {self.status['admit_ratio']}: {self.headline['sentence']!r}; " \
               f"page {self.badge}: {self.sentence!r}; plugin {self.exit}: {self.plugin!r}; metrics {self.metrics}"

    def sentences(self):
        return self.sentence, self.headline["sentence"]

    def nothing_contradicts(self):
        """What one outlet says at one moment is true together, whatever clients were told."""
        state, level = self.headline["state"], self.status["level"]
        check((state == "deferring") == (level >= SHEDDING), f"headline and level: {self}")
        check(state != "normal" or level == NORMAL, f"headline and level: {self}")
        if self.badge in (*ORDERS, "blind"):
            check(not SHARE.search(self.sentence), f"badge and sentence: {self}")
        else:
            calm = "all mail is admitted" in self.sentence or "everything is admitted" in self.sentence
            check(not (calm and self.badge in ("shedding", "severe", "critical")), f"badge and sentence: {self}")
            check(not (SHARE.search(self.sentence) and self.badge in ("normal", "elevated")), f"badge and sentence: {self}")
        said, share = int(re.search(r"level=(\d)", self.plugin)[1]), float(re.search(r"deferred_share=([\d.]+)%", self.plugin)[1])
        check(said >= SHEDDING or share <= 5 or "drain" in self.plugin, f"the plugin's level and share: {self}")
        check(self.exit == (2 if said > 3 else 1 if said >= SHEDDING or "drain" in self.plugin else 0), f"the plugin's exit: {self}")
        draining = self.metrics['penstock_state{state="draining"}'] == "1"
        check(float(self.metrics["penstock_level"]) >= SHEDDING or float(self.metrics["penstock_admit_ratio"]) >= 0.95 or draining,
              f"metrics: {self}")

    def is_true(self, clients):
        """None: the machine was too slow to tell."""
        took = self.end - self.begin
        if took > SLOW:
            return None
        # penstock knows of a refusal before the client has noted it.
        clients.all_told(self.end)
        offered, deferred = clients.between(self.begin - LATELY - took, math.inf)
        halves = [clients.between(self.begin - LATELY * n / 2, self.begin - LATELY * (n - 1) / 2) for n in (1, 2)]
        if deferred == 0:
            self.claims_nothing(clients.between(self.begin - RESTS, math.inf)[1])
        elif self.begin - clients.changed > LATELY and all(some >= 5 and told >= 0.2 * some for some, told in halves):
            self.claims_deferrals()
        return offered > 0

    def claims_nothing(self, deferred_before):
        for sentence in self.sentences():
            check(not SHARE.search(sentence), f"no client was deferred lately: {self}")
        check("are deferred (a mean over" not in self.explain, f"no client was deferred lately: {self.explain}")
        check(self.status["admit_ratio"] > 0.99, f"no client was deferred lately: {self}")
        check(float(self.metrics["penstock_admit_ratio"]) > 0.99, f"no client was deferred lately: {self}")
        if self.status["level"] >= SHEDDING:  # it came back within two minutes, and stays
            check(deferred_before and "No new connection is deferred now" in self.headline["sentence"], f"a level: {self}")

    def claims_deferrals(self):
        check(self.headline["state"] in (*ORDERS, "deferring"), f"clients are deferred: {self}")
        check(self.badge not in ("normal", "elevated"), f"clients are deferred: {self}")
        check(self.exit != 0, f"clients are deferred: {self}")
        check("are deferred (a mean over" in self.explain or "451" in self.explain, f"clients are deferred: {self.explain}")
        check(float(self.metrics["penstock_admit_ratio"]) < 1, f"clients are deferred: {self}")
        for sentence in self.sentences():
            check("admitted" not in sentence, f"clients are deferred: {self}")


def look_at(w):
    """None: the machine let no tick happen for two seconds, and HTTP said 503 with good reason."""
    try:
        return Look(w)
    except urllib.error.HTTPError as error:
        if error.code != 503:
            raise
        return None


def watch(w, clients, seconds, until=None, held=0):
    """Looks each second, for so long; `until`: a state that has to be seen meanwhile, or within some minutes: where an overload has gaps, the level
    comes back, and then it stays for two. `held`: so many looks at least have to be held against what clients were told, within the same time."""
    seen, true = set(), 0
    begin = time.monotonic()

    def enough():
        return until in (None, *seen) and true >= held
    while time.monotonic() < begin + seconds or (not enough() and time.monotonic() < begin + RESTS + LONG * PATIENCE):
        look = look_at(w)
        if not look:
            time.sleep(0.2)  # then it is asked again
            continue
        look.nothing_contradicts()
        true += look.is_true(clients) is True
        seen.add(look.headline["state"])
        time.sleep(max(0, 1 - (look.end - look.begin)))  # a look a second
    check(until in (None, *seen), f"{until} was not said, but {seen}")
    check(true >= held, f"only {true} looks could be held against what clients were told")
    return true


def history(w, key):
    r = subprocess.run([os.path.join(BIN, "penstockctl"), "history", "-o", f"daemon.state_dir={w.directory}/state", "--since", "30m", "--json"],
                       capture_output=True, text=True, timeout=60 * PATIENCE)
    check(r.returncode == 0, r.stderr)
    return sum(record[key] for record in json.loads(r.stdout)["records"])


class Sunk(World):
    """Three sessions at once are allowed, each of at least .3 s: ten a second, on a machine that is fast."""

    def __init__(self):
        super().__init__(options={"objective.window_min": "3", "objective.window_max": "3"}, server=2526, calm=True)
        sink = Program([os.path.join(BIN, "penstock-sink"), "--listen", "127.0.0.1:2526", "--wait", "300ms"])
        self.at_end.append(sink.stop)
        wait_for(lambda: port_open(2526), "the sink")


@test("an overload, a drain, observe mode and the time after each: five outlets say each second what clients were told; the history has it all")
def _():
    with Sunk() as w, Clients() as clients:
        true = watch(w, clients, 12, "normal", 2)
        clients.come(30)
        true += watch(w, clients, 25, "deferring", 4)
        clients.come(2)
        true += watch(w, clients, 30, "normal", 4)
        w.daemon.ctl("drain", "--reason", "disk swap", check=0)
        clients.come(2)
        true += watch(w, clients, 18, "draining", 3)
        w.daemon.ctl("resume", check=0)
        clients.come(2)
        true += watch(w, clients, 20, "normal", 3)
        # An overload that an order ends, and the mode.
        clients.come(30)
        true += watch(w, clients, 10, "deferring", 1)
        w.daemon.ctl("mode", "observe", check=0)
        clients.come(30)
        true += watch(w, clients, 20, "observing", 3)
        clients.come(2)
        true += watch(w, clients, 12, held=1)
        print(f"# {true} looks were held against what clients were told")
        deferred = clients.end()
        wait_for(lambda: history(w, "deferred") == deferred, f"{deferred} deferred in the history; there are {history(w, 'deferred')}")
        check(history(w, "would_defer") > 0, "observe mode in the history")


@test("a neighbour takes the CPUs: mail flows or is deferred, and all outlets say which; and the time after it")
def _():
    with Neighbourhood(proxy=True) as w:
        mail, big = w.group("cpu"), w.group("cpu")
        w.run(mail, "import os, sys\nos.execv(sys.argv[1], sys.argv[1:])", os.path.join(BIN, "penstock-sink"), "--listen", "127.0.0.1:2526")
        wait_for(lambda: port_open(2526), "the sink")
        with Clients() as clients:
            watch(w, clients, 12)
            spinning = [w.run(big, SPIN) for _ in range(4 * CPUS)]
            watch(w, clients, 20, until="neighbour")
            for process in spinning:
                process.kill()
            watch(w, clients, 30)
            check(clients.between(0, time.monotonic())[0] > 20, f"{clients.told}")


place.isolate()
tap.run()
