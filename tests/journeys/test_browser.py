"""An owner's day in a real browser, without the API: register, watch, claim, be paid."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.browser import MISSING, Watched, program
from tests.journeys.people import file_of, page_of, register, sees, wait_for
from tests.journeys.service import Place

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason=MISSING),
]


def stories(count: int) -> list[tuple[str, str]]:
    """Texts that nobody has registered before, each with its id."""
    words = ("bell", "harbour", "rope") * 12
    return [
        (f"story-{at}", " ".join(f"{word}{secrets.token_hex(2)}" for word in words))
        for at in range(count)
    ]


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
    sees(ada, "Detector and its wrong matches")

    ada.get_by_role("link", name="Conflict with Birch Books").click()
    ada.locator("mark").first.wait_for()
    assert "infringement" not in ada.content().lower()
    ada.get_by_label("Why are these records yours?").fill("I wrote them for the harbour almanac.")
    ada.get_by_label("Evidence").fill("Printed in 2019, ISBN on request.")
    ada.locator("#claim button[type=submit]").click()
    sees(ada, "Your claim is in the ledger")

    take_a_payout(ada, place)


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
    wait_for(page, f"{place.url}/admin/compensation/payout/", "1 in all")
    page.locator("#result_list tr.data-row a").first.click()
    sees(page, "reached 0x")


def test_a_page_needs_nobody_else(browser: Any, place: Place, watched: Watched) -> None:
    page = page_of(browser, place, "cobalt-labs", watched)
    page.goto(f"{place.url}/admin/provenance/run/lineage/")
    page.wait_for_selector("#tm-lineage[data-nodes]")
    assert int(page.get_attribute("#tm-lineage", "data-nodes")) >= 2
    for path in ("/", "/verify", "/admin/", "/admin/provenance/event/"):
        page.goto(f"{place.url}{path}")
        page.wait_for_timeout(200)
