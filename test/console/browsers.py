"""Debian's Chromium, driven by Playwright; whatever it has to complain about fails the test."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, sync_playwright

PHONE = ViewportSize(width=360, height=740)
DESKTOP = ViewportSize(width=1440, height=900)
PATIENCE_MS = 20_000
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required", "--mute-audio")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser while the block runs."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium not found; run: sudo apt-get install chromium")
    # The libraries of ROS 2's wheels are none of the browser's.
    environment: dict[str, str | float | bool] = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS, env=environment)
        try:
            yield browser
        finally:
            browser.close()


class Window:
    """A page, and what went wrong in it."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        self._context = browser.new_context(**({"viewport": DESKTOP} | options))
        self._context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self._context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def axe(self) -> list[str]:
        """Violations of rules of accessibility in what is shown."""
        found = Axe().run(self.page).response["violations"]
        return [f"{one['id']}: {one['help']}: {', '.join(str(node['target']) for node in one['nodes'])}" for one in found]

    def forgive(self, word: str) -> None:
        """Complaints with this word were meant to come."""
        assert any(word in complaint for complaint in self.complaints)
        self.complaints = [complaint for complaint in self.complaints if word not in complaint]

    def judge(self, folder: Path) -> None:
        """Makes a picture for who looks into a failed test, and fails it where the page complained."""
        self.page.screenshot(path=folder / "page.png")
        complaints, self.complaints = self.complaints, []
        assert not complaints

    def close(self) -> None:
        """Ends it."""
        self._context.close()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")
