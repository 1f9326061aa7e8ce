"""The report in a real browser: on a desk, a phone and paper, in the dark, and behind its form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from engine import Engine
from test_report import run
from test_serve_browser import SCREENSHOTS, chromium
from test_serve_report import TOKEN, Reports, environment, history, served

__all__ = ["chromium", "environment", "history", "served"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def path(history: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    assert run(history, "--html", str(path)).exit_code == 0
    return path


def watched(page: Page) -> list[str]:
    """What the browser complains about, or asks anybody for, from now on."""
    noted: list[str] = []
    page.on("console", lambda said: noted.append(said.text))
    page.on("pageerror", lambda error: noted.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.is_navigation_request() or request.url.startswith("data:")
            else noted.append(request.url)
        ),
    )
    return noted


#: Whatever is further right than the card that it belongs to.
OVERFLOWING = """
  [...document.querySelectorAll('.card *, .tile *')].filter(one =>
    !one.closest('svg') && one.getBoundingClientRect().right
      > one.closest('.card, .tile').getBoundingClientRect().right + 1
  ).map(one => one.outerHTML.slice(0, 80))
"""
#: Words that stand out too little from what is behind them (WCAG 2.2, 1.4.3: 4.5 to 1).
FAINT = """
  (() => {
    const light = colour => {
      const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = one => {
      for (let at = one; at; at = at.parentElement) {
        const colour = getComputedStyle(at).backgroundColor;
        if (/^rgb\\(/.test(colour)) return colour;
      }
      return 'rgb(255, 255, 255)';
    };
    const found = [];
    for (const one of document.querySelectorAll('main *')) {
      const says = [...one.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
      if (!says || !one.getClientRects().length) continue;
      const style = getComputedStyle(one);
      const ink = one.closest('svg') ? style.fill : style.color;
      const [a, b] = [light(ink), light(behind(one))].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${one.outerHTML.slice(0, 80)}`);
    }
    return found;
  })()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1280, 1920])
def test_the_page_fits_every_screen(browser: Browser, path: Path, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    noted = watched(page)
    page.goto(path.as_uri())
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"report-{width}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(OVERFLOWING) == []
    assert page.evaluate(FAINT) == []
    drawn = page.locator(".chart svg:visible")
    assert drawn.count() == 3
    assert all(drawn.nth(n).bounding_box()["height"] > 100 for n in range(3))  # type: ignore[index]
    letters = "parseFloat(getComputedStyle(document.querySelector('.chart svg text')).fontSize)"
    assert page.evaluate(letters) >= 10
    assert page.evaluate("getComputedStyle(document.querySelector('.tile')).borderRadius") != "0px"
    assert noted == []
    page.close()


def test_every_definition_opens_with_the_keyboard_alone(browser: Browser, path: Path) -> None:
    page = browser.new_page()
    page.goto(path.as_uri())
    term = page.get_by_role("button", name="Opened").first
    term.focus()
    page.keyboard.press("Enter")
    meaning = page.locator("#d-sequence_overview-open_rate")
    assert meaning.is_visible()
    assert "messages_opened / (messages_sent - messages_bounced)" in meaning.inner_text()
    page.keyboard.press("Escape")
    assert not meaning.is_visible()
    page.close()


def test_on_paper_the_definitions_and_the_days_are_there(browser: Browser, path: Path) -> None:
    # A4 between its margins
    page = browser.new_page(viewport={"width": 720, "height": 1000})
    page.goto(path.as_uri())
    assert not page.get_by_text("Wed 4 Mar").first.is_visible()
    page.emulate_media(media="print")
    page.screenshot(path=SCREENSHOTS / "report-print.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 720
    assert page.evaluate(OVERFLOWING) == []
    assert page.locator("#d-sequence_overview-open_rate").is_visible()
    assert page.get_by_text("Wed 4 Mar").first.is_visible()
    page.close()


def test_a_person_signs_in_reads_and_signs_out(browser: Browser, served: Reports) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    noted = watched(page)
    page.goto(f"{served.base}/report")
    page.get_by_label("Token").fill("wrong")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    assert page.get_by_role("alert").inner_text() == "That is not the token."
    page.screenshot(path=SCREENSHOTS / "report-sign-in.png")
    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1).filter(has_text="Acme").wait_for()
    assert page.url == f"{served.base}/report"
    page.screenshot(path=SCREENSHOTS / "report-served.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("document.cookie") == "", "no script could read the session"
    page.get_by_label("From").fill("2026-03-03")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("since 3 March 2026").wait_for()
    assert page.locator(".tile .value").first.inner_text() == "1"
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Token").wait_for()
    page.goto(f"{served.base}/report")
    assert page.get_by_label("Token").is_visible()
    # the answers that refuse are told by the browser; nothing else is
    assert [one for one in noted if "401" not in one] == []
    page.close()
