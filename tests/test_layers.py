#!/usr/bin/env python3
"""tests/check-layers finds what it is there for: each fault is planted into a copy of the sources, and has to be named."""
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# What is planted: a file, the line that is added to it, and words of the complaint.
PLANTS = [
    ("daemon/base/text.h", '#include "core/plan.h"', "base knows nothing above it"),
    ("daemon/core/level.c", '#include "base/log.h"', "core uses nothing of base"),
    ("daemon/store/dirs.c", '#include "front/front.h"', "store and front are siblings"),
    ("daemon/sensor/mta.c", '#include "daemon.h"', "nobody includes upwards"),
    ("daemon/main.c", '#include "kernel/kernel.h"', "main.c knows the arguments and daemon.h"),
    ("daemon/daemon.h", '#include "core/engine.h"', "daemon.h shows nothing of the parts"),
    ("daemon/gating.c", '#include "base/log.h"', "only daemon.c, daemon.h and main.c stand outside of the rooms"),
    ("daemon/front/desk.h", "struct daemon {", "struct daemon is defined in daemon.c"),
    ("daemon/publish/words.c", '#include "publish/json.h"', "in a circle: publish/foreign"),
    ("daemon/front/fronts.h", '#include "front/policy_codec.h"', None),  # downwards, and allowed
]


def complaints(tree):
    r = subprocess.run([os.path.join(ROOT, "tests/check-layers"), tree], capture_output=True, text=True)
    return r.returncode, r.stdout


def main():
    failed = 0
    print(f"1..{len(PLANTS) + 1}")
    with tempfile.TemporaryDirectory(prefix="penstock-layers-") as tree:
        for top in ("daemon", "tools"):
            shutil.copytree(os.path.join(ROOT, top), os.path.join(tree, top))
        status, output = complaints(tree)
        failed += status != 0
        print(f"{'not ' if status else ''}ok 1 - the sources as they are: in order")
        for number, (name, line, words) in enumerate(PLANTS, 2):
            path = os.path.join(tree, name)
            before = open(path).read() if os.path.exists(path) else None
            with open(path, "a") as f:
                f.write(f"\n{line}\n")
            status, output = complaints(tree)
            good = status == 0 if words is None else status == 1 and words in output
            failed += not good
            print(f"{'' if good else 'not '}ok {number} - {line} in {name}: {words or 'in order'}")
            if not good:
                print("# " + output.replace("\n", "\n# "))
            if before is None:
                os.unlink(path)
            else:
                open(path, "w").write(before)
    return 1 if failed else 0


sys.exit(main())
