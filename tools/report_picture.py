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

from playwright.sync_api import FloatRect, sync_playwright

from tools import provision
from tools.postgres import ROOT

TARGET = ROOT / "docs" / "report.png"
WIDTH = 1280


def take(page: Path, target: Path = TARGET) -> None:
    """Write the picture of a report page."""
    chromium = provision.browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        sheet = browser.new_page(viewport={"width": WIDTH, "height": 900})
        sheet.goto(page.resolve().as_uri())
        # totals, funnel, states, and what happened each day
        box = sheet.locator("#daily").bounding_box()
        if box is None:
            raise SystemExit(f"{page} is no report page")
        clip: FloatRect = {"x": 0, "y": 0, "width": WIDTH, "height": box["y"] + box["height"] + 20}
        sheet.screenshot(path=target, full_page=True, clip=clip)
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
