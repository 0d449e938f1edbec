"""The table of kinds: for each its words, its page, whom it concerns, whether it may be off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from provenance.models import Sending

if TYPE_CHECKING:
    from provenance.models import Notice, Party, User


class Topic(models.TextChoices):
    """What kinds are grouped by."""

    SECURITY = "security", _("Security")
    DEADLINES = "deadlines", _("Deadlines")
    CONFLICTS = "conflicts", _("Overlaps and conflicts")
    GRANTS = "grants", _("Licences and grants")
    USAGE = "usage", _("Use and reports")
    MONEY = "money", _("Money")


# What nobody can switch off: who does not read it loses money, rights or control.
ALWAYS = frozenset({Topic.SECURITY, Topic.DEADLINES})


OPEN = _("Open it")


# What a party is that a kind can reach.
OWNERS, LABS, OPERATORS = ("owner",), ("lab",), ("operator",)
EVERYBODY = (*OWNERS, *LABS, *OPERATORS)


@dataclass(frozen=True)
class Kind:
    """One kind of notice. `title` and `words` name facts as %(name)s; nothing else is filled in.

    `name` says what happens where nothing has happened yet: people choose by it. `right`: the verb
    of access.ROLE_VERBS whose holders it is mailed to. `page`: the name of the address where one
    acts, with the notice's `about` as its argument unless `is_list`.
    """

    code: str
    topic: Topic
    # Lazily translated text.
    name: Any
    title: Any
    words: Any
    page: str
    right: str
    # What the button of the letter says.
    act: Any = OPEN
    is_list: bool = False
    reaches: tuple[str, ...] = EVERYBODY
    sending: Sending = Sending.NOW
    # The member who did it, and is not told.
    but: Callable[[Notice], User] | None = None
    # Of notices with a deadline: those that are still awaited at a moment, with their parties
    # loaded; and what follows if it passes.
    awaited: Callable[[Sequence[Notice], datetime], set[UUID]] | None = None
    passes: Callable[[Notice, datetime], None] | None = None

    @property
    def may_be_off(self) -> bool:
        """Whether a person may have it gathered, or not mailed at all."""
        return self.topic not in ALWAYS

    def can_reach(self, party: Party) -> bool:
        """Whether such a party is ever told it."""
        return any(getattr(party, f"is_{role}") for role in self.reaches)


_KINDS: dict[str, Kind] = {}


def register(*made: Kind) -> None:
    """Add kinds to the table; each code once."""
    for kind in made:
        assert kind.code not in _KINDS, f"{kind.code} is declared twice"
        _KINDS[kind.code] = kind


def kind_of(code: str) -> Kind:
    """The kind of this code; there must be one."""
    return _KINDS[code]


def kinds() -> list[Kind]:
    """Every kind, by topic and code."""
    order = list(Topic)
    return sorted(_KINDS.values(), key=lambda one: (order.index(one.topic), one.code))


def kinds_for(party: Party) -> dict[Topic, list[Kind]]:
    """The kinds that can reach a party, by topic."""
    found: dict[Topic, list[Kind]] = {}
    for kind in kinds():
        if kind.can_reach(party):
            found.setdefault(kind.topic, []).append(kind)
    return found
