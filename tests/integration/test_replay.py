#!/usr/bin/env python3
"""What daemon.record writes, penstock-replay gives back bit by bit; and what goes wrong with the recording never stops mail."""
import json
import os
import resource
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import BIN, wait_for
from lib.tap import check, test
from lib.world import PORT, World, fill, small_disk


def replay(*arguments, status=0):
    done = subprocess.run([os.path.join(BIN, "penstock-replay"), *arguments], capture_output=True, text=True, timeout=240)
    check(done.returncode == status, f"penstock-replay {arguments} gave {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


def ticks(path, *arguments):
    return [line for line in map(json.loads, replay("--json", *arguments, path).stdout.splitlines()) if "tick" in line]


def verdicts(all_ticks, whose):
    return {what: sum(t["verdicts"][whose][what] for t in all_ticks) for what in ("admitted", "deferred")}


def load(world, seconds=4):
    """From many sources, and more than the window lets in."""
    subprocess.run([os.path.join(BIN, "penstock-load"), "--target", f"127.0.0.1:{PORT}", "--rate", "40", "--duration", str(seconds), "--sources", "127.1.0.0/16",
                    "--rtt", "200ms"],
                   capture_output=True, timeout=240, check=True)


@test("a daemon under load and orders is recorded; killed, the whole frames give back what it answered, bit by bit")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    trace = os.path.join(directory, "trace")
    with World(directory, {"daemon.record": trace, "objective.window_max": 6}, calm=True) as world:
        world.daemon.logged("recording to " + trace)
        load(world)
        world.daemon.ctl("drain", "--reason", "a test", check=0)
        world.daemon.ctl("resume", check=0)
        world.daemon.ctl("mode", "observe", check=0)
        world.daemon.ctl("mode", "enforce", check=0)
        world.daemon.ctl("reload", check=0)
        world.mail_flows()
        at = os.path.getsize(trace)
        wait_for(lambda: os.path.getsize(trace) > at + 40000, "ticks after all that")
        world.daemon.kill(9)
        world.daemon.process.wait()
    check(stat.S_IMODE(os.stat(trace).st_mode) == 0o640, "its permissions")
    done = replay("--diff", trace)
    check(", 0 differ;" in done.stdout and " 0 compared" not in done.stdout, done.stdout)
    all_ticks = ticks(trace)
    check(len(all_ticks) > 40 and all(t["compared"] and "differs" not in t for t in all_ticks), "not all were compared")
    recorded, given = verdicts(all_ticks, "recorded"), verdicts(all_ticks, "replayed")
    check(recorded["deferred"] > 20, f"no client was deferred: {recorded}")
    check(abs(given["deferred"] - recorded["deferred"]) < recorded["deferred"] / 2, f"{recorded} was replayed as {given}")
    given = verdicts(ticks(trace, "-o", "service.mx.shed=no"), "replayed")
    check(given["deferred"] < recorded["deferred"] / 2, f"nothing to shed, and yet {given}")
    check({"draining", "serving"} <= {t["answer"]["state"] for t in all_ticks}, "the drain")
    check({"observe", "enforce"} <= {"observe" if t["answer"]["mode"] else "enforce" for t in all_ticks}, "the mode")
    text = replay(trace).stdout
    check("order: draining: a test" in text and "a reload" in text, text[-3000:])
    check("Not all" not in text and "not whole" not in text, "the table of sources is in it")
    # The same, once more: the engine has no state but its own.
    check(replay("--json", trace).stdout == replay("--json", trace).stdout, "two replays differ")
    # What if: named by what differs first.
    done = replay("--diff", "-o", "objective.window_max=4", trace, status=1)
    check("window" in done.stdout and "First difference" in done.stdout, done.stdout)
    begin, end = (int(all_ticks[len(all_ticks) * n // 4]["s"]) for n in (1, 3))
    part = ticks(trace, "--from", str(begin), "--to", str(end))
    check(len(part) == sum(begin <= t["s"] <= end for t in all_ticks) > 0, f"the part that was asked for, {begin} to {end}: {len(part)}")


@test("a trace that is cut short or damaged is said to be, and what is whole of it is replayed")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    trace, bad = os.path.join(directory, "trace"), os.path.join(directory, "bad")
    with World(directory, {"daemon.record": trace}, calm=True) as world:
        wait_for(lambda: os.path.exists(trace) and os.path.getsize(trace) > 60000, "some ticks")
        world.daemon.stop()
        check("recording ended here: it was stopped" in replay(trace).stdout, "the end")
    whole = open(trace, "rb").read()
    number = len(ticks(trace))
    open(bad, "wb").write(whole[:-500])
    done = replay("--diff", bad)
    check("cut short" in done.stderr and ", 0 differ" in done.stdout, done.stdout + done.stderr)
    check(number - 3 < len(ticks(bad)) < number, "all but the last")
    left = []
    # Ticks lie at the end; before them are what was learned and the table of sources.
    for at in (len(whole) * 3 // 4, len(whole) - 1500, len(whole) - 3000, len(whole) - 4500):
        open(bad, "wb").write(whole[:at] + bytes(b ^ 0xff for b in whole[at:at + 8]) + whole[at + 8:])
        done = replay("--diff", bad)
        check("is damaged at byte" in done.stderr and ", 0 differ" in done.stdout, done.stdout + done.stderr)
        left.append(len(ticks(bad)))
    check(all(number - 3 < n <= number for n in left) and min(left) < number, f"all but one of {number}: {left}")
    for nothing in (b"", b"penstck1", b"x" * 5000, whole[:100]):
        open(bad, "wb").write(nothing)
        check("penstock-replay: " in replay(bad, status=3).stderr, "said")
    replay(os.path.join(directory, "none"), status=3)
    replay(status=2)
    replay("-o", "daemon.nothing=1", trace, status=2)


@test("a full disk, a directory that is not there and a full file end the recording; that is said, and mail flows")
def _():
    disk = small_disk("2m")
    trace = os.path.join(disk, "trace")
    with World(daemon_options={"daemon.record": trace}, calm=True) as world:
        wait_for(lambda: os.path.exists(trace) and os.path.getsize(trace) > 40000, "the recording")
        fill(os.path.join(disk, "filler"))
        world.daemon.logged("Recording ends; mail is not affected")
        world.daemon.logged("No space left")
        world.mail_flows()
        check(", 0 differ" in replay("--diff", trace).stdout, "what is there is whole")
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    trace = os.path.join(directory, "trace")
    open(trace, "w").write("an older one")
    with World(directory, {"daemon.record": trace}, calm=True) as world:
        wait_for(lambda: os.path.exists(trace) and os.path.getsize(trace) > 40000, "the recording")
        check(open(trace + ".1").read() == "an older one", "the one before is kept")
        most = os.path.getsize(trace) + 50000
        resource.prlimit(world.daemon.pid, resource.RLIMIT_FSIZE, (most, most))
        world.daemon.logged("File too large. Recording ends")
        world.mail_flows()
        check(", 0 differ" in replay("--diff", trace).stdout, "what is there is whole")
    with World(daemon_options={"daemon.record": "/nowhere/trace"}, calm=True) as world:
        world.daemon.logged("/nowhere/trace: No such file or directory")
        world.mail_flows()
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    trace = os.path.join(directory, "trace")
    open(trace, "w").write("an older one")
    with World(directory, {"daemon.record": trace, "daemon.record_max": "1MiB", "daemon.tick": "10ms"}, calm=True) as world:
        world.daemon.logged(f"{trace}, is full", 120)
        world.mail_flows()
        wait_for(lambda: open(trace + ".1", errors="replace").read(12) != "an older one", "the full one in its place")
        check(os.path.getsize(trace + ".1") <= 1 << 19, "larger than allowed")
        done = replay(trace + ".1")
        check("daemon.record_max was reached" in done.stdout and ", 0 differ" in done.stdout, done.stdout[-500:])


@test("recording goes round: a full file becomes FILE.1, another begins with the whole state, and both are replayed")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    trace = os.path.join(directory, "trace")
    small = {"source.ledger_size": "64KiB"}
    with World(directory, {"daemon.record": trace, "daemon.record_max": "3MiB", "daemon.tick": "10ms", **small}, calm=True) as world:
        def with_mail(seen):  # without any the ticks come less often
            world.mail_flows()
            return seen()
        wait_for(lambda: with_mail(lambda: os.path.exists(trace + ".1") and os.path.exists(trace)), "another file", 240)
        # It begins with the state, 64 KiB and a little; ticks come after that.
        wait_for(lambda: with_mail(lambda: 200000 < os.path.getsize(trace) < 1000000), "ticks in it")
        check(os.path.getsize(trace) <= 3 << 19 and os.path.getsize(trace + ".1") <= 3 << 19, "larger than allowed")
    for path in trace + ".1", trace:
        check(", 0 differ" in replay("--diff", path).stdout, replay("--diff", path).stdout[-500:])
    check(ticks(trace)[0]["tick"] > 100, "the second begins where the first ended")


@test("a reload turns recording on in the middle and off again, and what was learned before is in the trace")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    trace, conf = os.path.join(directory, "trace"), os.path.join(directory, "penstock.conf")
    open(conf, "w").close()
    with World(directory, argv=("-c", conf), calm=True) as world:
        load(world, 2)
        open(conf, "w").write(f"[daemon]\nrecord = {trace}\n")
        world.daemon.ctl("reload", check=0)
        world.daemon.logged("recording to " + trace)
        load(world, 2)
        open(conf, "w").close()
        world.daemon.ctl("reload", check=0)
        wait_for(lambda: "it was stopped" in replay(trace).stdout, "the end of the recording")
        check(world.daemon.alive(), "still there")
        world.mail_flows()
    check(", 0 differ" in replay("--diff", trace).stdout, "an engine that had learned goes on from there")
    first = ticks(trace)[0]
    check(first["tick"] > 10 and first["compared"], first)


@test("a simulated run is recorded in the same form: orders, a restart and ranked sources, replayed bit by bit")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    trace = os.path.join(directory, "trace")
    for scenario in ("capacity/orders", "onset/warm-start", "onset/spike10x"):
        subprocess.run([os.path.join(BIN, "penstock-sim"), "--record", trace, os.path.join(place.ROOT, "tests/sim", scenario + ".sim")],
                       capture_output=True, timeout=300, check=False)
        done = replay("--diff", trace)
        check(", 0 differ" in done.stdout and " 0 compared" not in done.stdout, done.stdout)
        os.unlink(trace)


place.isolate()
tap.run()
