"""Haraka from npm, run in place from build/npm/."""
import os
import shutil
import subprocess

from lib.packages import npm
from lib.place import wait_for
from lib.programs import Program, listening
from lib.tap import check

PACKAGES = ["Haraka@3.1.1", "node@22", "haraka-plugin-relay"]


def prepare():
    npm("haraka-relay", PACKAGES)


def make(home, config, plugin=None):
    """A directory of Haraka's with these files in config/; `plugin`: a package's directory, put where npm puts it."""
    modules = os.path.join(npm("haraka-relay", PACKAGES), "node_modules")
    subprocess.run([os.path.join(modules, ".bin/node"), os.path.join(modules, "Haraka/bin/haraka"), "-i", home], check=True, capture_output=True)
    for name, text in config.items():
        with open(os.path.join(home, "config", name), "w") as f:
            f.write(text)
    if plugin:
        shutil.copytree(plugin, os.path.join(home, "node_modules", os.path.basename(plugin)))
        os.symlink(os.path.join(modules, "haraka-dsn"), os.path.join(home, "node_modules/haraka-dsn"))


def start(home, port, prefix=()):
    modules = os.path.join(npm("haraka-relay", PACKAGES), "node_modules")
    server = Program([*prefix, os.path.join(modules, ".bin/node"), os.path.join(modules, "Haraka/bin/haraka"), "-c", home])
    wait_for(lambda: listening(port) or not server.alive(), "Haraka")
    check(server.alive(), server.output())
    return server
