"""What a run was worth, from the generator's rows: one an attempt, latencies from the scheduled start."""
IN_TIME_S = 10


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else None


def per_second(rows, seconds):
    """For the plots."""
    series = [{"offered": 0, "accepted_in_time": 0, "refused": 0, "connect_to_220_s": []} for _ in range(int(seconds) + 1)]
    for r in rows:
        if r["scheduled_s"] < seconds:
            series[int(r["scheduled_s"])]["offered"] += 1
        if 0 <= r["ended_s"] < seconds:
            cell = series[int(r["ended_s"])]
            cell["accepted_in_time"] += r["outcome"] == "accepted" and r["ended_s"] - r["scheduled_s"] <= 1
            cell["refused"] += r["outcome"] == "refused"
            if r["greeted_s"] >= 0 and r["outcome"] == "accepted":
                cell["connect_to_220_s"].append(r["greeted_s"] - r["started_s"])
    for cell in series:
        cell["connect_to_220_s"] = quantile(cell["connect_to_220_s"], .99)
    return series


def accepted_ratio(rows):
    """By the class of the source."""
    classes = {}
    for r in rows:
        classes.setdefault(r["class"], []).append(r["outcome"] == "accepted")
    return {name: sum(got) / len(got) for name, got in classes.items()}


def judge(rows, case, capacity):
    since, until = case.judged
    mine = [r for r in rows if since <= r["scheduled_s"] < until]
    seconds = until - since
    accepted = [r["ended_s"] - r["scheduled_s"] for r in mine if r["outcome"] == "accepted"]
    refused = [r["ended_s"] - r["scheduled_s"] for r in mine if r["outcome"] == "refused"]
    away = [r for r in mine if r["outcome"] != "accepted"]
    # What is served after the load has ended is no goodput under it.
    served = [r["ended_s"] - r["scheduled_s"] for r in mine if r["outcome"] == "accepted" and r["ended_s"] <= until]
    result = {"goodput": sum(a <= IN_TIME_S for a in served) / seconds / capacity,
              "in_1s": sum(a <= 1 for a in served) / seconds / capacity,
              "in_1s_of_offered": sum(a <= 1 for a in accepted) / len(mine) if mine else None,
              "p50_s": quantile(accepted, .5), "p99_s": quantile(accepted, .99),
              "refused_ratio": len(refused) / len(mine) if mine else None,
              "rejected": sum(r["outcome"] == "rejected" for r in mine),
              "told": len(refused) / len(away) if away else None, "refused_p99_s": quantile(refused, .99)}
    if len({r["class"] for r in mine}) > 1:
        result.update({f"accepted_{name}": share for name, share in accepted_ratio(mine).items()})
    if case.after is not None:
        later = [(r["scheduled_s"], r["ended_s"] - r["scheduled_s"] if r["outcome"] == "accepted" else 99)
                 for r in rows if r["scheduled_s"] >= case.after]
        result["back_s"] = max((at - case.after for at, took in later if took > 1), default=0.0)
        first = min((r["ended_s"] for r in rows if r["outcome"] == "refused"), default=None)
        result["first_451_s"] = first - since if first is not None else None
    return result
