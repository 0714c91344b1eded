"""report.html as people see it. The browser is Chromium; screenshots are left in the test's directory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.report.html import write
from tests.integration import browser
from tests.report import runs

pytestmark = pytest.mark.integration

SCHEMES = ("light", "dark")
WIDTHS = (400, 1100)

CONTRAST = """
(() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].filter(n => n.nodeType === 3 && n.textContent.trim());
    if (!own.length || e.tagName === "STYLE") continue;
    const [a, b] = [luminance(parse(getComputedStyle(e).color)), luminance(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${e.className || e.tagName}: ${ratio.toFixed(2)} ${own[0].textContent.trim()}`);
  }
  return poor;
})()
"""
"""The text whose contrast is below what WCAG 2.2 asks for (1.4.3): 4.5 to 1."""

OVERLAPS = """
[...document.querySelectorAll(".lane:not(.axis) .bars")].flatMap(lane => {
  const boxes = [...lane.children].map(e => e.getBoundingClientRect()).sort((a, b) => a.left - b.left);
  const whole = lane.getBoundingClientRect();
  return boxes.filter((box, i) => box.left < whole.left - 1 || box.right > whole.right + 2
    || (i && box.left < boxes[i - 1].right - 2)).map(box => box.left);
})
"""


@pytest.fixture(scope="module")
def program() -> str:
    """The browser. Without one that is a failure in CI, where .ci/run can install it, and else a skip."""
    found = browser.find()
    if found is None:
        if os.environ.get("CI") == "true" and os.geteuid() == 0 and shutil.which("apt-get"):
            pytest.fail("no Chromium, which .ci/run should have installed: apt-get install chromium")
        pytest.skip("no Chromium; install it: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "push.log").write_text("$ docker buildx build\n" + "#1 a rather long line of a build's output " * 20)
    path = folder / "report.html"
    write(path, runs.after(runs.whole(folder / "push.log")), 62.4)
    return path


@pytest.fixture(scope="module")
def page(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    with browser.page(program, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
class TestEverywhere:
    @pytest.fixture(autouse=True)
    def opened(self, page: browser.Page, report: Path, scheme: str, width: int) -> None:
        page.open(report, scheme=scheme, width=width)
        page.screenshot(report.parent / f"{scheme}-{width}.png")

    def test_nothing_but_the_page_is_asked_for(self, page: browser.Page, report: Path) -> None:
        asked = [said["request"]["url"] for name, said in page.events if name == "Network.requestWillBeSent"]
        assert asked == [report.as_uri()]

    def test_the_browser_has_nothing_to_complain_of(self, page: browser.Page) -> None:
        assert not [said for name, said in page.events if name in {"Log.entryAdded", "Runtime.consoleAPICalled"}]

    def test_the_page_is_as_wide_as_the_window(self, page: browser.Page, width: int) -> None:
        assert page.value("document.documentElement.scrollWidth") <= width

    def test_all_text_can_be_read(self, page: browser.Page) -> None:
        assert page.value(CONTRAST) == []

    def test_no_bar_covers_another(self, page: browser.Page) -> None:
        assert page.value("document.querySelectorAll('.lane .bar').length") == 4
        assert page.value(OVERLAPS) == []


def test_it_is_as_dark_as_the_system(page: browser.Page, report: Path) -> None:
    grounds = []
    for scheme in SCHEMES:
        page.open(report, scheme=scheme, width=1100)
        grounds.append(page.value("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]


def test_a_failure_is_open_and_the_others_open_where_a_link_leads_to_them(page: browser.Page, report: Path) -> None:
    page.open(report, scheme="light", width=1100)
    opened = "[...document.querySelectorAll('details[open] summary b')].map(e => e.textContent)"
    assert page.value(opened) == ["athena-lambda"]
    page.value("document.querySelector('.lane a[href=\"#push-ingest\"]').click()")
    assert page.value(opened) == ["athena-lambda", "ingest"]
