"""A month's end in a real browser: closed, invoiced once tax data are there, and exported.

What the month saw is told to the service beforehand (`past`).
"""

from __future__ import annotations

import csv
import io
import json
import re
import secrets
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tallymark.client import Client

from tests.journeys import service
from tests.journeys.browser import MISSING, Watched, program
from tests.journeys.past import last_month
from tests.journeys.people import file_of, is_pdf, page_of, saved, sees
from tests.journeys.service import Place

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason=MISSING),
]

RECORDS, PRICE, TOKEN = 12, 500, "TUSD"
# Twelve records at half a token each, and 19 % VAT on them.
NET, GROSS = "6.00", "7.14"
PEOPLE = {
    "tallymark-operations": ("Tallymark Operations SE", "DE811907980"),
    "cobalt-labs": ("Cobalt Labs GmbH", "DE136695976"),
    "aurora-archive": ("Aurora Archive e. V.", "DE129273398"),
}


def test_a_month_is_closed_invoiced_and_exported_and_the_lab_has_its_papers(
    browser: Any, place: Place, watched: Watched, tmp_path: Path
) -> None:
    month = f"{last_month():%Y-%m}"
    olga = page_of(browser, place, "tallymark-operations", watched)
    if is_closed(olga, place, month):
        pytest.skip(f"{month} was closed on this service before")
    name = f"harvest-{secrets.token_hex(3)}"
    traded(place, name, tmp_path)

    close(olga, place, month)
    for side in ("lab", "owner"):
        set_rule(olga, place, side)
    issue(olga, place, month)
    is_asked_for_tax_data(olga, place, "tallymark-operations")
    issue(olga, place, month)

    cleo = page_of(browser, place, "cobalt-labs", watched)
    is_asked_for_tax_data(cleo, place, "cobalt-labs")
    sees(cleo, "What waited for these data is issued: 1.")
    number = has_invoice(cleo, place, month, name)
    has_statement(cleo, place, month, name)
    ada = page_of(browser, place, "aurora-archive", watched)
    is_asked_for_tax_data(ada, place, "aurora-archive")
    has_invoice(ada, place, month, name)
    is_exported(olga, place, month, number)


def is_closed(page: Any, place: Place, month: str) -> bool:
    page.goto(f"{place.url}/admin/")
    page.get_by_role("link", name="Months", exact=True).first.click()
    return bool(page.locator("tr", has_text=month).get_by_text("closed").count())


def traded(place: Place, name: str, folder: Path) -> None:
    """Ada's harvest; last month the lab read it once."""
    ada = Client(place.url, place.keys["aurora-archive"])
    made = ada.register_dataset(name, name.title())
    words = ("rye", "barn", "plum") * 12
    rows = [
        (str(at), " ".join(f"{word}{secrets.token_hex(2)}" for word in words))
        for at in range(RECORDS)
    ]
    upload = ada.upload(made["id"], file_of(folder, name, rows))
    version = ada.wait(upload["id"])["version"]["id"]
    terms = f"version={version!r}, lab='cobalt-labs', records={RECORDS}, price={PRICE}"
    program_text = f"from tests.journeys import past; past.trade({terms})"
    service.manage(place.data, "shell", "-v", "0", "-c", program_text)


def close(page: Any, place: Place, month: str) -> None:
    """From the list of months: what moved in it, and that nothing may enter it any more."""
    page.goto(f"{place.url}/admin/compensation/period/")
    page.get_by_role("link", name=month).first.click()
    page.get_by_role("link", name="Close this month").click()
    page.get_by_role("button", name="Close this month").click()
    sees(page, f"{month} is closed, up to entry")
    sees(page, "Closed for good")


def set_rule(page: Any, place: Place, side: str) -> None:
    """German VAT, for one side."""
    page.goto(f"{place.url}/admin/")
    page.get_by_role("link", name="VAT", exact=True).first.click()
    page.get_by_role("link", name="Set a rule").first.click()
    page.get_by_label("On", exact=True).select_option(side)
    page.get_by_label("Country").fill("DE")
    page.get_by_label("Category").select_option("S")
    page.get_by_label("Rate in percent").fill("19.00")
    page.get_by_label("Valid from").fill(f"{last_month():%Y}-01-01")
    page.get_by_role("button", name="Set a rule").click()
    sees(page, "19.00 %")


