"""The control socket, as a program asks it."""
import json
import os
import socket


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
