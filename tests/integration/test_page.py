#!/usr/bin/env python3
"""The status page: well-formed, no third party, nothing inline, what each state says; in headless Chromium, where that is installed,
how it looks and updates, and what axe-core has to say. Screenshots stay under build/screenshots."""
import contextlib
import html.parser
import http.client
import http.server
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import place, tap
from lib.packages import npm
from lib.place import BIN, BUILD, PATIENCE, ROOT, wait_for
from lib.programs import Program, answered, port_open
from lib.tap import Skip, check, test
from lib.world import PORT, World

SHOTS = os.path.join(BUILD, "screenshots")
AXE = ["axe-core@4.10.2"]
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
VOID = {"meta", "link", "path", "br"}
OVERLOAD_S = 900  # at the longest: it is ended with its test


def world(**options):
    return World(options={"front.policy.enabled": "yes", "front.policy.listen": "127.0.0.1:9826", **options}, server=2526, proxy=False, calm=True)


@contextlib.contextmanager
def overload(**options):
    """Three sessions at once are allowed, each of at least .3 s, and 40 a second come: most are deferred, on any machine."""
    with World(options={"objective.window_min": "3", "objective.window_max": "3", **options}, server=2526, calm=True) as w:
        programs = [Program([os.path.join(BIN, "penstock-sink"), "--listen", "127.0.0.1:2526", "--wait", "300ms"])]
        try:
            wait_for(lambda: port_open(2526), "the sink")
            programs.append(Program([os.path.join(BIN, "penstock-load"), "--target", f"127.0.0.1:{PORT}", "--rate", "40",
                                     "--duration", str(OVERLOAD_S * PATIENCE), "--sources", "127.1.0.0/16"]))
            w.daemon.wait_status(lambda s: s["headline"]["state"] == "deferring" and s["admit_ratio"] < 0.7, "the overload")
            yield w
        finally:
            for program in programs:
                program.stop()


