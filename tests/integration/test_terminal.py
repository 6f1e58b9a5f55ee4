#!/usr/bin/env python3
"""penstockctl on a terminal: no line beyond its width, the help of each verb, "did you mean", completions, JSON."""
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import BIN, PATIENCE, ROOT, wait_for
from lib.smtp import deliver
from lib.tap import check, test
from lib.world import PORT, World

CTL = os.path.join(BIN, "penstockctl")
SHOWING = ["status", "explain", "explain 203.0.113.9", "sources", "check", "support", "version"]


def run(*arguments):
    return subprocess.run([CTL, *arguments], capture_output=True, text=True, timeout=120 * PATIENCE)


def verbs():
    return re.findall(r"^  (\w+)", run("--help").stdout, re.M)


def on_terminal(columns, *arguments):
    """What is shown on a terminal of that width, line by line."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([CTL, *arguments], stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    data = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        data += chunk
    os.close(master)
    process.wait(60 * PATIENCE)
    return data.decode().replace("\r\n", "\n").split("\n")


@test("no verb shows a line that is wider than the terminal: 80 and 60 columns, in a drain, with a front that is down and sources that wait")
def _():
    with World(daemon_options={"front.policy.enabled": "yes", "front.policy.listen": "192.0.2.1:9826"}) as w:
        w.daemon.ctl("drain", "--for", "30m", "--reason", "a long reason that an operator has written with care ", check=0)
        wait_for(lambda: deliver(PORT)[0] == "451", "the drain at the proxy")
        w.daemon.wait_status(lambda s: s["decisions"]["deferred"] >= 1, "the deferral")
        where = ["--run-dir", w.daemon.run_dir]
        for columns in (80, 60):
            for arguments in [v.split() for v in SHOWING] + [["--help"], ["nonsense"], ["explain", "word"]] + [["help", v] for v in verbs()]:
                lines = on_terminal(columns, *where, *arguments)
                wide = [line for line in lines if len(line) > columns]
                check(not wide, f"{arguments} on {columns} columns: {len(wide[0]) if wide else 0}: {wide[:1]}")
                check(any(lines), f"{arguments} shows nothing")
        # Nothing is lost by it, and what goes into a pipe is not touched.
        def words(text):
            return re.sub(r"[\d.]+", "", " ".join(text.split()))
        plain = run("support").stdout
        check(words(plain).split()[:40] == words("\n".join(on_terminal(80, "support"))).split()[:40], "the words are the same")
        check(max(len(line) for line in plain.splitlines()) > 80, "a pipe gets whole lines")


@test("each verb has a help with an example; an unknown one gets a suggestion, and exit code 2")
def _():
    check(len(verbs()) >= 13, f"{verbs()}")
    for verb in verbs():
        for arguments in ([verb, "--help"], ["help", verb]):
            done = run(*arguments)
            check(done.returncode == 0 and f"Usage: penstockctl {verb}" in done.stdout and "Example: penstockctl" in done.stdout, f"{done}")
            check(max(len(line) for line in done.stdout.splitlines()) <= 80, done.stdout)
    check(max(len(line) for line in run("--help").stdout.splitlines()) <= 80, "80 columns without a terminal")
    for typed, meant in (("sttaus", "status"), ("expl", "explain"), ("source", "sources"), ("darin", "drain"), ("reloda", "reload")):
        done = run(typed)
        check(done.returncode == 2 and f'did you mean "{meant}"?' in done.stderr, f"{done}")
    for typed in ("xyz", "x" * 300, ""):
        done = run(typed)
        check(done.returncode == 2 and "did you mean" not in done.stderr, f"{done}")
    check(run("help", "statsu").returncode == 2 and run("help", "nothing").returncode == 2, "help of an unknown verb")


@test("every verb that shows something has JSON")
def _():
    with World(server=2526, proxy=False) as w:
        for verb in SHOWING:
            done = run("--run-dir", w.daemon.run_dir, *verb.split(), "--json")
            answer = json.loads(done.stdout)
            check(answer is not None and done.returncode in (0, 1, 4), f"{verb}: {done.returncode} {done.stdout[:200]}")
            first = verb.split()[0]
            check("json" in run("help", first).stdout, f"{first} --help tells --json")


@test("completions: bash completes verbs, options and values; each shell that is here takes its file")
def _():
    script = os.path.join(ROOT, "packaging/completion/penstockctl.bash")

    def complete(*words):
        line = " ".join(f"'{word}'" for word in words)
        done = subprocess.run(["bash", "-c", f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _penstockctl; "
                               "printf '%s\\n' \"${COMPREPLY[@]}\""], capture_output=True, text=True, check=True)
        return done.stdout.split()
    check(set(verbs()) <= set(complete("penstockctl", "")), f"{complete('penstockctl', '')}")
    check(complete("penstockctl", "sou") == ["sources"], "a verb")
    check(complete("penstockctl", "--run-dir", "/x", "dr") == ["drain"], "behind an option")
    check(complete("penstockctl", "drain", "--r") == ["--reason"], f"{complete('penstockctl', 'drain', '--r')}")
    check(complete("penstockctl", "sources", "--sort", "a") == ["age", "attempts"], "a value")
    check(complete("penstockctl", "mode", "o") == ["observe"], "a word")
    check(not complete("penstockctl", "drain", "--for", ""), "nothing for what is free")
    for shell, name in (("zsh", "_penstockctl"), ("fish", "penstockctl.fish")):
        if not shutil.which(shell):
            print(f"# not tried, not installed: {shell}")
            continue
        done = subprocess.run([shell, "-n", os.path.join(ROOT, "packaging/completion", name)], capture_output=True, text=True)
        check(done.returncode == 0, f"{done}")


class Screen:
    """`penstockctl top` on a terminal of that size: what is drawn, as rows of letters."""

    def __init__(self, run_dir, rows, columns, **environment):
        self.rows, self.columns, self.data = rows, columns, b""
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "LINES", "COLUMNS")}
        self.process = subprocess.Popen([CTL, "--run-dir", run_dir, "top"], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                        env={**env, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **environment})
        os.close(slave)
        os.set_blocking(self.master, False)

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while True:
            try:
                chunk = os.read(self.master, 65536)
            except OSError:
                return self.data
            if not chunk:
                return self.data
            self.data += chunk

    def seen(self, text, seconds=120):
        """Waits until it was drawn."""
        wait_for(lambda: text.encode() in self.read(), f"{text!r} on the screen: {self.data[-600:]}", seconds)

    def press(self, key):
        self.data = b""
        os.write(self.master, key.encode())

    def rendered(self):
        """Rows of letters from the whole output since the start, by the few sequences that place letters."""
        grid = [[" "] * 200 for _ in range(100)]
        y = x = 0
        text = self.read().decode(errors="replace")
        for match in re.finditer(r"\x1b\[([?>]?)([\d;]*)([A-Za-z])|\x1b[()][A-Z0-9]|\x1b[=>78]|\r|\n|\x08|[^\x1b]", text):
            kind, number = match[3], match[2]
            if kind == "H":
                y, x = ([int(n or 1) for n in number.split(";")] if ";" in number else [1, 1])[:2]
                y, x = y - 1, x - 1
            elif kind == "d":
                y = int(number or 1) - 1
            elif kind == "G":
                x = int(number or 1) - 1
            elif kind == "C":
                x += int(number or 1)
            elif kind == "X":
                for i in range(int(number or 1)):
                    grid[y][x + i] = " "
            elif kind == "b":  # the letter before, again
                for _ in range(int(number or 1)):
                    grid[y][x] = grid[y][x - 1]
                    x += 1
            elif kind == "K":
                grid[y][x:] = [" "] * (200 - x)
            elif kind == "J":
                grid[y][x:] = [" "] * (200 - x)
            elif match[0] == "\r":
                x = 0
            elif match[0] == "\n":
                y += 1
            elif match[0] == "\x08":
                x -= 1
            elif not match[0].startswith("\x1b"):
                grid[y][x] = match[0]
                x += 1
        return ["".join(row).rstrip() for row in grid]

    def end(self, key="q"):
        if key:
            self.press(key)
        code = self.process.wait(30 * PATIENCE)
        left = self.read()
        os.close(self.master)
        return code, left


@test("top: the whole screen at 80x24 and 60x15, keys, a new size, and the terminal as it was afterwards")
def _():
    with World(server=2526, proxy=False, options={"front.policy.enabled": "yes", "front.policy.listen": "127.0.0.1:9826"}) as w:
        for rows, columns in ((24, 80), (15, 60)):
            screen = Screen(w.daemon.run_dir, rows, columns)
            for wanted in ("penstock", "service", "resource", "memory", "q quit"):
                screen.seen(wanted)
            drawn = screen.rendered()
            check("q quit" in drawn[rows - 1] and not any(drawn[rows:]), f"the last line: {drawn}")
            check(all(len(line) <= columns for line in drawn), f"{[len(line) for line in drawn]}")
            check(any(line.startswith("> mx") for line in drawn) and any(line.startswith("  cpu ") for line in drawn), f"{drawn}")
            code, left = screen.end()
            check(code == 0 and b"\x1b[?1049l" in left, f"{code}: the screen as it was: {left[-60:]}")
        screen = Screen(w.daemon.run_dir, 24, 80)
        screen.seen("q quit")
        screen.press("h")
        screen.seen("this help, and back")
        screen.press("h")
        screen.seen("1.00 at the |")
        screen.press("p")
        screen.seen("PAUSED")
        screen.press("p")
        screen.press("s")
        screen.seen("offered")
        screen.data = b""
        screen.resize(15, 60)
        screen.process.send_signal(signal.SIGWINCH)
        screen.seen("q quit")
        check(screen.end()[0] == 0, "q")


@test("top: no colours with NO_COLOR; a terminal that cannot be drawn on; penstockd that goes away while it is looked at")
def _():
    with World(server=2526, proxy=False) as w:
        plain, coloured = Screen(w.daemon.run_dir, 24, 80, NO_COLOR="1"), Screen(w.daemon.run_dir, 24, 80)
        for screen in (plain, coloured):
            screen.seen("q quit")
        colour = re.compile(rb"\x1b\[(?:\d+;)*3[1-7]m")
        check(not colour.search(plain.read()) and colour.search(coloured.read()), "colours")
        plain.end()
        w.daemon.stop()
        coloured.seen("does not answer")
        check(coloured.end()[0] == 0, "it goes on, and ends by q")
    done = subprocess.run([CTL, "--run-dir", "/nowhere", "top"], capture_output=True, text=True, timeout=120 * PATIENCE)
    check(done.returncode == 3, f"{done}")
    with World(server=2526, proxy=False) as w:
        dumb = Screen(w.daemon.run_dir, 24, 80, TERM="no-such-terminal")
        dumb.seen("Cannot draw on this terminal")
        check(dumb.end(None)[0] == 1, "exit code")


place.isolate()
tap.run()
