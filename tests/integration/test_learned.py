#!/usr/bin/env python3
"""What the law has learned outlives a restart; a damaged file of it is set aside and said."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.place import wait_for
from lib.programs import Daemon, Proxy
from lib.smtp import Server, deliver, smtp_server
from lib.tap import check, test

PORT = 2525


@test("capacity and its like are written, taken up by the next penstockd, and set aside when damaged")
def _():
    directory = tempfile.mkdtemp(prefix="penstock-test-")
    os.makedirs(directory + "/run")
    server = Server(smtp_server)
    options = {"service.mx.ports": server.port}
    daemon, proxy = Daemon(directory, options), Proxy(directory, PORT, server.port, options)
    learned = os.path.join(daemon.state_dir, "learned")
    try:
        check("what was learned before" not in daemon.output(), "nothing yet")
        for _ in range(60):
            check(deliver(PORT)[0] == "250", "mail")
        wait_for(lambda: deliver(PORT)[0] == "250" and os.path.exists(learned), "the file")
        daemon.stop()
        daemon = Daemon(directory, options)
        daemon.logged("going on from what was learned before")
        check(deliver(PORT)[0] == "250", "mail flows")
        daemon.kill(9)
        daemon.process.wait()
        whole = open(learned, "rb").read()
        for bad in (whole[:50], whole[:-1], b"", whole[:80] + b"\xff" + whole[81:]):
            with open(learned, "wb") as f:
                f.write(bad)
            daemon = Daemon(directory, options)
            daemon.logged("learned in the state directory")
            daemon.logged("set aside")
            check(open(learned + ".corrupt", "rb").read() == bad, "as it was")
            daemon.kill(9)
            daemon.process.wait()
    finally:
        for program in (proxy, daemon):
            if program.alive():
                program.stop()
        server.close()


place.isolate()
tap.run()
