"""The built site: no link leads nowhere, nothing comes from the network, and a browser shows every page well.

`make docs` builds it into _docs/. Without it these tests are skipped, and without chromium those that need a browser.
"""
import dataclasses
import functools
import html
import http.server
import json
import re
import shutil
import subprocess
import threading
import xml.etree.ElementTree
from configparser import ConfigParser
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import pc_precision

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_docs"
SETTINGS = ConfigParser(delimiters=["="])
SETTINGS.read(ROOT / "settings.ini", encoding="utf-8")
TOLD = SETTINGS["DEFAULT"]
BASE = f"{TOLD['doc_baseurl']}/"                              # where the page for addresses without a page looks for the site
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html") if "_static" not in path.parts)
WRITTEN = [page for page in PAGES if not page.startswith(("_modules/", "genindex", "search", "py-modindex", "404"))]

SEEN = [*WRITTEN, "404.html"]

pytestmark = [pytest.mark.site, pytest.mark.skipif(not PAGES, reason="no site in _docs/: run `make docs` first")]
browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: the pages are not looked at in a browser")


class Page(HTMLParser):
    """Links, what a page loads, its anchors and its text."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.loads, self.anchors, self.text = [], [], {"", "top"}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs.get("id"), attrs.get("name")}
        if tag == "a" and "href" in attrs:
            self.links.append(attrs["href"])
        if tag in ("img", "script", "source", "iframe") and "src" in attrs:
            self.loads.append(attrs["src"])
        if tag == "link" and attrs.get("rel") != "canonical" and "href" in attrs:
            self.loads.append(attrs["href"])

    def handle_data(self, data):
        self.text.append(data)


@functools.cache
def read(page: str) -> Page:
    return Page((SITE / page).read_text(encoding="utf-8"))


def broken(page: str, link: str) -> str | None:
    """What is wrong with a local link on a page."""
    parts = urlsplit(link)
    if parts.scheme in ("http", "https", "mailto", "data"):
        return None
    path = unquote(parts.path)
    start = SITE if path.startswith(BASE) else (SITE / page).parent
    target = (start / path.removeprefix(BASE)).resolve() if path else SITE / page
    if target.is_dir():
        target = target / "index.html"
    if not target.is_file():
        return f"{page}: {link} is not there"
    here = target.relative_to(SITE.resolve() if parts.path else SITE).as_posix()
    if parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in read(here).anchors:
        return f"{page}: {link} has no such place on its page"
    return None


# The files

def test_every_local_link_and_source_exists():
    found = [broken(page, link) for page in PAGES for link in read(page).links + read(page).loads]
    assert len(found) > 1000 and [line for line in found if line] == []


def test_broken_links_are_found():
    assert broken("index.html", "nowhere.html") and broken("index.html", "#nowhere")
    assert not broken("index.html", "start.html#install")


def test_nothing_is_loaded_from_the_network():
    assert [(page, link) for page in PAGES for link in read(page).loads if re.match(r"(https?:)?//", link)] == []
    distant = re.compile(r"(url\(|@import )['\"]?https?:")
    assert [path.name for path in SITE.rglob("*.css") if distant.search(path.read_text())] == []


def test_mathjax_and_its_fonts_are_there():
    sources = {src.split("?")[0] for page in WRITTEN for src in read(page).loads if "mathjax" in src}
    [script] = {src.rsplit("_static/")[1] for src in sources}
    folder = (SITE / "_static" / script).parent
    assert (SITE / "_static" / script).stat().st_size > 1_000_000
    assert len(list((folder / "output" / "chtml" / "fonts" / "woff-v2").glob("*.woff"))) > 20


def test_search_knows_the_words():
    index = (SITE / "searchindex.js").read_text(encoding="utf-8")
    terms = json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))["terms"]
    assert {"precis", "nudg", "backpropag"} <= set(terms)


def test_every_page_is_in_the_sidebar():
    text = (SITE / "index.html").read_text(encoding="utf-8")
    sidebar = re.search(r'<div class="sidebar-tree">(.*?)</div>', text, re.DOTALL)[1]
    linked = {urlsplit(link).path for link in Page(sidebar).links} | {"index.html"}
    assert sorted(set(WRITTEN) - linked) == []


def test_every_notebook_is_a_page():
    named = [path for path in (ROOT / "nbs").glob("*.ipynb") if not path.is_symlink()]
    wanted = {f"{'library' if path.name[0].isdigit() else 'paper'}/{path.stem}.html" for path in named}
    assert sorted(wanted - set(PAGES)) == []


def test_pages_show_no_directives_and_no_raw_markup():
    raw = re.compile(r"^#\|.*|\]\([\w./]+\.\w+\)|:py:\w+:|\{py:obj\}", re.MULTILINE)
    assert [(page, hit) for page in WRITTEN for hit in raw.findall("".join(read(page).text))] == []


def test_the_papers_index_has_a_line_for_every_item_with_its_picture():
    text = (SITE / "paper" / "index.html").read_text(encoding="utf-8")
    board = Page(re.search(r'<div class="scoreboard.*?</table>', text, re.DOTALL)[0])
    items = {path.stem for path in (ROOT / "nbs").glob("*.ipynb") if re.match(r"(fig|table)\d|resnet", path.stem)}
    assert {Path(link).stem for link in board.links} == items and len(board.loads) == len(items)
    told = " ".join(board.text)
    assert told.count("Not reproduced") >= 1 and "At a smaller scale" in told


def test_the_page_on_citing_names_this_version_and_this_repository():
    text = "".join(read("cite.html").text)
    assert f"version = {{{TOLD['version']}}}" in text and f"url     = {{{TOLD['git_url']}}}" in text and "cff-version" in text


def test_types_of_other_libraries_lead_to_their_documentation():
    links = {link for page in WRITTEN for link in read(page).links if page.startswith("reference/")}
    for name in ("jax.Array", "optax.GradientTransformation", "pandas.DataFrame", "pathlib.Path"):
        assert any(link.startswith("https://") and link.endswith(f"#{name}") for link in links), name


def test_the_reference_tells_every_field_of_an_experiment_with_its_default():
    text = " ".join("".join(read("reference/experiment.html").text).split())
    for field in dataclasses.fields(pc_precision.Experiment):
        assert re.search(rf"\b{field.name} [^=]*? {re.escape(repr(field.default))} \S", text), field.name


def test_the_front_page_shows_a_picture_before_code_and_four_ways_on():
    text = (SITE / "index.html").read_text(encoding="utf-8")
    article = text.partition('<article')[2].partition("<h2")[0]
    assert re.search(r'<img [^>]*alt="[^"]{40,}"', article) and "import " not in article
    ways = [link for link in Page(article).links if not link.startswith("#")][-4:]
    assert ways[:3] == ["start.html", "paper/index.html", "library/index.html"] and ways[3] == f"{TOLD['git_url']}/tree/main/pc_precision"


def head(page: str) -> str:
    return (SITE / page).read_text(encoding="utf-8").partition("</head>")[0]


def test_every_page_says_what_it_is_to_search_engines_and_to_whoever_shares_it():
    for page in WRITTEN:
        found = dict(re.findall(r'<meta (?:property|name)="([\w:]+)" content="([^"]*)"', head(page)))
        assert len(found["description"]) > 20 and found["og:title"] and found["og:url"].endswith(page), page
        assert (SITE / urlsplit(found["og:image"]).path.removeprefix(BASE)).is_file()
        assert "Download this notebook" not in found["description"], page
        assert re.search(r'<link rel="(shortcut )?icon" href="[^"]+logo\.svg', head(page)), page


def test_the_site_map_lists_every_written_page():
    root = xml.etree.ElementTree.parse(SITE / "sitemap.xml").getroot()
    listed = [urlsplit(place.text).path.removeprefix(BASE) for place in root.findall(".//{*}loc")]
    assert sorted(listed) == WRITTEN


def test_a_missing_page_finds_its_way_home_from_any_depth():
    page = read("404.html")
    local = [link for link in page.links + page.loads if not re.match(r"#|https?:|data:", link)]
    assert "Page not found" in "".join(page.text) and len(local) > 20
    assert [link for link in local if not link.startswith(BASE)] == []


def test_every_page_leads_to_its_source_and_says_what_it_was_built_from():
    for page in WRITTEN:
        [source] = {urlsplit(link).path.split("/blob/main/")[1] for link in read(page).links
                    if link.startswith(TOLD["git_url"]) and "/blob/main/" in link}
        assert (ROOT / source).is_file(), page
        assert f"{TOLD['git_url']}/edit/main/{source}" in read(page).links
        assert re.search(rf"Version {TOLD['version']}, commit\s+(unknown|[0-9a-f]{{7}})\.", "".join(read(page).text)), page


def test_every_notebook_can_be_taken_away():
    for path in [path for path in (ROOT / "nbs").glob("*.ipynb") if not path.is_symlink()]:
        page = f"{'library' if path.name[0].isdigit() else 'paper'}/{path.stem}.html"
        assert f"../notebooks/{path.name}" in read(page).links and (SITE / "notebooks" / path.name).read_bytes() == path.read_bytes()
        assert any(link.startswith("https://colab.") and link.endswith(f"/nbs/{path.name}") for link in read(page).links)


def test_every_public_name_has_an_entry():
    anchors = set().union(*(read(page).anchors for page in PAGES if page.startswith("reference/")))
    packages = (pc_precision, pc_precision.paper, pc_precision.runs)
    names = {f"{package.__name__}.{name}" for package in packages for name in package.__all__}
    assert sorted(names - {"pc_precision.paper", "pc_precision.runs"} - anchors) == []


# In a browser: one page loads every other into a frame, at two widths and in both themes, and writes down what it sees

CHECKS = """
const wait = ms => new Promise(done => setTimeout(done, ms));
const rgb = text => (text.match(/[\\d.]+/g) || []).map(Number);
const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
function paper(el) {
  for (; el; el = el.parentElement) {
    const c = rgb(el.ownerDocument.defaultView.getComputedStyle(el).backgroundColor);
    if (c.length === 3 || c[3] > .9) return c;
  }
  return [255, 255, 255];
}
function contrast(el) {
  const [a, b] = [light(rgb(el.ownerDocument.defaultView.getComputedStyle(el).color)), light(paper(el))];
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
}
async function rules(win, doc) {
  const script = doc.createElement("script"), loaded = new Promise(done => script.onload = done);
  script.src = "/axe.min.js";
  doc.head.append(script);
  await loaded;
  const found = await win.axe.run(doc, {resultTypes: ["violations"]});
  return found.violations.map(one => `${one.id} x ${one.nodes.length}: ${one.nodes[0].html.slice(0, 80)}`);
}
"""
LOOK = """<!doctype html><meta charset="utf-8"><pre id="out"></pre><script>
""" + CHECKS + """
const pages = PAGES, out = [];
async function look(page, width) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:900px;border:0`;
  const loaded = new Promise(done => frame.onload = done);
  frame.src = page;
  document.body.append(frame);
  await loaded;
  const win = frame.contentWindow, doc = frame.contentDocument;
  const waits = () => win.MathJax !== undefined && !(win.MathJax.startup && win.MathJax.startup.promise);
  for (let i = 0; i < 40 && waits(); i++) await wait(50);
  if (win.MathJax && win.MathJax.startup) await win.MathJax.startup.promise;
  await doc.fonts.ready;
  const broken = width > 1000 ? await rules(win, doc) : [];
  const faint = [];
  for (const theme of ["light", "dark"]) {
    doc.body.dataset.theme = theme;
    const style = doc.createElement("style");
    style.textContent = "* { transition: none !important }";
    doc.head.append(style);
    for (const el of doc.querySelectorAll("article :is(p, li, td, th, dt, h1, h2, a, pre span)"))
      if (el.textContent.trim() && el.getClientRects().length && contrast(el) < 4.5)
        faint.push(`${theme} ${el.tagName} ${contrast(el).toFixed(1)}: ${el.textContent.trim().slice(0, 40)}`);
  }
  out.push({page, width, broken, wide: doc.documentElement.scrollWidth, faint: faint.slice(0, 5),
            formulas: doc.querySelectorAll("mjx-container").length, raw: doc.querySelectorAll(".math").length,
            wrong: doc.querySelectorAll("mjx-merror").length,
            code: doc.querySelectorAll("article div:not(.output) > div.highlight > pre").length,
            copy: doc.querySelectorAll("article button.copybtn").length,
            images: [...doc.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)});
  frame.remove();
}
(async () => {
  for (const page of pages) for (const width of [1280, 390])
    try { await look(page, width); } catch (error) { out.push({page, width, failed: String(error)}); }
  document.getElementById("out").textContent = JSON.stringify(out);
  document.title = "done";
})();
</script>""".replace("PAGES", json.dumps(SEEN))
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"]


# the rules of accessibility that a program can check: WCAG 2.1 A and AA, and good practice
AXE = (resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")


class Server(http.server.SimpleHTTPRequestHandler):
    """The site, and one page more that looks at the others."""
    look = ""

    def do_GET(self):
        made = {"/look.html": (self.look, "text/html"), "/axe.min.js": (AXE, "text/javascript")}
        if self.path not in made:
            self.path = "/" + self.path.removeprefix(BASE).removeprefix("/")
            return super().do_GET()
        body, kind = made[self.path][0].encode(), made[self.path][1]
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def browse(address: str, profile: Path) -> subprocess.CompletedProcess:
    """The page at an address as it stands when its scripts have run, and, as errors, what the browser logged."""
    words = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", "--virtual-time-budget=600000", address]
    return subprocess.run(words, capture_output=True, text=True, timeout=600)


def watched(look: str, profile: Path) -> tuple[list[dict], str]:
    """What a page that looks at others writes down, and what the browser logged meanwhile."""
    handler = functools.partial(type("Looking", (Server,), {"look": look}), directory=str(SITE))
    server = http.server.ThreadingHTTPServer(("localhost", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = browse(f"http://localhost:{server.server_port}/look.html", profile)
    finally:
        server.shutdown()
    found = re.search(r'<pre id="out">(.+?)</pre>', done.stdout, re.DOTALL)
    assert found, f"the browser did not finish: {done.stderr[-2000:]}"
    return json.loads(html.unescape(found[1])), done.stderr


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> list[dict]:
    """What the browser saw, an entry a page and width."""
    return watched(LOOK, tmp_path_factory.mktemp("browser"))[0]


@browser
def test_browser_loads_every_page(seen):
    assert [one for one in seen if "failed" in one] == []
    assert {(one["page"], one["width"]) for one in seen} == {(page, width) for page in SEEN for width in (1280, 390)}


@browser
def test_formulas_are_drawn(seen):
    assert [one["page"] for one in seen if one["wrong"] or one["formulas"] < one["raw"]] == []
    assert sum(one["formulas"] for one in seen) > 200


@browser
def test_every_piece_of_code_can_be_copied(seen):
    assert [(one["page"], one["code"], one["copy"]) for one in seen if one["code"] != one["copy"]] == []
    assert sum(one["copy"] for one in seen) > 200


@browser
def test_no_page_scrolls_sideways(seen):
    assert [(one["page"], one["width"], one["wide"]) for one in seen if one["wide"] > one["width"] + 1] == []


@browser
def test_every_picture_is_shown(seen):
    assert [one["images"] for one in seen if one["images"]] == []


@browser
def test_text_is_legible_in_light_and_dark(seen):
    assert [(one["page"], one["faint"]) for one in seen if one["faint"]] == []


@browser
def test_no_page_breaks_a_rule_of_accessibility(seen):
    assert [(one["page"], one["broken"]) for one in seen if one["broken"]] == []
