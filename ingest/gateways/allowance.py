"""How much a party may ask: whoever could ask without end could guess what others registered.

Counted in the database, in one statement, so that it holds however many processes answer. A day is
the UTC day and a minute begins with its first second: on their edges twice as much goes through.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from ingest.models import ScreeningDay
from provenance.models import Party
from provenance.refusals import Refused

# Nothing is returned where a limit would be passed, and then nothing was counted.
COUNT_REQUEST = """
INSERT INTO ingest_screeningday AS known
    (party_id, day, request_count, record_count, file_record_count, minute_at, minute_count)
VALUES (%(party)s, %(day)s, 1, %(records)s, 0, %(minute)s, 1)
ON CONFLICT (party_id, day) DO UPDATE SET
    request_count = known.request_count + 1,
    record_count = known.record_count + excluded.record_count,
    minute_count = CASE WHEN known.minute_at = excluded.minute_at
                   THEN known.minute_count + 1 ELSE 1 END,
    minute_at = excluded.minute_at
WHERE known.record_count + excluded.record_count <= %(most_records)s
  AND (known.minute_at <> excluded.minute_at OR known.minute_count < %(most_requests)s)
RETURNING id
"""
COUNT_FILE = """
INSERT INTO ingest_screeningday AS known
    (party_id, day, request_count, record_count, file_record_count, minute_at, minute_count)
VALUES (%(party)s, %(day)s, 0, 0, %(records)s, %(minute)s, 0)
ON CONFLICT (party_id, day) DO UPDATE SET
    file_record_count = known.file_record_count + excluded.file_record_count
WHERE known.file_record_count + excluded.file_record_count <= %(most_records)s
RETURNING id
"""


class AskedTooMuch(Refused):
    """This organisation has asked as much as it may for now."""

    code = "screening_limit"
    status = 429
    hint = "Wait as long as `Retry-After` says, or send a candidate file instead."

    def __init__(self, detail: str, *, wait: timedelta) -> None:
        super().__init__(detail)
        self.wait = wait
        self.retry_after_seconds = max(1, round(wait.total_seconds()))


def count_request(party: Party, records: int, *, at: datetime) -> None:
    """Count a request of so many records. Raises AskedTooMuch, and then counts nothing."""
    most = {
        "most_records": settings.SCREENING_RECORDS_PER_DAY,
        "most_requests": settings.SCREENING_REQUESTS_PER_MINUTE,
    }
    if records <= most["most_records"] and _counted(COUNT_REQUEST, party, records, at, most):
        return
    known = ScreeningDay.objects.filter(party=party, day=_day(at)).first()
    if known is None or known.record_count + records > most["most_records"]:
        raise AskedTooMuch(
            _("%(most_records)s records a day may be screened one by one.")
            % {"most_records": f"{most['most_records']:,}"},
            wait=until_tomorrow(at),
        )
    raise AskedTooMuch(
        _("%(most_requests)s requests a minute may be made.")
        % {"most_requests": f"{most['most_requests']:,}"},
        wait=_minute(at) + timedelta(minutes=1) - at,
    )


def count_file_records(party: Party, records: int, *, at: datetime) -> None:
    """Count records of a candidate file. Raises AskedTooMuch, and then counts nothing."""
    most = settings.SCREENING_FILE_RECORDS_PER_DAY
    is_counted = records <= most and _counted(
        COUNT_FILE, party, records, at, {"most_records": most}
    )
    if not is_counted:
        raise AskedTooMuch(
            _("%(most)s records of candidate files a day may be screened.") % {"most": f"{most:,}"},
            wait=until_tomorrow(at),
        )


def until_tomorrow(at: datetime) -> timedelta:
    """How long the UTC day still lasts."""
    tomorrow = datetime.combine(_day(at) + timedelta(days=1), datetime.min.time(), UTC)
    return tomorrow - at


def _counted(statement: str, party: Party, records: int, at: datetime, most: Any) -> bool:
    given = {"party": party.pk, "day": _day(at), "records": records, "minute": _minute(at)}
    with connection.cursor() as cursor:
        cursor.execute(statement, given | most)
        return cursor.fetchone() is not None


def _day(at: datetime) -> Any:
    return at.astimezone(UTC).date()


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)
