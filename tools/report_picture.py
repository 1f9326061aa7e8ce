"""Takes docs/report.png: the report page of the demo, as a browser shows it.

`python -m tools.report_picture [PAGE]`. Without a page it runs the demo first, on the embedded
PostgreSQL in a folder of its own (a minute or two).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import sync_playwright

from tools import provision
from tools.postgres import ROOT

TARGET = ROOT / "docs" / "report.png"
#: What is seen without scrolling, and a little more: tiles, funnel, states, messages per day.
WIDTH, HEIGHT = 1280, 1330


def take(page: Path, target: Path = TARGET) -> None:
    """Write the picture of a report page."""
    chromium = provision.browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        sheet = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        sheet.goto(page.resolve().as_uri())
        sheet.screenshot(path=target)
        browser.close()


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    if arguments:
        take(Path(arguments[0]))
    else:
        with tempfile.TemporaryDirectory(prefix="pgdrip-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            # the embedded server may run as another user
            folder.chmod(0o755)
            demo = [sys.executable, "-m", "pgdrip", "demo", "--folder", str(folder / "server")]
            try:
                subprocess.run([*demo, "--html", str(folder / "report.html")], check=True)
            finally:
                subprocess.run([*demo, "--stop"], check=True)
            take(folder / "report.html")
    print(f"wrote {TARGET}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
