"""Quotes bind: exact to the unit, with what was used this month counted in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from compensation import billing, quotes
from compensation.models import Asset, Charge, Tally
from compensation.pricing import Count
from compensation.quotes import Wanted
from provenance import licensing, usage
from provenance.licensing import PlanTerms
from provenance.models import DatasetVersion, Event, Party, Quote, Usage
from provenance.quoting import QuoteExpired, QuoteNotOfRun
from tests import doors, factories
from tests.compensation.conftest import grant, more, priced, texts, use
from tests.factories import NOON

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TIERS = [(0, 2_000_000), (1_000, 1_000_000)]


@pytest.fixture
def tiered(ada: Party, euro: Asset) -> DatasetVersion:
    """Ada's letters: two euro a thousand, one beyond a thousand records a month."""
    version = factories.version(factories.dataset(ada, "letters"), texts(100, "letter"))
    set_price(priced(version, euro), euro, plan=PlanTerms(tiers=TIERS))
    return version


def set_price(version: DatasetVersion, euro: Asset, *, at=NOON, **terms) -> None:
    licensing.set_rate(
        licence=version.dataset.licences.get(), basis="per_1k_records", asset=euro.code,
        valid_from=at, at=at, **terms,
    )  # fmt: skip


def quoted(lab: Party, *wanted: tuple[DatasetVersion, Count], at=NOON) -> Quote:
    return quotes.make_quote(
        lab=lab, purpose="pretrain", at=at,
        wanted=[Wanted(version=version, count=count) for version, count in wanted],
    )  # fmt: skip


def amounts(quote: Quote) -> list[int]:
    return [item.amount_units for item in quote.items.order_by("pk")]


def run_of(lab: Party, quote: Quote | None, version, *, records: int, at=NOON, started=None):
    run = usage.start_run(lab=lab, purpose="pretrain", quote=quote, at=started or at)
    made = more(run, version.pk, records=records, sequence=1, at=at)
    usage.end_run(run=run, at=at + timedelta(minutes=1))
    return made


def test_a_quote_is_exactly_what_billing_then_charges(rich_lab, essays, tiered):
    for version in (essays, tiered):
        grant(rich_lab, version)
    quote = quoted(rich_lab, (essays, Count(records=77)), (tiered, Count(records=1_777)))
    for item in quote.items.all():
        run_of(rich_lab, quote, item.version, records=item.record_count)
    billing.bill_batch(at=NOON + HOUR)
    charged = dict(Charge.objects.values_list("weight_version__version", "amount_units"))
    assert charged == {item.version_id: item.amount_units for item in quote.items.all()}


def test_what_was_used_this_month_and_the_items_before_count_towards_the_tiers(
    rich_lab, tiered, ada, euro
):
    other = priced(factories.version(factories.dataset(ada, "notes"), texts(10)), euro)
    set_price(other, euro, plan=PlanTerms(tiers=TIERS))
    grant(rich_lab, tiered)
    use(rich_lab, tiered, records=800)
    billing.bill_batch(at=NOON + HOUR)
    assert Tally.objects.get().quantity == 800
    at = NOON + 2 * HOUR
    quote = quoted(rich_lab, (tiered, Count(records=300)), (other, Count(records=500)), at=at)
    assert amounts(quote) == [200 * 2_000 + 100 * 1_000, 500 * 1_000]
    assert [item.used_quantity for item in quote.items.order_by("pk")] == [800, 1_100]


def test_a_quoted_run_keeps_the_quoted_price_when_the_owner_changes_it(rich_lab, essays, euro):
    quote = quoted(rich_lab, (essays, Count(records=100)))
    set_price(essays, euro, price_units=90_000_000, at=NOON + HOUR)
    grant(rich_lab, essays, at=NOON + 2 * HOUR)
    at = NOON + 3 * HOUR
    run_of(rich_lab, quote, essays, records=100, at=at)
    run_of(rich_lab, None, essays, records=100, at=at)
    billing.bill_batch(at=at + HOUR)
    assert amounts(quote) == [1_000_000]
    assert sorted(Charge.objects.values_list("amount_units", flat=True)) == [1_000_000, 9_000_000]


def test_a_late_use_of_a_quoted_run_is_still_priced_by_it(rich_lab, essays, euro):
    quote = quoted(rich_lab, (essays, Count(records=100)))
    grant(rich_lab, essays)
    late = NOON + 40 * DAY
    made = run_of(rich_lab, quote, essays, records=10, at=late, started=NOON + HOUR)
    assert made.rate == quote.items.get().rate


def test_what_was_quoted_as_free_stays_free(rich_lab, ada, euro):
    version = factories.version(factories.dataset(ada, "free"), texts(10))
    licensing.offer_licence(
        dataset=version.dataset, name="Open", text="x", purposes=["pretrain"],
        is_automatic=True, at=NOON,
    )  # fmt: skip
    quote = quoted(rich_lab, (version, Count(records=10)))
    set_price(version, euro, price_units=10**9, at=NOON + HOUR)
    grant(rich_lab, version, at=NOON + 2 * HOUR)
    run_of(rich_lab, quote, version, records=10, at=NOON + 3 * HOUR)
    billing.bill_batch(at=NOON + 4 * HOUR)
    assert Charge.objects.get().amount_units == 0


