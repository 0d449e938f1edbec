"""From which amount on and how often a payee is paid: its own choice, within the operator's bounds.

A scheduled payee is due from its day on, until it was paid once; what was not enough on that day
goes as soon as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from compensation import money
from compensation.models import (
    Asset,
    BankPayout,
    ExportedPayout,
    PayoutBounds,
    PayoutLeaf,
    PayoutTerms,
    Schedule,
)
from provenance import ledger
from provenance.models import Party, User
from provenance.refusals import Refused

LAST_DAY = {Schedule.WEEKLY: 7, Schedule.MONTHLY: 28}


class OutsideBounds(Refused):
    """The operator does not pay like that."""

    code = "outside_payout_bounds"
    hint = "Choose an amount and a schedule within the bounds that are shown."


class BadBounds(Refused):
    """These bounds leave nothing to choose."""

    code = "bad_payout_bounds"
    status = 400
    hint = "Name at least one schedule, and a least amount that is not above the most."


@dataclass(frozen=True)
class Bounds:
    """Between what a payee may choose; amounts are units of the asset."""

    least_units: int
    most_units: int | None
    schedules: tuple[str, ...]


@dataclass(frozen=True)
class Terms:
    """When a payee is paid; `set_at` is None where it never chose."""

    threshold_units: int
    schedule: str
    day: int | None
    set_at: datetime | None

    def slot_before(self, at: datetime) -> datetime | None:
        """When the schedule last came round at or before `at`; None where it is at once."""
        if self.day is None:
            return None
        start = _midnight(at)
        if self.schedule == Schedule.WEEKLY:
            return start - timedelta(days=(start.isoweekday() - self.day) % 7)
        if start.day < self.day:
            start = start.replace(day=1) - timedelta(days=1)
        return start.replace(day=self.day)

    def next_slot(self, at: datetime) -> datetime | None:
        """When the schedule comes round after `at`; None where it is at once."""
        before = self.slot_before(at)
        if before is None:
            return None
        if self.schedule == Schedule.WEEKLY:
            return before + timedelta(days=7)
        return (before.replace(day=1) + timedelta(days=32)).replace(day=before.day)

    def is_due(self, at: datetime, last_paid_at: datetime | None) -> bool:
        """Whether a payout may be made now: a slot has come since the last one, and the choice."""
        slot = self.slot_before(at)
        since = [moment for moment in (last_paid_at, self.set_at) if moment is not None]
        return slot is None or not since or slot > max(since)


def bounds_of(asset: Asset) -> Bounds:
    """The operator's bounds for an asset; by default the service's least, and any schedule."""
    row = PayoutBounds.objects.filter(asset=asset).order_by("-id").first()
    least = max(1, int(settings.PAYOUT_THRESHOLD_UNITS))
    if row is None:
        return Bounds(least, None, tuple(Schedule.values))
    return Bounds(max(least, row.least_units), row.most_units, tuple(row.schedules))


def terms_of(party: Party, asset: Asset) -> Terms:
    """How a party is paid an asset now."""
    row = PayoutTerms.objects.filter(party=party, asset=asset).order_by("-id").first()
    return _within(row, bounds_of(asset))


def all_terms(asset: Asset) -> tuple[Terms, dict[UUID, Terms]]:
    """How an asset is paid: to whoever never chose, and to each who did."""
    bounds = bounds_of(asset)
    rows = PayoutTerms.objects.filter(asset=asset).order_by("party", "-id").distinct("party")
    return _within(None, bounds), {row.party_id: _within(row, bounds) for row in rows}


def last_payouts(asset: Asset, party: Party | None = None) -> dict[UUID, datetime]:
    """When each party's last payout of an asset was made that has not come back."""
    only = {"party": party} if party is not None else {}
    banks = BankPayout.objects.filter(asset=asset, **only).exclude(state=BankPayout.State.RETURNED)
    leaves = PayoutLeaf.objects.filter(epoch__asset=asset, added_units__gt=0, **only)
    made = banks.values("party").annotate(last=Max("run__made_at"))
    found = {row["party"]: row["last"] for row in made}
    for row in leaves.values("party").annotate(last=Max("epoch__built_at")):
        found[row["party"]] = max(row["last"], found.get(row["party"], row["last"]))
    exported = ExportedPayout.objects.filter(export__asset=asset, **only).exclude(
        state=ExportedPayout.State.RETURNED
    )
    for row in exported.values("party").annotate(last=Max("export__made_at")):
        found[row["party"]] = max(row["last"], found.get(row["party"], row["last"]))
    return found


