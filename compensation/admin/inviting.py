"""Inviting into another party, on its page: by two operators, unless nobody acts for it yet."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _lazy

from compensation.admin.approving import done_or_put_forward
from provenance.admin.members import InviteForm, show_link
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb
from provenance.models import Party, Proposal


def _invite(request: HttpRequest, party: Any, cleaned: dict[str, Any]) -> Outcome:
    return done_or_put_forward(
        request,
        Proposal.Kind.INVITATION,
        str(party.pk),
        {**cleaned, "party": str(party.pk)},
        lambda made: show_link(request, *made),
    )


site.add_verb(
    Party,
    Verb(
        "invite",
        _lazy("Invite a member"),
        "members",
        _invite,
        InviteForm,
        _lazy(
            "The first person of a new organisation is invited by one operator, everybody else "
            "by two. The link is mailed; only the invited sees it where two invite."
        ),
    ),
)
