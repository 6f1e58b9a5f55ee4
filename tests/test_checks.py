#!/usr/bin/env python3
"""tests/check-docs and tests/check-comments find what they are there for: each fault is planted, and has to be named. And `make check` says
what to do when a package is missing."""
import builtins
import importlib.machinery
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests/integration"))
from lib import tap  # noqa: E402
from lib.tap import Skip, check, test  # noqa: E402


def load(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), os.path.join(ROOT, "tests", name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


docs, comments = load("check-docs"), load("check-comments")


def text_of(path):
    with open(os.path.join(ROOT, path)) as f:
        return f.read()


def finds(part, *plants):
    """Plants all faults, each (file, what stands there, what is written instead, words of the complaint), and asks for all complaints. That
    there is none without them is what tests/check-docs shows."""
    changed = {}
    for path, old, new, _ in plants:
        path = os.path.join(ROOT, path)
        text = changed.get(path) or text_of(path)
        check(old in text, f"{path} has no {old!r}: plant the fault elsewhere")
        changed[path] = text.replace(old, new, 1)

    def planted(path, *mode):
        return io.StringIO(changed[path]) if path in changed else builtins.open(path, *mode)
    docs.open = docs.pages.open = planted
    try:
        said = "\n".join(part())
    finally:
        del docs.open, docs.pages.open
    for path, _, _, words in plants:
        check(words in said, f"{words!r} is not said of {path}: {said}")


# A line that every C file has: planted faults go before it, and need no text that may be rewritten.
TOP = "#include"


@test("docs: a README that is too long, a dead link, pages and completions that the programs do not give, an option that no manual tells")
def _():
    finds(docs.errors,
          ("README.md", "\n## ", "\n" * 130 + "[gone](packaging/doc/gone.md)\n## ", "README.md: links to packaging/doc/gone.md, which does not exist"),
          ("README.md", "\n## ", "\n## ", "lines, 120 at most: details belong in packaging/doc"),
          ("README.md", "\n- **", "\n" + "word " * 21 + "\n- **", "longer than 100 characters: word word"),
          ("packaging/man/penstock.conf.5", ".SH NAME", ".SH NAMES", "penstock.conf.5 is not what the table of options gives"),
          ("packaging/man/penstock-metrics.7", ".SH NAME", ".SH NAMES", "penstock-metrics.7 is not what the table of metrics gives"),
          ("packaging/completion/penstockctl.bash", "_penstockctl", "_other", "penstockctl.bash is not what the table of verbs gives"),
          *(("packaging/man/penstock-sim.1", "\\-\\-record", "record", "penstock-sim.1: does not tell --record")
            for _ in range(text_of("packaging/man/penstock-sim.1").count("\\-\\-record"))))


@test("docs: a word of the glossary that only comments and texts use, one without a meaning, a name that is gone, a thread that is not told")
def _():
    row = "| word | meaning | example |\n| --- | --- | --- |\n"
    finds(docs.errors_of_words,
          ("daemon/README.md", row, row + "| haystack | what stands in comments and in texts only | none |\n", "the word 'haystack': nothing is named 'haystack' in the code"),
          *((path, TOP, '/* A haystack, and haystack_of() it. */\nstatic const char *const text = "haystack";\n' + TOP, "'haystack'")
            for path in ("daemon/daemon.c", "daemon/core/plan.c", "daemon/core/room.c", "daemon/core/level.c")),
          ("daemon/README.md", row, row + "| sluice | what is in two files only | none |\n", "the word 'sluice': nothing is named 'sluice'"),
          *((path, TOP, "int sluice_open(void);\n" + TOP, "'sluice'") for path in ("daemon/core/plan.c", "daemon/core/room.c")),
          ("daemon/README.md", row, row + "| window |  | 26 |\n", "the word 'window' means nothing"),
          ("daemon/README.md", row, row + "| hurdle | a word of its own for something (in the code: `hindrance`) | none |\n",
           "the word 'hurdle': nothing is named 'hindrance'"),
          ("daemon/core/plan.c", TOP, "enum { HURDLES_MOST };\n" + TOP, "'HURDLES_MOST' has another name: ..._MAX"),
          ("daemon/core/plan.c", TOP, "int f(void) { return fork(); }\n" + TOP, "does not tell of the thread or process that core/plan.c starts"))
    page = docs.table_of("daemon/README.md", "Words")
    check(len(page) > 20, f"{len(page)} rows of the glossary are read")
    check(docs.code_names("greeting/ungreeted", "a meaning") == ["greeting", "ungreeted"], "two words in a row")
    check({"room", "expected_us", "room_expected_us"} <= docs.parts_of("x = room_expected_us(1);"), "parts of a name")


@test("docs: riddles in the code, and log lines against the pattern")
def _():
    riddles = ("nobody", "Nobody", "anybody", "Everybody", "somebody", "whom", "anew", "whoever", "to be had", "can be had", "may be had", "heed", "heeded",
               "mend", "mended", "mends", "mending")
    finds(docs.errors_of_lines,
          *(("daemon/core/plan.c", TOP, f"/* It is {riddle} here. */\n{TOP}", f"daemon/core/plan.c: says '{riddle}'") for riddle in riddles),
          ("daemon/core/plan.c", TOP, "/* Ends: Who asks is told. */\n" + TOP, "says ': Who asks'"),
          ("packaging/doc/law.md", "\n## ", "\nThe one who asks, to whom it is told.\n## ", "packaging/doc/law.md: says 'whom'"),
          ("packaging/man/penstockd.8", "\n.SH", "\nIt is read anew.\n.SH", "packaging/man/penstockd.8: says 'anew'"),
          ("bpf/shared.h", "#define", "/* for whom */\n#define", "bpf/shared.h: says 'whom'"),
          ("tools/penstock-agent.c", TOP, "/* anew */\n" + TOP, "tools/penstock-agent.c: says 'anew'"),
          ("daemon/daemon.c", TOP, 'void f(void) { log_error("it went "\n\t"wrong"); }\n' + TOP, "begins with neither 'Cannot VERB' nor a subject that is known: it went wrong"))
    for good in ("emended", "amend it", "heedless of that", "the one who asks", "had it been"):
        check(not docs.re.findall(docs.RIDDLES, good), good)


@test("docs: a time that is shown to people and does not come from the words")
def _():
    plant = 'static const char *const shown[] = {{ {} }};\n' + TOP
    finds(docs.errors_of_times,
          *((path, TOP, plant.format(line), f"{path}: a time that is not in words")
            for path, line in (("daemon/publish/page.c", '"the last %.0f s ago"'), ("daemon/publish/journal.c", '"for " "%llu min"'),
                               ("daemon/publish/explain.c", '"(%.2f ms)"'), ("tools/penstockctl/show.c", '" ms"'),
                               ("tools/penstockctl/show_fleet.c", '"silent for %u s"'), ("tools/check_penstock.c", '"in %d minutes"'),
                               ("daemon/base/retry.c", '"again every %d s"'), ("daemon/sensor/sensor_spool.c", '"for %llu s: it hangs"'))))


@test("docs: each rule of a log line")
def _():
    for level, line, words in (
            ("error", "Cannot open %s: no space. Nothing is recorded. Free some space.", None),
            ("warning", "The ledger is full. Old sources are forgotten.", None),
            ("error", "Cannot open %s.", "no reason, or no consequence"),
            ("error", "Cannot open %s: no space.", "no reason, or no consequence"),
            ("error", "Cannot frobnicate %s: no space. Nothing is done. Free it.", "'frobnicate' is not in the list of verbs"),
            ("error", "opening %s failed.", "begins with neither"),
            ("warning", "The ledger is full", "no whole sentence"),
            ("error", "Cannot open %s: " + "x" * 270 + ". Nothing is done. Free it.", "longer than 270"),
            ("notice", "the proxy is up", None),
            ("info", "The proxy is up.", None),
            ("notice", "The proxy is up", "neither a clause nor a sentence"),
            ("info", "the proxy is up.", "neither a clause nor a sentence")):
        why = docs.why_no_line(level, line)
        check(why is None if words is None else words in (why or ""), f"{line}: {why}")
    found = list(docs.log_lines('log_error("a " "b\\"c", x); log_notice("%s", why);'))
    check(found[0] == ("error", 'a b\\"c'), f"{found}")


@test("docs: a page of the law that does not say what the code says")
def _():
    page = "packaging/doc/law.md"
    finds(docs.errors_of_law,
          (page, "W = Xcap x (Tt + T0 + Z)  ", "W = Xcap x (Tt + T0)  ", f"{page}: does not have the line of core/window.c: W = Xcap x (Tt + T0 + Z)"),
          (page, "| closing | the machine", "| closing | a machine", "The regimes: closing | the machine is saturated and mail slow: capacity falls slowly: has no row"),
          (page, "| `TIME_GOOD_S` | 0.10 |", "| `TIME_GOOD_S` | 0.11 |", "The figures: TIME_GOOD_S | 0.11 | s above unloaded is no row of core/law.h"),
          (page, "`disk_await_us`, ", "", "signal disk_await_us: is not told"))


@test("docs: a sample that no program prints")
def _():
    finds(docs.errors_of_samples, ("daemon/core/window.c", "ms aimed at + ", "ms meant + ", "daemon/core/window.c: no program prints this any more"))


@test("docs: events, faults, and blocks of pages that nothing holds")
def _():
    finds(docs.errors_of_messages,
          ("packaging/systemd/penstock.catalog", "\nWhat to do: ", "\nWhat to: ", "or no 'What to do:' in it"),
          ("packaging/systemd/penstock.catalog", "-- ", "-- 00000000000000000000000000000000\nSubject: x\n\nx\n\n-- ", "00000000000000000000000000000000 is no event"),
          ("daemon/core/message.h", "\n#define MESSAGE_", '\n#define MESSAGE_NONE "0123"\n#define MESSAGE_', "MESSAGE_NONE is never logged"),
          ("daemon/core/message.h", "\n#define MESSAGE_", "\n#define MESSAGE_", "MESSAGE_NONE was not made by systemd-id128 new"),
          ("daemon/daemon.c", TOP, 'void f(void) { log_event(LOG_ERR, "x", NULL); }\n' + TOP, "daemon.c: an event without an id"))
    finds(docs.errors_of_fault_table,
          ("daemon/core/fault.h", "X(", 'X(NEVER_SEEN, "never_seen", "x") X(', "never_seen is never counted"),
          ("daemon/core/fault.h", "X(", "X(", "no row tells of fault never_seen"),
          ("daemon/core/fault.h", "X(", "X(", "the table of PenstockFault has no row of never_seen"))
    finds(docs.errors_of_faults,
          ("packaging/man/penstock-faults.7", '.\\" shown by tests/', '.\\" shown by tests/gone/', "which does not exist"),
          ("packaging/man/penstock-faults.7", "test_faults_wire.py: ", "test_faults_wire.py: no such ", "which is not the name of one test of it"))
    finds(docs.errors_of_pages, ("daemon/README.md", "\n## ", "\n\n```sh\nfalse\n```\n\n## ", "this block is not run by any test"),
          ("packaging/doc/runbook.md", "\n## ", "\nText <!-- not run: no -->\n```sh\nfalse\n```\n\n## ", "gives no reason for not being run"))


LONG = "word " * 25 + "end"


@test("comments: each kind of a long line is found, and what may be long is not")
def _():
    for text, line in ((f"/* {LONG} */", 1), (f"/* short\n * {LONG}\n */", 2), (f"\tint a; /* {LONG} */", 1), (f"\tint a; // {LONG}", 1),
                       ("\t" * 10 + "/* the tabs count: as eight columns */", 1),
                       (f'#define TABLE(X) \\\n\tX(A, "{LONG}") \\\n\tX(B, "b")', 2), (f'/* clang-format off */\n\t{{ "{LONG}" }},\n/* clang-format on */', 2),
                       (f'{{ "short" }}\n{{ "{LONG}" }}', None), (f'\tprint("/* {LONG} */");', None), (f"/* https://example.org/{'x' * 100} */", None),
                       ("/* " + "x" * 94 + " */", None), ("/* " + "x" * 95 + " */", 1)):
        found = list(comments.too_long(text))
        check(found == ([line] if line else []), f"{found}: {text}")


@test("comments: --fix wraps and folds without a change of a word, and the program names file and line")
def _():
    for text in (f"/* {LONG} */", f"\tint a;\n\t/* {LONG}\n\t * and more */", f'#define TABLE(X) \\\n\tX(A, "{LONG}", 1) \\\n\tX(B, "b", 2)'):
        done = comments.fixed(text)
        check(not list(comments.too_long(done)), done)
        check(done.count("word") == text.count("word") and "end" in done, done)
    with tempfile.TemporaryDirectory(prefix="penstock-comments-") as directory:
        path = os.path.join(directory, "a.c")
        for text, status, words in (("/* short */\n", 0, ""), (f"int a;\n/* {LONG} */\n", 1, f"{path}:2: a comment")):
            with open(path, "w") as f:
                f.write(text)
            done = subprocess.run([os.path.join(ROOT, "tests/check-comments"), path], capture_output=True, text=True)
            check(done.returncode == status and words in done.stdout, f"{done}")


@test("make check: a package that is missing is named, with `make deps-test` as the remedy")
def _():
    if not shutil.which("dpkg-query"):
        raise Skip("no Debian packages here")
    # Where it goes on nevertheless, it ends at the first $(MAKE).
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "BUILD")}
    done = subprocess.run(["make", "check", "BUILD_DEPS=", "CHECK_DEPS=penstock-no-such-package", "MAKE=false"], cwd=ROOT, env=env, capture_output=True, text=True)
    check(done.returncode != 0 and "missing: penstock-no-such-package." in done.stderr and "make deps-test" in done.stderr, f"{done}")


tap.run()
