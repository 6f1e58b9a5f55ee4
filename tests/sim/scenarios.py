"""What the runners of scenarios share: which there are, what their comments say for the runners, one run."""
import glob
import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SIM = os.environ.get("PENSTOCK_SIM") or os.path.join(HERE, "../..", os.environ.get("BUILD", "build"), "bin/penstock-sim")


class Scenario:
    """`needs`: the parts of the law that it proves: it fails without each of them ("# needs PART..." in it)."""

    def __init__(self, path):
        with open(path) as f:
            text = f.read()
        self.path = path
        self.name = os.path.basename(path)[:-len(".sim")]
        words = {key: line.split() for key, line in re.findall(r"^# (seeds|needs) (.*)$", text, re.M)}
        self.seeds = [int(s) for s in os.environ.get("SEEDS", "").split() or words.get("seeds", "12345")]
        self.needs = words.get("needs", [])
        self.end_s = float(re.search(r"^end ([\d.]+)", text, re.M)[1])
        self.senders = 1 + text.count("\nsenders ")


def paths():
    """Of all scenarios, one directory for each subject (daemon/README.md tells which). Those of traces/ are of test_traces."""
    return [path for path in glob.glob(os.path.join(HERE, "*/*.sim")) if os.path.basename(os.path.dirname(path)) != "traces"]


SCENARIOS = [Scenario(path) for path in sorted(paths(), key=os.path.basename)]
NAMED = {s.name: s for s in SCENARIOS}



def run(scenario, seed, *options):
    """The simulator's exit status (0: all expectations met, 1: some not) and what it said of them."""
    done = subprocess.run([SIM, "--seed", str(seed), *options, scenario.path], capture_output=True, text=True)
    return done.returncode, done.stderr.strip().splitlines()
