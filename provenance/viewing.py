"""An operator looks at the service as a party does: with a reason, for a while, changing nothing.

The party reads in its access log that it began, why, and each page that was opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from provenance import ledger, looked, parties
from provenance.access import Viewer
from provenance.models import Membership, Party, User
from provenance.refusals import Refused

LASTS = timedelta(minutes=30)
# Where the session keeps it; and how many of its pages it remembers as logged.
SESSION_KEY = "viewing_as"
PAGES_KEPT = 500


class CannotViewAs(Refused):
    """Only an operator looks as another party does, and never as another operator."""

    code = "cannot_view_as"
    status = 403
    hint = "Choose an owner or a lab, and say why."


@dataclass(frozen=True)
class Look:
    """An operator's look through a party's eyes: until when, and why."""

    party: Party
    user: User
    reason: str
    until: datetime
    operator: Viewer

    @property
    def viewer(self) -> Viewer:
        """The party as it sees itself, by somebody who may only read."""
        return Viewer(party=self.party, role=Membership.Role.VIEWER, user=self.user)


@transaction.atomic
def begin(*, viewer: Viewer, party: Party, reason: str, at: datetime) -> dict[str, Any]:
    """Begin to look as `party`; what the session keeps of it. The party can read it at once."""
    is_fit = viewer.is_operator and viewer.user is not None and not party.is_operator
    if not is_fit or not reason.strip():
        raise CannotViewAs
    until = at + LASTS
    parties.log_view(viewer=viewer, party=party, what=looked.BEGAN, reason=reason.strip(), at=at)
    ledger.record(
        "party.viewed_as",
        at=at,
        subject_kind="party",
        subject_id=party.id,
        party=party,
        body={"by": viewer.user.pk if viewer.user else None, "until": until},
    )
    return {
        "party": str(party.pk),
        "reason": reason.strip()[:300],
        "until": until.isoformat(),
        "seen": [],
    }


def look_of(kept: Any, operator: Viewer | None, at: datetime) -> Look | None:
    """The look that a session keeps, while it lasts and its person is an operator."""
    if not kept or operator is None or not operator.is_operator or operator.user is None:
        return None
    until = datetime.fromisoformat(kept["until"])
    party = Party.objects.filter(pk=UUID(kept["party"]), is_operator=False).first()
    if until <= at or party is None:
        return None
    return Look(party, operator.user, kept["reason"], until, operator)


def note_page(look: Look, kept: dict[str, Any], path: str, at: datetime) -> bool:
    """Write down that a page was opened, once a look; whether it is new to the session."""
    seen: list[str] = kept["seen"]
    if path in seen:
        return False
    parties.log_view(
        viewer=look.operator,
        party=look.party,
        what=f"{looked.AS_PARTY}{path}",
        reason=look.reason,
        at=at,
    )
    kept["seen"] = [*seen, path][-PAGES_KEPT:]
    return True
