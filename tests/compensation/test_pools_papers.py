"""What pools charge stands on every paper: lists, statements, explanations, exports, invoices."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tallymark.replay import replay

from compensation import billing, exports, pools, statements
from compensation.models import Account, Asset, Charge, Invoice, PoolShare
from compensation.statements import Period
from provenance import ledger, licensing
from provenance.models import DatasetVersion, Party
from tests import doors, factories
from tests.cast import NOON
from tests.compensation.conftest import grant, priced, texts, use
from tests.compensation.invoicing import APRIL, issue, profile, rule, turnover
from tests.compensation.test_pools import earned, minimum, model_of, shares_revenue
from tests.exports import files_of, rewritten, save

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
IN_APRIL, IN_MAY = datetime(2026, 4, 1, 2, tzinfo=UTC), datetime(2026, 5, 3, tzinfo=UTC)
MARCH = "2026-03"
KINDS = {"subscription", "minimum", "revenue"}


@pytest.fixture
def shared(
    rich_lab: Party, ada: Party, ben: Party, essays: DatasetVersion, euro: Asset
) -> dict[str, DatasetVersion]:
    """March owes a subscription of Ada's, a minimum of Ben's and revenue, which is corrected.

    It is charged in April, as is some use with a price.
    """
    made = {"essays": essays}
    for name, owner in (("letters", ada), ("notes", ben), ("songs", ben)):
        version = factories.version(factories.dataset(owner, name), texts(40, name))
        made[name] = priced(version, euro)
    bundle = licensing.offer_bundle(
        owner=ada, name="All", licences=[made[one].dataset.licences.get() for one in
        ("essays", "letters")], price_units=10_000_001, asset=euro.code, at=NOON,
    )  # fmt: skip
    licensing.subscribe(lab=rich_lab, bundle=bundle, at=NOON)
    grant(rich_lab, minimum(made["notes"], euro), at=NOON + HOUR)
    shares_revenue(made["songs"], euro, 333)
    grant(rich_lab, made["songs"], at=NOON + HOUR)
    for name, records in (("essays", 30), ("letters", 7), ("notes", 100)):
        use(rich_lab, made[name], records=records, at=NOON + HOUR)
    model = model_of(rich_lab, "hum", (made["songs"], 30))
    billing.bill_batch(at=NOON + 2 * HOUR)
    earned(rich_lab, model, euro, 1_000_003)
    assert pools.settle_due(at=IN_APRIL) == 3
    earned(rich_lab, model, euro, 3_000_017, at=IN_APRIL)
    use(rich_lab, made["notes"], records=11, at=IN_APRIL)
    billing.bill_batch(at=IN_APRIL + HOUR)
    assert pools.settle_due(at=IN_APRIL + HOUR) == 1
    ledger.seal()
    return made


def in_april(party: Party, euro: Asset):
    make = statements.lab_statement if party.is_lab else statements.owner_statement
    return make(party=party, asset=euro, period=Period.month(APRIL), at=IN_MAY)


def test_each_sides_statement_says_them_and_adds_up(shared, rich_lab, ada, ben, euro):
    spent = -sum(row.amount_units for row in Charge.objects.filter(charged_at__gte=IN_APRIL - DAY))
    for party, total in ((rich_lab, spent), (ada, 10_000_001), (ben, None)):
        said = in_april(party, euro)
        moved = sum(line.amount_units for line in said.movements)
        assert said.closing_units - said.opening_units == moved
        assert moved == (-spent - 10_000_001 if total is None else total)


def test_their_lines_open_to_charges_and_these_to_the_pool(shared, rich_lab, ada, ben):
    for party, door, kinds in (
        (rich_lab, doors.of(rich_lab), KINDS),
        (ada, doors.of(ada), {"subscription"}),
        (ben, doors.of(ben), {"minimum", "revenue"}),
    ):
        role = "lab" if party.is_lab else "owner"
        (page,) = door.get(f"statements/{APRIL}?role={role}&asset=iso4217:EUR")["statements"]
        usage_lines = [line for line in page["movements"] if line["kind"] == "usage"]
        entries = {line["entry_id"] for line in usage_lines}
        opened = [row for entry in sorted(entries) for row in door.get(f"statements/lines/{entry}")]
        found = {row["charge"] for row in opened}
        explained = [door.get(f"charges/{charge}/explanation") for charge in sorted(found)]
        pooled = [one for one in explained if one["pool"] is not None]
        assert {one["kind"] for one in pooled} == kinds
        for one in pooled:
            assert one["pool"]["kind"] == one["kind"]
            assert one["report"] is None
            assert (one["split"] is None) == party.is_lab


def test_they_are_in_the_list_of_charges_of_both_sides_and_of_nobody_else(
    shared, rich_lab, ada, ben
):
    stranger = factories.party("Dorado Models", is_lab=True)
    pooled = {row.pk: row for row in Charge.objects.filter(kind__in=KINDS)}
    assert len(pooled) == 5
    for party, kinds in (
        (rich_lab, KINDS), (ada, {"subscription"}), (ben, {"minimum", "revenue"}),
        (stranger, set()),
    ):  # fmt: skip
        rows = doors.of(party).get("charges")["results"]
        shown = [row for row in rows if row["kind"] in KINDS]
        assert {row["kind"] for row in shown} == kinds
        for row in shown:
            assert (row["run"], row["purpose"]) == (None, None)
            assert row["lab"]["id"] == str(rich_lab.pk)
    essays = shared["essays"]
    rows = doors.of(rich_lab).get(f"charges?dataset={essays.dataset_id}")["results"]
    assert {row["kind"] for row in rows} == {"free", "subscription"}
    assert {row["version"]["id"] for row in rows} == {str(essays.pk)}
    doors.of(stranger).get(f"charges/{min(pooled)}", 404)
    hers = next(row.pk for row in pooled.values() if row.kind == "subscription")
    assert doors.of(ada).get(f"charges/{hers}")["id"] == hers
    doors.of(ben).get(f"charges/{hers}/explanation", 404)


def exported(path: Path, party: Party | None, first: str, last: str) -> Path:
    scope = exports.scope_of(
        party=party, first=Period.month(first), last=Period.month(last), at=IN_MAY
    )
    return save(exports.export(scope), path)


@pytest.mark.parametrize(("first", "last"), [(MARCH, APRIL), (APRIL, APRIL)])
def test_exports_with_them_are_recomputed_to_the_unit(
    shared, rich_lab, ada, ben, tmp_path, first, last
):
    for party, count in ((None, 5), (rich_lab, 5), (ada, 2), (ben, 3)):
        outcome = replay(exported(tmp_path / "one.zip", party, first, last))
        assert outcome.agrees, (party, outcome.first)
        assert any(f"how {count} charges were shared" in words for words in outcome.not_checked)


def test_a_forged_part_of_a_pool_is_found_though_every_digest_fits(shared, ben, tmp_path):
    whole = exported(tmp_path / "whole.zip", ben, APRIL, APRIL)
    rows = [json.loads(line) for line in files_of(whole)["charges.jsonl"].splitlines()]
    for at, row in enumerate(rows):
        if row["kind"] not in KINDS:
            continue
        forged = [*rows[:at], {**row, **_more(row)}, *rows[at + 1 :]]

        def change(file, data, forged=forged):
            lines = b"".join(json.dumps(one).encode() + b"\n" for one in forged)
            return lines if file == "charges.jsonl" else data

        outcome = replay(rewritten(whole, tmp_path / "forged.zip", change, cunning=True))
        assert not outcome.agrees, row


def _more(row: dict) -> dict:
    """A unit more, wherever the row says how much it is."""
    return {name: row[name] + 1 for name in ("amount", "total", "running")}


def test_invoices_of_both_sides_name_them_and_add_up(shared, rich_lab, operator, ada, ben, euro):
    for party in (operator, rich_lab, ada, ben):
        profile(party)
    for side in ("lab", "owner"):
        rule(side)
    issue(MARCH, IN_APRIL + DAY)
    issue(APRIL, IN_MAY)
    for party, account in (
        (rich_lab, Account.Kind.LAB), (ada, Account.Kind.OWNER_PENDING),
        (ben, Account.Kind.OWNER_PENDING),
    ):  # fmt: skip
        made = Invoice.objects.get(party=party, period=APRIL)
        moved = turnover(euro, party, account, period=APRIL)
        assert made.net_units == (-moved if party.is_lab else moved)
        assert sum(line.amount_units for line in made.lines.all()) == made.net_units
    lines = Invoice.objects.get(party=rich_lab, period=APRIL).lines.all()
    assert {
        "A part of a subscription", "Up to the least amount of a period",
        "A part of a model's revenue",
    } <= {line.detail for line in lines}  # fmt: skip
    assert sum(row.amount_units for row in PoolShare.objects.all()) > 0
