"""What the gate takes from mail that is admitted: parts of tests/bench/refusals."""
import json
import os
import subprocess

from lib.place import BIN, BUILD, wait_for
from lib.programs import Program, listening
from lib.wire import SERVER4
from refusal_meter import CLIENT_CPU, ROUNDS, SECONDS, knock, median
from refusal_ways import GATED, Way, sink


def programs():
    """By name: ns run and runs, of the gate's programs."""
    done = subprocess.run(["bpftool", "prog", "show", "--json"], capture_output=True, text=True, check=True,
                          env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})
    return {p["name"]: p for p in json.loads(done.stdout) if p.get("name", "").startswith("gate_")}


def admitted(wire, cgroup):
    class Both(Way):
        def start(self):
            sink(self, GATED)
            sink(self, 2526)
            self.daemon({"service.mx.ports": GATED, "front.gate.enabled": "yes"})

    way = Both(cgroup)
    wait_for(lambda: "gate_lookup" in programs(), "the gate")
    with open("/proc/sys/kernel/bpf_stats_enabled", "w") as f:
        f.write("1")
    before = programs()
    report = knock(wire, GATED, SECONDS)
    after = programs()
    with open("/proc/sys/kernel/bpf_stats_enabled", "w") as f:
        f.write("0")
    spent = {n: (p.get("run_time_ns", 0) - before[n].get("run_time_ns", 0)) / max(1, report["admitted"]) for n, p in after.items()
             if n in before}
    print(f"\nof an admitted connection, from SYN to the last packet, the gate's programs take {sum(spent.values()):.0f} ns in the mean of "
          f"{report['admitted']} (" + ", ".join(f"{n} {ns:.0f}" for n, ns in sorted(spent.items()) if ns >= 1) + "); BPF statistics on, "
          "which adds to each run")
    runs = [subprocess.run([os.path.join(BUILD, "tests/programs/lookup_timer"), str(programs()["gate_lookup"]["id"]), "1000",
                            str(GATED)], capture_output=True, text=True, check=True).stdout.split() for _ in range(ROUNDS)]
    print(f"before a new client is handed to the mail server it takes p50 {median([float(r[0]) for r in runs], 0)} ns, p99 "
          f"{median([float(r[1]) for r in runs], 0)} ns ({ROUNDS} times 1000 clients by BPF_PROG_RUN, the clock in it)")
    times = {GATED: [], 2526: []}
    for _ in range(2 * ROUNDS):
        for port in times:
            times[port].append(knock(wire, port, 1, open_max=1))
    for key in ("greeting_p50_us", "greeting_p99_us"):
        pairs = [a[key] - b[key] for a, b in zip(times[GATED], times[2526])]
        print(f"connection to greeting over the wire, {key[9:12]}: behind the gate {median([t[key] for t in times[GATED]])} us, on a port "
              f"without {median([t[key] for t in times[2526]])} us, paired difference {median(pairs)} us")
    way.stop()


def mail(wire, seconds):
    """20 senders that never stop, from a trusted network; ahead of the flood on the clients' CPU, so that it is not that which
    they want for."""
    done = wire.run(["nice", "-n", "-19", "taskset", "-c", CLIENT_CPU, os.path.join(BIN, "penstock-load"), "--target", f"{SERVER4}:{GATED}", "--rate", "3000",
                     "--duration", str(seconds), "--drain", "1", "--open-max", "20", "--sources", "10.77.0.224/28", "--json", "-"],
                    stdout=subprocess.PIPE, text=True)
    return done


def taken(process, seconds):
    report = json.loads(process.communicate(timeout=120)[0])
    return report["outcomes"]["accepted"] / seconds


def flood(wire, cgroup):
    class Mail(Way):
        """One CPU carries the mail server, penstock and the packets of both."""

        def start(self):
            p = Program([*self.prefix, os.path.join(BIN, "penstock-sink"), "--listen", f"0.0.0.0:{GATED}", "--cpu", "2ms"])
            wait_for(lambda: listening(GATED), "the sink")
            self.parts.append(p)
            self.daemon({"service.mx.ports": GATED, "front.gate.enabled": "yes", "source.trusted": "10.77.0.224/28",
                         "objective.window_min": 1, "objective.window_max": 1})

    way = Mail(cgroup)
    wait_for(lambda: "gate_lookup" in programs(), "the gate")
    taken(mail(wire, 3), 3)
    costs_, rates = [], []
    for _ in range(ROUNDS):
        alone = taken(mail(wire, SECONDS), SECONDS)
        process = mail(wire, SECONDS)
        report = knock(wire, GATED, SECONDS, open_max=64)
        under = taken(process, SECONDS)
        rate = report["refused"] / report["seconds"]
        rates.append(rate)
        costs_.append((1 - under / alone) * 100 / (rate / 10000) if alone and rate else 0)
        print(f"  mail alone {alone:.0f}/s, with {rate:.0f} refusals a second {under:.0f}/s", flush=True)
    print(f"a flood of {median(rates, 0)} refusals a second on the one CPU that the mail server has too: {median(costs_)} % of the goodput "
          "for each 10,000 a second")
    way.stop()
