"""`./run screenshots DIR`: every page that each of the sample people can open, as a picture.

The pages are found as a person finds them, by following links from home; of addresses that differ
only in an id the first is pictured. Files are left alone, and nothing is sent.
"""

from __future__ import annotations

import argparse
import re
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from tests.journeys.browser import Watched, chromium, sign_in
from tests.journeys.service import Place, running

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=/)\d+(?=/)")
FILES = (".pdf", ".json", ".csv", ".jsonl", ".zip", ".xml", "/export", "/proof", "/logout/")
PUBLIC = ("/", "/verify", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/")
PEOPLE = ("aurora-archive", "birch-books", "cobalt-labs", "tallymark-operations")
SIZES = {"wide": (1280, 900), "phone": (390, 844)}
SETTLE_MS = 250


class Album:
    """Pictures of one service, in one size and one theme."""

    def __init__(self, browser: Any, place: Place, folder: Path, size: str, theme: str) -> None:
        self.place, self.folder = place, folder
        self.suffix = "" if (size, theme) == ("wide", "light") else f"-{size}-{theme}"
        width, height = SIZES[size]
        self.watched = Watched(place.url)
        self._browser = browser
        self._options = {"viewport": {"width": width, "height": height}, "color_scheme": theme}
        self.count = 0

    def public(self) -> None:
        """The pages for everybody."""
        context, page = self._open()
        for path in PUBLIC:
            self._picture(page, path, f"public{_slug(path)}")
        context.close()

    def person(self, namespace: str) -> None:
        """Every page that this person can reach from home."""
        email, password = self.place.passwords[namespace]
        context, page = self._open()
        sign_in(page, self.place.url, email, password)
        seen: set[str] = set()
        waiting = deque(["/admin/", "/parties/choose/", "/accounts/2fa/"])
        while waiting:
            path = waiting.popleft()
            shape = ID.sub("_", path.split("?")[0])
            if shape in seen:
                continue
            seen.add(shape)
            self._picture(page, path, f"{namespace}{_slug(shape)}")
            waiting.extend(self._links(page))
        context.close()

    def _open(self) -> tuple[Any, Any]:
        context = self._browser.new_context(**self._options)
        page = context.new_page()
        self.watched.watch(page)
        return context, page

    def _picture(self, page: Any, path: str, name: str) -> None:
        answer = page.goto(urljoin(self.place.url, path))
        if "/admin/reason/" in page.url:
            if not (self.folder / f"{name.split('-admin')[0]}-reason.png").exists():
                self._shoot(page, f"{name.split('-admin')[0]}-reason")
            page.fill("input[name=reason]", "taking pictures of the sample data")
            page.click("main form button[type=submit], #content form button[type=submit]")
        status = answer.status if answer is not None else 0
        if status >= 400:
            self.watched.errors.append(f"{path} answered {status}")
        self._shoot(page, name)

    def _shoot(self, page: Any, name: str) -> None:
        page.wait_for_load_state("load")
        page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=str(self.folder / f"{name}{self.suffix}.png"), full_page=True)
        self.count += 1

    def _links(self, page: Any) -> list[str]:
        """Addresses of pages of ours on this page, in their order."""
        found = page.eval_on_selector_all("a[href]", "all => all.map(one => one.href)")
        paths = []
        for link in found:
            parts = urlsplit(link)
            is_ours = link.startswith(self.place.url) and parts.path.startswith("/admin/")
            if is_ours and not parts.path.endswith(FILES):
                paths.append(parts.path + (f"?{parts.query}" if parts.query else ""))
        return paths


def _slug(path: str) -> str:
    """A file's name for an address."""
    words = [word for word in path.strip("/").replace("/", "-").split("-") if word]
    return "-" + "-".join(words or ["home"])


def main() -> None:
    """Take the pictures; end with 1 where a page failed or asked another host."""
    parser = argparse.ArgumentParser(prog="./run screenshots", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, help="the data folder of a service that runs")
    parser.add_argument("--size", choices=SIZES, default="wide")
    parser.add_argument("--theme", choices=["light", "dark"], default="light")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with running(given.data) as place, chromium() as browser:
        album = Album(browser, place, given.folder, given.size, given.theme)
        album.public()
        for namespace in PEOPLE:
            album.person(namespace)
    print(f"{album.count} pictures in {given.folder}")
    for wrong in (*album.watched.errors, *(f"asked {url}" for url in album.watched.foreign)):
        print(f"wrong: {wrong}")
    raise SystemExit(bool(album.watched.errors or album.watched.foreign))


if __name__ == "__main__":
    main()
