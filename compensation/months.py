"""Calendar months by name, in PERIOD_ZONE: "2026-03" and the moments where it begins and ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings

NAME = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


def name_of(at: datetime) -> str:
    """The month of a moment."""
    return f"{at.astimezone(ZoneInfo(settings.PERIOD_ZONE)):%Y-%m}"


def start(name: str) -> datetime:
    """The first moment of a month."""
    return datetime(int(name[:4]), int(name[5:]), 1, tzinfo=ZoneInfo(settings.PERIOD_ZONE))


def after(name: str) -> str:
    """The next month."""
    years, month = divmod(int(name[5:]), 12)
    return f"{int(name[:4]) + years:04}-{month + 1:02}"


def end(name: str) -> datetime:
    """The first moment of the next month."""
    return start(after(name))


def between(first: datetime, ends_at: datetime | None, last: str) -> Iterator[str]:
    """The months from that of `first` on, before `last`, that begin before `ends_at`."""
    name = name_of(first)
    while name < last and (ends_at is None or start(name) < ends_at):
        yield name
        name = after(name)
