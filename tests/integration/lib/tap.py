"""TAP on stdout: `test(name)` as a decorator collects, `run()` runs in order and prints. A test that raises Skip says why.
ONLY=one|other in the environment runs the tests whose names have one of these; each must be in some name."""
import os
import sys
import traceback

_tests = []
# What a failed test left running, ended before the next one: `leftovers.append(function)`.
leftovers = []


class Skip(Exception):
    pass


def test(name):
    def add(function):
        _tests.append((name, function))
        return function
    return add


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def run(*arguments):
    only = os.environ.get("ONLY", "").split("|")
    unknown = [o for o in only if not any(o in name for name, _ in _tests)]
    if unknown:
        sys.exit(f"ONLY: no test here is called anything with {' or '.join(unknown)}")
    chosen = [t for t in _tests if any(o in t[0] for o in only)]
    failed = 0
    print(f"1..{len(chosen)}", flush=True)
    for number, (name, function) in enumerate(chosen, 1):
        try:
            function(*arguments)
            print(f"ok {number} - {name}", flush=True)
        except Skip as why:
            print(f"ok {number} - {name} # SKIP {why}", flush=True)
        except BaseException as error:
            failed += 1
            print(f"not ok {number} - {name}", flush=True)
            for line in traceback.format_exc().splitlines():
                print(f"# {line}", flush=True)
            if isinstance(error, KeyboardInterrupt):
                break
            for end in leftovers:
                end()
    sys.exit(1 if failed else 0)


def skip_all(why):
    print(f"1..0 # SKIP {why}", flush=True)
    sys.exit(0)
