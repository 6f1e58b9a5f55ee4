#!/usr/bin/env python3
"""tests/lanes.py: the plan of `make test` on two cores, in virtual time. Its suites, with the seconds that each takes by itself and the CPU that
it uses, as measured on one machine; the kernel's share of the cores is a fair one, by niceness."""
import sys

sys.dont_write_bytecode = True
import lanes

lanes.CORES, lanes.WAITING = 2, 5
SANITIZED = "sanitizer build"
# name: (seconds by itself, seconds of CPU)
TIMES = {
    "kernel 5.10": (170, 170), "kernel newest": (140, 140), "integration/test_pages.py": (350, 220), "integration/test_packages.py": (250, 190),
    "sim/test_properties": (45, 90), SANITIZED: (43, 85), "sim/test_scenarios": (29, 58), "fuzz, quick": (19, 38), "lint": (14, 28),
    "sim/test_fleet": (15, 30), "figures": (7, 14), "sim/mutants": (7, 13), "kernel here": (16, 16), "integration/test_truth.py": (215, 18),
    "integration/test_systemd.py": (190, 20), "integration/test_postfix.py": (180, 36), "integration/test_haproxy.py": (150, 48),
    "integration/test_faults_wire.py (address, undefined)": (110, 50), "integration/test_containers.py": (85, 43),
    "integration/test_faults_sensors.py": (95, 6), "integration/test_gate_failopen.py": (75, 34), "integration/test_haraka.py": (60, 31),
    "integration/test_neighbours.py, quiet": (39, 42), "integration/test_probes.py, quiet": (19, 5), "kernel/test_kernel_machine": (10, 18),
    **{f"integration/test_{n}.py": (40, 8) for n in range(40)}, **{f"unit/test_{n}": (0.5, 0.5) for n in range(150)},
}


class Plan:
    """Runs the suites as lanes.run() does, in virtual time. `seen(running)` is called whenever one has begun or ended."""

    def __init__(self, names, seen):
        self.suites = [self.suite(name) for name in names]
        self.awaited = {s.after for s in self.suites}
        self.seconds, self.running, waiting = 0, [], lanes.order(self.suites, self.awaited)
        while waiting or self.running:
            lanes.begin(waiting, self.running, self.start)
            seen(self.running)
            rates = self.rates()
            step = min(s.left / rates[s] for s in self.running)
            self.seconds += step
            for s in self.running[:]:
                s.left -= rates[s] * step
                if s.left < 1e-9:
                    s.over = self.seconds
                    self.running.remove(s)

    @staticmethod
    def suite(name):
        suite = lanes.Suite(name, [], None, "", after=SANITIZED if "undefined" in name else None, kind="alone" if "quiet" in name else None)
        alone, suite.cpu = TIMES[name]
        suite.left, suite.most = suite.cpu, suite.cpu / alone
        suite.seconds = alone * (6 if suite.kind == "emulated" else 2)  # as it took the last time, beside others
        return suite

    def start(self, suite):
        suite.began = self.seconds

    def rates(self):
        """What each gets of the cores: in proportion to its weight, and no more than it can use."""
        weight = {s: 1.25 ** -s.niceness(s.name in self.awaited) for s in self.running}
        rates, free, left = {}, lanes.CORES, list(self.running)
        while left:
            share = free / sum(weight[s] for s in left)
            content = [s for s in left if s.most <= share * weight[s]] or left
            for s in content:
                rates[s] = min(s.most, share * weight[s])
            free -= sum(rates[s] for s in content)
            left = [s for s in left if s not in content]
        return rates


count = failures = 0


def expect(name, condition, said=""):
    global count, failures
    count += 1
    failures += not condition
    print(f"{'ok' if condition else 'not ok'} {count} - {name}" + (f"\n# {said}" if said else ""))


def kinds(running, kind):
    return sum(s.kind == kind for s in running)


def fits(running):
    """What the head of lanes.py says of each kind."""
    return (kinds(running, "wide") <= 1 and kinds(running, "busy") <= 2 and kinds(running, "") <= 5 and (not kinds(running, "alone") or len(running) == 1)
            and (kinds(running, "emulated") <= 1 or kinds(running, "emulated") == 2 and not kinds(running, "")))


def main():
    wrong = []
    plan = Plan(TIMES, lambda running: fits(running) or wrong.append([s.name for s in running]))
    found = {s.name: s for s in plan.suites}
    alone = [s for s in plan.suites if s.kind == "alone"]
    bound = sum(TIMES[s.name][0] for s in alone) + sum(s.cpu for s in plan.suites if s.kind != "alone") / lanes.CORES
    expect("the plan is within 5 % of what two cores need at least", bound <= plan.seconds * 1.0001 <= 1.05 * bound,
           f"{plan.seconds:.0f} s, at least {bound:.0f} s; {sum(s.cpu for s in plan.suites):.0f} s of CPU")
    expect("as many of each kind at a time as lanes.py says", not wrong, "; ".join(map(str, wrong[:3])))
    slow = {s.name: s.cpu / (s.over - s.began) for s in plan.suites if s.kind == "emulated"}
    expect("an emulated machine gets a quarter of a core at least", len(slow) == 2 and min(slow.values()) > 1 / 4, f"{slow}")
    late = {s.name: (s.over - s.began) / TIMES[s.name][0] for s in plan.suites if s.kind == ""}
    expect("what mostly waits takes at most two and a half times as long as by itself", max(late.values()) < 2.5, f"{max(late, key=late.get)}: {max(late.values()):.2f}")
    first = [n for n in ("kernel 5.10", "integration/test_pages.py", "integration/test_packages.py", "integration/test_truth.py", SANITIZED) if found[n].began]
    expect("the long ones begin first", not first, f"{first}")
    early = [s.name for s in plan.suites if s.after and s.began < found[s.after].over]
    expect("what waits for another begins when that is over", not early, f"{early}")
    every = Plan(["kernel 5.10", "kernel newest"], lambda running: None)
    expect("two emulated machines run at once where nothing else does", abs(every.seconds - 170) < 1, f"{every.seconds}")
    print(f"1..{count}")
    sys.exit(1 if failures else 0)


main()
