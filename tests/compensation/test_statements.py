"""Statements answer in words, add up to the unit, and open to every ground."""

import csv
import io
import json
from datetime import datetime, timedelta

import pytest

from compensation import (
    addresses,
    billing,
    deposits,
    holdback,
    money,
    payees,
    periods,
    statements,
    weights,
)
from compensation.models import Charge, Entry, PlatformFee
from compensation.statements import BadPeriod, Period
from provenance import conflicts, evm, ledger, receipts, usage
from tests import doors, factories
from tests.cast import NOON
from tests.compensation.conftest import grant, priced, texts, use
from tests.papers import english, read
from tests.signing import KEY, body, registered

__all__ = ["read"]

DAY = timedelta(days=1)
LATER = NOON + timedelta(hours=1)
MARCH = "2026-03"


def bill(lab, *versions, records=50, at=LATER):
    for version in versions:
        grant(lab, version, at=at)
        use(lab, version, records=records, at=at)
    billing.bill_batch(at=at + timedelta(minutes=2))


def of_owner(party, asset, period=MARCH, at=NOON + DAY):
    return statements.owner_statement(party=party, asset=asset, period=Period.month(period), at=at)


def of_lab(party, asset, period=MARCH, at=NOON + DAY):
    return statements.lab_statement(party=party, asset=asset, period=Period.month(period), at=at)


def add_up(statement):
    moved = sum(line.amount_units for line in statement.movements)
    assert statement.opening_units + moved == statement.closing_units
    return statement.closing_units


@pytest.fixture
def disputed(ada, ben, euro):
    """Ben's notes, three in ten of which Ada registered before him; and their conflict."""
    adas = factories.version(factories.dataset(ada), texts(10))
    bens = factories.version(factories.dataset(ben, "notes"), [*texts(3), *texts(7, "own")])
    priced(bens, euro, price_units=1_000_001)
    found = factories.overlap(bens, adas, [(text, text) for text in texts(3)])
    return bens, conflicts.open_from_overlap(overlap=found, at=NOON)


def test_the_first_page_answers_in_words(ada, rich_lab, essays, euro):
    bill(rich_lab, essays)
    found = of_owner(ada, euro)
    assert found.words == [
        "You earned 0.50 EUR in 2026-03.",
        "0.50 EUR is held: it becomes payable on 2026-03-31, 30 days after it was earned, "
        "so that mistakes can be put right.",
        "Nothing is payable now.",
        "Say where your payouts should go: add a bank account.",
    ]
    holdback.mature_credits(at=NOON + 31 * DAY)
    assert of_owner(ada, euro).words[1:3] == [
        "Nothing is held.",
        "0.50 EUR is payable. It waits until you name a bank account for EUR.",
    ]


def test_a_month_that_is_over_says_what_it_ended_with_and_of_when_it_speaks(
    ada, rich_lab, essays, euro
):
    bill(rich_lab, essays)
    ended = "At the end of 2026-03 it was {}; what follows is as of 2026-04-02."
    later = NOON + 32 * DAY
    owner, lab = of_owner(ada, euro, at=later), of_lab(rich_lab, euro, at=later)
    assert owner.words[1] == ended.format("0.50 EUR")
    assert lab.words[1] == ended.format(lab.say(lab.closing_units))
    assert not any("At the end" in one for one in of_owner(ada, euro).words)


def test_both_owners_statements_add_up_through_hold_and_resolution(
    ada, ben, olga, rich_lab, disputed, euro
):
    bens, conflict = disputed
    bill(rich_lab, bens, records=10)
    held = of_owner(ben, euro)
    assert [one.amount_units for one in held.held if one.conflict_id] == [3_000]
    assert add_up(held) == 7_000
    conflicts.claim(conflict=conflict, claimant=ada, statement="Ours.", at=LATER)
    conflicts.answer(conflict=conflict, party=ben, text="No.", agrees=False, at=LATER)
    (todo,) = [one for one in of_owner(ada, euro).todos if one.code == "answer_conflict"]
    assert (todo.words.partition(":")[0], todo.conflict_id) == (
        "Reply to the answer",
        str(conflict.pk),
    )
    assert todo.sentence == f"{todo.words}, by {todo.deadline_at:%Y-%m-%d}."
    conflicts.reply(conflict=conflict, party=ada, text="Yes.", at=LATER)
    conflicts.decide(
        conflict=conflict, outcome="to_earlier", reasons="Dated.", by=olga, at=LATER + DAY
    )
    weights.apply_resolutions(at=LATER + DAY)
    adas, bens_now = of_owner(ada, euro), of_owner(ben, euro)
    assert add_up(adas) + add_up(bens_now) == 10_000
    (line,) = adas.movements
    assert (line.words, line.conflict_id) == ("Divided anew after a conflict", str(conflict.pk))
    assert not [one for one in bens_now.held if one.conflict_id]


