#!/usr/bin/env python3
"""The end of a run tells why tests failed: what tests/causes.py makes of the logs of suites."""
import sys

sys.dont_write_bytecode = True
import causes

PYTHON = """1..3
ok 1 - a good one
# 0.3 s
not ok 2 - a wait in vain
# Traceback (most recent call last):
#   File "/src/tests/integration/lib/tap.py", line 36, in attempt
#     function(*arguments)
#   File "/src/tests/integration/test_room.py", line 54, in _
#     w.wait(lambda s: s["held"] == 1, "held")
#     ~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#   File "/src/tests/integration/lib/place.py", line 42, in wait_for
#     raise AssertionError(what)
# AssertionError: waited 120 s in vain for held
""" + "".join(f"# penstockd: line {n}\n" for n in range(40)) + """ok 3 - another good one # SKIP no kernel
# 0.1 s
"""
CMOCKA = """not ok 1 - test_plan
# 0x1 != 0x2
# tests/unit/test_plan.c:12: error: Failure!
#
ok 2 - test_other
1..2
"""
CHAIN = ["Traceback (most recent call last):", '  File "/src/tests/integration/test_a.py", line 1, in _', "    first()", "OSError: one", "",
         "During handling of the above exception, another exception occurred:", "",
         "Traceback (most recent call last):", '  File "/src/tests/integration/test_a.py", line 2, in _', "    second()",
         "ValueError: two", *("more" for _ in range(30))]
failures = 0
count = 0


def expect(name, got, wanted):
    global failures, count
    count += 1
    failures += got != wanted
    print(f"{'not ' if got != wanted else ''}ok {count} - {name}")
    if got != wanted:
        print(f"# {got!r}\n# is not {wanted!r}")


found = causes.results(PYTHON)
expect("results: which failed, their names, what was said", [(f, t, len(c)) for f, t, c in found],
       [(False, "a good one", 1), (True, "a wait in vain", 49), (False, "another good one # SKIP no kernel", 1)])
told = causes.excerpt(found[1][2])
expect("a long log: where in the test, the error and the end, in this order", told,
       ['  File "/src/tests/integration/test_room.py", line 54, in _', '    w.wait(lambda s: s["held"] == 1, "held")',
        "AssertionError: waited 120 s in vain for held", *(f"penstockd: line {n}" for n in range(31, 40))])
expect("cmocka's message, whole, without empty lines", causes.results(CMOCKA)[0],
       (True, "test_plan", ["0x1 != 0x2", "tests/unit/test_plan.c:12: error: Failure!"]))
expect("of a chain of errors the last", causes.excerpt(CHAIN)[:3],
       ['  File "/src/tests/integration/test_a.py", line 2, in _', "    second()", "ValueError: two"])
expect("a log without a traceback: its end", causes.excerpt([str(n) for n in range(50)]), [str(n) for n in range(38, 50)])
many = causes.report([(f"suite {n}", found[1][2]) for n in range(20)])
expect("twenty failures: two lines each below the name, the error among them", (len(many), sum("AssertionError" in line for line in many)), (60, 20))
expect("hundreds: bounded", len(causes.report([(f"suite {n}", ["why"]) for n in range(300)])), causes.ALL_LINES)
expect("a failure of which nothing is known has its name below alone", causes.report([("suite", [])]), [])
expect("long lines are cut", max(map(len, causes.report([("suite", ["x" * 5000])]))), causes.WIDTH)
print(f"1..{count}")
sys.exit(1 if failures else 0)
