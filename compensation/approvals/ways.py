"""How one kind of act that takes two people is done, and on what facts it rests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from compensation.models import Asset
from provenance.models import Proposal, User

Kind = Proposal.Kind
Body = Mapping[str, Any]
# `perform(body, by, at, approved_units)`; None as the last means that nobody approved.
Perform = Callable[[Body, User | None, datetime, int | None], Any]
# In the body that is performed once somebody approved: who did.
APPROVED_BY = "approved_by"

# What is due grows while a second person is asked: so much more than was due may go out.
HEADROOM_PERCENT = 10


def asset_of(body: Body) -> Asset:
    """The asset that an act's body names."""
    return Asset.objects.get(code=body["asset"])


@dataclass(frozen=True)
class Way:
    """How one kind of act is done, on what facts it rests, and how it is said."""

    perform: Perform
    basis: Callable[[Body], dict[str, Any]]
    words: Callable[[Body], str]
    told: Callable[[Any], str]
    headroom_percent: int = 0
    # The right that speaking to it needs.
    right: str = "finance"
    # Whether this second person may approve it; raises Refused.
    check: Callable[[Body, User], None] = lambda body, person: None
