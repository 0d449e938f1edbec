"""What a dashboard is made of: figures with words, and what waits for the person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Card:
    """One figure with the words that explain it, leading to where it comes from."""

    title: str
    value: str
    words: str
    url: str
    calls: bool = False


@dataclass(frozen=True)
class Todo:
    """Something that waits for this person, until when, and where to do it."""

    text: str
    url: str
    deadline_at: datetime | None = None