class Page(html.parser.HTMLParser):
    """The tags, in order, with their attributes; every one that is opened is closed in its place."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(text)
        check(not self.open, f"not closed: {self.open}")

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        check(self.open and self.open[-1] == tag, f"</{tag}> in {self.open}")
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    def all(self, tag):
        return [a for t, a in self.tags if t == tag]

    def text(self):
        return " ".join(" ".join(self.texts).split())


def ask(daemon, path, headers=None):
    request = urllib.request.Request(f"http://127.0.0.1:{daemon.http}{path}", headers=headers or {})
    return answered(lambda: opened(request))


def opened(request):
    """Its headers and its body."""
    with urllib.request.urlopen(request, timeout=120 * PATIENCE) as answer:
        return dict(answer.headers), answer.read().decode()


@test("the page is well-formed, has its landmarks, and loads only its own three files; nothing is inline")
def _():
    with world() as w:
        headers, text = ask(w.daemon, "/")
        page = Page(text)
        check(page.all("html")[0]["lang"] == "en" and len(page.all("h1")) == 1 and len(page.all("main")) == 1, "landmarks")
        check([a for a in page.all("p") if a.get("role") == "status"], "role=status")
        check(all("scope" in a for a in page.all("th")) and page.all("th"), "each header of a table has a scope")
        check(not page.all("style") and all("src" in a for a in page.all("script")), "inline")
        check(not [a for _, a in page.tags if "style" in a or any(k.startswith("on") for k in a)], "inline style or handler")
        loaded = [a["src"] for a in page.all("script")] + [a["href"] for a in page.all("link")]
        check(sorted(loaded) == ["icon.svg", "page.css", "page.js"], f"{loaded}")
        policy = headers["Content-Security-Policy"]
        check("unsafe" not in policy and "frame-ancestors 'none'" in policy and "default-src 'none'" in policy, policy)
        for path, kind in (("/page.css", "text/css"), ("/page.js", "text/javascript"), ("/icon.svg", "image/svg+xml")):
            headers, text = ask(w.daemon, path)
            check(headers["Content-Type"].startswith(kind), f"{path}: {headers['Content-Type']}")
            with open(os.path.join(ROOT, "daemon/publish/www" + path)) as f:
                check(text == f.read(), f"{path} is not the file of the tree")
            check(not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), f"{path}: loads from elsewhere")
        try:
            ask(w.daemon, "/page.js", {"Host": "evil.example"})
            raise AssertionError("a foreign name was answered")
        except urllib.error.HTTPError as error:
            check(error.code == 421, f"{error.code}")


@test("each state is said first: normal, drain with its reason and end, observe mode; attention for a front that is down")
def _():
    with world() as w:
        check("mx.example.org" in Page(w.daemon.document("/")).text(), "the name of the host")
        w.daemon.ctl("drain", "--for", "30m", "--reason", "kernel <update>", check=0)
        text = wait_for(lambda: (lambda t: t if "drain" in t else None)(Page(w.daemon.document("/")).text()), "the drain")
        check("draining" in text and "kernel <update>" in text and "Until" in text and "penstockctl resume" in text, text[:400])
        check("kernel <update>" not in w.daemon.document("/"), "escaped")
        w.daemon.ctl("resume", check=0)
        w.daemon.ctl("mode", "observe", check=0)
        wait_for(lambda: "observe mode" in Page(w.daemon.document("/")).text(), "observe mode")
    with world(**{"front.policy.listen": "192.0.2.1:9826"}) as w:
        text = wait_for(lambda: (lambda t: t if "Needs attention" in t else None)(Page(w.daemon.document("/")).text()), "attention")
        check("Front policy is down" in text, text[:400])


def same_as_status(daemon):
    """The page between two looks at the status that agree says the same; None: what is said changed meanwhile."""
    before = daemon.status()["headline"]
    text = Page(daemon.document("/")).text()
    after = daemon.status()["headline"]
    if before != after:
        return None
    check(after["sentence"] in text, f"status says {after['sentence']!r}, the page {text[:600]!r}")
    check(not after["advice"] or after["advice"] in text, f"status advises {after['advice']!r}, the page {text[:600]!r}")
    return True


def paths(daemon, query=""):
    """The charts without a script: the drawn paths by their class."""
    found = {}
    for path in Page(daemon.document("/" + query)).all("path"):
        found.setdefault(path["class"], []).append(path["d"])
    return found


@test("an overload: the page says what the status says; charts of 5 min, hour and day without a script; the event is told while it lasts and after")
def _():
    with overload() as w:
        wait_for(lambda: same_as_status(w.daemon), "a sentence that stands for two looks")
        for query in "", "?span=3600", "?span=86400":
            found = wait_for(lambda: (lambda p: p if p.get("deferred", [""])[0] else None)(paths(w.daemon, query)), f"a chart of /{query}")
            check(found["offered"][0].startswith("M") and found["window"][0].startswith("M") and found["admitted"][1].startswith("M"), f"{query}: {found}")
            check(len(found["used"]) == len(found["mark"]) > 1, f"{query}: no pressure is drawn")
        wait_for(lambda: re.search(r"connections were deferred.* a day ago", Page(w.daemon.document("/?span=86400")).text()), "a day with refusals")
        wait_for(lambda: re.search(r"until now: deferred \d+ %", Page(w.daemon.document("/")).text()), "the event")
    with world() as w:
        wait_for(lambda: "penstockd started." in Page(w.daemon.document("/")).text(), "the start among the events")
        wait_for(lambda: same_as_status(w.daemon), "a sentence that stands for two looks")
        check("All of 0 connections were admitted" in Page(w.daemon.document("/?span=7")).text(), "another span is the usual one")


def chromium(url, *arguments, script_ms=3000):
    if not CHROMIUM:
        raise Skip("chromium is not installed")
    new = [] if CHROMIUM.endswith("shell") else ["--headless=new"]
    with tempfile.TemporaryDirectory(prefix="penstock-test-") as home:
        return subprocess.run([CHROMIUM, *new, "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={home}",
                               "--enable-logging=stderr", f"--virtual-time-budget={script_ms}", *arguments, url],
                              capture_output=True, text=True, timeout=240 * PATIENCE)


def shoot(daemon, name, width=1100, height=1300, *arguments, port=None):
    os.makedirs(SHOTS, exist_ok=True)
    path = os.path.join(SHOTS, name + ".png")
    done = chromium(f"http://127.0.0.1:{port or daemon.http}/", f"--window-size={width},{height}", f"--screenshot={path}", *arguments)
    check(os.path.exists(path), done.stderr[-500:])
    complaints = [line for line in done.stderr.splitlines() if ":CONSOLE" in line and "source: chrome:" not in line]
    check(not complaints, f"the console says: {complaints}")


class Beside(http.server.BaseHTTPRequestHandler):
    """The page with a script of the test put into it."""
    upstream, script = None, ""

    def do_GET(self):
        if self.path == "/test.js":
            body, kind = Beside.script.encode(), "text/javascript"
        else:
            headers, text = answered(lambda: opened(Beside.upstream + self.path))
            body, kind = text.encode(), headers["Content-Type"]
            if self.path == "/":
                body = body.replace(b"</body>", b'<pre id="result"></pre><script src="/test.js"></script></body>')
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def in_browser(daemon, script, *arguments, port=None):
    """What the script wrote into #result."""
    Beside.upstream, Beside.script = f"http://127.0.0.1:{port or daemon.http}", script
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Beside)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for _ in range(3):  # on a busy machine the browser may give up before the script has ended
            done = chromium(f"http://127.0.0.1:{server.server_port}/", "--dump-dom", *arguments, script_ms=8000)
            found = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.S)
            if found and found[1]:
                return found[1]
    finally:
        server.shutdown()
        server.server_close()
    raise AssertionError(f"no result: {done.stderr[-400:]}")


