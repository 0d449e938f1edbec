"""A real Chromium for journeys and pictures: one that never leaves the machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MISSING = "There is no Chromium here (Debian: sudo apt-get install chromium)."
PATIENCE_MS = 30_000


def program() -> str | None:
    """Where Chromium is, if it is installed; TALLYMARK_CHROMIUM names another one."""
    named = os.environ.get("TALLYMARK_CHROMIUM")
    return named or next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass
class Watched:
    """What went wrong on the pages that were opened: nothing, one hopes."""

    base: str
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def watch(self, page: Any) -> None:
        """Listen to a page's errors and requests."""
        page.on("pageerror", lambda error: self.errors.append(f"{page.url}: {error}"))
        page.on("console", self._hear)
        page.on("request", self._see)

    def wrong(self) -> list[str]:
        """All of it, in words."""
        return [*self.errors, *(f"asked {url}" for url in self.foreign)]

    def _hear(self, message: Any) -> None:
        # The browser says so itself of every answer over 400, asked for or not.
        if message.type == "error" and "status of 4" not in message.text:
            self.errors.append(message.text)

    def _see(self, request: Any) -> None:
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.foreign.append(request.url)


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser for the time; raises SystemExit where there is none."""
    from playwright.sync_api import sync_playwright

    found = program()
    if found is None:
        raise SystemExit(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def sign_in(page: Any, base: str, email: str, password: str) -> None:
    """Through the sign-in page, as a person does."""
    page.goto(f"{base}/accounts/login/")
    page.fill("input[name=login]", email)
    page.fill("input[name=password]", password)
    page.click("main form button[type=submit]")
    page.wait_for_url(f"{base}/admin/**")
