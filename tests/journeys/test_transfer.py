"""A dataset passes to another owner, in a real browser: by a paper, by two operators, and only when
the receiver takes it over.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.browser import MISSING, Watched, program, sign_in
from tests.journeys.people import (
    file_of,
    fresh_page,
    page_of,
    register,
    sees,
    wait_for,
    with_reason,
)
from tests.journeys.service import Place

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason=MISSING),
]

PAPER = "Deed of assignment no. 77, in the file of the operator"


def test_two_operators_pass_a_dataset_on_by_a_paper_and_the_receiver_takes_it(
    browser: Any, place: Place, watched: Watched, tmp_path: Path
) -> None:
    title = f"Estate {secrets.token_hex(3)}"
    ada = page_of(browser, place, "aurora-archive", watched)
    register(ada, place, title, file_of(tmp_path, "estate", letters(8)))
    olga = page_of(browser, place, "tallymark-operations", watched)
    otto = fresh_page(browser, watched)
    sign_in(otto, place.url, *place.people["Otto"])

    propose(olga, place, title)
    approve(otto, place, title)
    is_told(ada, place, f"{title} is to pass from you to Birch Books")
    ben = page_of(browser, place, "birch-books", watched)
    take_over(ben, place, title)
    owns_it_since(ben, place, title)
    no_longer_owns(ada, place, title)
    is_in_the_ledger(olga, place, title)


def letters(count: int) -> list[tuple[str, str]]:
    """Texts that nobody has registered before, each with its id."""
    words = ("ink", "seal", "post") * 12
    return [
        (f"letter-{at}", " ".join(f"{word}{secrets.token_hex(2)}" for word in words))
        for at in range(count)
    ]


def propose(page: Any, place: Place, title: str) -> None:
    """From the list of datasets: to whom, why, and by which paper; it waits for a second one."""
    page.goto(f"{place.url}/admin/")
    page.get_by_role("link", name="Datasets", exact=True).first.click()
    page.get_by_role("link", name=title).first.click()
    with_reason(page, "A deed came in.")
    page.get_by_role("link", name="Hand it over to another owner").click()
    page.get_by_label("Receiver").fill("birch-books")
    page.get_by_label("Why").fill("The estate was assigned.")
    page.get_by_label("Paper").fill(PAPER)
    page.get_by_role("button", name="Hand it over to another owner").click()
    sees(page, "it waits for a second operator")
    assert not page.get_by_role("button", name="Approve and do it").count()


def approve(page: Any, place: Place, title: str) -> None:
    """The other operator finds it in the queue, reads the paper's name, and agrees."""
    page.goto(f"{place.url}/admin/")
    page.get_by_role("link", name="Queue", exact=True).first.click()
    page.get_by_role("link", name=f"{title} passes from Aurora Archive").first.click()
    sees(page, PAPER)
    page.get_by_role("button", name="Approve and do it").click()
    sees(page, "Offered to Birch Books")


def is_told(page: Any, place: Place, words: str) -> None:
    """A notice says what is to happen, and leads to why."""
    notices = f"{place.url}/admin/provenance/notice/"
    wait_for(page, notices, words)
    page.get_by_role("link", name=words).first.click()
    sees(page, PAPER)
    assert not page.get_by_role("button", name="Take it over").count()


def take_over(page: Any, place: Place, title: str) -> None:
    """The receiver finds it on the first page, reads what passes, and takes it over."""
    wait_for(page, f"{place.url}/admin/", f"Aurora Archive hands {title} over to you")
    page.get_by_role("link", name=f"Aurora Archive hands {title} over to you").first.click()
    sees(page, PAPER)
    page.get_by_role("button", name="Take it over").click()
    sees(page, "It is yours: what is used of it from now on earns for you.")


def owns_it_since(page: Any, place: Place, title: str) -> None:
    """From the transfer to the dataset, which is the receiver's from now on."""
    page.get_by_role("link", name=title).first.click()
    page.wait_for_url(re.compile(r"/admin/provenance/dataset/[0-9a-f-]{36}/"))
    owners = page.locator("section", has=page.get_by_role("heading", name="Owners"))
    said = owners.inner_text()
    assert re.search(r"Aurora Archive: .+ UTC – .+ UTC\s+Birch Books: .+ UTC – now", said), said
    page.get_by_role("link", name="Offer a licence").first.wait_for()


def no_longer_owns(page: Any, place: Place, title: str) -> None:
    """The giver's list has it no more; the transfer still says what became of it."""
    page.goto(f"{place.url}/admin/provenance/dataset/")
    assert title not in page.inner_text("#content")
    page.get_by_role("link", name="Ownership", exact=True).first.click()
    page.get_by_role("link", name=title).first.click()
    sees(page, "passed from Aurora Archive to Birch Books")


def is_in_the_ledger(page: Any, place: Place, title: str) -> None:
    """An operator goes from the transfer to the event that dates it."""
    page.goto(f"{place.url}/admin/provenance/ownershiptransfer/")
    page.get_by_role("link", name=title).first.click()
    with_reason(page, "Does the date stand in the ledger?")
    page.get_by_role("link", name="A dataset passed to another owner").first.click()
    page.wait_for_url(re.compile(r"/admin/provenance/event/"))
    sees(page, "dataset.transferred")