def test_an_expired_quote_starts_no_run_and_says_what_to_do(rich_lab, essays, settings):
    settings.QUOTE_VALIDITY_DAYS = 14
    quote = quoted(rich_lab, (essays, Count(records=1)))
    run_of(rich_lab, quote, essays, records=1, at=NOON + 14 * DAY - HOUR)
    with pytest.raises(QuoteExpired) as refused:
        run_of(rich_lab, quote, essays, records=1, at=NOON + 14 * DAY)
    assert "POST /api/v1/quotes" in refused.value.hint
    with pytest.raises(QuoteExpired):
        usage.start_run(
            lab=rich_lab, purpose="pretrain", quote=quote, at=NOON + HOUR,
            received_at=NOON + 30 * DAY,
        )  # fmt: skip


def test_every_rank_names_the_same_quote(rich_lab, essays):
    quote = quoted(rich_lab, (essays, Count(records=1)))
    run = usage.start_run(lab=rich_lab, purpose="pretrain", quote=quote, at=NOON)
    same = {"lab": rich_lab, "purpose": "pretrain", "run_id": run.pk}
    assert usage.start_run(**same, quote=quote, at=NOON + 60 * DAY) == run
    assert usage.start_run(**same, at=NOON) == run
    with pytest.raises(QuoteNotOfRun):
        usage.start_run(**same, quote=quoted(rich_lab, (essays, Count(records=1))), at=NOON)


def test_records_follow_from_epochs_and_tokens_from_records(rich_lab, essays):
    version = essays
    item = quoted(rich_lab, (version, Count(epochs=3))).items.get()
    assert (item.record_count, item.epoch_count) == (300, 3)
    assert item.token_count == 3 * version.token_count


def test_a_quote_is_in_the_ledger(rich_lab, essays):
    quote = quoted(rich_lab, (essays, Count(records=100)))
    (item,) = Event.objects.get(kind="quote.made", subject_id=quote.pk).body["items"]
    assert item["amount_units"] == "1000000"


@pytest.fixture
def asked(essays: DatasetVersion) -> dict:
    return {"purpose": "pretrain", "items": [{"subject": str(essays), "records": 50}]}


def test_a_lab_asks_for_a_quote_and_starts_a_run_with_it(rich_lab, essays, asked):
    grant(rich_lab, essays, at=timezone.now())
    door = doors.of(rich_lab)
    made = door.post("quotes", asked, 201)
    assert made["totals"] == [{"asset": "iso4217:EUR", "amount_units": 500_000}]
    assert made["items"][0]["words"] == "10.00 EUR per 1,000 records"
    assert door.get(f"quotes/{made['id']}") == made
    run = door.post("runs", {"purpose": "pretrain", "quote": made["id"]}, 201)
    assert run["quote"] == made["id"]
    report = {
        "run": run["id"], "subject": str(essays), "sequence": 1, "records": 5, "fetches": 2,
        "used_at": timezone.now().isoformat(),
    }  # fmt: skip
    told = door.post("usages", report, 202)
    assert (told["rate"], told["fetch_count"]) == (made["items"][0]["rate"]["id"], 2)


def test_nobody_else_sees_or_uses_a_labs_quote(rich_lab, ada, essays, asked):
    made = doors.of(rich_lab).post("quotes", asked, 201)
    rival = factories.party("Dorado Models", is_lab=True)
    for other in (rival, ada):
        assert doors.of(other).get("quotes")["results"] == []
        doors.of(other).get(f"quotes/{made['id']}", 404)
        doors.of(other).post("runs", {"purpose": "pretrain", "quote": made["id"]}, 404)
    doors.of(rich_lab, "finance").post("quotes", asked, 403)
    assert doors.of(ada).post("quotes", asked, 403)["code"] == "not_a_lab"


@pytest.mark.parametrize(
    ("items", "status", "code"),
    [
        ([], 400, "bad_quote"),
        ([{"subject": "nobody/nothing"}], 400, "bad_quote"),
        ([{"subject": "aurora-archive/essays"}, {"subject": "aurora-archive/essays@1"}], 400,
         "bad_quote"),
        ([{"subject": "aurora-archive/reserved"}], 409, "not_on_offer"),
    ],
)  # fmt: skip
def test_what_cannot_be_quoted_is_refused(rich_lab, essays, ada, items, status, code):
    factories.version(factories.dataset(ada, "reserved"), ["x"])
    body = {"purpose": "pretrain", "items": items}
    assert doors.of(rich_lab).post("quotes", body, status)["code"] == code
    assert not Quote.objects.exists()


def test_of_several_licences_one_must_be_named(rich_lab, essays, euro, asked):
    second = licensing.offer_licence(
        dataset=essays.dataset, name="Dear", text="x", purposes=["pretrain"], at=NOON
    )
    door = doors.of(rich_lab)
    assert str(second.pk) in door.post("quotes", asked, 400)["detail"]
    asked["items"][0]["licence"] = str(second.pk)
    assert door.post("quotes", asked, 201)["items"][0]["words"] == "free"


def test_a_lab_asks_on_the_page_of_a_licence(rich_lab, essays, ada):
    licence = essays.dataset.licences.get()
    client, other = Client(), Client()
    client.force_login(factories.user("lee@cobalt.example", party=rich_lab))
    other.force_login(factories.user("ada@aurora.example", party=ada))
    address = f"/admin/provenance/licence/{licence.pk}/quote/"
    answer = client.post(address, {"quote-purpose": "pretrain", "quote-epochs": "2"})
    page = client.get(answer["Location"])
    assert "2.00 EUR for pre-training" in page.content.decode()
    assert other.get(answer["Location"]).status_code in (403, 404)
    assert "2.00 EUR" in client.get("/admin/provenance/quote/").content.decode()
    assert not Usage.objects.exists()
