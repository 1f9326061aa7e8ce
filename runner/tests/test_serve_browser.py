"""The unsubscribe page in a real browser: a person clicks through it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from test_serve import Site, public_url, site
from tools import provision

__all__ = ["public_url", "site"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SCREENSHOTS = Path(__file__).parents[2] / ".cache" / "screenshots"


@pytest.fixture(scope="module")
def chromium() -> str:
    found = provision.browser()
    if found is None:
        pytest.skip("there is no Chromium on this machine, and none could be installed")
    return found


@pytest.mark.one_version
def test_a_person_unsubscribes_on_the_page(site: Site, chromium: str) -> None:
    (message,) = site.messages()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_page(locale="de-DE", viewport={"width": 420, "height": 640})
        problems: list[str] = []
        # a style that the policy refuses, a missing file: the browser says so
        page.on("console", lambda said: problems.append(said.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{site.base}/u/{message['link_token']}")
        assert page.get_by_role("heading").inner_text().startswith("Von ")
        assert site.states() == {"active": 1}
        page.screenshot(path=SCREENSHOTS / "unsubscribe-1-question.png")
        # with the keyboard alone
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Sie sind abgemeldet").wait_for()
        assert page.get_by_role("heading").inner_text() == "Sie sind abgemeldet"
        assert page.get_by_role("button").count() == 0
        button_style = "getComputedStyle(document.querySelector('main')).maxWidth"
        assert page.evaluate(button_style) != "none", "the style sheet counts"
        page.screenshot(path=SCREENSHOTS / "unsubscribe-2-done.png")
        page.reload()
        assert page.get_by_role("heading").inner_text() == "Sie sind abgemeldet"
        browser.close()
    assert [problem for problem in problems if "favicon" not in problem] == []
    assert site.states() == {"unsubscribed": 1}
    assert site.sources() == ["link"]
