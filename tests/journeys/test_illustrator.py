"""An illustrator's way in a real browser: signing up, a cropped copy, a claim, money by bank."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import tallymark
from tallymark.client import Client

from tests.journeys.browser import MISSING, Watched, program
from tests.journeys.drawing import cropped, drawings, zip_of
from tests.journeys.people import (
    LONG_MS,
    UPLOAD,
    file_of_bank,
    found_party,
    fresh_page,
    give_address,
    page_of,
    prove_address,
    sees,
    start_and_wait,
    wait_for,
    with_reason,
)
from tests.journeys.service import Place

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason=MISSING),
]

IMAGES, COPIED, OWN = 50, 3, 5
PRICE = 1_000
"""Euros for a thousand records: one for each."""
HER_IBAN, OUR_IBAN = "DE89370400440532013000", "NL91ABNA0417164300"
SAMPLE = "tallymark-operations"


def test_an_illustrator_finds_a_cropped_copy_wins_and_is_paid_by_bank(
    browser: Any, place: Place, watched: Watched, tmp_path: Path
) -> None:
    tag = secrets.token_hex(3)
    hers = drawings(IMAGES)
    iris = sign_up(fresh_page(browser, watched), place, f"iris-{tag}@iris.example", f"Iris {tag}")
    is_led_to(iris, "Register a dataset")
    send_images(iris, f"Sketches {tag}", zip_of(tmp_path, "sketches", hers))
    sees(iris, f"is sealed with {IMAGES} records")
    sees(iris, f"{IMAGES} records of this version are new and were compared.")
    iris.goto(f"{place.url}/admin/provenance/dataset/")
    sees(iris, "Next: Offer a licence.")

    ben = page_of(browser, place, "birch-books", watched)
    copies = [cropped(one) for one in hers[:COPIED]]
    file = zip_of(tmp_path, "clippings", [*copies, *drawings(OWN)], "JPEG")
    register_images(ben, place, f"Clippings {tag}", file)
    sees(ben, "Conflict with Iris")

    olga = page_of(browser, place, SAMPLE, watched)
    prepare_money(olga, place, tag)
    offer(ben, place, f"Clippings {tag}")
    train(place, f"clippings-{tag}", tmp_path)

    quarrel(iris, ben, olga, place, tag)
    name_account(iris, place, f"Iris {tag}")
    pay(olga, place, iris, tmp_path)


def sign_up(page: Any, place: Place, address: str, name: str) -> Any:
    """Give an address, prove it by the code in the mail, and found one's own organisation."""
    page.goto(place.url)
    page.get_by_role("link", name=re.compile("Sign up|Register|Begin", re.I)).first.click()
    give_address(page, address)
    prove_address(page, place, address)
    found_party(page, name, "a rights holder with data")
    page.wait_for_url(f"{place.url}/admin/**")
    return page


def register_images(page: Any, place: Place, title: str, file: Path) -> None:
    """Upload a zip of images as a new dataset, and wait until it is sealed and compared."""
    page.goto(f"{place.url}/admin/provenance/dataset/")
    page.get_by_role("link", name="Register a dataset").first.click()
    send_images(page, title, file)


def is_led_to(page: Any, verb: str) -> None:
    """The first page lists what a newcomer does first; take the step that is next."""
    steps = page.locator("#first-steps")
    steps.get_by_text("next", exact=True).wait_for()
    steps.get_by_role("link", name=verb).click()


def send_images(page: Any, title: str, file: Path) -> None:
    """Fill the form of a new dataset of images, and wait until it is sealed and compared."""
    page.get_by_label("Title").fill(title)
    page.get_by_label("Image").check()
    page.locator("input[type=file]").set_input_files(str(file))
    page.get_by_role("button", name="Register a dataset").click()
    page.wait_for_url(UPLOAD)
    start_and_wait(page)


def prepare_money(olga: Any, place: Place, tag: str) -> None:
    """The operator takes euros: a currency, an account of its own, and what the lab paid in."""
    deposits = f"{place.url}/admin/compensation/deposit/"
    olga.goto(f"{deposits}do/currency/")
    olga.get_by_label("Currency").fill("EUR")
    olga.get_by_label("Name", exact=True).fill("Euro")
    olga.get_by_role("button", name="Register a currency").click()
    sees(olga, "EUR is registered")
    olga.goto(f"{deposits}do/record/")
    olga.get_by_label("Lab", exact=True).select_option(label="Cobalt Labs")
    olga.get_by_label("Amount").fill("100.00")
    olga.get_by_label("In", exact=True).select_option(label="EUR")
    olga.get_by_label("Reference").fill(f"transfer-{tag}")
    olga.get_by_role("button", name="Record a deposit").click()
    sees(olga, "are credited to Cobalt Labs")
    olga.goto(f"{place.url}/admin/compensation/paymentrun/do/account/")
    olga.get_by_label("Holder").fill("Tallymark Operations")
    olga.get_by_label("IBAN").fill(OUR_IBAN)
    olga.get_by_label("BIC").fill("ABNANL2A")
    olga.get_by_role("button", name="Name our account").click()
    sees(olga, "leave from")


