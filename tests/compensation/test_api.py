"""Money through the API: deposits, charges, payout addresses, each to whom it concerns."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from compensation import billing, deposits
from compensation.models import Asset, Charge
from provenance import licensing, usage
from provenance.models import AccessLog, Party, User
from tests import doors, factories
from tests.factories import NOON

pytestmark = pytest.mark.django_db

ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.fixture
def euro(db: None) -> Asset:
    return deposits.register_asset(code="iso4217:EUR", symbol="EUR", scale=6)


@pytest.fixture
def charged(ada: Party, lab: Party, euro: Asset) -> Charge:
    """A lab used two of Ada's records under a grant, and was charged."""
    version = factories.version(factories.dataset(ada), ["one text", "another text"])
    licence = licensing.offer_licence(
        dataset=version.dataset, name="Training", text="x", purposes=["pretrain"],
        is_automatic=True, at=NOON,
    )  # fmt: skip
    licensing.set_rate(
        licence=licence, basis="per_1k_records", price_units=5_000_000, asset=euro.code,
        valid_from=NOON, at=NOON,
    )  # fmt: skip
    licensing.request_grant(lab=lab, licence=licence, purposes=["pretrain"], at=NOON)
    deposits.deposit(lab=lab, asset=euro, amount_units=10**9, reference="bank 1", at=NOON)
    run = usage.start_run(lab=lab, purpose="pretrain", at=NOON)
    usage.report_usage(
        run=run, subject=str(version), purpose="pretrain", stream="s", sequence=1,
        count=usage.Count(2000, 0, 1), used_at=NOON, received_at=timezone.now(),
    )  # fmt: skip
    usage.end_run(run=run, at=NOON)
    assert billing.bill_batch(at=timezone.now()) == 1
    return Charge.objects.get()


def test_an_operator_records_a_deposit_once(
    operator: Party, olga: User, lab: Party, euro: Asset
) -> None:
    door = doors.of(operator, by=olga)
    body = {"lab": str(lab.pk), "asset": euro.code, "amount_units": 500, "reference": "bank 7"}
    first, second = door.post("deposits", body, 201), door.post("deposits", body, 201)
    assert first["id"] == second["id"]
    (account,) = doors.of(lab).get("accounts")["results"]
    assert (account["kind"], account["available_units"]) == ("lab", 500)
    assert doors.of(lab).post("deposits", body, 403)["code"] == "operators_only"


def test_an_asset_that_is_not_registered_is_named(operator: Party, olga: User, lab: Party) -> None:
    body = {"lab": str(lab.pk), "asset": "iso4217:XXX", "amount_units": 5, "reference": "r"}
    answer = doors.of(operator, by=olga).post("deposits", body, 400)
    assert "iso4217:XXX" in answer["detail"]


def test_a_charge_is_seen_by_its_lab_and_its_owner(
    charged: Charge, ada: Party, ben: Party, lab: Party
) -> None:
    for party in (ada, lab):
        (seen,) = doors.of(party).get("charges")["results"]
        assert (seen["amount_units"], seen["asset"]) == (10_000_000, "iso4217:EUR")
        assert seen["run"].startswith("run-")
    assert doors.of(ben).get("charges")["results"] == []
    doors.of(ben).get(f"charges/{charged.pk}", 404)


def test_an_owner_sees_what_it_has_earned(charged: Charge, ada: Party) -> None:
    held = {a["kind"]: a["posted_units"] for a in doors.of(ada).get("accounts")["results"]}
    assert sum(held.values()) == 10_000_000


def test_an_address_with_a_typing_error_is_refused_with_what_to_do(ada: Party) -> None:
    wrong = ADDRESS.replace("C51", "c51")
    body = doors.of(ada).post("payout-methods", {"address": wrong}, 400)
    assert body["code"] == "not_an_address"
    assert "wallet" in body["hint"]


def test_an_address_is_named_and_removed_by_its_party_alone(ada: Party, ben: Party) -> None:
    door = doors.of(ada)
    made = door.post("payout-methods", {"address": ADDRESS}, 201)
    assert made["address"] == f"eip155:31337:{ADDRESS}"
    doors.of(ben).post(f"payout-methods/{made['id']}/remove", None, 404)
    assert door.post(f"payout-methods/{made['id']}/remove")["removed_at"]
    assert doors.of(ada, "rights").post("payout-methods", {"address": ADDRESS}, 403)


def test_with_nothing_open_a_claim_says_where_to_look(ada: Party, euro: Asset) -> None:
    door = doors.of(ada)
    assert door.get("payouts/claimable") == []
    assert door.post("payouts/claim", {"asset": euro.code}, 409)["code"] == "nothing_to_claim"


def test_a_statement_says_in_words_what_was_earned_and_opens_line_by_line(
    charged: Charge, ada: Party, ben: Party
) -> None:
    door = doors.of(ada)
    (statement,) = door.get(f"statements/{charged.charged_at:%Y-%m}")["statements"]
    assert statement["words"][0].startswith("You earned 10.00 EUR")
    assert statement["earned_units"] == 10_000_000
    (line,) = statement["movements"]
    (share,) = door.get(f"statements/lines/{line['entry_id']}")
    assert (share["share_units"], share["charge"]) == (10_000_000, charged.pk)
    assert doors.of(ben).get("statements/2026-03")["statements"] == []
    doors.of(ben).get(f"statements/lines/{line['entry_id']}", 404)
    doors.of(ben).get(f"statements/2026-03?party={ada.pk}", 404)


def test_a_labs_statement_adds_up(charged: Charge, lab: Party) -> None:
    (statement,) = doors.of(lab).get("statements/2026-03?role=lab")["statements"]
    moved = sum(line["amount_units"] for line in statement["movements"])
    assert statement["opening_units"] + moved == statement["closing_units"]
    table = doors.of(lab).raw("GET", "statements/2026-03?format=csv")
    assert table.headers["Content-Type"].startswith("text/csv")
    assert table.content.decode().splitlines()[-1].split(",")[1] == "Closing balance"


def test_a_month_that_is_none_is_refused(ada: Party) -> None:
    assert doors.of(ada).get("statements/2026-13", 400)["code"] == "bad_period"
    refused = doors.of(ada).get("statements/2026-03?format=csv", 400)
    assert refused["code"] == "choose_statement"


def test_an_operator_reads_a_statement_and_it_is_logged(
    charged: Charge, ada: Party, operator: Party, olga: User
) -> None:
    door = doors.of(operator, by=olga)
    (statement,) = door.get(f"statements/2026-03?party={ada.pk}")["statements"]
    assert statement["party_name"] == ada.name
    assert doors.of(ada).get("access-log")["results"]


def test_what_an_operator_looked_at_is_logged_in_english_in_whatever_language_it_was_read(
    charged: Charge, ada: Party, olga: User
) -> None:
    User.objects.filter(pk=olga.pk).update(language="zh-hans")
    browser = Client()
    browser.force_login(olga)
    assert "分录" in browser.get(reverse("admin:compensation_entry_changelist")).content.decode()
    seen = set(AccessLog.objects.filter(party=ada).values_list("what", flat=True))
    assert seen == {"list of entries"}