def test_months_join_without_a_gap(ada, rich_lab, essays, euro):
    bill(rich_lab, essays, records=3, at=datetime(2026, 3, 31, 23, 30, tzinfo=NOON.tzinfo))
    bill(rich_lab, essays, records=4, at=datetime(2026, 4, 1, 0, 30, tzinfo=NOON.tzinfo))
    march, april = of_owner(ada, euro), of_owner(ada, euro, "2026-04")
    assert (add_up(march), march.closing_units) == (30_000, april.opening_units)
    assert add_up(april) == 70_000
    labs = [of_lab(rich_lab, euro, month) for month in (MARCH, "2026-04")]
    assert add_up(labs[0]) == labs[1].opening_units
    with pytest.raises(BadPeriod):
        Period.month("2026-13")


def test_what_comes_late_stands_in_the_next_open_month_and_the_closed_one_stays(
    ada, rich_lab, essays, euro
):
    bill(rich_lab, essays, records=3)
    periods.close_period(name=MARCH, at=NOON + 40 * DAY)
    closed = of_owner(ada, euro)
    assert closed.period.closed_at is not None
    bill(rich_lab, essays, records=4, at=NOON + 2 * DAY)
    assert of_owner(ada, euro).closing_units == closed.closing_units
    assert of_owner(ada, euro, "2026-04").opening_units == closed.closing_units
    assert add_up(of_owner(ada, euro, "2026-04")) == 70_000


def test_each_line_opens_to_usage_rate_share_and_events(ada, rich_lab, essays, euro):
    bill(rich_lab, essays, essays)
    ledger.seal()
    line = of_owner(ada, euro).movements[0]
    assert (line.words, line.charge_count) == ("Use of aurora-archive/essays@1", 2)
    entry = Entry.objects.get(pk=line.entry_id)
    found = statements.shares_of(entry, ada, weight_version_id=line.weight_version_id)
    assert sum(one.share_units for one in found) == line.amount_units
    one = found[0]
    assert (one.lab, one.rate) == ("Cobalt Labs", "10.00 EUR per 1,000 records")
    assert one.usage_events[0]
    assert one.charge_event
    account = entry.lines.get(account__party=ada).account
    assert statements.share_of(one.charge, account) == one.share_units


def test_a_lab_sees_what_it_spent_what_is_left_and_what_waits(lab, essays, euro):
    deposits.deposit(lab=lab, asset=euro, amount_units=600_000, reference="wire 7", at=NOON)
    bill(lab, essays)
    bill(lab, essays, at=LATER + timedelta(hours=1))
    found = of_lab(lab, euro)
    assert add_up(found) == 100_000
    assert [line.words for line in found.movements] == [
        "Deposit wire 7",
        "Use of aurora-archive/essays@1",
    ]
    assert found.words == [
        "You spent 0.50 EUR in 2026-03.",
        "0.10 EUR is left.",
        "Uses that wait to be charged: 1. The lab's balance does not cover it.",
        "Pay in a deposit in EUR: what waits is charged when it arrives, and running jobs go on "
        "meanwhile.",
    ]


def test_files_say_the_same_as_the_page(ada, rich_lab, essays, euro):
    bill(rich_lab, essays)
    found = of_owner(ada, euro)
    said = statements.as_json(found)
    json.dumps(said)
    assert said["closing_units"] == 500_000
    assert said["words"] == found.words
    rows = list(csv.DictReader(io.StringIO(statements.as_csv(found))))
    assert rows[0]["what"] == "Opening balance"
    units = [int(row["amount_units"]) for row in rows]
    assert sum(units[:-1]) == units[-1]
    assert {row["asset"] for row in rows} == {"iso4217:EUR"}
    assert money.to_units(rows[1]["amount"], euro.scale) == units[1]


def test_an_address_must_be_one_and_proved_outside_of_development(ada, noon, settings):
    settings.CHAIN_ID = 1
    for text in ("", "0x12", "0x" + "0" * 40, "0x" + "g" * 40):
        with pytest.raises(addresses.NotAnAddress):
            payees.add_method(party=ada, address=text, chain_id=1, at=noon)
    with pytest.raises(addresses.NotAnAddress, match="mistyped"):
        payees.add_method(
            party=ada, address="0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", chain_id=1, at=noon
        )
    from eth_account import Account
    from eth_account.messages import encode_defunct

    wallet, other = Account.from_key(b"\1" * 32), Account.from_key(b"\2" * 32)
    method = payees.add_method(party=ada, address=wallet.address, chain_id=1, at=noon)
    assert payees.method_in_force(ada) is None
    text = encode_defunct(text=method.challenge)
    for signature in ("0x00", "", "0x" + other.sign_message(text).signature.hex()):
        # It could be a contract's; no node answers here, so that it proves nothing.
        with pytest.raises(evm.ChainUnreachable):
            payees.verify_method(method=method, signature=signature, at=noon)
        assert payees.method_in_force(ada) is None
    good = "0x" + wallet.sign_message(text).signature.hex().removeprefix("0x")
    payees.verify_method(method=method, signature=good, at=noon)
    assert payees.method_in_force(ada) == method
    settings.CHAIN_ID = 31337
    newer = payees.add_method(party=ada, address=other.address, chain_id=31337, at=noon)
    assert method.removed_at is None, "each chain has its own"
    assert payees.method_in_force(ada) == newer
    payees.remove_method(method=newer, at=noon)
    assert payees.method_in_force(ada) is None