PUBLIC = 9827
FOR_CUSTOMERS = {"http.public": f"127.0.0.1:{PUBLIC}"}
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
AS_OF = f" As of {TIME} . Reload this page to renew it."


def ask_public(path="/", method="GET", host="status.example.com"):
    """(status, headers, body), whatever the status; asked again while no tick happens, as answered() does."""
    def ask_once():
        c = http.client.HTTPConnection("127.0.0.1", PUBLIC, timeout=120 * PATIENCE)
        try:
            c.request(method, path, headers={"Host": host})
            answer = c.getresponse()
            return answer.status != 503 and (answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode())
        finally:
            c.close()
    return wait_for(ask_once, f"an answer to {method} {path}")


def customers_read(pattern):
    """The whole text of the page for customers, word for word: so nothing else can be in it."""
    def reads():
        text = Page(ask_public()[2]).text()
        return re.fullmatch(pattern + AS_OF, text)
    return wait_for(reads, f"{pattern!r}; customers read {Page(ask_public()[2]).text()!r}")


@test("the page for customers: every word of it in each state; nothing internal in text, attributes or headers; every other path is 404")
def _():
    with world(**FOR_CUSTOMERS) as w:
        wait_for(lambda: port_open(PUBLIC), "the page for customers")
        customers_read(f"Mail service: Operational Mail service Operational Mail is accepted as usual. Since {TIME}")
        code, headers, text = ask_public()
        check(code == 200 and set(headers) <= {"content-type", "cache-control", "x-content-type-options", "content-security-policy", "referrer-policy",
                                               "date", "content-length", "connection"}, f"{code} {headers}")
        check("unsafe" not in headers["content-security-policy"], headers["content-security-policy"])
        values = {str(v) for _, a in Page(text).tags for v in a.values()}
        internal = ["penstock", "mx.example.org", "mx1", w.daemon.status()["version"], "policy", "cpu", "window", "level", str(w.daemon.pid)]
        check(not [word for word in internal if word in " ".join(values).lower()], f"{values}")
        check(not Page(text).all("script") and not Page(text).all("a"), "a script or a link")
        for path in ("/metrics", "/status.json", "/history.json", "/history.json?span=300", "/healthz", "/readyz", "/page.js", "/page.css", "/icon.svg",
                     "/index.html", "//", "/./", "/public.css/", "/%2e%2e/metrics", "http://127.0.0.1/metrics"):
            code, _, body = ask_public(path)
            check((code, body.strip()) == (404, "Not Found"), f"{path}: {code} {body[:200]!r}")
        check(ask_public("/public.css")[1]["content-type"].startswith("text/css"), "its style")
        check(ask_public("/?span=86400")[0] == 200 and ask_public("/", "HEAD")[2] == "", "a query, HEAD")
        check(ask_public("/", "POST")[0] >= 400 and "penstock" not in ask_public("/", "POST")[2].lower(), "POST")
        w.daemon.ctl("drain", "--for", "30m", "--reason", "secret disk of rack 7", check=0)
        waits = ("Mail service: Maintenance Mail service Maintenance The mail service accepts no new mail during maintenance. Mail that is sent now "
                 f"arrives afterwards: sending servers try again by themselves. Since {TIME} Expected end ")
        customers_read(waits + TIME)
        w.daemon.ctl("drain", check=0)
        customers_read(waits + "not known yet")
        w.daemon.ctl("resume", check=0)
        w.daemon.ctl("mode", "observe", check=0)
        customers_read(f"Mail service: Operational Mail service Operational Mail is accepted as usual. Since {TIME}")
    with overload(**FOR_CUSTOMERS) as w:
        customers_read("Mail service: Delays Mail service Delays The mail service is busy. Some mail arrives later than usual: sending servers try again by "
                       f"themselves. Since {TIME} Expected end not known yet")


