"""Letting a person into a party that is not one's own: always by two operators."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_noop as _noop

from compensation.approvals.ways import APPROVED_BY, Body, Kind, Way
from compensation.limits import AlwaysTwo
from provenance import letters, parties
from provenance.models import Invitation, Party, Proposal, User

Sent = tuple[Invitation, str]
"""The invitation, and its link where one person may see it."""


def _party(body: Body) -> Party:
    return Party.objects.get(pk=body["party"])


def _invite(body: Body, by: User | None, at: datetime, approved: int | None) -> Sent | None:
    """Mail the link, or say only whether that could be done while nobody approved."""
    assert by is not None, "only a person invites"
    party, second = _party(body), None
    parties.require_role(body["role"])
    if APPROVED_BY in body:
        second = User.objects.get(pk=body[APPROVED_BY])
    elif not parties.may_invite_alone(party=party, user=by):
        if approved is None:
            raise AlwaysTwo
        return None
    with transaction.atomic():
        invitation, token = parties.invite(
            party=party,
            email=body["email"],
            role=body["role"],
            invited_by=by,
            confirmed_by=second,
            at=at,
        )
        return invitation, letters.send_invitation(invitation, token)


def _words(body: Body) -> str:
    words = _noop("%(email)s may act for %(party)s, as %(role)s, once they open the mailed link.")
    return words % {"email": body["email"], "party": _party(body), "role": body["role"]}


WAYS: dict[Proposal.Kind, Way] = {
    Kind.INVITATION: Way(
        perform=_invite,
        basis=lambda body: {"party": str(_party(body).pk)},
        words=_words,
        told=lambda made: _noop("Invited: %(email)s.") % {"email": made[0].email},
        right="members",
    ),
}
