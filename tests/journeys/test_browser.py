"""An owner's day in a real browser, without the API: register, watch, claim, be paid."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys import service
from tests.journeys.browser import MISSING, PATIENCE_MS, Watched, chromium, program, sign_in
from tests.journeys.service import Place

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason=MISSING),
]

LONG_MS = 180_000


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """A service of its own; or the one on TALLYMARK_JOURNEY_DATA, if that is named."""
    data = os.environ.get("TALLYMARK_JOURNEY_DATA")
    if data:
        yield service.place_of(Path(data))
        return
    with service.temporary() as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def watched(place: Place) -> Watched:
    return Watched(place.url)


def page_of(browser: Any, place: Place, namespace: str, watched: Watched) -> Any:
    """A signed-in person's page."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    watched.watch(page)
    sign_in(page, place.url, *place.passwords[namespace])
    return page


def stories(count: int) -> list[str]:
    """Texts that nobody has registered before."""
    return [
        " ".join(f"{word}{secrets.token_hex(2)}" for word in ("bell", "harbour", "rope") * 12)
        for _ in range(count)
    ]


def file_of(folder: Path, name: str, texts: list[str]) -> Path:
    made = folder / f"{name}.jsonl"
    rows = (json.dumps({"id": f"{name}-{at}", "text": text}) for at, text in enumerate(texts))
    made.write_text("\n".join(rows) + "\n")
    return made


def register(page: Any, place: Place, title: str, file: Path) -> None:
    """Upload a file as a new dataset, keep the guessed columns, and wait until it is sealed."""
    page.goto(f"{place.url}/admin/")
    page.get_by_role("link", name="Datasets", exact=True).first.click()
    page.get_by_role("link", name="Register a dataset").first.click()
    page.get_by_label("Title").fill(title)
    page.locator("input[type=file]").set_input_files(str(file))
    page.get_by_role("button", name="Register a dataset").click()
    page.wait_for_url(re.compile(r"/admin/ingest/upload/[0-9a-f-]{36}/"))
    assert page.get_by_label("The content stands in").input_value() == "text"
    page.get_by_role("button", name="Start with these columns").click()
    page.wait_for_selector("[data-tm-state=sealed]", timeout=LONG_MS)


def test_an_owner_registers_watches_claims_and_is_paid(
    browser: Any, place: Place, watched: Watched, tmp_path: Path
) -> None:
    texts, tag = stories(40), secrets.token_hex(3)
    ben = page_of(browser, place, "birch-books", watched)
    register(ben, place, f"Harbour {tag}", file_of(tmp_path, f"harbour-{tag}", texts[:20]))
    sees(ben, "is sealed with 20 records")

    ada = page_of(browser, place, "aurora-archive", watched)
    register(ada, place, f"Ropes {tag}", file_of(tmp_path, f"ropes-{tag}", texts[10:]))
    sees(ada, "10 exact")
    sees(ada, "false-accusation rate")

    ada.get_by_role("link", name="Conflict with Birch Books").click()
    ada.locator("mark").first.wait_for()
    assert "infringement" not in ada.content().lower()
    ada.get_by_label("Why are these records yours?").fill("I wrote them for the harbour almanac.")
    ada.get_by_label("Evidence").fill("Printed in 2019, ISBN on request.")
    ada.locator("#claim button[type=submit]").click()
    sees(ada, "Your claim is in the ledger")

    take_a_payout(ada, place)
    assert not watched.errors
    assert not watched.foreign


def take_a_payout(page: Any, place: Place) -> None:
    """Name an address, wait until what was earned can be claimed, claim it, see it arrive."""
    page.goto(f"{place.url}/admin/compensation/payout/")
    page.get_by_role("link", name="Name an address to be paid at").first.click()
    page.locator("input[name=address-address]").fill("0x" + secrets.token_hex(20))
    page.get_by_role("button", name="Name an address to be paid at").click()
    page.wait_for_url(re.compile(r"/admin/compensation/payoutmethod/"))
    wait_for(page, f"{place.url}/admin/compensation/payout/", "Claim what is open")
    page.get_by_role("link", name="Claim what is open").first.click()
    page.get_by_role("button", name="Claim what is open").click()
    sees(page, "On its way to your address")
    wait_for(page, f"{place.url}/admin/compensation/payout/", "1 payout")
    page.locator("#result_list tr.data-row a").first.click()
    sees(page, "reached 0x")


def sees(page: Any, words: str) -> None:
    """Wait until the page says these words."""
    page.get_by_text(words).first.wait_for()


def wait_for(page: Any, address: str, words: str) -> None:
    """Load the page again until it says these words."""
    for _ in range(LONG_MS // 2_000):
        page.goto(address)
        if words in page.inner_text("body"):
            return
        page.wait_for_timeout(2_000)
    raise AssertionError(f"{words!r} never came at {address}")


def test_a_page_needs_nobody_else(browser: Any, place: Place, watched: Watched) -> None:
    page = page_of(browser, place, "cobalt-labs", watched)
    page.goto(f"{place.url}/admin/provenance/run/lineage/")
    page.wait_for_selector("#tm-lineage[data-nodes]")
    assert int(page.get_attribute("#tm-lineage", "data-nodes")) >= 3
    for path in ("/", "/verify", "/admin/", "/admin/provenance/event/"):
        page.goto(f"{place.url}{path}")
        page.wait_for_timeout(200)
    assert not watched.errors
    assert not watched.foreign
