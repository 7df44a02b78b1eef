"""The built site, as a visitor's browser shows it."""

import html
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlparse

import pytest

ROOT = Path(__file__).parents[1]
SITE = Path(os.environ.get("PRACTICEZOO_SITE", ROOT / "docs" / "_build" / "html"))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGES = (
    "index.html",
    "guide.html",
    "models.html",
    "blocks.html",
    "reference.html",
    "training.html",
    "benchmarks.html",
    "reproduce.html",
    "generated/errors.html",
    "generated/commands.html",
    "generated/benchmarks/training_step.html",
    "generated/blocks/ResidualBlock.html",
    "generated/gallery/index.html",
    "generated/gallery/compose_network.html",
    "generated/models/mnist_inception.html",
    "generated/blocks/InceptionA.html",
    "generated/models/names_gru.html",
    "api/generated/practicezoo.fit.html",
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (SITE / "index.html").exists(), reason="the site is not built"),
]

# Opens pages in frames of one width, one after the other, and notes what a visitor would stumble over.
LOOK = """<!doctype html><meta charset="utf-8"><pre id="report"></pre><script>
const [width, theme, pages] = SETTINGS;
localStorage.setItem("mode", theme); localStorage.setItem("theme", theme);
const report = {};
(async () => {
  for (const page of pages) {
    const frame = document.createElement("iframe");
    frame.style = `width: ${width}px; height: 900px; border: 0`;
    frame.src = page;
    document.body.append(frame);
    const errors = [];
    await new Promise((done) => {
      frame.onload = done;
      const note = (event) => errors.push(event.message ?? String(event.reason));
      setTimeout(() => {
        const shown = frame.contentWindow;
        for (const kind of ["error", "unhandledrejection"]) shown.addEventListener(kind, note);
        shown.console.error = (...texts) => errors.push(texts.join(" "));
      }, 0);
    });
    await new Promise((done) => setTimeout(done, 300));
    const root = frame.contentDocument.documentElement, images = [...frame.contentDocument.images];
    report[page] = {
      errors,
      excess: Math.max(...[root, ...root.querySelectorAll(".bd-article-container")].map(
        (part) => part.scrollWidth - part.clientWidth)),
      theme: root.dataset.theme,
      broken: images.filter((image) => image.complete && !image.naturalWidth).map((image) => image.src),
      silent: images.filter((image) => !image.alt).map((image) => image.src),
    };
    frame.remove();
  }
  document.getElementById("report").textContent = JSON.stringify(report);
})();
</script>"""


# Searches for words, notes where the first answer leads, and follows it.
SEARCH = """<!doctype html><meta charset="utf-8"><pre id="report"></pre><script>
const report = {};
(async () => {
  for (const word of SETTINGS) {
    const frame = document.createElement("iframe");
    document.body.append(frame);
    const open = (page) => new Promise((done) => { frame.onload = done; frame.src = page; });
    await open(`search.html?q=${word}`);
    await new Promise((done) => setTimeout(done, 3000));
    const link = frame.contentDocument.querySelector("ul.search li > a");
    await open(link.href);
    const text = frame.contentDocument.querySelector("article").textContent.toLowerCase();
    const anchor = decodeURIComponent(link.hash).slice(1);
    report[word] = [
      link.getAttribute("href").replace(/#.*/, ""),
      word.split(" ").every((part) => text.includes(part.toLowerCase())),
      anchor === "" || frame.contentDocument.getElementById(anchor) !== null,
    ];
    frame.remove();
  }
  document.getElementById("report").textContent = JSON.stringify(report);
})();
</script>"""
FOUND = {
    "InceptionA": ["generated/blocks/InceptionA.html"],
    "freeze": ["training.html", "fine-tuning.html", "api/generated/practicezoo.freeze.html"],
    "export": ["export.html"],
    "fine-tune": ["fine-tuning.html"],
    "gpu": ["gpu.html"],
    "own csv": ["own-table.html"],
    "load trained model": ["pretrained.html"],
    "own recipe": ["recipes.html"],
    "softmax-before-cross-entropy": ["generated/errors.html"],
}