def issue(page: Any, place: Place, month: str) -> None:
    """Now, instead of within the hour; somebody's tax data are missing still."""
    page.goto(f"{place.url}/admin/compensation/invoice/")
    page.get_by_role("link", name="Issue a month").click()
    page.get_by_label("Closed month").select_option(month)
    page.get_by_role("button", name="Issue a month").click()
    sees(page, f"Issued for {month}: 0. Waiting: 2.")


def is_asked_for_tax_data(page: Any, place: Place, namespace: str) -> None:
    """The first page says that invoices wait for them; the step leads to the form."""
    name, vat_id = PEOPLE[namespace]
    page.goto(f"{place.url}/admin/")
    page.get_by_role("link", name="Enter tax data: invoices wait for it").click()
    page.get_by_label("Legal name").fill(name)
    page.get_by_label("Street and number").fill("Lange Strasse 1")
    page.get_by_label("Postal code").fill("10115")
    page.get_by_label("City").fill("Berlin")
    page.get_by_label("Country", exact=True).fill("DE")
    page.get_by_label("Country of tax").fill("DE")
    page.get_by_label("VAT id").fill(vat_id)
    page.get_by_role("button", name="Enter tax data").click()
    sees(page, "Kept. Documents that were issued keep what they said.")


def has_invoice(page: Any, place: Place, month: str, dataset: str) -> str:
    """From the first page to the invoice, on paper and as data; its number."""
    page.goto(f"{place.url}/admin/")
    page.get_by_role("link", name="Invoices", exact=True).first.click()
    page.locator("#result_list tr", has_text=month).get_by_role("link").first.click()
    sees(page, f"{NET} {TOKEN}")
    assert is_pdf(saved(page, "PDF"))
    document = json.loads(saved(page, "JSON").read_text())
    assert dataset in json.dumps(document["invoice_line"])
    totals = document["document_totals"]
    assert totals["invoice_total_amount_with_vat"].startswith(GROSS), totals
    return str(document["invoice_number"])


def has_statement(page: Any, place: Place, month: str, dataset: str) -> None:
    """The month's statement, chosen on its page, and its files."""
    page.goto(f"{place.url}/admin/")
    page.get_by_role("link", name="Statements", exact=True).first.click()
    page.get_by_label("Month").select_option(month)
    # Other days of this service may have brought other assets, and with them a choice.
    asset = page.get_by_label("In", exact=True)
    if asset.count():
        asset.select_option(label=TOKEN)
    page.get_by_role("button", name="Show", exact=True).click()
    sees(page, dataset)
    sees(page, NET)
    assert is_pdf(saved(page, "PDF"))
    assert dataset in saved(page, "CSV").read_text()
    assert json.loads(saved(page, "JSON").read_text())["period"]["name"] == month


def is_exported(page: Any, place: Place, month: str, number: str) -> None:
    """The month with its invoices; as one archive, its books balance and hold the invoice."""
    page.goto(f"{place.url}/admin/compensation/period/")
    page.get_by_role("link", name=month).first.click()
    page.locator("dt", has_text="Invoices").locator("+ dd").get_by_role("link").click()
    sees(page, number)
    page.go_back()
    page.get_by_role("link", name="Export for accounting").click()
    with page.expect_download() as found:
        page.get_by_role("button", name="Export for accounting").click()
    assert re.search(month, found.value.suggested_filename)
    assert "draft" not in found.value.suggested_filename
    with zipfile.ZipFile(found.value.path()) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        balance = rows_of(archive.read("trial_balance.csv"))
        documents = rows_of(archive.read("invoices.csv"))
    assert (manifest["month"], manifest["is_draft"]) == (month, False)
    moved = sum(int(row["credit_units"]) - int(row["debit_units"]) for row in balance)
    assert (len(balance) > 2, moved) == (True, 0)
    assert number in {row["number"] for row in documents}


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))
