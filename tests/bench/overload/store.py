"""results.json: every run as soon as it is made, so that an interrupted bench keeps what there is, and the next call goes on."""
import hashlib
import json
import os
import subprocess

from lib.place import BIN, ROOT

import cases
import fronts


def build_id():
    """Of what penstock's runs were made with: after a change they are made again, those of others are kept."""
    digest = hashlib.sha256()
    for name in ("penstockd", "penstock-proxy"):
        with open(os.path.join(BIN, name), "rb") as f:
            digest.update(f.read())
    return digest.hexdigest()[:12]


def commit():
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def kernel():
    return os.uname().release


class Results:
    def __init__(self, directory, fresh):
        os.makedirs(directory, exist_ok=True)
        self.path = os.path.join(directory, "results.json")
        self.build = build_id()
        self.seconds = [cases.SECONDS, cases.WARM, cases.KNOWN, cases.RANKED, bool(os.environ.get("WIRE"))]
        self.runs = []
        if not fresh and os.path.exists(self.path):
            with open(self.path) as f:
                kept = json.load(f)
            self.runs = [r for r in kept["runs"] if self.usable(r)]
            self.dropped = len(kept["runs"]) - len(self.runs)
        else:
            self.dropped = 0

    def usable(self, run):
        own = run["front"] in fronts.PENSTOCK
        return "error" not in run and run["seconds"] == self.seconds and (not own or run["build"] == self.build)

    def made(self):
        return {(r["plant"], r["case"], r["front"], r["seed"]) for r in self.runs if "error" not in r}

    def add(self, plant, case, front, seed, more):
        self.runs.append({"plant": plant, "case": case, "front": front, "seed": seed, "seconds": self.seconds, "build": self.build, **more})
        self.save()

    def cells(self):
        """{(plant, case, front): [run]} without those that failed."""
        out = {}
        for run in self.runs:
            if "error" not in run:
                out.setdefault((run["plant"], run["case"], run["front"]), []).append(run)
        return out

    def save(self):
        with open(self.path + ".new", "w") as f:
            json.dump({"commit": commit(), "kernel": kernel(), "runs": self.runs}, f)
        os.rename(self.path + ".new", self.path)