def offer(page: Any, place: Place, title: str) -> None:
    """Offer a dataset under a licence with a price, its grants given automatically."""
    page.goto(f"{place.url}/admin/provenance/dataset/")
    page.get_by_role("link", name=title).first.click()
    page.get_by_role("link", name="Offer a licence").click()
    page.get_by_label("Name", exact=True).fill("Training, a year")
    page.get_by_label("Pre-training").check()
    page.get_by_label("Terms in words").fill("Training, with payment for each picture read.")
    page.get_by_label("Give grants automatically").check()
    page.get_by_role("button", name="Offer a licence").click()
    page.get_by_role("link", name="Set the price").click()
    page.get_by_label("per 1,000 records").check()
    page.get_by_label("Price", exact=True).fill(str(PRICE))
    page.get_by_label("In", exact=True).select_option(label="EUR")
    page.get_by_role("button", name="Set the price").click()
    sees(page, "From now on")


def train(place: Place, name: str, folder: Path) -> None:
    """The lab's training job asks for a grant and reports what it read, by its client."""
    lab = Client(place.url, place.keys["cobalt-labs"])
    (found,) = lab.catalogue(name=name)
    lab.request_grant(found["licences"][0]["id"], ["pretrain"], "For a model of pictures.")
    with tallymark.run(
        purpose="pretrain", name=name, url=place.url, key=lab.key, spool=folder / "spool"
    ) as run:
        run.use(found["versions"][0]["id"], records=COPIED + OWN, epochs=1)


def quarrel(iris: Any, ben: Any, olga: Any, place: Place, tag: str) -> None:
    """She finds the conflict on her first page, claims; he denies; she replies; it is decided."""
    iris.goto(f"{place.url}/admin/")
    iris.get_by_role("link", name=re.compile("Claim, or let it be released")).click()
    iris.locator("svg.tm-region rect").first.wait_for()
    address = iris.url
    iris.get_by_label("Why are these records yours?").fill("I drew them; these are cut-outs.")
    iris.locator("#claim button[type=submit]").click()
    sees(iris, "Your claim is in the ledger")
    ben.goto(address)
    ben.get_by_label("Your answer").fill("We bought them from an agency.")
    ben.locator("#answer button[type=submit]").click()
    sees(ben, "Your answer is in the ledger")
    iris.reload()
    iris.get_by_label("What you say").fill("The agency never had them from me.")
    iris.locator("#reply button[type=submit]").click()
    sees(iris, "An operator decides next")
    olga.goto(address)
    olga.get_by_label("The records are the earlier registrant's").check()
    olga.locator("#decide").get_by_label("Reasons").fill("The cut-outs come from her drawings.")
    olga.locator("#decide button[type=submit]").click()
    sees(olga, "Decided. Both sides were told")
    iris.goto(address)
    with iris.expect_download() as paper:
        iris.evaluate(
            "address => { const a = document.createElement('a'); a.href = address;"
            " a.download = ''; a.click(); }",
            iris.get_by_role("link", name="PDF").last.get_attribute("href"),
        )
    assert Path(paper.value.path()).read_bytes().startswith(b"%PDF")


def name_account(page: Any, place: Place, holder: str) -> None:
    """Where her money goes."""
    page.goto(f"{place.url}/admin/compensation/payout/")
    page.get_by_role("link", name="Name a bank account").first.click()
    page.get_by_label("Holder").fill(holder)
    page.get_by_label("IBAN").fill(HER_IBAN)
    page.get_by_role("button", name="Name a bank account").click()
    page.wait_for_url(re.compile(r"/admin/compensation/payoutmethod/"))


def pay(olga: Any, place: Place, iris: Any, folder: Path) -> None:
    """The operator orders what is due, the bank books it, and her page says that it is paid."""
    payouts = f"{place.url}/admin/compensation/payout/"
    wait_for(iris, payouts, "Payable")
    sees(iris, f"{COPIED}.00")
    olga.goto(f"{place.url}/admin/compensation/paymentrun/do/order/")
    olga.get_by_label("In", exact=True).select_option(label="EUR")
    olga.get_by_role("button", name="Make a payment run").click()
    olga.wait_for_url(re.compile(r"/admin/(reason|compensation/paymentrun/[0-9a-f-]{36})/"))
    with_reason(olga, "Paying what is due.")
    with olga.expect_download() as order:
        olga.get_by_role("link", name="Download the order").click()
    booked = file_of_bank(folder, Path(order.value.path()), OUR_IBAN)
    ordered = ElementTree.parse(order.value.path()).getroot()
    assert HER_IBAN in {found.text for found in ordered.iter() if found.tag.endswith("IBAN")}
    olga.goto(f"{place.url}/admin/compensation/bankfile/do/read/")
    olga.locator("input[type=file]").set_input_files(str(booked))
    olga.get_by_role("button", name="Upload a file of the bank").click()
    olga.wait_for_url(re.compile(r"/admin/compensation/bankfile/[0-9a-f-]+/"), timeout=LONG_MS)
    wait_for(iris, payouts, "Paid")
    sees(iris, f"{COPIED}.00")
