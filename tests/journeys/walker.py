"""Finds every page that a person can open, as a person finds them: by following links from home.

Of addresses that differ only in an id the first is taken, or the first few. Files are left alone,
nothing is sent.
"""

from __future__ import annotations

import re
import secrets
from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from tests.journeys.browser import Watched, sign_in
from tests.journeys.people import found_party, give_address, prove_address
from tests.journeys.service import Place

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=/)\d+(?=/)")
FILES = (
    "/file/",
    ".pdf",
    ".json",
    ".csv",
    ".jsonl",
    ".zip",
    ".xml",
    "/export",
    "/proof",
    "/logout/",
)
PUBLIC = (
    "/",
    "/verify",
    "/status",
    "/notice",
    "/api/docs",
    "/datasets/aurora-archive/field-notes",
    "/no/such/page",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
)
NEWCOMER = "newcomer"
PEOPLE = ("aurora-archive", "birch-books", "cobalt-labs", "tallymark-operations")
SIZES = {"wide": (1280, 900), "phone": (390, 844)}
LOCALES = {"en": "en-GB", "zh-hans": "zh-CN"}
FIRST = (
    "/admin/",
    "/parties/choose/",
    "/accounts/2fa/",
    "/accounts/email/",
    "/accounts/password/change/",
)


class Walker:
    """Walks through one service in one window."""

    def __init__(
        self,
        browser: Any,
        place: Place,
        *,
        size: str = "wide",
        theme: str = "light",
        language: str = "en",
        each: int = 1,
    ) -> None:
        self.place, self.watched = place, Watched(place.url)
        self._each = each
        width, height = SIZES[size]
        self._context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            locale=LOCALES[language],
        )
        self.page = self._context.new_page()
        # Pages that were looked at.
        self.count = 0
        self.watched.watch(self.page)

    def close(self) -> None:
        """Shut the window; who was signed in is so no more."""
        self._context.close()

    def public(self) -> Iterator[str]:
        """Open each page for everybody; yields its name."""
        for path in PUBLIC:
            self.open(path)
            yield f"public{_slug(path)}"

    def person(self, namespace: str) -> Iterator[str]:
        """Open each page that this person can reach; yields its name, the reason's page first."""
        sign_in(self.page, self.place.url, *self.place.passwords[namespace])
        yield from self._reachable(namespace)

    def newcomer(self) -> Iterator[str]:
        """Sign up as somebody new, owner and lab alike; yields what comes on the way, too.

        Most of what is reached then is empty.
        """
        name = f"{NEWCOMER}-{secrets.token_hex(3)}"
        address = f"{name}@new.example"
        self.open("/accounts/signup/")
        give_address(self.page, address)
        yield f"{NEWCOMER}-code"
        prove_address(self.page, self.place, address)
        yield f"{NEWCOMER}-organisation"
        found_party(self.page, name, "a rights holder with data", "a lab that trains models")
        self.page.wait_for_url(f"{self.place.url}/admin/**")
        yield from self._reachable(NEWCOMER)

    def _reachable(self, namespace: str) -> Iterator[str]:
        seen: dict[str, set[str]] = defaultdict(set)
        waiting = deque(FIRST)
        while waiting:
            path = waiting.popleft()
            bare = path.split("?")[0]
            shape = ID.sub("_", bare)
            if bare in seen[shape] or len(seen[shape]) >= self._each:
                continue
            seen[shape].add(bare)
            self.open(path)
            if "/admin/reason/" in self.page.url:
                yield f"{namespace}-reason"
                self._give_reason()
            waiting.extend(self._links())
            which = f"-{len(seen[shape])}" if len(seen[shape]) > 1 else ""
            yield f"{namespace}{_slug(shape)}{which}"

    def open(self, path: str) -> None:
        """Go there; what answers with an error is kept as wrong, unless it was meant to."""
        answer = self.page.goto(urljoin(self.place.url, path))
        status = answer.status if answer is not None else 0
        if status >= 400 and path != "/no/such/page":
            self.watched.errors.append(f"{path} answered {status}")
        self.page.wait_for_load_state("load")

    def _give_reason(self) -> None:
        self.page.fill("input[name=reason]", "looking at the sample data")
        self.page.click("main form button[type=submit], #content form button[type=submit]")
        self.page.wait_for_load_state("load")

    def _links(self) -> list[str]:
        """Addresses of pages of ours on this page, in their order."""
        found = self.page.eval_on_selector_all("a[href]", "all => all.map(one => one.href)")
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