def test_a_charge_is_explained_from_the_report_to_the_payout(ada, ben, rich_lab, essays, euro):
    PlatformFee.objects.create(basis_points=1_000, valid_from=NOON - DAY)
    bill(rich_lab, essays)
    ledger.seal()
    charge = Charge.objects.get()
    as_owner = statements.explain(charge.pk, factories.viewer(ada)).as_json()
    assert as_owner["report"]["events"][0]["proof"].startswith("/api/v1/events/")
    assert as_owner["report"]["signature"] is None
    assert as_owner["words"][0].endswith("It is not signed.")
    assert as_owner["rate"]["rate"] == charge.rate_id
    assert as_owner["decision"]["is_automatic"]
    (part,) = as_owner["split"]["parts"]
    assert part["units"] == charge.amount_units * 9 // 10
    assert as_owner["split"]["others"]["units"] == charge.amount_units - part["units"]
    assert any("parts of" in one and "rounded down" in one for one in as_owner["words"])
    assert as_owner["journal"]["hash"] == bytes(charge.entry.hash).hex()
    assert as_owner["payout"]["state"] == "held"
    json.dumps(as_owner)
    as_lab = statements.explain(charge.pk, factories.viewer(rich_lab)).as_json()
    assert as_lab["words"][:3] == as_owner["words"][:3]
    assert (as_lab["split"], as_lab["payout"]) == (None, None)
    assert statements.explain(charge.pk, factories.viewer(ben)) is None


def test_a_signed_report_is_called_signed_and_names_the_key(ada, rich_lab, essays, euro):
    grant(rich_lab, essays)
    registered(rich_lab)
    run = usage.start_run(lab=rich_lab, purpose="pretrain", at=NOON)
    doors.of(rich_lab).post("usages", body(rich_lab, run, essays), 202)
    usage.end_run(run=run, at=NOON)
    receipts.countersign()
    billing.bill_batch(at=LATER)
    charge = Charge.objects.get()
    said = statements.explain(charge.pk, factories.viewer(ada)).as_json()["report"]
    assert said["signature"]["signers"] == [KEY.address]
    assert (said["signature"]["receipts"], said["signature"]["countersigned"]) == (1, 1)
    assert "1 of 1 receipts are countersigned" in said["words"]
    assert [one["is_signed"] for one in said["streams"]] == [True]


def test_only_the_lab_and_operators_read_the_names_of_its_streams(
    ada, operator, rich_lab, essays, euro
):
    bill(rich_lab, essays)
    charge = Charge.objects.get()

    def streams(party):
        report = statements.explain(charge.pk, factories.viewer(party)).as_json()["report"]
        return [one["stream"] for one in report["streams"]]

    assert streams(rich_lab) == streams(operator) != [None]
    assert streams(ada) == [None]


def test_an_operator_sees_every_part_of_a_charge_and_they_add_up(
    ada, operator, rich_lab, essays, euro
):
    PlatformFee.objects.create(basis_points=777, valid_from=NOON - DAY)
    bill(rich_lab, essays)
    charge = Charge.objects.get()
    parts = statements.explain(charge.pk, factories.viewer(operator)).split["parts"]
    assert {part["kind"] for part in parts} == {"owner_pending", "platform_fee"}
    assert 0 <= charge.amount_units - sum(part["units"] for part in parts) < len(parts)


def test_a_labs_line_opens_to_what_it_paid_page_by_page(ada, rich_lab, essays, euro):
    bill(rich_lab, essays, essays, essays)
    (line,) = [line for line in of_lab(rich_lab, euro).movements if line.charge_count]
    entry = Entry.objects.get(pk=line.entry_id)
    whole = statements.shares_of(entry, rich_lab, weight_version_id=line.weight_version_id)
    assert sum(one.share_units for one in whole) == line.amount_units
    paged, after = [], 0
    while page := statements.shares_of(entry, rich_lab, after=after, limit=2):
        paged += page
        after = page[-1].charge.pk
    assert [one.charge for one in paged] == [one.charge for one in whole]


def test_a_statement_on_paper_is_in_its_readers_language(ada, rich_lab, essays, euro, read):
    bill(rich_lab, essays)
    for of, party in ((of_owner, ada), (of_lab, rich_lab)):
        texts = read(lambda of=of, party=party: statements.as_pdf(of(party, euro)))
        assert english(texts) == []
        assert {"逐行明细", "期初余额", "截至目前的余额", "如何核验"} <= set(texts)
        assert texts[0].startswith("报表 ")


def test_a_statement_on_paper_is_the_same_each_time(ada, rich_lab, essays, euro):
    bill(rich_lab, essays)
    for found in (of_owner(ada, euro), of_lab(rich_lab, euro)):
        paper = statements.as_pdf(found)
        assert paper.startswith(b"%PDF")
        assert paper == statements.as_pdf(found)
