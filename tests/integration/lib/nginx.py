"""nginx' mail proxy of Debian 12, run in place from unpacked packages."""
import os
import re

from lib.packages import unpack
from lib.place import ROOT, wait_for
from lib.programs import Program, listening

PACKAGES = ["nginx", "libnginx-mod-mail", "libpcre2-8-0"]


def prepare():
    unpack("nginx", PACKAGES)


def page(kind):
    """The page's block of one kind, as it stands there."""
    with open(os.path.join(ROOT, "packaging", "snippets", "nginx.md")) as f:
        return re.search(rf"^```{kind}\n(.*?)^```$", f.read(), re.S | re.M)[1]


def start(directory, blocks, port=25):
    """`blocks`: mail {} and http {}, as on the page."""
    root = unpack("nginx", PACKAGES)
    config = os.path.join(directory, "nginx.conf")
    paths = "".join(f"\t{name}_temp_path {directory}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(config, "w") as f:
        f.write(f"load_module {root}/usr/lib/nginx/modules/ngx_mail_module.so;\ndaemon off;\nuser root;\nworker_processes 1;\n"
                f"pid {directory}/nginx.pid;\nerror_log {directory}/error.log;\nevents {{ worker_connections 512; }}\n" +
                blocks.replace("http {\n", "http {\n" + paths))
    server = Program(["env", f"LD_LIBRARY_PATH={root}/usr/lib/x86_64-linux-gnu", root + "/usr/sbin/nginx", "-p", directory, "-c", config,
                      "-e", f"{directory}/error.log"])
    wait_for(lambda: not server.alive() or listening(port), "nginx")
    if not server.alive():
        with open(f"{directory}/error.log") as f:
            raise AssertionError("nginx ended: " + server.output() + f.read())
    return server
