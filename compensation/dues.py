"""Who is paid now and how much: the one answer, for payouts on a chain and by bank alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Sum

from compensation import holdback, journal, money, terms
from compensation.models import Account, Asset, Balance, Entry, PayoutMethod
from provenance.models import Party

Kind = Account.Kind


@dataclass(frozen=True)
class Due:
    """What one payee is paid: units of the journal, and what they are where they are paid."""

    party: Party
    method: PayoutMethod
    units: int
    # In the token's own decimals, or the currency's minor unit.
    tokens: int


def take(
    *,
    asset: Asset,
    methods: Mapping[UUID, PayoutMethod],
    decimals: int,
    key: str,
    at: datetime,
    limit: int | None = None,
) -> list[Due]:
    """What each payee with a method is due, after what is recovered from it: at most half of it.

    What is finer than `decimals` stays owed. The caller holds the journal's lock, and `key` names
    what it makes of this, once.
    """
    owing = _owing(asset)

    def recover(party: Party, available: int) -> int:
        if party.pk not in owing:
            return 0
        return holdback.recover(asset=asset, party=party, key=f"{key}:{party.pk}", at=at)

    return _each(asset, methods, decimals, recover, at, limit)


def look(
    *,
    asset: Asset,
    methods: Mapping[UUID, PayoutMethod],
    decimals: int,
    at: datetime,
    limit: int | None = None,
) -> list[Due]:
    """What `take` would take at `at`. Nothing moves."""
    owing = _owing(asset)

    def recover(party: Party, available: int) -> int:
        return min(available // 2, owing.get(party.pk, 0))

    return _each(asset, methods, decimals, recover, at, limit)


def _each(
    asset: Asset,
    methods: Mapping[UUID, PayoutMethod],
    decimals: int,
    recover: Callable[[Party, int], int],
    at: datetime,
    limit: int | None,
) -> list[Due]:
    """What each payee is due, less what `recover` says of it."""
    rows = Balance.objects.filter(
        account__kind=Kind.OWNER, account__asset=asset, account__party__in=methods, posted__gt=0
    ).select_related("account__party")
    usual, chosen = terms.all_terms(asset)
    last = terms.last_payouts(asset)
    due: list[Due] = []
    for row in rows.order_by("account"):
        party, available = row.account.party, row.available
        assert party is not None, "an owner's account has a party"
        own = chosen.get(party.pk, usual)
        if available < own.threshold_units or not own.is_due(at, last.get(party.pk)):
            continue
        if not money.to_tokens(available - available // 2, asset.scale, decimals)[0]:
            continue
        available -= recover(party, available)
        tokens, rest = money.to_tokens(available, asset.scale, decimals)
        due.append(Due(party, methods[party.pk], available - rest, tokens))
        if len(due) == limit:
            break
    return due


def send(
    *, asset: Asset, due: Sequence[Due], key: str, facts: Mapping[str, Any], at: datetime
) -> Entry:
    """Move what is due from payable to in flight, in one entry; what is too fine stays owed."""
    lines = []
    for one in due:
        lines += [
            (journal.account(Kind.OWNER, asset, party=one.party), -one.units),
            (journal.account(Kind.PAYOUTS_IN_FLIGHT, asset, party=one.party), one.units),
        ]
    return journal.post(
        kind=Entry.Kind.PAYOUT,
        lines=lines,
        effective_at=at,
        posted_at=at,
        idempotency_key=key,
        facts=facts,
    )


def _owing(asset: Asset) -> dict[UUID, int]:
    """How much is to be recovered from each party."""
    owed = Balance.objects.filter(
        account__kind=Kind.RECEIVABLE,
        account__asset=asset,
        account__party__isnull=False,
        posted__lt=0,
    )
    sums = owed.values("account__party").annotate(total=Sum("posted"))
    return {row["account__party"]: -row["total"] for row in sums}
