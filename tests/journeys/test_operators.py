"""Two operators' day in a real browser: a conflict decided by two, a payout by bank, the books held
against the bank's.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Any

import pytest
import tallymark
from tallymark.client import Client

from tests.journeys.browser import MISSING, Watched, program, sign_in
from tests.journeys.people import (
    LONG_MS,
    file_of,
    file_of_bank,
    fresh_page,
    page_of,
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

SHARED, OWN = 12, 48
# A thousand euros a record: what is decided and what is paid are both over their limits.
PRICE_UNITS = 1_000_000 * 10**6
EURO = "iso4217:EUR"
HER_IBAN, OUR_IBAN = "DE89370400440532013000", "NL91ABNA0417164300"


def test_two_operators_decide_pay_out_and_reconcile(
    browser: Any, place: Place, watched: Watched, tmp_path: Path
) -> None:
    tag = secrets.token_hex(3)
    olga = page_of(browser, place, "tallymark-operations", watched)
    otto = fresh_page(browser, watched)
    sign_in(otto, place.url, *place.people["Otto"])

    take_euros(olga, place, tag)
    approve(otto, place, f"which arrived under wire-{tag}", "Posted as entry")
    quarrel(place, tag, tmp_path)
    decide(olga, place, tag)
    approve(otto, place, f"Copies {tag} / Notes {tag}", "Decided:")
    run = order(olga, place)
    approve(otto, place, "Order everything that is due in EUR", "Ordered as payment run")
    booked = fetch_order(olga, place, run, tmp_path)
    bring_statement(olga, place, booked)
    reconcile(olga, place)


def take_euros(page: Any, place: Place, tag: str) -> None:
    """A currency, the operator's account in it, and what the lab paid in: over the limit of one."""
    deposits = f"{place.url}/admin/compensation/deposit/do"
    page.goto(f"{deposits}/currency/")
    page.get_by_label("Currency").fill("EUR")
    page.get_by_label("Name", exact=True).fill("Euro")
    page.get_by_role("button", name="Register a currency").click()
    sees(page, "EUR is registered")
    page.goto(f"{place.url}/admin/compensation/paymentrun/do/account/")
    page.get_by_label("In", exact=True).select_option(label="EUR")
    page.get_by_label("Holder").fill("Tallymark Operations")
    page.get_by_label("IBAN").fill(OUR_IBAN)
    page.get_by_role("button", name="Name our account").click()
    sees(page, "leave from")
    page.goto(f"{deposits}/record/")
    page.get_by_label("Lab", exact=True).select_option(label="Cobalt Labs")
    page.get_by_label("Amount", exact=True).fill("60000.00")
    page.get_by_label("In", exact=True).select_option(label="EUR")
    page.get_by_label("Reference").fill(f"wire-{tag}")
    page.get_by_role("button", name="Record a deposit").click()
    sees(page, "it waits for a second operator")


def quarrel(place: Place, tag: str, folder: Path) -> None:
    """Ben's copies of Ada's notes are trained on; both sides say their word, by their programs."""
    ada, ben, lab = (
        Client(place.url, place.keys[name])
        for name in ("aurora-archive", "birch-books", "cobalt-labs")
    )
    shared = [text() for _ in range(SHARED)]
    for owner, title, texts in (
        (ada, "Notes", shared),
        (ben, "Copies", [*shared, *(text() for _ in range(OWN))]),
    ):
        made = owner.register_dataset(f"{title.lower()}-{tag}", f"{title} {tag}")
        rows = [(f"{title}-{at}", words) for at, words in enumerate(texts)]
        upload = owner.upload(made["id"], file_of(folder, f"{title}-{tag}", rows))
        version = owner.wait(upload["id"])["version"]
    licence = ben.offer_licence(made["id"], "Training", ["pretrain"], text="Per record read.")
    ben.set_rate(licence["id"], basis="per_1k_records", price_units=PRICE_UNITS, asset=EURO)
    ben.give_grant(lab.request_grant(licence["id"], ["pretrain"], "For a model.")["id"])
    with tallymark.run(
        purpose="pretrain", name=f"run-{tag}", url=place.url, key=lab.key, spool=folder / "spool"
    ) as run:
        run.use(version["id"], records=SHARED + OWN, epochs=1)
    ada.call("POST", "payout-methods", {"asset": EURO, "iban": HER_IBAN, "holder": "Aurora"})
    case = next(one for one in ada.conflicts() if one["later"]["title"] == f"Copies {tag}")
    ada.act_in_conflict(case["id"], "claim", statement="Our notes.", evidence="Our archive.")
    ben.act_in_conflict(case["id"], "answer", text="We bought them.", agrees=False)
    ada.act_in_conflict(case["id"], "reply", text="Nobody sold them.")


