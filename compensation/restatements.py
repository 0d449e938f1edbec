"""Restatements: a closed weight version divided anew, by entries that move the difference.

Each account's target under the new division, minus what it was credited. So the end does not
depend on the way, and what was held moves to the unit.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from compensation import journal, portions, pricing
from compensation.division import PLATFORM, Division, Payee
from compensation.models import (
    Account,
    Asset,
    Balance,
    Entry,
    Restatement,
    Take,
    WeightVersion,
)
from compensation.standings import Grounds
from provenance import ledger, tenures
from provenance.models import Conflict, Party

Kind = Account.Kind


def matures_at(at: datetime) -> datetime:
    """When what is credited to owners at `at` becomes payable."""
    return at + timedelta(days=settings.HOLD_BACK_DAYS)


def restate(row: WeightVersion, grounds: Grounds, at: datetime) -> None:
    """Move what has changed under a closed weight version, one reason after the other."""
    now = portions.stored(row)
    number = row.restatements.count()
    for step in portions.steps(row, grounds, now):
        number += 1
        conflict = Conflict.objects.get(pk=step.conflict_id) if step.conflict_id else None
        deltas = _deltas(row, now, step.after)
        entry = _post(row, number, conflict, deltas, at) if deltas else None
        if entry is not None:
            _record(row, number, conflict, entry, deltas, at)
        Restatement.objects.create(
            weight_version=row, number=number, conflict=conflict, entry=entry, made_at=at
        )
        portions.save(row, number, step.after, portions=step.after.portions != now.portions)
        now = step.after


def accounts_of(asset: Asset, payees: Iterable[Payee]) -> dict[Payee, Account]:
    """The account that each payee's share is credited to; made where there is none."""
    found: dict[Payee, Account] = {}
    owners: dict[UUID, Payee] = {}
    for payee in payees:
        if payee == PLATFORM:
            found[payee] = journal.account(Kind.PLATFORM_FEE, asset)
        elif payee.kind == "owner":
            owners[UUID(payee.id)] = payee
        else:
            conflict = Conflict.objects.get(pk=payee.id)
            found[payee] = journal.account(Kind.ESCROW, asset, conflict=conflict)
    pending = Account.objects.filter(kind=Kind.OWNER_PENDING, asset=asset, party__in=owners)
    missing = {*owners} - {*pending.values_list("party", flat=True)}
    Account.objects.bulk_create(
        (Account(kind=Kind.OWNER_PENDING, asset=asset, party_id=one) for one in sorted(missing)),
        ignore_conflicts=True,
    )
    for account in pending.select_related("party", "asset").all():
        assert account.party_id is not None, "an owner's account is a party's"
        found[owners[account.party_id]] = account
    return found


def _deltas(row: WeightVersion, before: Division, after: Division) -> dict[Payee, int]:
    """What each payee's target grows or shrinks by."""
    old = pricing.targets(row.total_units, before.weights(row.fee_basis_points))
    new = pricing.targets(row.total_units, after.weights(row.fee_basis_points))
    deltas = {payee: new.get(payee, 0) - old.get(payee, 0) for payee in sorted({*old, *new})}
    return {payee: delta for payee, delta in deltas.items() if delta}


def _post(
    row: WeightVersion,
    number: int,
    conflict: Conflict | None,
    deltas: dict[Payee, int],
    at: datetime,
) -> Entry:
    """Take from held-back money first; what is missing is recovered later, and awaited."""
    accounts = accounts_of(row.asset, deltas)
    lines = [(accounts[payee], delta) for payee, delta in deltas.items()]
    lines.append((journal.account(Kind.ROUNDING, row.asset), -sum(deltas.values())))
    losses = [
        (accounts[payee], -delta)
        for payee, delta in deltas.items()
        if payee.kind == "owner" and delta < 0
    ]
    taken, owed = _held_back_or_owed(losses)
    for account, short in owed:
        debtor = journal.account(Kind.RECEIVABLE, row.asset, party=account.party, conflict=conflict)
        lines += [(account, short), (debtor, -short)]
    lines += _awaited(row.asset, conflict, lines, sum(short for _, short in owed))
    entry = journal.post(
        kind=Entry.Kind.RESTATEMENT,
        lines=lines,
        effective_at=at,
        posted_at=at,
        idempotency_key=f"restatement:{row.pk}:{number}",
        facts={
            "weight_version": row.pk,
            "number": number,
            "version": row.version_id,
            "conflict": conflict.pk if conflict else None,
        },
        matures_at=matures_at(at),
    )
    Take.objects.bulk_create(
        Take(account=account, entry=entry, amount_units=amount, remaining_units=amount)
        for account, amount in taken
    )
    return entry


