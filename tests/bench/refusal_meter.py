"""What tests/bench/refusals measures with: clients at one end of a wire, each on a CPU of its own, and the CPU that the server's end takes."""
import json
import os
import statistics
import subprocess
import tempfile

from lib import place
from lib.cgroup import V2
from lib.place import BUILD
from lib.wire import SERVER4

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = int(os.environ.get("SECONDS_EACH", "3"))
OPEN = int(os.environ.get("OPEN", "32"))
CLIENT_CPU = str(os.cpu_count() - 1)
CLIENT_SWARM = os.path.join(BUILD, "tests/programs/client_swarm")


def come_first():
    """Before whatever else runs on this machine: within sessions nice tells, between them the session's."""
    os.setsid()
    try:
        with open("/proc/self/autogroup", "w") as f:
            f.write("-15")
    except OSError:
        pass  # no such thing in this kernel: nice alone tells


def steer():
    """Packets that arrive at the server's end are worked on CPU 0, at the client's end on the clients' CPU."""
    sysfs = tempfile.mkdtemp(prefix="bench-")  # of this network namespace: the host's /sys shows the host's devices
    subprocess.run(["mount", "-t", "sysfs", "sysfs", sysfs], check=True)
    with open(sysfs + "/class/net/wire0/queues/rx-0/rps_cpus", "w") as f:
        f.write("1")
    subprocess.run(["umount", sysfs], check=True)
    subprocess.run(["ip", "netns", "exec", "client", "sh", "-c",
                    f"echo {1 << int(CLIENT_CPU):x} > /sys/class/net/wire1/queues/rx-0/rps_cpus"], check=True)


class Meter:
    def __init__(self, cgroup):
        self.cgroup = cgroup
        built = os.path.join(BUILD, "bench-softirq.o")
        subprocess.run(["clang", "-g", "-O2", "-target", "bpf", "-ffreestanding", "-Ibpf", "-c", "tests/bench/softirq.bpf.c", "-o",
                        built], cwd=place.ROOT, check=True)
        self.process = subprocess.Popen([os.path.join(BUILD, "tests/programs/softirq_meter"), built], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def read(self):
        """us of the control group, us of soft interrupts on CPU 0 that are charged to no process."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        softirq = int(self.process.stdout.readline().split()[0]) / 1e3
        for line in open(os.path.join(V2, self.cgroup.name, "cpu.stat")):
            if line.startswith("usage_usec"):
                return float(line.split()[1]), softirq


def knock(wire, port, seconds, *more, open_max=OPEN):
    process = wire.run(["nice", "-n", "-10", "taskset", "-c", CLIENT_CPU, CLIENT_SWARM, SERVER4, str(port), "--open", str(open_max), "--seconds", str(seconds),
                        "--sources", "10.77.0.2-200", *more], stdout=subprocess.PIPE, text=True)
    return json.loads(process.communicate(timeout=seconds + 60)[0].splitlines()[-1])


def median(values, digits=1):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
