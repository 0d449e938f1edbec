"""What screening says that data costs: in the scale and the symbol of the price's asset."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from tallymark import signed

from compensation.models import Asset
from ingest.gateways import files, reports, warmth
from ingest.gateways.terms import price_words, writer_of
from ingest.models import Screening
from provenance import licensing
from provenance.models import Dataset, Party
from tests import doors, factories
from tests.ingest.conftest import jsonl, sealed, sentence
from tests.papers import read

__all__ = ["read"]

pytestmark = pytest.mark.django_db
EURO = "iso4217:EUR"
SAID = "12.50 EUR per 1,000 records"


@pytest.fixture(autouse=True)
def warm() -> None:
    warmth.begin()
    assert warmth._Kernel.ready.wait(120)


@pytest.fixture
def essays(ada: Party) -> Dataset:
    """On offer at a price in an asset of two decimals."""
    made = factories.dataset(ada)
    sealed(made, [{"id": f"r{n}", "text": sentence(n)} for n in range(3)])
    at = timezone.now()
    licence = licensing.offer_licence(
        dataset=made, name="Training", text="Terms.", purposes=["pretrain"], at=at
    )
    licensing.set_rate(
        licence=licence, basis="per_1k_records", price_units=1250, asset=EURO, valid_from=at, at=at
    )
    return made


def register(scale: int = 2) -> None:
    Asset.objects.get_or_create(code=EURO, defaults={"symbol": "EUR", "scale": scale})


def screened(lab: Party) -> Screening:
    begun = files.begin_file(
        party=lab, file=io.BytesIO(jsonl([{"id": "a", "text": sentence(1)}])),
        file_name="rows.jsonl", purpose="pretrain", at=timezone.now(),
    )  # fmt: skip
    while files.advance(begun.pk, clock=timezone.now):
        pass
    begun.refresh_from_db()
    return begun


def test_the_api_says_the_price_and_keeps_the_units(lab: Party, essays: Dataset) -> None:
    register()
    body = {"purpose": "pretrain", "records": [{"id": "a", "text": sentence(1)}]}
    (match,) = doors.of(lab).post("screenings", body, 200)["results"][0]["matches"]
    assert match["price"] == SAID
    assert match["terms"]["rate"]["price_units"] == "1250"
    assert match["terms"]["rate"]["asset"] == EURO


def test_the_signed_report_its_page_and_its_paper_say_the_price(
    lab: Party, essays: Dataset, read: Any
) -> None:
    register()
    screening = screened(lab)
    assert screening.report is not None
    (row,) = screening.report["datasets"]
    assert row["price"] == SAID
    document = reports.document(screening)
    assert document["signature"] is None or signed.signer_of(document)
    client = Client()
    client.force_login(factories.user("cleo@cobalt.example", party=lab))
    page = reverse("admin:ingest_screening_change", args=[screening.pk])
    assert SAID in client.get(page).content.decode()
    chinese = client.get(page, headers={"accept-language": "zh-hans"}).content.decode()
    assert "每 1,000 条记录 12.50 EUR" in chinese
    assert any(SAID in text for text in read(lambda: reports.pdf(screening), "en"))


def test_an_asset_that_nobody_registered_is_said_in_whole_units(
    lab: Party, essays: Dataset
) -> None:
    assert screened(lab).report["datasets"][0]["price"] == (
        "1,250 units of iso4217:EUR per 1,000 records"
    )


def test_prices_of_many_datasets_ask_for_their_assets_once(
    lab: Party, django_assert_num_queries: Any
) -> None:
    register()
    rate = {"basis": "per_epoch", "price_units": "5", "asset": EURO}
    many = [{"standing": "open", "rate": rate} for _ in range(50)]
    with django_assert_num_queries(1):
        write = writer_of(many)
        assert {price_words(one, write) for one in many} == {"0.05 EUR per epoch"}
