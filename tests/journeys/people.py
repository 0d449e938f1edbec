"""What people do in every journey: sign in, register a file, look until something is there."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.journeys.browser import PATIENCE_MS, Watched, sign_in
from tests.journeys.service import Place

LONG_MS = 180_000
UPLOAD = re.compile(r"/admin/ingest/upload/[0-9a-f-]{36}/")


def page_of(browser: Any, place: Place, namespace: str, watched: Watched) -> Any:
    """A signed-in person's page."""
    page = fresh_page(browser, watched)
    sign_in(page, place.url, *place.passwords[namespace])
    return page


def fresh_page(browser: Any, watched: Watched) -> Any:
    """The page of somebody whom nobody knows yet."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    watched.watch(page)
    return page


def file_of(folder: Path, name: str, rows: Iterable[tuple[str, str]]) -> Path:
    """A file of JSON lines, each (id, text)."""
    made = folder / f"{name}.jsonl"
    lines = (json.dumps({"id": key, "text": text}) for key, text in rows)
    made.write_text("\n".join(lines) + "\n")
    return made


def register(page: Any, place: Place, title: str, file: Path) -> None:
    """Upload a file as a new dataset, keep the guessed columns, and wait until it is sealed."""
    page.goto(f"{place.url}/admin/")
    page.get_by_role("link", name="Datasets", exact=True).first.click()
    page.get_by_role("link", name="Register a dataset").first.click()
    page.get_by_label("Title").fill(title)
    page.locator("input[type=file]").set_input_files(str(file))
    page.get_by_role("button", name="Register a dataset").click()
    page.wait_for_url(UPLOAD)
    assert page.get_by_label("The content stands in").input_value() == "text"
    start_and_wait(page)


def send_delta(page: Any, place: Place, title: str, file: Path) -> None:
    """Upload changes to a dataset, look at what they would do, and seal them."""
    page.goto(f"{place.url}/admin/provenance/dataset/")
    page.get_by_role("link", name=title).first.click()
    page.get_by_role("link", name="Upload a version").first.click()
    page.locator("input[type=file]").set_input_files(str(file))
    page.get_by_label("changes only").check()
    page.get_by_role("button", name="Upload a version").click()
    page.wait_for_url(UPLOAD)
    page.get_by_role("button", name="Start with these columns").click()
    page.wait_for_selector("[data-tm-state=ready]", timeout=LONG_MS)
    page.get_by_role("button", name="Seal these changes").click()
    page.wait_for_selector("[data-tm-state=sealed]", timeout=LONG_MS)


def start_and_wait(page: Any) -> None:
    """Start reading with the columns as guessed, and wait until it is sealed and compared."""
    page.get_by_role("button", name="Start with these columns").click()
    page.wait_for_selector("[data-tm-state=sealed]", timeout=LONG_MS)


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


def with_reason(page: Any, reason: str) -> None:
    """An operator says why it looks, where the page asks."""
    if "/admin/reason/" in page.url:
        page.get_by_label("Why do you need to look?").fill(reason)
        page.locator(".tm-form button[type=submit]").first.click()


def file_of_bank(folder: Path, order: Path, iban: str) -> Path:
    """The statement (camt.053) with which our bank answers an order (pain.001): all is booked."""
    rows = []
    total = Decimal(0)
    for payment in ElementTree.parse(order).getroot().iter():
        if payment.tag.endswith("CdtTrfTxInf"):
            texts = {found.tag.rpartition("}")[2]: found.text for found in payment.iter()}
            total += Decimal(texts["InstdAmt"] or 0)
            rows.append(_BOOKED.format(amount=texts["InstdAmt"], reference=texts["EndToEndId"]))
    made = folder / "statement.xml"
    name = secrets.token_hex(6)
    today = datetime.now(UTC).date()
    made.write_text(
        _STATEMENT.format(name=name, day=today, iban=iban, rows="".join(rows), total=total)
    )
    return made


_BOOKED = (
    '<Ntry><NtryRef>{reference}</NtryRef><Amt Ccy="EUR">{amount}</Amt>'
    "<CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BkTxCd/><NtryDtls><TxDtls>"
    "<Refs><EndToEndId>{reference}</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>"
)
_STATEMENT = (
    '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>'
    "<GrpHdr><MsgId>{name}</MsgId><CreDtTm>{day}T20:00:00</CreDtTm></GrpHdr>"
    "<Stmt><Id>{name}</Id><CreDtTm>{day}T20:00:00</CreDtTm>"
    "<Acct><Id><IBAN>{iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
    '<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{total}</Amt>'
    "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    '<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">0</Amt>'
    "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    "{rows}</Stmt></BkToCstmrStmt></Document>"
)
