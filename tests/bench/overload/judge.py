"""Judges a run by the generator's rows: one for each attempt, latencies from the scheduled start without the client's own time. A rate counts what ended in the judged seconds, a share or a latency what was due in them."""
IN_TIME_S, AT_ONCE_S = 10, 1
# Whoever comes later than this after the end of a step may not be refused.
CALM_AFTER_S = 1
# Time that the server needs to start missing processes.
ONSET_S = 2
# Those who came before an overload is known to last waited up to the objective: what lasts is judged after it.
LASTING_S = 5
# At most so many may be late or refused when all is well.
STRAY = 0.005


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else None


def accepted(row):
    return row["outcome"] == "accepted"


def admitted(row):
    """Let in, and through or still at it: so far is the least that it takes."""
    return accepted(row) or row["outcome"] in ("unfinished", "timeout") and row["greeted_s"] >= 0


def in_time(row, case):
    return accepted(row) and row["ended_s"] - row["scheduled_s"] - case.client_s <= IN_TIME_S


def is_known(row, case):
    """Whether it is known if it is accepted in time. What has not finished when the run ends is known if its time is up: it was not."""
    return row["outcome"] != "unfinished" or row["ended_s"] - row["scheduled_s"] - case.client_s > IN_TIME_S


def per_second(rows, case):
    """For the plots."""
    series = [{"offered": 0, "accepted_in_time": 0, "refused": 0, "connect_to_220_s": []} for _ in range(int(case.seconds))]
    for r in rows:
        if r["scheduled_s"] < len(series):
            series[int(r["scheduled_s"])]["offered"] += 1
        if 0 <= r["ended_s"] < len(series):
            cell = series[int(r["ended_s"])]
            cell["accepted_in_time"] += accepted(r) and r["ended_s"] - r["scheduled_s"] - case.client_s <= AT_ONCE_S
            cell["refused"] += r["outcome"] == "refused"
        if r["greeted_s"] >= 0 and r["scheduled_s"] < len(series):
            series[int(r["scheduled_s"])]["connect_to_220_s"].append(r["greeted_s"] - r["started_s"])
    for cell in series:
        cell["connect_to_220_s"] = quantile(cell["connect_to_220_s"], .99)
    return series


def served(rows, case, since, until, within=None):
    """Accepted a second."""
    return sum(accepted(r) and since <= r["ended_s"] < until and (within is None or r["ended_s"] - r["scheduled_s"] - case.client_s <= within)
               for r in rows) / (until - since)


def back_after(rows, case):
    """From how many seconds after the step's end on nearly all are accepted at once."""
    later = sorted((r["scheduled_s"] - case.after, not accepted(r) or r["ended_s"] - r["scheduled_s"] > AT_ONCE_S)
                   for r in rows if r["scheduled_s"] >= case.after)
    bad, back = 0, 0.0
    for n, (at, is_bad) in enumerate(reversed(later)):
        bad += is_bad
        if is_bad and bad > max(1, STRAY * (n + 1)):
            back = at
            break
    return back


def refused_after(rows, case):
    """Clients that came when the step had been over for a second, and were refused."""
    return sum(r["outcome"] == "refused" and r["scheduled_s"] >= case.after + CALM_AFTER_S for r in rows)


def accepted_ratio(rows):
    """At once, by the class of the source: what a queue lets through after the load has ended does not count."""
    classes = {}
    for r in rows:
        classes.setdefault(r["class"], []).append(accepted(r) and r["ended_s"] - r["scheduled_s"] <= AT_ONCE_S)
    return {f"accepted_{name}": sum(got) / len(got) for name, got in classes.items()}


def judge(rows, case, capacity, queued_per_s=0.0):
    """`queued_per_s`: of what it accepted, the part that only made the queue before its filter longer; that is no goodput."""
    since, until = case.judged
    mine = [r for r in rows if since <= r["scheduled_s"] < until]
    took = [r["ended_s"] - r["scheduled_s"] - case.client_s for r in mine if admitted(r)]
    refused = [r["ended_s"] - r["scheduled_s"] for r in mine if r["outcome"] == "refused"]
    known = [r for r in mine if is_known(r, case)]
    away = [r for r in known if not admitted(r)]
    offered = len(mine) / (until - since) / capacity
    through = max(0.0, served(rows, case, since, until) - queued_per_s)
    result = {"offered": offered, "served": through / capacity,
              "goodput": min(served(rows, case, since, until, IN_TIME_S), through) / capacity,
              "in_1s": min(served(rows, case, since, until, AT_ONCE_S), through) / capacity,
              "settled": min(served(rows, case, since + ONSET_S, until, AT_ONCE_S), through) / capacity,
              "in_1s_of_offered": sum(accepted(r) and r["ended_s"] - r["scheduled_s"] - case.client_s <= AT_ONCE_S for r in mine) / len(mine)
              if mine else None,
              "p99_lasting_s": quantile([r["ended_s"] - r["scheduled_s"] - case.client_s for r in mine
                                         if admitted(r) and r["scheduled_s"] >= since + LASTING_S], .99),
              "p50_s": quantile(took, .5), "p99_s": quantile(took, .99),
              "refused_ratio": len(refused) / len(mine) if mine else None,
              "rejected": sum(r["outcome"] == "rejected" for r in mine),
              "told": len(refused) / len(away) if away else None, "refused_p99_s": quantile(refused, .99)}
    result["taken_ratio"] = sum(in_time(r, case) for r in known) / len(known) if known else None
    # These are in no share of those that were accepted in time, or told.
    result["not_known"] = len(mine) - len(known) or None
    # In some runs chance offers less than C, and mail that was not offered cannot be served.
    result["goodput_of_possible"] = result["goodput"] / min(1, offered) if offered else None
    if len({r["class"] for r in mine}) > 1:
        result.update(accepted_ratio(mine))
    if case.fault_at > since:
        result.update(in_1s_before=served(rows, case, since, case.fault_at, AT_ONCE_S) / capacity,
                      served_then=served(rows, case, case.fault_at, until) / capacity)
    if case.after is not None:
        result.update(back_s=back_after(rows, case), refused_after=refused_after(rows, case))
        first = min((r["ended_s"] for r in rows if r["outcome"] == "refused" and r["scheduled_s"] >= since), default=None)
        result["first_451_s"] = first - since if first is not None else None
    return result
