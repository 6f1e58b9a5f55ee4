#!/usr/bin/env python3
"""The manuals: no warning of mandoc, they render in mandoc and groff without a warning, name each other rightly, and each has examples; what the examples
say can be done."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.packages import unpack
from lib.place import BIN, ROOT
from lib.tap import check, test

PAGES = sorted(glob.glob(os.path.join(ROOT, "packaging/man/*.[1578]")))


def read(page):
    with open(page) as f:
        return f.read()


def rendered(page, program):
    """As text, without the bold that is made of backspaces."""
    if program == "mandoc":
        argv = [os.path.join(unpack("mandoc", ["mandoc"]), "usr/bin/mandoc"), "-T", "utf8", page]
    else:
        argv = ["groff", "-t", "-man", "-Tutf8", "-P-c", "-rLL=78n", page]  # lintian's width, and its complaint
    done = subprocess.run(argv, capture_output=True, text=True)
    check(done.returncode == 0 and "can't break line" not in done.stderr, f"{page}: {done.stderr}")
    return re.sub(r"\x1b\[[0-9;]*m", "", re.sub(r".\x08", "", done.stdout))


@test("mandoc has no warning for any page")
def _():
    mandoc = os.path.join(unpack("mandoc", ["mandoc"]), "usr/bin/mandoc")
    for page in PAGES:
        done = subprocess.run([mandoc, "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
        check(done.returncode == 0 and not done.stdout and not done.stderr, f"{done.stdout}{done.stderr}")


@test("each page renders in mandoc, and in groff where that is installed; no row of the table of faults is lost")
def _():
    rows = len(re.findall(r'^\.\\" shown by ', read(os.path.join(ROOT, "packaging/man/penstock-faults.7")), re.M))
    for program in ("mandoc", "groff"):
        if not shutil.which(program) and program == "groff":
            print("# not tried, not installed: groff")
            continue
        for page in PAGES:
            text = rendered(page, program)
            check("NAME" in text and "SEE ALSO" in text, f"{page} in {program}: {text[:200]}")
        faults = rendered(os.path.join(ROOT, "packaging/man/penstock-faults.7"), program)
        check(rows > 30 and len(faults.splitlines()) > rows, f"{program}: {len(faults.splitlines())} lines for {rows} rows")
        for wanted in ("shared_address", "header_missing", "penstockctl"):
            check(wanted in faults, f"{program}: {wanted} is lost")


@test("each page has a date, a line for apropos, and examples; the pages that it names are there")
def _():
    names = {os.path.basename(page) for page in PAGES}
    for page in PAGES:
        text = read(page)
        check(re.search(r"^\.TH \S+ [1578] \d{4}-\d\d-\d\d ", text, re.M), f"{page}: no date")
        check(re.search(r"^\.SH NAME\n[\w.\\-]+ \\- .+$", text, re.M), f"{page}: NAME")
        check(re.search(r"^\.SH (EXAMPLES|TROUBLESHOOTING)$", text, re.M), f"{page}: no examples")
        for name, section in re.findall(r"^\.BR ((?:penstock|check_)[\w.\\-]*) \((\d)\)", text, re.M):
            check(f"{name.replace(chr(92), '')}.{section}" in names, f"{page} names {name}({section})")


@test("configurations in the examples are valid; commands are verbs and options that there are")
def _():
    usage = subprocess.run([os.path.join(BIN, "penstockctl"), "--help"], capture_output=True, text=True, check=True).stdout
    verbs = set(re.findall(r"^  (\w+)", usage, re.M))
    seen = 0
    for page in PAGES:
        # The page of options has one of each; its examples are behind them.
        for block in re.findall(r"\.RS\n(.*?)\.RE", read(page), re.S):
            block = block.replace("\\-", "-")
            if block.startswith("["):
                with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
                    f.write(block)
                    f.flush()
                    done = subprocess.run([os.path.join(BIN, "penstockd"), "-c", f.name, "--check-config"], capture_output=True, text=True)
                check(done.returncode == 0, f"{page}: {block}{done.stderr}")
                seen += 1
            for verb in re.findall(r"^penstockctl (\w+)", block, re.M):
                check(verb in verbs, f"{page}: penstockctl {verb}")
                seen += 1
    check(seen >= 8, f"only {seen} examples")


place.isolate(lambda: unpack("mandoc", ["mandoc"]))
tap.run()
