"""The control socket, as a program asks it."""
import json
import os
import socket
import subprocess
import sys


def varlink(world, message, raw=None, replies=1):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(120)
        s.connect(os.path.join(world.daemon.run_dir, "control.sock"))
        s.sendall(raw if raw is not None else json.dumps(message).encode() + b"\0")
        data = b""
        while data.count(b"\0") < replies:
            chunk = s.recv(65536)
            if not chunk:
                break
            data += chunk
    return [json.loads(part) for part in data.split(b"\0") if part]


CONNECT = "def connect():\n s = socket.socket(socket.AF_UNIX); s.settimeout(120); s.connect(path); return s\n"


def as_nobody(world, code, *arguments):
    """Runs Python as nobody, with `path` the control socket and the arguments in sys.argv."""
    path = os.path.join(world.daemon.run_dir, "control.sock")
    text = f"import fcntl, json, os, socket, sys, time\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\npath = {path!r}\n" + code
    return subprocess.Popen([sys.executable, "-c", text, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
