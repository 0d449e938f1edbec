"""A payout through the API, on a real EVM: address, claim, payment, and the proof of it."""

from __future__ import annotations

import pytest
from django.contrib.humanize.templatetags.humanize import intcomma
from tallymark.rpc import Node
from tallymark.verify import verify

from compensation import billing, holdback, payouts, progress, weights
from compensation.models import PayoutLeaf
from compensation.templatetags.money import amount
from provenance import anchor, conflicts, evm, ledger
from tests import doors, factories
from tests.compensation.conftest import grant, priced, texts, use
from tests.compensation.test_bank_doors import browser, page
from tests.paying import ADAS_ADDRESS, earn

pytestmark = pytest.mark.django_db(transaction=True)


def paid(door, dollar, clock, drive) -> dict:
    """Name an address, wait for the epoch, claim, and wait for the money."""
    door.post("payout-methods", {"address": ADAS_ADDRESS}, 201)
    payouts.build_epoch(dollar, clock())
    drive()
    (open_now,) = door.get("payouts/claimable")
    assert open_now["leaf"]["asset"]["code"] == dollar.code
    assert open_now["open_units"] > 0
    claim = door.post("payouts/claim", {"asset": dollar.code}, 202)
    assert claim["tx_state"] == "queued"
    drive()
    assert door.get("payouts/claimable") == []
    (payout,) = door.get("payouts")["results"]
    return payout


def chips(door, party) -> list[tuple[str, str, str]]:
    """Each payout's state to a program, and what its pages call it."""
    codes = {one["reference"]: one["state"] for one in door.get("payouts/progress")}
    return [
        (codes[one.reference], one.shown, one.words.partition(" 0x")[0])
        for one in progress.payouts_of(party=party)
    ]


def anchored(clock, drive) -> None:
    billing.seal_journal(at=clock())
    ledger.seal()
    anchor.anchor_next(at=clock())
    drive()
    anchor.settle(at=clock())


def test_a_payout_is_claimed_and_its_proof_verifies(ada, ben, lab, paid_lab, dollar, clock, drive):
    earn(paid_lab, ada, dollar, clock)
    door = doors.of(ada)
    payout = paid(door, dollar, clock, drive)
    anchored(clock, drive)
    proof = door.get(f"payouts/{payout['id']}/proof")
    node, contract = Node(evm.connect().told.rpc_url), proof["payout"]["contract"]
    report = verify(proof, node=node, contract=contract)
    assert report.is_true, report.failures
    assert [point.split(":")[0] for point in report.not_checked] == ["who reported the use"]
    assert proof["charge"]
    (charge,) = door.get("charges")["results"]
    assert verify(door.get(f"charges/{charge['id']}/proof")).is_true
    assert doors.of(lab).get(f"charges/{charge['id']}/proof", 409)["code"] == "earns_nothing"
    doors.of(ben).get(f"payouts/{payout['id']}/proof", 404)
    doors.of(ben).get(f"charges/{charge['id']}/proof", 404)


def test_what_can_be_claimed_is_not_called_sent(ada, paid_lab, dollar, clock, drive):
    earn(paid_lab, ada, dollar, clock)
    door = doors.of(ada)
    door.post("payout-methods", {"address": ADAS_ADDRESS}, 201)
    payouts.build_epoch(dollar, clock())
    assert chips(door, ada)[0][:2] == ("sent", "waiting")
    drive()
    ready = "Ready: claim it, or wait until the service sends it."
    assert chips(door, ada) == [("sent", "ready to claim", ready)]
    client = browser(ada)
    assert "Ready to claim" in page(client, "compensation_payout_changelist")
    leaf = PayoutLeaf.objects.get()
    owed = amount(leaf.added_units, dollar)
    to = f"{owed} to {leaf.address}"
    assert to in page(client, "compensation_payout_list_verb", "claim")
    in_all = f"{owed} ({intcomma(leaf.cumulative)} in the contract"
    assert in_all in page(client, "compensation_payoutleaf_change", leaf.pk)
    door.post("payouts/claim", {"asset": dollar.code}, 202)
    assert chips(door, ada)[0][:2] == ("sent", "sent")
    drive()
    assert chips(door, ada) == [("paid", "paid", "Paid in transaction")]


def test_what_a_conflict_moved_is_proved_by_the_entry_that_moved_it(
    ada, ben, paid_lab, dollar, clock, drive
):
    first = factories.version(factories.dataset(ada, "originals"), texts(4))
    second = factories.version(factories.dataset(ben, "copies"), [*texts(4), "an own text of Ben"])
    overlap = factories.overlap(second, first, [(text, text) for text in texts(4)])
    conflict = conflicts.open_from_overlap(overlap=overlap, at=clock())
    priced(second, dollar, price_units=25_000_000, at=clock())
    grant(paid_lab, second, at=clock())
    use(paid_lab, second, records=10, at=clock())
    clock.pass_time(120)
    billing.bill_batch(at=clock())
    conflicts.claim(
        conflict=conflict, claimant=ada, statement="Mine.", evidence="Drafts.", at=clock()
    )
    conflicts.answer(conflict=conflict, party=ben, text="So it is.", agrees=True, at=clock())
    weights.apply_resolutions(at=clock())
    holdback.mature_credits(at=clock())
    door = doors.of(ada)
    payout = paid(door, dollar, clock, drive)
    anchored(clock, drive)
    proof = door.get(f"payouts/{payout['id']}/proof")
    assert proof["charge"] is None
    assert proof["entry"]["line"]["units"] == payout["amount_units"]
    assert "lines" not in proof["entry"]
    report = verify(proof, node=Node(evm.connect().told.rpc_url))
    assert report.is_true, report.failures