def axe_script():
    if not shutil.which("npm"):
        raise Skip("npm is not installed: without axe-core")
    home = npm("axe", AXE)
    with open(os.path.join(home, "node_modules/axe-core/axe.min.js")) as f:
        return f.read() + """
;axe.run(document, {resultTypes: ['violations']}).then(r => {
	document.getElementById('result').textContent = 'axe: ' + (r.violations.map(v => v.id + ' ' + v.nodes.map(n => n.target).join(' ')).join('; ') || 'nothing');
});"""


NARROW = """document.documentElement.style.width = '320px'; document.body.style.width = '320px';
setTimeout(() => { document.getElementById('result').textContent = document.querySelector('main').scrollWidth; }, 500);"""
STATES = {"normal": None, "drain": ["drain", "--reason", "kernel update", "--for", "30m"], "observe": ["mode", "observe"]}


@test("Chromium: each state in a light and a dark scheme and at 320 px; axe finds nothing; the console is silent")
def _():
    if not CHROMIUM:
        raise Skip("chromium is not installed")
    with world() as w:
        script = axe_script()
        for name, order in STATES.items():
            if order:
                w.daemon.ctl(*order, check=0)
                wait_for(lambda: order[0] in w.daemon.document("/"), f"{order[0]} on the page")
            shoot(w.daemon, f"page-{name}")
            for what, arguments in (("light", []), ("dark", ["--blink-settings=preferredColorScheme=0"]), ("narrow", ["--window-size=500,900"])):
                if what != "light" and order:
                    continue
                result = in_browser(w.daemon, script, *arguments)
                check(result == "axe: nothing", f"{name}, {what}: {result}")
            if name == "drain":
                w.daemon.ctl("resume", check=0)
        shoot(w.daemon, "page-dark", 1100, 1300, "--blink-settings=preferredColorScheme=0")
        # Headless Chromium has no window below 500 px: the page in a frame of 320.
        result = in_browser(w.daemon, NARROW, "--window-size=500,900")
        check(int(result) <= 320, f"{result} px wide in 320")


@test("Chromium: an overload in a light and a dark scheme and at 320 px; axe finds nothing")
def _():
    if not CHROMIUM:
        raise Skip("chromium is not installed")
    with overload(**FOR_CUSTOMERS) as w:
        wait_for(lambda: "Delays" in ask_public()[2], "the overload for customers")
        shoot(w.daemon, "page-public", 700, 500, port=PUBLIC)
        result = in_browser(w.daemon, axe_script(), port=PUBLIC)
        check(result == "axe: nothing", f"the page for customers: {result}")
        check(int(in_browser(w.daemon, NARROW, "--window-size=500,900", port=PUBLIC)) <= 320, "the page for customers is wider than 320 px")
        shoot(w.daemon, "page-overload", 1100, 1700)
        shoot(w.daemon, "page-overload-dark", 1100, 1700, "--blink-settings=preferredColorScheme=0")
        shoot(w.daemon, "page-overload-narrow", 500, 2600)
        result = in_browser(w.daemon, axe_script())
        check(result == "axe: nothing", result)
        check(int(in_browser(w.daemon, NARROW, "--window-size=500,900")) <= 320, "wider than 320 px")


@test("Chromium: the page updates in place: focus, an opened list and a mark stay, and what has changed is shown")
def _():
    with world() as w:
        script = """
const link = document.querySelector('footer a'), sensors = document.getElementById('sensors'), when = document.querySelector('footer time');
const before = when.title;
link.focus();
sensors.open = true;
document.querySelector('#now .sentence').marked = true;
let looks = 0;
const look = () => {
	if (++looks < 60 && when.title === before) return setTimeout(look, 100);
	document.getElementById('result').textContent = JSON.stringify({ focus: document.activeElement === link, open: sensors.open,
		same: document.querySelector('#now .sentence').marked === true, moved: document.querySelector('footer time').title !== before });
};
setTimeout(look, 100);"""
        result = in_browser(w.daemon, script)
        check(result == '{"focus":true,"open":true,"same":true,"moved":true}', result)


def prepare():
    if CHROMIUM and shutil.which("npm"):
        npm("axe", AXE)


place.isolate(prepare)
tap.run()
