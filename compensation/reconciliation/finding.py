"""One thing that the journal and the world do not agree on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from compensation import money
from compensation.models import Asset


@dataclass(frozen=True)
class Finding:
    """What differs, by how many units (the world less the journal), and what to do about it."""

    key: str
    asset: Asset
    amount_units: int
    words: str
    advice: str
    # Null where the world does not say since when: then it is since we first saw it.
    since: datetime | None = None


def say(units: int, asset: Asset) -> str:
    """An amount with its asset."""
    return f"{money.to_text(units, asset.scale)} {asset.symbol}"


def start_of(day: date) -> datetime:
    """The beginning of a day that a bank names."""
    return datetime.combine(day, time(), UTC)
