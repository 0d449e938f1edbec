"""What people do in every journey: sign in, register a file, look until something is there."""

from __future__ import annotations

import email
import json
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from email.policy import default
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


def give_address(page: Any, address: str) -> None:
    """Fill the form of whoever signs up."""
    page.fill("input[name=email]", address)
    for field in ("password1", "password2"):
        page.fill(f"input[name={field}]", "a kite above the harbour")
    page.get_by_role("button", name=re.compile("sign up", re.I)).click()
    page.locator("input[name=code]").wait_for()


def prove_address(page: Any, place: Place, address: str) -> None:
    """Enter the code that came by mail."""
    page.fill("input[name=code]", code_of(page, place, address))
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Name of the organisation").wait_for()


def code_of(page: Any, place: Place, address: str) -> str:
    """The code in the newest mail to this address."""
    for _ in range(60):
        files = sorted(place.mail.glob("*"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files:
            letter = email.message_from_bytes(file.read_bytes(), policy=default)
            found = re.search(r"^([A-Z0-9]{3,}-?[A-Z0-9]{3,})$", letter.get_content(), re.M)
            if address in str(letter["To"]) and found:
                return found[1]
        page.wait_for_timeout(500)
    raise AssertionError(f"no mail with a code came to {address}")


def found_party(page: Any, name: str, *kinds: str) -> None:
    """Register one's own organisation."""
    page.get_by_label("Name of the organisation").fill(name)
    for kind in kinds:
        page.get_by_label(kind).check()
    page.get_by_role("button", name="Register it").click()


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


def saved(page: Any, name: str) -> Path:
    """The file behind a link, as a browser saves it, shown in the page or not."""
    link = page.get_by_role("link", name=name, exact=True).first
    address = page.evaluate("link => link.href", link.element_handle())
    with page.expect_download() as found:
        page.evaluate(
            "address => { const a = document.createElement('a'); a.href = address;"
            " a.download = ''; document.body.append(a); a.click(); a.remove(); }",
            address,
        )
    return Path(found.value.path())


def is_pdf(file: Path) -> bool:
    """Whether it begins as one."""
    return file.read_bytes().startswith(b"%PDF")


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
