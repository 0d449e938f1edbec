"""A payee is shown its own line of an entry, and nothing of what anybody else paid or earned."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st
from tallymark.charge_tree import root_above, root_of
from tallymark.journal import lines_digest
from tallymark.lines import entry_leaf, entry_salt, line_leaf, line_leaves, line_salt
from tallymark.verify import verify

from compensation import (
    audit,
    billing,
    charge_tree,
    commitments,
    holdback,
    payouts,
    proofs,
    settlement,
)
from compensation.models import Charge, Entry
from provenance import anchor, ledger
from provenance.models import Event
from tests import factories
from tests.cast import NOON
from tests.compensation.conftest import grant, priced, texts, use
from tests.paying import ADAS_ADDRESS, address
from tests.proofs import at as value_at
from tests.proofs import places

LATER = NOON + timedelta(hours=1)


def billed(lab, owners, asset, *, used_at, billed_at):
    """One entry in which each owner earns by the number of records beside it."""
    for owner, records in owners:
        made = factories.version(factories.dataset(owner), texts(3, owner.name))
        version = priced(made, asset, price_units=25_000_000, at=used_at)
        grant(lab, version, at=used_at)
        use(lab, version, records=records, at=used_at)
    billing.bill_batch(at=billed_at)
    return Entry.objects.filter(kind="usage").latest("pk")


def paid_and_anchored(party, dollar, clock, drive):
    holdback.mature_credits(at=clock())
    address(party, ADAS_ADDRESS, clock)
    payouts.build_epoch(dollar, clock())
    drive()
    settlement.claim(party=party, asset=dollar, at=clock())
    drive()
    billing.seal_journal(at=clock())
    ledger.seal()
    anchor.anchor_next(at=clock())
    drive()
    anchor.settle(at=clock())
    weights = {"weight_version__version__dataset__owner": party}
    return proofs.payment_proof(party, Charge.objects.get(**weights))


@pytest.mark.django_db(transaction=True)
def test_a_proof_holds_no_amount_of_others_and_nothing_to_try_a_guess_on(
    ada, ben, paid_lab, dollar, clock, drive
):
    used_at = clock()
    clock.pass_time(120)
    owners = [(ada, 10), (ben, 7)]
    entry = billed(paid_lab, owners, dollar, used_at=used_at, billed_at=clock())
    proof = paid_and_anchored(ada, dollar, clock, drive)
    assert verify(proof).is_true
    assert proof["entry"]["line"]["units"] == 250_000
    lines = [(line.account_id, line.amount_units) for line in entry.lines.all()]
    others = {units for _, units in lines} - {250_000}
    assert {175_000, -425_000} <= others
    shown = {value_at(proof, path) for path in places(proof)}
    assert not shown & {*others, *map(str, others), *(str(-units) for units in others)}
    text = json.dumps(proof)
    hidden = (audit.header_digest(entry), lines_digest(lines), entry.previous_hash)
    assert not [one for one in hidden if bytes(one).hex() in text]


@pytest.mark.django_db(transaction=True)
def test_what_was_sealed_before_lines_were_committed_to_is_proved_by_the_whole_entry(
    ada, paid_lab, dollar, clock, drive
):
    used_at = clock()
    clock.pass_time(120)
    entry = billed(paid_lab, [(ada, 10)], dollar, used_at=used_at, billed_at=clock())
    body = {"number": entry.pk, "hash": bytes(entry.hash)}
    ledger.record(commitments.SEALED, at=clock(), subject_kind="journal", body=body)
    proof = paid_and_anchored(ada, dollar, clock, drive)
    assert sorted(units for _, units in proof["entry"]["lines"]) == [-250_000, 250_000]
    report = verify(proof | {"division": None})
    assert report.is_true, report.failures


def test_every_line_leads_to_the_event_that_sealed_its_entry_and_no_other_does(
    ada, ben, rich_lab, euro
):
    """Events seal stretches of several entries, and each begins where the one before it ended."""
    billed(rich_lab, [(ada, 10), (ben, 7)], euro, used_at=NOON, billed_at=LATER)
    assert billing.seal_journal(at=LATER) == 2
    for records in (3, 5):
        made = [factories.party(f"{name}{records}", is_owner=True) for name in "ab"]
        billed(rich_lab, [(one, records) for one in made], euro, used_at=NOON, billed_at=LATER)
    assert billing.seal_journal(at=LATER) == 4
    salts = set()
    for entry in Entry.objects.all():
        sealed, first = commitments.sealing_of(entry)
        last, root = int(sealed.body["number"]), bytes.fromhex(sealed.body["entries"])
        assert first <= entry.pk <= last
        for line in entry.lines.all():
            own = commitments.own_line(entry, line.account_id, first, last)
            assert own.units == line.amount_units
            leaf = line_leaf(entry.pk, line.account_id, own.units, own.salt)
            assert root_above(leaf, own.line_count, own.line_path) == own.lines_root
            top = entry_leaf(entry.pk, bytes(entry.hash), own.lines_root)
            assert root_above(top, own.entry_count, own.entry_path) == root
            salts.add(own.salt)
    assert len(salts) == sum(entry.lines.count() for entry in Entry.objects.all())
    assert Event.objects.filter(kind=commitments.SEALED).count() == 2


def test_a_sealer_that_was_overtaken_seals_nothing(ada, rich_lab, euro, monkeypatch):
    """It asked for the journal's head, then another billed and sealed, then it asked how far."""
    sealed_number = billing._sealed_number

    def overtaken():
        monkeypatch.undo()
        billed(rich_lab, [(ada, 10)], euro, used_at=NOON, billed_at=LATER)
        assert billing.seal_journal(at=LATER) == 2
        return sealed_number()

    monkeypatch.setattr(billing, "_sealed_number", overtaken)
    assert billing.seal_journal(at=LATER) == 0
    assert Event.objects.filter(kind=commitments.SEALED).count() == 1


