"""A lab's way in a real browser: screen, ask, train with the client, take the papers home."""

from __future__ import annotations

import csv
import json
import re
import secrets
from pathlib import Path
from typing import Any

import pytest
import tallymark
from tallymark.client import Client

from tests.journeys.browser import MISSING, Watched, program
from tests.journeys.people import LONG_MS, file_of, is_pdf, page_of, saved, sees, wait_for
from tests.journeys.service import Place

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason=MISSING),
]

REGISTERED, ALIKE, OTHERS = 30, 8, 12


def test_a_lab_screens_asks_trains_and_downloads_its_papers(
    browser: Any, place: Place, watched: Watched, tmp_path: Path
) -> None:
    tag = secrets.token_hex(3)
    hers = [text() for _ in range(REGISTERED)]
    version = offered(place, tag, hers, tmp_path)

    cleo = page_of(browser, place, "cobalt-labs", watched)
    corpus = [*hers[:ALIKE], *(text() for _ in range(OTHERS))]
    screen(cleo, place, tag, file_of(tmp_path, f"corpus-{tag}", enumerate_rows(corpus)))
    report = json.loads(saved(cleo, "Report, signed (JSON)").read_text())
    assert f"Almanac {tag}" in json.dumps(report)
    assert is_pdf(saved(cleo, "Report (PDF)"))

    ask(cleo, tag)
    ada = page_of(browser, place, "aurora-archive", watched)
    give(ada, place, tag)
    train(place, tag, version, tmp_path)

    papers(cleo, place, tag)


def text() -> str:
    """A text that nobody has registered before."""
    return " ".join(f"{word}{secrets.token_hex(2)}" for word in ("moss", "quay", "bell") * 12)


def enumerate_rows(texts: list[str]) -> list[tuple[str, str]]:
    return [(str(at), words) for at, words in enumerate(texts)]


def offered(place: Place, tag: str, texts: list[str], folder: Path) -> str:
    """Ada's almanac, registered and offered; the version that is trained on."""
    ada = Client(place.url, place.keys["aurora-archive"])
    made = ada.register_dataset(f"almanac-{tag}", f"Almanac {tag}")
    upload = ada.upload(made["id"], file_of(folder, f"almanac-{tag}", enumerate_rows(texts)))
    sealed = ada.wait(upload["id"])
    licence = ada.offer_licence(made["id"], f"Terms {tag}", ["pretrain"], text="Per record read.")
    asset = token_asset(place)
    ada.set_rate(
        licence["id"],
        basis="per_1k_records",
        price_units=20 * 10 ** asset["scale"],
        asset=asset["code"],
    )
    return str(sealed["version"]["id"])


def screen(page: Any, place: Place, tag: str, file: Path) -> None:
    """Send the corpus before training on it, and read whose data it is like."""
    page.goto(f"{place.url}/admin/")
    page.get_by_role("link", name="Screen before training").first.click()
    page.get_by_role("link", name="Screen a file").first.click()
    page.locator("input[type=file]").set_input_files(str(file))
    page.get_by_label("You want to use it for").select_option("pretrain")
    page.get_by_role("button", name="Screen a file").click()
    page.wait_for_selector("[data-tm-state=done]", timeout=LONG_MS)
    page.reload()
    sees(page, "Whose data it is like, and on what terms")
    sees(page, f"Almanac {tag}")


def ask(page: Any, tag: str) -> None:
    """From the report to the terms, and ask the owner."""
    row = page.locator("tr", has_text=f"Almanac {tag}").first
    row.get_by_role("link").first.click()
    page.get_by_role("link", name="Ask for a grant").click()
    page.locator("input[name=request-purposes][value=pretrain]").check()
    page.locator("textarea[name=request-message], input[name=request-message]").fill("A model.")
    page.get_by_role("button", name="Ask for a grant").click()
    page.wait_for_load_state()
    assert f"Almanac {tag}" in page.inner_text("body")


def give(page: Any, place: Place, tag: str) -> None:
    """The owner finds it on the first page, and says yes."""
    page.goto(f"{place.url}/admin/")
    asked = f"asks for a grant on Almanac {tag}"
    page.get_by_role("link", name=re.compile(asked)).first.click()
    page.get_by_role("link", name="Give this grant").or_(
        page.get_by_role("button", name="Give this grant")
    ).first.click()
    button = page.get_by_role("button", name="Give this grant")
    if button.count():
        button.first.click()
    sees(page, "Given")


def train(place: Place, tag: str, version: str, folder: Path) -> None:
    """The training job reports what it used, and the model that it made."""
    with tallymark.run(
        purpose="pretrain",
        name=f"train-{tag}",
        url=place.url,
        key=place.keys["cobalt-labs"],
        spool=folder / "spool",
    ) as run:
        run.use(version, records=REGISTERED, epochs=1)
        run.produced(f"bell-{tag}")


def token_asset(place: Place) -> dict[str, Any]:
    """The asset of the chain's token."""
    lab = Client(place.url, place.keys["cobalt-labs"])
    return next(one for one in lab.pages("assets") if one["code"].startswith("eip155:"))


def papers(page: Any, place: Place, tag: str) -> None:
    """What went into the model, what it cost, and when the invoice comes."""
    wait_for(page, f"{place.url}/admin/provenance/trainedmodel/", f"bell-{tag}")
    page.get_by_role("link", name=re.compile(f"bell-{tag}")).first.click()
    sees(page, "Ingredients")
    assert is_pdf(saved(page, "Ingredients (PDF)"))
    with saved(page, "Ingredients (CSV)").open(newline="") as file:
        assert any(f"almanac-{tag}" in " ".join(row) for row in csv.reader(file))
    # Other days of this service may have brought other assets.
    statement = f"{place.url}/admin/compensation/entry/statement/"
    wait_for(page, f"{statement}?asset={token_asset(place)['code']}", f"almanac-{tag}")
    assert is_pdf(saved(page, "PDF"))
    assert f"almanac-{tag}" in saved(page, "CSV").read_text()
    page.goto(f"{place.url}/admin/compensation/invoice/")
    sees(page, "When a month is closed")
    page.goto(f"{place.url}/admin/")
    assert "no grant: ask the owners" not in page.inner_text("body")
