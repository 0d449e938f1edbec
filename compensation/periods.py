"""Periods: the months of the journal, which close in order; nothing enters a closed one.

An entry belongs to the month from which it is effective, or, where that is closed, to the earliest
open one; its effective date stays as it is. The zone of the months was set from PERIOD_ZONE when
the database was made.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction
from django.utils.translation import gettext as _

from compensation import journal
from compensation.models import Entry, Period, Stage
from provenance import ledger
from provenance.models import User
from provenance.refusals import Refused

TURNOVER_LIMIT = 5_000


class NoSuchPeriod(Refused):
    """There is no such period."""

    code = "no_such_period"
    status = 404
    hint = "Write a month in which something was posted, such as 2026-03."


class PeriodNotOver(Refused):
    """This period is not over yet."""

    code = "period_not_over"
    hint = "A month is closed after its end; the current one stays open."


class EarlierPeriodOpen(Refused):
    """A period before this one is open."""

    code = "earlier_period_open"
    hint = "Periods are closed in order: close the earlier one first."


class UsagesStaged(Refused):
    """Usages are being charged."""

    code = "usages_staged"
    hint = "Billing is at work: try again in a minute."


def open_period(at: datetime) -> str:
    """The name of the open period that something effective at `at` is posted to."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT compensation_period_for(%s)", [at])
        return str(cursor.fetchone()[0])


def check_may_close(period: Period, *, at: datetime) -> None:
    """Raise PeriodNotOver, EarlierPeriodOpen or UsagesStaged where it cannot be closed."""
    if at < period.ends_at:
        raise PeriodNotOver(
            _("%(name)s ends at %(ends_at)s UTC.")
            % {"name": period.name, "ends_at": f"{period.ends_at:%Y-%m-%d %H:%M}"}
        )
    earlier = Period.objects.filter(closed_at=None, starts_at__lt=period.starts_at)
    if first := earlier.order_by("starts_at").first():
        raise EarlierPeriodOpen(_("%(name)s is open.") % {"name": first.name})
    if Stage.objects.exists():
        raise UsagesStaged


@transaction.atomic
def close_period(*, name: str, at: datetime, by: User | None = None) -> Period:
    """Close a month that is over; a closed one stays as it is.

    Raises NoSuchPeriod, PeriodNotOver, EarlierPeriodOpen or UsagesStaged.
    """
    journal.lock()
    period = Period.objects.filter(name=name).first()
    if period is None:
        raise NoSuchPeriod(_("Nothing was posted in %(name)s.") % {"name": repr(name)})
    if period.is_closed:
        return period
    check_may_close(period, at=at)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT compensation_close_period(%s, %s, %s)", [name, at, by.pk if by else None]
        )
    period.refresh_from_db()
    _record_closing(period, at)
    return period


def add_turnovers(*, limit: int = TURNOVER_LIMIT) -> int:
    """Add up the lines of entries that came since the last time; how many entries."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT compensation_add_turnovers(%s)", [limit])
        return int(cursor.fetchone()[0])


def _record_closing(period: Period, at: datetime) -> None:
    """Tell the ledger, with the hash of the last entry, so that the closing is anchored."""
    last = Entry.objects.filter(pk=period.last_number or 0).first()
    ledger.record(
        "period.closed",
        at=at,
        subject_kind="period",
        body={
            "period": period.name,
            "starts_at": period.starts_at,
            "ends_at": period.ends_at,
            "number": period.last_number,
            "hash": bytes(last.hash) if last else None,
        },
    )
