"""TAP on stdout: `test(name)` as a decorator collects, `run()` runs in order and prints how long each took. A test that raises Skip says why.
ONLY=one|other in the environment runs the tests whose names have one of these; each must be in some name. A test that is disturbed by other suites
is marked `quiet=True`: CASES=quiet runs those, CASES=others the rest."""
import json
import os
import select
import sys
import time
import traceback

_tests = []
# Ends what a failed test left running, before the next test: `leftovers.append(function)`. A text that it returns is printed with the failure.
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
    """Seconds, "ok", "skip", "failed" or "stop", and why."""
    began = time.monotonic()
    try:
        function(*arguments)
        outcome, said = "ok", ""
    except Skip as why:
        outcome, said = "skip", str(why)
    except BaseException as error:
        outcome, said = "stop" if isinstance(error, KeyboardInterrupt) else "failed", traceback.format_exc()
        said += "\n".join(text for text in [end() for end in leftovers] if isinstance(text, str))
    return time.monotonic() - began, outcome, said


def fork(function, arguments):
    """attempt() in a process of its own; a descriptor from which its result can be read."""
    sys.stdout.flush()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return reader, pid
    result = json.dumps(attempt(function, arguments))
    sys.stdout.flush()
    with open(writer, "w") as f:
        f.write(result)
    os._exit(0)


def attempts(functions, arguments, together):
    """The results of attempt() for each test, in their order; `together` of them run at once."""
    waiting, running, results = list(enumerate(functions)), {}, {}
    for number in range(len(functions)):
        while number not in results:
            while waiting and len(running) < together:
                which, function = waiting.pop(0)
                reader, pid = fork(function, arguments)
                running[reader] = which, pid
            for reader in select.select(list(running), [], [])[0]:
                which, pid = running.pop(reader)
                with open(reader) as f:
                    said = f.read()
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                results[which] = json.loads(said) if said else (0, "failed", f"its process ended with {status}")
        yield results[number]


def chosen():
    """The tests that the environment selects."""
    only = os.environ.get("ONLY", "").split("|")
    unknown = [o for o in only if not any(o in t[0] for t in _tests)]
    if unknown:
        sys.exit(f"ONLY: no test here is called anything with {' or '.join(unknown)}")
    cases = {"quiet": (True,), "others": (False,)}.get(os.environ.get("CASES"), (True, False))
    return [t for t in _tests if t[2] in cases and any(o in t[0] for o in only)]


def run(*arguments, together=1):
    """`together`: so many at once, in processes, for tests that mostly wait and share no port, file or signal."""
    tests = chosen()
    functions = [t[1] for t in tests]
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    results = attempts(functions, arguments, together) if together > 1 else (attempt(f, arguments) for f in functions)
    for number, ((name, _, _), (seconds, outcome, said)) in enumerate(zip(tests, results), 1):
        if outcome == "ok":
            print(f"ok {number} - {name}\n# {seconds:.1f} s", flush=True)
        elif outcome == "skip":
            print(f"ok {number} - {name} # SKIP {said}", flush=True)
        else:
            failed += 1
            print(f"not ok {number} - {name}", flush=True)
            for line in said.splitlines():
                print(f"# {line}", flush=True)
            if outcome == "stop":
                break
    sys.exit(1 if failed else 0)


def skip_all(why):
    print(f"1..0 # SKIP {why}", flush=True)
    sys.exit(0)