def test_older_events_that_overtook_each_other_leave_no_entry_out(ada, ben, rich_lab, euro):
    entry = billed(rich_lab, [(ada, 10)], euro, used_at=NOON, billed_at=LATER)
    for one in (entry, Entry.objects.first()):
        body = {"number": one.pk, "hash": bytes(one.hash)}
        ledger.record(commitments.SEALED, at=LATER, subject_kind="journal", body=body)
    assert billing.seal_journal(at=LATER) == 0
    later = billed(rich_lab, [(ben, 10)], euro, used_at=NOON, billed_at=LATER)
    assert billing.seal_journal(at=LATER) == later.pk
    assert commitments.sealing_of(later)[1] == later.pk
    call_command("verify_journal", stdout=StringIO())


def test_an_entry_whose_charges_come_to_nothing_is_sealed_without_lines(ada, rich_lab, euro):
    made = factories.version(factories.dataset(ada), texts(3))
    version = priced(made, euro, price_units=1, at=NOON)
    grant(rich_lab, version)
    use(rich_lab, version, records=1)
    billing.bill_batch(at=LATER)
    assert Entry.objects.get(kind="usage").lines.count() == 0
    assert billing.seal_journal(at=LATER) == 2
    call_command("verify_journal", stdout=StringIO())


numbers = st.integers(min_value=1, max_value=2**63 - 1)
units = st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1)


@given(st.dictionaries(numbers, units, min_size=1, max_size=40), numbers, st.data())
def test_the_way_of_a_line_leads_to_the_root_from_that_line_alone(lines, number, data):
    salt = entry_salt(b"\x07" * 32, number)
    rows = sorted(lines.items())
    leaves = line_leaves(number, rows, salt)
    place = data.draw(st.integers(min_value=0, max_value=len(rows) - 1))
    account, amount = rows[place]
    own, way = line_salt(salt, account), charge_tree.path(leaves, place)
    root = root_of(leaves)
    assert root_above(line_leaf(number, account, amount, own), len(rows), way) == root
    for other in (
        line_leaf(number, account, amount - 1, own),
        line_leaf(number, account - 1, amount, own),
        line_leaf(number - 1, account, amount, own),
        line_leaf(number, account, amount, salt),
    ):
        assert root_above(other, len(rows), way) != root
