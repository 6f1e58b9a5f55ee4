#!/usr/bin/env python3
"""tests/check-layers finds what it is there for: each fault is planted into a copy of the sources, and has to be named."""
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(ROOT, "tests/check-layers")
# In this process it reads each file once.
loader = importlib.machinery.SourceFileLoader("layers", PROGRAM)
layers = importlib.util.module_from_spec(importlib.util.spec_from_loader("layers", loader))
loader.exec_module(layers)

# What is planted: a file, the line that is added to it, and words of the complaint.
PLANTS = [
    ("daemon/base/text.h", '#include "core/plan.h"', "base knows nothing above it"),
    ("daemon/core/level.c", '#include "base/log.h"', "core uses nothing of base"),
    ("daemon/store/dirs.c", '#include "front/front.h"', "store and front are siblings"),
    ("daemon/sensor/mta.c", '#include "daemon.h"', "no file includes upwards"),
    ("daemon/main.c", '#include "kernel/kernel.h"', "main.c knows the arguments and daemon.h"),
    ("daemon/daemon.h", '#include "core/engine.h"', "daemon.h shows nothing of the parts"),
    ("daemon/gating.c", '#include "base/log.h"', "only daemon.c, daemon.h and main.c stand outside of the rooms"),
    ("daemon/front/desk.h", "struct daemon {", "struct daemon is defined in daemon.c"),
    ("daemon/publish/words.c", '#include "publish/json.h"', "publish/headline, publish/headline_advice, publish/headline_kind, publish/json, "),
    ("daemon/core/smooth.h", '#include "core/window_parts.h"', "in a circle: core/pressure, core/smooth, core/window"),
    ("daemon/core/window.h", '#include "core/window_parts.h"', "files include each other in a circle: core/window.h, core/window_parts.h"),
    ("tools/penstock-sim/queue.h", '#include "penstock-sim/plant.h"', "in a circle: penstock-sim/plant, penstock-sim/queue"),
    ("bpf/shared.h", '#include "gate_shared.h"', "in a circle: gate_shared, shared"),
    ("tests/unit/fleet_memory.h", '#include "unit/source_world.h"', None),
    ("daemon/front/fronts.h", "extern const struct front_ops front_line;", "ASKED_FRONT_TABLE is the one list"),
    ("daemon/front/milter.c", "enum { KIND = ASKED_NGINX };", "names ASKED_NGINX"),
    ("daemon/front/fronts.h", '#include "front/policy_codec.h"', None),  # downwards, and allowed
]

# Objects that are planted: what each defines and calls, and words of the complaint.
CALLS = [
    ([("daemon/base/one", "one", "two"), ("daemon/base/two", "two", "three"), ("daemon/base/three", "three", "puts")], None),
    ([("daemon/base/one", "one", "two"), ("daemon/base/two", "two", "three"), ("daemon/base/three", "three", "one")],
     "files call each other in a circle: daemon/base/one.c, daemon/base/three.c, daemon/base/two.c"),
    ([("daemon/base/one", "one", "two"), ("tools/two", "two", "one")], "files call each other in a circle: daemon/base/one.c, tools/two.c"),
]


def complaints(tree):
    said = layers.errors(tree)
    return 1 if said else 0, "\n".join(said)


def program(tree):
    """The exit status of the program itself, and its output."""
    r = subprocess.run([PROGRAM, tree], capture_output=True, text=True)
    return r.returncode, r.stdout


def plant_objects(tree, files):
    """Compiles one function a file, which calls another one."""
    for name, defines, calls in files:
        source, target = os.path.join(tree, name + ".c"), os.path.join(tree, "build/obj", name + ".o")
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(source, "w") as f:
            f.write(f"void {calls}();\nvoid {defines}() {{ {calls}(); }}\n")
        subprocess.run(["cc", "-w", "-c", "-o", target, source], check=True)


def main():
    failed = 0
    print(f"1..{len(PLANTS) + len(CALLS) + 1}")
    with tempfile.TemporaryDirectory(prefix="penstock-layers-") as tree:
        for top in ("daemon", "tools", "bpf"):
            shutil.copytree(os.path.join(ROOT, top), os.path.join(tree, top))
        os.makedirs(os.path.join(tree, "tests/unit"))
        for header in ("unit/source_world.h", "unit/fleet_memory.h"):
            shutil.copy(os.path.join(ROOT, "tests", header), os.path.join(tree, "tests", header))
        status, _ = program(tree)
        failed += status != 0
        print(f"{'not ' if status else ''}ok 1 - the sources as they are: in order")
        for number, (name, line, words) in enumerate(PLANTS, 2):
            path = os.path.join(tree, name)
            before = open(path).read() if os.path.exists(path) else None
            with open(path, "a") as f:
                f.write(f"\n{line}\n")
            status, output = program(tree) if number == 2 else complaints(tree)
            good = status == 0 if words is None else status == 1 and words in output
            failed += not good
            print(f"{'' if good else 'not '}ok {number} - {line} in {name}: {words or 'in order'}")
            if not good:
                print("# " + output.replace("\n", "\n# "))
            if before is None:
                os.unlink(path)
            else:
                open(path, "w").write(before)
        for number, (files, words) in enumerate(CALLS, len(PLANTS) + 2):
            plant_objects(tree, files)
            status, output = complaints(tree)
            good = status == 0 if words is None else status == 1 and words in output
            failed += not good
            print(f"{'' if good else 'not '}ok {number} - {', '.join(f'{d} calls {c}' for _, d, c in files)}: {words or 'in order'}")
            if not good:
                print("# " + output.replace("\n", "\n# "))
            for name, _, _ in files:
                os.unlink(os.path.join(tree, name + ".c"))
            shutil.rmtree(os.path.join(tree, "build"))
    return 1 if failed else 0


sys.exit(main())
