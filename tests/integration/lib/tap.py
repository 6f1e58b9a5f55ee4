"""TAP on stdout: `test(name)` as a decorator collects, `run()` runs in order and prints how long each took. A test that raises Skip says why.
ONLY=one|other in the environment runs the tests whose names have one of these; each must be in some name. A test that other suites
at work would disturb is marked `quiet=True`: CASES=quiet runs those, CASES=others the rest."""
import concurrent.futures
import os
import sys
import time
import traceback

_tests = []
# What a failed test left running, ended before the next one: `leftovers.append(function)`.
leftovers = []


class Skip(Exception):
    pass


def test(name, quiet=False):
    def add(function):
        _tests.append((name, function, quiet))
        return function
    return add


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def attempt(function, arguments):
    """Seconds, None or what it raised, and the traceback."""
    began = time.monotonic()
    try:
        function(*arguments)
        return time.monotonic() - began, None, ""
    except BaseException as error:
        return time.monotonic() - began, error, traceback.format_exc()


def run(*arguments, together=1):
    """`together`: so many at once, in threads, for tests that mostly wait and share no port, file or signal."""
    only = os.environ.get("ONLY", "").split("|")
    unknown = [o for o in only if not any(o in t[0] for t in _tests)]
    if unknown:
        sys.exit(f"ONLY: no test here is called anything with {' or '.join(unknown)}")
    cases = {"quiet": (True,), "others": (False,)}.get(os.environ.get("CASES"), (True, False))
    chosen = [t for t in _tests if t[2] in cases and any(o in t[0] for o in only)]
    failed = 0
    print(f"1..{len(chosen)}", flush=True)
    pool = concurrent.futures.ThreadPoolExecutor(together) if together > 1 else None
    running = [pool.submit(attempt, t[1], arguments) for t in chosen] if pool else []
    for number, (name, function, _) in enumerate(chosen, 1):
        seconds, error, said = running[number - 1].result() if pool else attempt(function, arguments)
        if error is None:
            print(f"ok {number} - {name}\n# {seconds:.1f} s", flush=True)
        elif isinstance(error, Skip):
            print(f"ok {number} - {name} # SKIP {error}", flush=True)
        else:
            failed += 1
            print(f"not ok {number} - {name}", flush=True)
            for line in said.splitlines():
                print(f"# {line}", flush=True)
            if isinstance(error, KeyboardInterrupt):
                break
            for end in [] if pool else leftovers:
                end()
    sys.exit(1 if failed else 0)


def skip_all(why):
    print(f"1..0 # SKIP {why}", flush=True)
    sys.exit(0)
