"""Random plants, and one run of the simulator on lines of a scenario: what the tests over many plants share."""
import json
import os
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SIM = os.environ.get("PENSTOCK_SIM") or os.path.join(HERE, "../..", os.environ.get("BUILD", "build"), "bin/penstock-sim")

SENDERS = """senders postfix retry=postfix count=20000 share=40 zipf=0.8
senders exim retry=exim count=5000 share=15 zipf=0.8
senders gmail retry=gmail count=200 share=15 addresses=7
senders exchange retry=exchange count=5000 share=15
senders gmx retry=gmx count=50 share=5 addresses=3
senders qmail retry=qmail count=1000 share=5
senders aol retry=aol count=20 share=2 pool=20
senders qq retry=qq count=100 share=3 pool=20
"""

REJECT_S = 20e-6


def sense(chance):
    """A third of the plants are seen badly: late, with gaps, with noise, and told late what to do."""
    if chance.random() > 1 / 3:
        return ""
    return (f"\nsense delay={chance.uniform(0, 400):.0f}ms loss={chance.uniform(0, 0.2):.2f} noise={chance.uniform(0, 0.2):.2f} "
            f"verdict_delay={chance.uniform(0, 20):.0f}ms")


def plant(chance):
    """One of the kinds of server, its figures by chance, and what it can complete a second."""
    kind = chance.choice(["cpu", "cpu", "thrash", "slow", "fork", "tarpit", "fsync", "disk", "memory", "filter"])
    if kind in ("fsync", "disk", "memory", "filter"):
        line, capacity = other_plant(chance, kind)
    else:
        line, capacity = cpu_plant(chance, kind)
    seen = sense(chance)
    return kind + (", seen badly" if seen else ""), line + seen, capacity


def other_plant(chance, kind):
    """Those that run out of something else than the CPU of a session."""
    think = chance.uniform(0.05, 1.0)
    head = f"plant cores=2 machine=2 think={think * 1000:.0f}ms backlog=4096 reject=20us"
    if kind == "fsync":  # a group commit that takes longer the more it carries
        each = chance.uniform(0.008, 0.025)
        return f"{head} cost=2ms slots=1000 commit={chance.uniform(2, 20):.1f}ms commit_each={each * 1000:.1f}ms", 1 / each
    if kind == "disk":  # a slow one, and so many slots
        commit, slots = chance.uniform(0.05, 0.2), chance.choice([20, 40, 80])
        return f"{head} cost=2ms slots={slots} commit={commit * 1000:.0f}ms", slots / (0.002 + think + 1.5 * commit + 0.01)
    if kind == "memory":  # a cliff: beyond it the kernel kills; capacity counts all of it, the law keeps its reserve
        sessions, think = chance.choice([48, 96, 192, 384]), think * 4
        return (f"plant cores=2 machine=2 think={think * 1000:.0f}ms backlog=4096 reject=20us cost=4ms slots=1000 session_memory=8MiB "
                f"memory={8 * sessions}MiB", min(480, sessions / (0.004 + think + 0.01)))
    cost, times = chance.uniform(0.001, 0.004), chance.uniform(3, 15)  # a filter behind the queue is the hog
    return (f"{head} slots=1000 cost={cost * 1000:.1f}ms filter={cost * times * 1000:.1f}ms filter_slots={chance.choice([2, 4, 20])}",
            2 / (cost * (1 + times)))


def cpu_plant(chance, kind):
    cores = chance.choice([1, 1, 1, 2, 4])
    cost = chance.uniform(0.008, 0.025) * cores  # 40 to 125 a second
    think = chance.uniform(0.05, 1.0)
    words = [f"cores={cores} machine={cores} cost={cost * 1000:.1f}ms think={think * 1000:.0f}ms slots=1000 backlog=4096 reject=20us"]
    if kind == "thrash":
        words.append(f"knee={30 * cores} thrash={chance.uniform(0.002, 0.02):.4f}")
    elif kind == "slow":
        words.append(f"think_slow={chance.uniform(2, 10):.0f}s slow_share={chance.uniform(0.05, 0.3):.2f} slots=5000")
    elif kind == "fork":
        words.append(f"fork={chance.uniform(1, 4):.1f}ms idle=100s")
    elif kind == "tarpit":
        words.append(f"lookup={chance.uniform(0.2, 2) * 1000:.0f}ms slots=5000")
    return "plant " + " ".join(words), cores / cost


def run(lines, seed, law="penstock", senders=True):
    with tempfile.NamedTemporaryFile("w", suffix=".sim", delete=False) as f:
        f.write("\n".join(lines) + "\n")
    try:
        out = subprocess.run([SIM, "--json", "--law", law, "--seed", str(seed), f.name], capture_output=True, text=True, check=True)
        return json.loads(out.stdout)
    finally:
        os.unlink(f.name)
