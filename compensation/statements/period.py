"""The time a statement covers: a month of the journal's calendar, its moments kept in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from compensation import models
from provenance.refusals import Refused

MONTH = re.compile(r"([1-9][0-9]{3})-(0[1-9]|1[0-2])")


class BadPeriod(Refused):
    """This is no period that statements are made for."""

    code = "bad_period"
    status = 400
    hint = "Write a month as 2026-03."


@dataclass(frozen=True)
class Period:
    """From `starts_at` (included) to `ends_at` (excluded), both UTC; `name` says which.

    Until it is closed, late entries may still be posted to it.
    """

    name: str
    starts_at: datetime
    ends_at: datetime
    closed_at: datetime | None = None

    @classmethod
    def month(cls, name: str) -> Period:
        """The month `YYYY-MM` in the zone of the calendar; raises BadPeriod."""
        found = MONTH.fullmatch(name)
        if found is None:
            raise BadPeriod(_("%(name)s is not a month.") % {"name": repr(name)})
        row = models.Period.objects.filter(name=name).first()
        if row is not None:
            return cls(name, row.starts_at, row.ends_at, row.closed_at)
        year, month = int(found[1]), int(found[2])
        zone = _zone()
        following = (year + month // 12, month % 12 + 1)
        return cls(
            name=name,
            starts_at=datetime(year, month, 1, tzinfo=zone).astimezone(UTC),
            ends_at=datetime(*following, 1, tzinfo=zone).astimezone(UTC),
        )

    @classmethod
    def holding(cls, moment: datetime) -> Period:
        """The month that a moment falls in."""
        return cls.month(f"{moment.astimezone(_zone()):%Y-%m}")

    def over(self, closing: str, at: datetime) -> list[str]:
        """Of a period that is over: what it ended with, and of when all else speaks."""
        if at < self.ends_at:
            return []
        return [
            _("At the end of %(name)s it was %(closing)s; what follows is as of %(today)s.")
            % {"name": self.name, "closing": closing, "today": f"{at.astimezone(_zone()):%Y-%m-%d}"}
        ]


def _zone() -> ZoneInfo:
    return ZoneInfo(models.Calendar.objects.get().zone)
