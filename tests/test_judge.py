#!/usr/bin/env python3
"""The judge of bench-overload: who counts as accepted within ten seconds, as turned away, or as not known when the run ends."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench", "overload"))
import judge

END_S = 23  # the load lasts 20 s, and what is open then has 3 s more
failures = 0
count = 0


class Case:
    judged, client_s, fault_at, after = (0, 20), 0.0, 0, None


def expect(name, got, wanted):
    global failures, count
    count += 1
    good = got == wanted
    failures += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}" + ("" if good else f"\n# {got} instead of {wanted}"))


def row(scheduled_s, outcome, ended_s=END_S, greeted_s=-1.0):
    return {"scheduled_s": scheduled_s, "started_s": scheduled_s, "greeted_s": greeted_s, "ended_s": ended_s, "outcome": outcome, "class": "good"}


def figures(rows, *names, case=Case):
    got = judge.judge(rows, case, 1)
    return tuple(got[name] for name in names)


TAKEN = row(1, "accepted", 2, 1.5)
UNGREETED, GREETED = row(5, "unfinished"), row(5, "unfinished", greeted_s=12)
CUT_OFF = row(18, "unfinished")
expect("one of two was accepted, the other had not finished after ten seconds", figures([TAKEN, UNGREETED], "taken_ratio", "not_known"), (.5, None))
expect("the same if it was greeted", figures([TAKEN, GREETED], "taken_ratio", "not_known"), (.5, None))
expect("one that is cut off before is counted apart", figures([TAKEN, CUT_OFF], "taken_ratio", "not_known"), (1, 1))
expect("and none of it is known if there is no other", figures([CUT_OFF, CUT_OFF], "taken_ratio", "told", "not_known"), (None, None, 2))
expect("late is not in time", figures([TAKEN, row(5, "accepted", 16, 6)], "taken_ratio", "not_known"), (.5, None))
expect("nor is what gave up", figures([TAKEN, row(5, "timeout", 14)], "taken_ratio", "not_known"), (.5, None))
REFUSED = row(5, "refused", 6)
expect("who waits for ten seconds without a greeting was turned away, and not told",
       figures([TAKEN, REFUSED, UNGREETED], "told", "refused_ratio"), (.5, 1 / 3))
expect("who is cut off was not turned away", figures([TAKEN, REFUSED, CUT_OFF], "told", "refused_ratio"), (1, 1 / 3))


class Slow(Case):
    client_s = 4.0


expect("the client's own time is not the server's", figures([row(7, "unfinished"), row(5, "accepted", 18, 6)], "taken_ratio", "not_known", case=Slow),
       (.5, None))
expect("also at the end", figures([row(10, "unfinished")], "taken_ratio", "not_known", case=Slow), (None, 1))


class Step(Case):
    after = 10


expect("who is refused within a second of the step's end came too soon to count",
       figures([row(9, "refused", 9.1), row(10.9, "refused", 11.2), row(12, "accepted", 12.1, 12)], "refused_after", case=Step), (0,))
expect("one that came later is one too many",
       figures([row(11, "refused", 11.1), row(12, "accepted", 12.1, 12), row(13, "unfinished")], "refused_after", case=Step), (1,))
print(f"1..{count}")
sys.exit(1 if failures else 0)