@transaction.atomic
def set_terms(
    *,
    party: Party,
    asset: Asset,
    threshold_units: int,
    schedule: str,
    day: int | None = None,
    at: datetime,
    by: User | None = None,
) -> PayoutTerms:
    """Choose from which amount on and how often to be paid; raises OutsideBounds."""
    _require_within(bounds_of(asset), asset, threshold_units, schedule, day)
    made = PayoutTerms.objects.create(
        party=party,
        asset=asset,
        threshold_units=threshold_units,
        schedule=schedule,
        day=day,
        set_by=by,
        set_at=at,
    )
    ledger.record(
        "payout_terms.set",
        at=at,
        subject_kind="party",
        subject_id=party.pk,
        party=party,
        body={
            "asset": asset.code,
            "threshold_units": str(threshold_units),
            "schedule": schedule,
            "day": day,
        },
    )
    return made


@transaction.atomic
def set_bounds(
    *,
    asset: Asset,
    least_units: int,
    most_units: int | None,
    schedules: Sequence[str],
    at: datetime,
    by: User | None = None,
) -> PayoutBounds:
    """Say between what payees may choose, from now on; what they chose is fitted into it."""
    known = [one for one in Schedule.values if one in schedules]
    if not known or least_units < 0 or (most_units is not None and most_units < least_units):
        raise BadBounds
    return PayoutBounds.objects.create(
        asset=asset,
        least_units=least_units,
        most_units=most_units,
        schedules=known,
        set_by=by,
        set_at=at,
    )


def _require_within(
    bounds: Bounds, asset: Asset, threshold_units: int, schedule: str, day: int | None
) -> None:
    """Refuse a choice outside of the operator's bounds, or a day that the schedule has not."""
    say = f"{money.grouped(bounds.least_units, asset.scale)} {asset.symbol}"
    if threshold_units < bounds.least_units:
        raise OutsideBounds(_("Payouts begin at %(say)s.") % {"say": say})
    if bounds.most_units is not None and threshold_units > bounds.most_units:
        most = f"{money.grouped(bounds.most_units, asset.scale)} {asset.symbol}"
        raise OutsideBounds(
            _("No more than %(most)s may gather before it is paid.") % {"most": most}
        )
    if schedule not in bounds.schedules:
        raise OutsideBounds(_("Payouts are made %(named)s.") % {"named": _named(bounds.schedules)})
    last = LAST_DAY.get(Schedule(schedule))
    if (last is None) != (day is None) or not 1 <= (day or 1) <= (last or 1):
        raise OutsideBounds(
            _("The day is between 1 and %(last)s.") % {"last": last}
            if last
            else _("Payouts at once have no day.")
        )


def _within(row: PayoutTerms | None, bounds: Bounds) -> Terms:
    """A choice, fitted into bounds that may be younger than it."""
    if row is None:
        schedule = bounds.schedules[0]
        return Terms(bounds.least_units, schedule, 1 if schedule in LAST_DAY else None, None)
    units = max(row.threshold_units, bounds.least_units)
    if bounds.most_units is not None:
        units = min(units, max(bounds.most_units, bounds.least_units))
    if row.schedule in bounds.schedules:
        return Terms(units, row.schedule, row.day, row.set_at)
    schedule = bounds.schedules[0]
    return Terms(units, schedule, 1 if schedule in LAST_DAY else None, row.set_at)


def _named(schedules: Sequence[str]) -> str:
    return " or ".join(str(Schedule(one).label).lower() for one in schedules)


def _midnight(at: datetime) -> datetime:
    """The beginning of the day of `at`, in the zone by which periods are counted."""
    local = at.astimezone(ZoneInfo(settings.PERIOD_ZONE))
    return local.replace(hour=0, minute=0, second=0, microsecond=0)
