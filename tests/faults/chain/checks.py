"""What the chain has in the end, held against the model and against our books."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Sum

from compensation import invariants
from compensation.models import Account, Balance, Payout, PayoutEpoch
from provenance.models import Anchor, ChainAccount, Event, OutboxTransaction
from tests.anvil import Anvil
from tests.faults.chain.jobs import Wage
from tests.faults.chain.model import Model, Outcome
from tests.faults.chain.world import World

BALANCE_OF, HEAD = "0x70a08231", "0x8f7dcfa3"
State = OutboxTransaction.State
OPEN = (State.QUEUED, State.SENT, State.MINED)


def is_at_rest() -> bool:
    """Whether nothing is left to be done, or nothing can be."""
    waits = Balance.objects.filter(
        account__kind__in=[Account.Kind.OWNER, Account.Kind.PAYOUTS_IN_FLIGHT], posted__gt=0
    )
    return not (
        OutboxTransaction.objects.filter(state__in=OPEN).exists()
        or PayoutEpoch.objects.exclude(state=PayoutEpoch.State.ACTIVE).exists()
        or Anchor.objects.filter(final_at=None).exists()
        or Event.objects.filter(sequence=None).exists()
        or waits.exists()
    )


def outcome(world: World, model: Model, anvil: Anvil) -> Outcome:
    """Everything that is not as it must be, once nothing moves any more."""
    found = Outcome()
    for name, earned in model.earned.items():
        got = _balance(anvil, world, world.addresses[name])
        _compare(found, name, got, earned)
        booked = Payout.objects.filter(party_id=world.owners[name])
        in_books = int(booked.aggregate(sum=Sum("token_amount"))["sum"] or 0)
        if in_books != got:
            found.failed.append(f"our books say that {name} was paid {in_books}, the chain {got}")
    for wage in model.wages:
        due = 0 if wage.is_doomed else wage.tokens
        _compare(found, wage.key, _balance(anvil, world, wage.address), due)
    found.lost += _events(world, model, anvil)
    found.stuck += _stuck(model)
    found.failed += [f"the journal: {one}" for one in invariants.broken()]
    return found


def _compare(found: Outcome, who: str, got: int, due: int) -> None:
    if got > due:
        found.overpaid.append(f"{who} got {got} of {due}")
    if got < due:
        found.lost.append(f"{who} got {got} of {due}")


def _balance(anvil: Anvil, world: World, address: str) -> int:
    data = BALANCE_OF + address.removeprefix("0x").lower().rjust(64, "0")
    return int(anvil.rpc("eth_call", {"to": world.token, "data": data}, "latest"), 16)


def _events(world: World, model: Model, anvil: Anvil) -> Iterator[str]:
    """The chain's batches hold all events that were ever recorded, without a gap."""
    words = anvil.rpc("eth_call", {"to": world.anchor, "data": HEAD}, "latest")[2:]
    batch, next_sequence = int(words[:64], 16), int(words[64:128], 16)
    recorded = Event.objects.filter(kind="test.happened").count()
    if recorded != model.events:
        yield f"the ledger has {recorded} of {model.events} events"
    if next_sequence - 1 != Event.objects.count():
        yield f"the chain anchors {next_sequence - 1} of {Event.objects.count()} events"
    if batch != Anchor.objects.count():
        yield f"the chain has {batch} batches, our books {Anchor.objects.count()}"


def _stuck(model: Model) -> Iterator[str]:
    """What waits for ever, or for a person whom nothing should have called."""
    doomed: dict[str, Wage] = {one.key: one for one in model.wages if one.is_doomed}
    for row in OutboxTransaction.objects.exclude(state=State.FINAL):
        if row.idempotency_key not in doomed or row.state != State.REVIEW:
            yield f"{row} {row.note}".strip()
        elif row.attempts.values("nonce").distinct().count() != 1:
            yield f"{row}: it reverted, and was sent again without a word"
    told = OutboxTransaction.objects.filter(idempotency_key__startswith="wage:").count()
    if told != len(model.wages):
        yield f"the outbox has {told} of {len(model.wages)} wages"
    for account in ChainAccount.objects.exclude(alarm=ChainAccount.Alarm.NONE):
        yield f"{account}: {account.alarm_detail}"
    for epoch in PayoutEpoch.objects.exclude(state=PayoutEpoch.State.ACTIVE):
        yield f"{epoch} is {epoch.state}"