# Copies a code block, switches the colours, and downloads a notebook. There is no clipboard without a screen:
# the text is caught where the button hands it over.
HANDS = """<!doctype html><meta charset="utf-8"><pre id="report"></pre><script>
const report = {};
(async () => {
  const frame = document.createElement("iframe");
  frame.style = "width: 1280px; height: 900px";
  document.body.append(frame);
  const open = async (page) => {
    await new Promise((done) => { frame.onload = done; frame.src = page; });
    await new Promise((done) => setTimeout(done, 500));
    return frame.contentDocument;
  };
  const page = await open("SETTINGS");
  page.execCommand = (command) => {
    report.copied = command === "copy" ? (page.activeElement.value ?? String(page.getSelection())) : command;
    return true;
  };
  const block = page.querySelector("div.highlight");
  report.shown = block.querySelector("pre").textContent;
  block.querySelector("button.copybtn").click();
  const root = page.documentElement;
  report.themes = [];
  for (const mode of ["dark", "light"]) {
    page.querySelector("button.theme-switch-button").click();
    page.querySelector(`button[data-mode=${mode}]`).click();
    report.themes.push([root.dataset.theme, frame.contentWindow.getComputedStyle(page.body).backgroundColor]);
  }
  const link = page.querySelector("a[href$='.ipynb']");
  report.notebook = await (await fetch(link.href)).json();
  document.getElementById("report").textContent = JSON.stringify(report);
})();
</script>"""


class Handler(SimpleHTTPRequestHandler):
    """Gives the site, and one page more."""

    page = ""

    def do_GET(self) -> None:
        if self.path != "/look.html":
            super().do_GET()
            return
        body = self.page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def browse(page: str, address: str, profile: Path) -> dict:
    """What a page of ours reports after Chromium has run it beside the site."""
    Handler.page = page
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"),
        *("--window-size=1400,1000", "--virtual-time-budget=60000", "--dump-dom", f"{address}/look.html"),
    ]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout
    return json.loads(html.unescape(re.findall(r'<pre id="report">(.*?)</pre>', shown, re.DOTALL)[0]))


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


@needs_chromium
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_the_screen_and_raise_no_error(address, tmp_path, width, theme):
    report = browse(LOOK.replace("SETTINGS", json.dumps([width, theme, PAGES])), address, tmp_path)
    assert list(report) == list(PAGES)
    for page, found in report.items():
        assert found == {"errors": [], "excess": 0, "theme": theme, "broken": [], "silent": []}, page


@needs_chromium
def test_the_search_leads_to_the_page_first(address, tmp_path):
    found = browse(SEARCH.replace("SETTINGS", json.dumps([*FOUND])), address, tmp_path)
    assert list(found) == list(FOUND)
    for word, (page, *followed) in found.items():
        assert page in FOUND[word], word
        assert followed == [True, True], word


@needs_chromium
def test_a_visitor_copies_code_switches_colours_and_takes_a_notebook(address, tmp_path):
    report = browse(HANDS.replace("SETTINGS", "generated/gallery/compose_network.html"), address, tmp_path)
    assert report["copied"].strip() == report["shown"].strip()
    assert "ImageClassifier(" in report["copied"]
    themes, colours = zip(*report["themes"], strict=True)
    assert set(themes) == {"light", "dark"}
    assert len(set(colours)) == 2
    cells = report["notebook"]["cells"]
    assert {cell["cell_type"] for cell in cells} == {"code", "markdown"}
    assert any("draw_block(model" in "".join(cell["source"]) for cell in cells)


def test_no_link_within_the_site_is_broken():
    pages = {page: page.read_text(encoding="utf-8") for page in SITE.rglob("*.html")}
    anchors = {page: set(re.findall(r'\bid="([^"]+)"', text)) for page, text in pages.items()}
    broken = []
    for page, text in pages.items():
        if "_modules" in page.parts:  # viewcode takes all names of a file for those of one package
            continue
        for link in map(html.unescape, re.findall(r'<a [^>]*?href="([^"]+)"', text)):
            if urlparse(link).scheme:
                continue
            path, anchor = urldefrag(link)
            target = (page.parent / unquote(path)).resolve() if path else page
            known = anchors.get(target)
            if not target.exists() or (anchor and known is not None and unquote(anchor) not in known):
                broken.append((page.relative_to(SITE).as_posix(), link))
    assert broken == []
