"""The daemon with every socket on which foreign bytes come: proxy, proxy behind a PROXY header, policy service, HTTP, control."""
import os
import socket

from lib.programs import Proxy
from lib.world import PORT, World

POLICY, PROXIED = 2527, 2528
LISTENERS = ("proxy", "proxy-header", "policy", "http", "control")
# The bytes of a correct client.
PROPER = {"proxy": b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n",
          "proxy-header": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\nEHLO x\r\nQUIT\r\n",
          "policy": b"request=smtpd_access_policy\nprotocol_state=CONNECT\nclient_address=192.0.2.7\nclient_port=4711\ninstance=1.2.3\n\n",
          "http": b"GET /status.json HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
          "control": b'{"method":"io.penstock.Status","parameters":{}}\0'}


class Listeners(World):
    """A policy service, and a second proxy on which a PROXY header is expected."""

    def __init__(self, **kwargs):
        super().__init__(calm=True, daemon_options={
            "service.submission.ports": 2529, "service.submission.shed": "yes", "front.policy.enabled": "yes",
            "front.policy.service": "submission", "front.policy.listen": f"127.0.0.1:{POLICY}"}, **kwargs)
        self.proxied = Proxy(self.directory, PROXIED, self.server.port,
                             {**self.options, "front.proxy.accept_proxy_protocol": "yes", "front.proxy.proxy_from": "127.0.0.0/8"})

    def __exit__(self, *arguments):
        self.proxied.stop()
        super().__exit__(*arguments)

    def connect(self, listener, seconds=None):
        seconds = seconds or (120 if listener == "control" else 20)
        if listener == "control":
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(seconds)
            s.connect(os.path.join(self.daemon.run_dir, "control.sock"))
            return s
        port = {"http": self.daemon.http, "policy": POLICY, "proxy": PORT, "proxy-header": PROXIED}[listener]
        return socket.create_connection(("127.0.0.1", port), seconds)