def _held_back_or_owed(
    losses: Iterable[tuple[Account, int]],
) -> tuple[list[tuple[Account, int]], list[tuple[Account, int]]]:
    """Part what accounts lose into what is held back for them still, and what is missing."""
    losses = list(losses)
    balances = Balance.objects.in_bulk([account.pk for account, _ in losses])
    taken, owed = [], []
    for account, loss in losses:
        part = min(loss, balances[account.pk].available)
        if part:
            taken.append((account, part))
        if loss > part:
            owed.append((account, loss - part))
    return taken, owed


def _awaited(
    asset: Asset, conflict: Conflict | None, lines: list[tuple[Account, int]], missing: int
) -> list[tuple[Account, int]]:
    """Turn `missing` units of credits into claims on what is recovered later."""
    net: dict[int, int] = {}
    for account, amount in lines:
        net[account.pk] = net.get(account.pk, 0) + amount
    # Owners wait before the platform does.
    credited = sorted(
        {account.pk: account for account, _ in lines if net[account.pk] > 0}.values(),
        key=lambda account: (account.kind != Kind.OWNER_PENDING, account.pk),
    )
    moves: list[tuple[Account, int]] = []
    for account in credited:
        part = min(net[account.pk], missing)
        if part:
            waiting = journal.account(Kind.AWAITED, asset, party=account.party, conflict=conflict)
            moves += [(account, -part), (waiting, part)]
            missing -= part
    assert not missing, "what is recovered has somebody who waits for it"
    return moves


def _record(
    row: WeightVersion,
    number: int,
    conflict: Conflict | None,
    entry: Entry,
    deltas: dict[Payee, int],
    at: datetime,
) -> None:
    """Tell the two sides of the conflict, or the dataset's owner; and whoever else it moves.

    Contributors, and owners of what the dataset was made from, are told each what it moved for it.
    """
    facts: dict[str, object] = {
        "weight_version": row.pk,
        "restatement": number,
        "conflict": conflict.pk if conflict else None,
        "entry": entry.pk,
        "entry_hash": bytes(entry.hash),
    }
    party, other = _told(row, conflict)
    _tell(row, facts, at, party, other)
    moved = {UUID(payee.id): units for payee, units in deltas.items() if payee.kind == "owner"}
    moved = {
        key: units for key, units in moved.items() if key not in (party.pk, other and other.pk)
    }
    for one in Party.objects.filter(pk__in=moved).order_by("pk"):
        _tell(row, facts | {"amount_units": str(moved[one.pk])}, at, one)


def _tell(
    row: WeightVersion,
    facts: dict[str, object],
    at: datetime,
    party: Party,
    other: Party | None = None,
) -> None:
    ledger.record(
        "revenue.restated",
        at=at,
        subject_kind="version",
        subject_id=row.version_id,
        party=party,
        other_party=other,
        body=facts,
    )


def _told(row: WeightVersion, conflict: Conflict | None) -> tuple[Party, Party | None]:
    owner = tenures.owner_at(row.version.dataset, row.owned_at)
    if conflict is None:
        return owner, None
    sides = (conflict.later.owner, conflict.earlier.owner)
    if owner in sides:
        return owner, next((side for side in sides if side != owner), None)
    # The conflict of a version that this was made from: its own two sides are told.
    return sides
