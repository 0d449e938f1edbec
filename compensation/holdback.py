"""When what owners earned becomes payable: the hold-back, and what is recovered from payouts."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta

from django.db import transaction
from django.db.models import Sum

from compensation import journal, notices
from compensation.models import Account, Asset, Balance, Entry, Line, Maturity, Take
from compensation.weights import matures_at
from provenance.models import Party

Kind = Account.Kind

ENTRY_LIMIT = 200
# Days that have ended are told of again for so long, so that an outage loses none.
DAYS_TOLD = 3


@transaction.atomic
def mature_credits(*, at: datetime, limit: int = ENTRY_LIMIT) -> int:
    """Make payable what was held back long enough; how many entries matured.

    What a restatement took is borne by the oldest credits. Safe to repeat, also by two at once.
    """
    journal.lock()
    due = list(
        Maturity.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(matured_at=None, matures_at__lte=at)
        .order_by("matures_at", "entry_id")[:limit]
    )
    if not due:
        return 0
    entry_ids = [row.entry_id for row in due]
    sums = (
        Line.objects.filter(
            entry__in=entry_ids, amount_units__gt=0, account__kind=Kind.OWNER_PENDING
        )
        .values("account")
        .annotate(total=Sum("amount_units"))
    )
    matured = {row["account"]: int(row["total"]) for row in sums}
    accounts = Account.objects.select_related("asset", "party").in_bulk(matured)
    lines: dict[Asset, list[tuple[Account, int]]] = {}
    for pk in sorted(matured):
        account = accounts[pk]
        moving = matured[pk] - _bear_takes(account, matured[pk])
        if moving:
            payable = journal.account(Kind.OWNER, account.asset, party=account.party)
            lines.setdefault(account.asset, []).extend([(account, -moving), (payable, moving)])
    digest = hashlib.sha256(repr(entry_ids).encode()).hexdigest()[:16]
    for asset, moves in lines.items():
        journal.post(
            kind=Entry.Kind.MATURITY,
            lines=moves,
            effective_at=at,
            posted_at=at,
            idempotency_key=f"maturity:{asset.pk}:{entry_ids[0]}:{digest}",
            facts={"entries": entry_ids},
        )
    Maturity.objects.filter(pk__in=entry_ids).update(matured_at=at)
    return len(due)


def tell_matured(*, at: datetime) -> int:
    """Tell owners what became payable on each of the last days that ended; how many notices.

    One notice for an owner, asset and day, however often credits mature in it. Safe to repeat.
    """
    today = at.astimezone(UTC).date()
    days = [today - timedelta(days=back) for back in range(DAYS_TOLD, 0, -1)]
    return sum(_tell_of(day, at) for day in days)


def _tell_of(day: date, at: datetime) -> int:
    begins = datetime.combine(day, time.min, tzinfo=UTC)
    sums = (
        Line.objects.filter(
            entry__kind=Entry.Kind.MATURITY,
            entry__posted_at__gte=begins,
            entry__posted_at__lt=begins + timedelta(days=1),
            account__kind=Kind.OWNER,
            amount_units__gt=0,
        )
        .values("account")
        .annotate(total=Sum("amount_units"))
    )
    matured = {row["account"]: int(row["total"]) for row in sums}
    accounts = Account.objects.select_related("asset", "party").in_bulk(matured)
    known = notices.told_of_maturity(accounts.values(), day=day)
    for pk in sorted(accounts.keys() - known):
        notices.tell_of_maturity(accounts[pk], matured[pk], day=day, at=at)
    return len(accounts.keys() - known)


def recover(*, asset: Asset, party: Party, key: str, at: datetime) -> int:
    """Take back what a party owes from what it is about to be paid: at most half of it.

    What is recovered goes to those who await it. Returns the units taken; the caller holds the
    journal's lock and calls once for each payout, with its own `key`.
    """
    payable = journal.account(Kind.OWNER, asset, party=party)
    most = Balance.objects.get(account=payable).available // 2
    owed = Balance.objects.filter(
        account__kind=Kind.RECEIVABLE, account__asset=asset, account__party=party, posted__lt=0
    ).select_related("account__conflict")
    taken = 0
    for debt in owed.order_by("account"):
        part = min(most - taken, -debt.posted)
        if part <= 0:
            break
        journal.post(
            kind=Entry.Kind.RECOVERY,
            lines=[(payable, -part), (debt.account, part), *_to_creditors(debt.account, part)],
            effective_at=at,
            posted_at=at,
            idempotency_key=f"recovery:{key}:{debt.account.pk}",
            facts={"from": party.pk, "conflict": debt.account.conflict_id},
            matures_at=matures_at(at),
        )
        taken += part
    return taken


def _bear_takes(account: Account, credited: int) -> int:
    """Let matured credits bear what was taken from them while they were held back."""
    borne = 0
    takes = Take.objects.filter(account=account, remaining_units__gt=0).order_by("entry")
    for take in takes:
        part = min(take.remaining_units, credited - borne)
        if not part:
            break
        take.remaining_units -= part
        take.save(update_fields=["remaining_units"])
        borne += part
    return borne


def _to_creditors(debt: Account, amount: int) -> list[tuple[Account, int]]:
    """Move `amount` from what is awaited in this conflict to those who await it, in order."""
    waiting = Balance.objects.filter(
        account__kind=Kind.AWAITED,
        account__asset=debt.asset,
        account__conflict=debt.conflict,
        posted__gt=0,
    ).select_related("account__party")
    lines: list[tuple[Account, int]] = []
    for row in sorted(waiting, key=lambda one: (one.account.party is None, one.account_id)):
        part = min(amount, row.posted)
        if part:
            creditor = row.account.party
            kind = Kind.OWNER_PENDING if creditor else Kind.ROUNDING
            target = journal.account(kind, debt.asset, party=creditor)
            lines += [(row.account, -part), (target, part)]
            amount -= part
    assert not amount, "what is owed is awaited by somebody"
    return lines
