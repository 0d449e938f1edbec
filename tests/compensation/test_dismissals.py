"""A reverted transaction is dismissed for good only with a reason, and where nothing needs it."""

from __future__ import annotations

import pytest

from compensation import approvals
from compensation.admin import queue
from compensation.models import Asset, PayoutClaim, PayoutEpoch, PayoutLeaf
from provenance import dismissals, outbox, proposals
from provenance.models import Event, OutboxTransaction, Party, Proposal, User
from tests import factories
from tests.cast import NOON
from tests.matrix.bakery import bake

pytestmark = pytest.mark.django_db

State = OutboxTransaction.State


@pytest.fixture
def reverted(db: None) -> OutboxTransaction:
    return OutboxTransaction.objects.create(
        chain_id=31337, account="0x" + "1" * 40, purpose="approve an old contract",
        idempotency_key="old", data=b"", gas_limit=1, state=State.REVIEW, nonce=3,
        tx_hash="0x" + "ab" * 32, is_reverted=True, created_at=NOON,
    )  # fmt: skip


def dismissed(row: OutboxTransaction, by: User | None, reason: str = "The contract is gone."):
    body = {"transaction": row.pk, "reason": reason}
    kind = Proposal.Kind.DISMISSAL
    return approvals.attempt(kind=kind, subject=str(row.pk), body=body, by=by, at=NOON)


def test_one_operator_dismisses_what_carries_no_money(
    reverted: OutboxTransaction, olga: User
) -> None:
    assert [case.kind for case in queue.cases(at=NOON, limit=9)] == ["transaction"]
    assert dismissed(reverted, olga).state == State.DISMISSED
    reverted.refresh_from_db()
    assert "The contract is gone." in reverted.note
    assert queue.cases(at=NOON, limit=9) == []
    event = Event.objects.get(kind="outbox.dismissed")
    assert (event.body["tx_hash"], event.body["by"]) == (reverted.tx_hash, olga.pk)
    with pytest.raises(outbox.NotInReview):
        dismissed(reverted, olga)
    with pytest.raises(outbox.NotInReview):
        outbox.send_again(reviewed=reverted, reason="after all", at=NOON)


def test_it_takes_a_reason(reverted: OutboxTransaction, olga: User) -> None:
    with pytest.raises(dismissals.DismissedWithoutReason):
        dismissed(reverted, olga, " ")


def test_what_carries_a_payout_takes_a_second_operator(
    reverted: OutboxTransaction, ada: Party, lab: Party, euro: Asset, olga: User, otto: User
) -> None:
    made: dict = {OutboxTransaction: reverted, Asset: euro}

    def row(model):
        if model not in made:
            given = {"position": 0} if model is PayoutLeaf else {}
            made[model] = bake(model, row, (ada, lab), **given)
        return made[model]

    epoch = row(PayoutEpoch)
    PayoutEpoch.objects.filter(pk=epoch.pk).update(state="active")
    bake(PayoutClaim, row, (ada, lab))
    waits = dismissed(reverted, olga)
    assert isinstance(waits, Proposal)
    reverted.refresh_from_db()
    assert reverted.state == State.REVIEW
    with pytest.raises(proposals.NotASecondPerson):
        approvals.approve(proposal=waits, by=olga, at=NOON)
    approvals.approve(proposal=waits, by=otto, at=NOON)
    reverted.refresh_from_db()
    assert reverted.state == State.DISMISSED


def test_what_a_payout_tree_waits_for_is_not_dismissed(
    reverted: OutboxTransaction, ada: Party, lab: Party, euro: Asset, olga: User
) -> None:
    made: dict = {Asset: euro}

    def row(model):
        if model not in made:
            given = {"position": 0} if model is PayoutLeaf else {}
            made[model] = bake(model, row, (ada, lab), **given)
        return made[model]

    epoch = row(PayoutEpoch)
    epoch.outbox.add(reverted)
    with pytest.raises(dismissals.StillNeeded):
        dismissed(reverted, olga)


def test_nobody_else_is_offered_it(reverted: OutboxTransaction, ada: Party, client) -> None:
    client.force_login(factories.user("ada@x.example", party=ada))
    page = f"/admin/provenance/outboxtransaction/{reverted.pk}/dismiss/"
    assert client.post(page, {"dismiss-reason": "x"}).status_code in (302, 403, 404)
    reverted.refresh_from_db()
    assert reverted.state == State.REVIEW