def text() -> str:
    """A text that nobody has registered before."""
    return " ".join(f"{word}{secrets.token_hex(2)}" for word in ("tide", "lamp", "rope") * 12)


def decide(page: Any, place: Place, tag: str) -> None:
    """From the first page to the queue, take the case once its money is held, and decide it."""
    title = f"Copies {tag} / Notes {tag}"
    wait_for(page, f"{place.url}/admin/queue/?kind=conflict", "12,000.00 EUR")
    page.goto(f"{place.url}/admin/")
    page.get_by_role("link", name=re.compile("Open the queue")).click()
    line = page.locator("tr", has_text=title)
    line.get_by_role("button", name="Take", exact=True).click()
    sees(page, "You look after it now.")
    page.get_by_role("link", name=title).click()
    form = page.locator("#decide")
    form.get_by_label("The records are the earlier registrant's").check()
    form.get_by_label("Reasons").fill("Her archive held them two years earlier.")
    form.get_by_role("button", name="Decide").click()
    sees(page, "it waits for a second operator")
    assert not page.get_by_role("button", name="Approve and do it").count()


def approve(page: Any, place: Place, words: str, done: str) -> None:
    """The other operator finds it in the queue, and agrees."""
    page.goto(f"{place.url}/admin/")
    page.get_by_role("link", name="Queue", exact=True).first.click()
    page.get_by_role("link", name=words).first.click()
    page.get_by_role("button", name="Approve and do it").click()
    sees(page, done)


def order(page: Any, place: Place) -> str:
    """Everything that is due in euros, once it is payable; over the limit, so put forward."""
    runs = f"{place.url}/admin/compensation/paymentrun/"
    for _ in range(LONG_MS // 2_000):
        page.goto(f"{runs}do/order/")
        page.get_by_label("In", exact=True).select_option(label="EUR")
        page.get_by_role("button", name="Make a payment run").click()
        page.wait_for_load_state()
        if "it waits for a second operator" in page.inner_text("body"):
            return runs
        page.wait_for_timeout(2_000)
    raise AssertionError("nothing over the limit became payable")


def fetch_order(page: Any, place: Place, runs: str, folder: Path) -> Path:
    """The file for the bank; what the bank answers to it."""
    page.goto(runs)
    page.locator("#result_list tr.data-row a").first.click()
    with_reason(page, "Paying what is due.")
    with page.expect_download() as found:
        page.get_by_role("link", name="Download the order").click()
    return file_of_bank(folder, Path(found.value.path()), OUR_IBAN)


def bring_statement(page: Any, place: Place, booked: Path) -> None:
    """The bank's statement: what was ordered is booked."""
    page.goto(f"{place.url}/admin/compensation/bankfile/do/read/")
    page.locator("input[type=file]").set_input_files(str(booked))
    page.get_by_role("button", name="Upload a file of the bank").click()
    page.wait_for_url(re.compile(r"/admin/compensation/bankfile/[0-9a-f-]+/"), timeout=LONG_MS)
    wait_for(page, f"{place.url}/admin/compensation/paymentrun/", "1 paid")


def reconcile(page: Any, place: Place) -> None:
    """Compare, explain from the queue what differs, and compare again: nothing is unexplained."""
    compare = f"{place.url}/admin/compensation/difference/do/compare/"
    page.goto(compare)
    page.get_by_role("button", name="Compare now").click()
    sees(page, "ifference")
    for _ in range(20):
        page.goto(f"{place.url}/admin/queue/?kind=difference")
        lines = page.locator("td a[href*='/difference/']")
        if not lines.count():
            break
        lines.first.click()
        page.locator("#explain textarea").fill("The deposit stands on the next statement.")
        page.locator("#explain button[type=submit]").click()
        sees(page, "It is explained")
    page.goto(compare)
    page.get_by_role("button", name="Compare now").click()
    sees(page, "Nothing differs unexplained.")
