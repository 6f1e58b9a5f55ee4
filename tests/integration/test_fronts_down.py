#!/usr/bin/env python3
"""A front that was taken out, that is down, or that ended: what is told of it, and what becomes of its counts."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import BIN, wait_for
from lib.programs import Proxy
from lib.smtp import deliver
from lib.tap import check, test
from lib.world import PORT, World


# As the file of both programs would say it.
CONFIGURED = {"front.proxy.enabled": "yes", "front.proxy.listen": f"127.0.0.1:{PORT}", "front.proxy.backend": "127.0.0.1:1",
              "front.proxy.proxy_protocol": "none", "front.proxy.client_addresses_hidden": "yes"}


@test("a front that was removed is gone from status and metrics; one that is configured and stopped is down")
def _():
    for configured in (True, False):
        with World(daemon_options=CONFIGURED if configured else {}, calm=True) as w:
            check(deliver(PORT)[0] == "250", "mail")
            w.daemon.wait_status(lambda s: s["decisions"]["by_front"].get("proxy", {}).get("admitted"), "the proxy is seen")
            w.proxy.stop()
            if configured:
                w.daemon.wait_status(lambda s: not s["decisions"]["by_front"].get("proxy", {"up": True})["up"], "down")
                w.daemon.stop()
                w.start_daemon()
                down = w.daemon.wait_status(lambda s: not s["decisions"]["by_front"].get("proxy", {"up": True})["up"], "down after a restart")
                check(down["decisions"]["by_front"]["proxy"]["admitted"] == 1, f"its counts go on: {down['decisions']}")
                w.daemon.logged("The front proxy is down: penstock-proxy does not run")
                w.proxy = Proxy(w.directory, PORT, w.server.port)
                w.daemon.logged("The front proxy is up again.")
            else:
                w.daemon.wait_status(lambda s: "proxy" not in s["decisions"]["by_front"], "gone")
                check('front="proxy"' not in w.daemon.document("/metrics"), "from metrics, too")


@test("a proxy that is configured and never ran is down: metrics, first line, check_penstock and the page say so")
def _():
    with World(daemon_options=CONFIGURED, proxy=False, calm=True) as w:
        headline = w.daemon.status()["headline"]
        check(headline["sentence"].startswith("The front proxy is down: "), f"{headline}")
        check(w.daemon.metric('penstock_front_up{front="proxy"}') == 0, "the metric")
        check(w.daemon.ctl("status").stdout.startswith("The front proxy is down: "), "the first line")
        check("Front proxy is down: " in w.daemon.document("/"), "the page")
        check("!! front proxy is down: " in w.daemon.ctl("explain").stdout, "explain")
        told = subprocess.run([os.path.join(BIN, "check_penstock"), "-t", "120", "--run-dir", w.daemon.run_dir], capture_output=True, text=True)
        check(told.returncode == 2 and "proxy" in told.stdout.split("|")[0], f"{told}")


@test("no counter falls when penstockd is restarted after a proxy has ended: Prometheus would count all of the living one once more")
def _():
    with World(server=None, options={"service.mx.ports": 2599}, daemon_options=CONFIGURED, proxy=False, calm=True) as w:
        faults = 'penstock_faults_total{fault="backend_down"}'
        refused = 'penstock_decisions_total{front="proxy",verdict="defer",reason="backend"}'
        check((w.daemon.metric(faults), w.daemon.metric(refused)) == (0, 0), "nothing yet")
        for count, total in ((3, 3), (1, 4)):
            proxy = Proxy(w.directory, PORT, 1)
            for _ in range(count):
                check(deliver(PORT)[0] == "451", "451")
            wait_for(lambda total=total: w.daemon.metric(faults) == total, lambda: f"{count} more faults: {w.daemon.metric(faults)}")
            if total == 3:
                proxy.stop()
        w.daemon.stop()
        w.start_daemon()
        check((w.daemon.metric(faults), w.daemon.metric(refused)) == (4, 4), f"{w.daemon.metric(faults)}, {w.daemon.metric(refused)}")
        proxy.stop()
        wait_for(lambda: not os.listdir(os.path.join(w.daemon.run_dir, "counts")), "the end of the second one")
        w.daemon.stop()
        # Another version, or cut short: they begin at zero.
        with open(os.path.join(w.daemon.run_dir, "retired"), "r+b") as f:
            f.truncate(64)
        w.start_daemon()
        check(w.daemon.metric(faults) == 0, f"{w.daemon.metric(faults)}")


place.isolate()
tap.run()
