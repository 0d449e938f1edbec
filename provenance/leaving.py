"""How a person stops acting for a party: removed by its admins, or leaving of its own accord."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from provenance import ledger, parties
from provenance.models import ApiKey, Assignment, Membership, Review, User
from provenance.refusals import Refused


class LastAdmin(Refused):
    """Without an admin an organisation could let nobody in."""

    code = "last_admin"
    hint = "Make somebody else an admin of it first, or invite one."


@transaction.atomic
def leave(*, member: Membership, by: User | None, revokes_keys: bool, at: datetime) -> list[ApiKey]:
    """End at once that a person acts for a party; returns the keys that were revoked with it.

    What the person did stays, under its name. Its open cases go back to the queue. Safe to repeat.
    Raises LastAdmin.
    """
    admins = Membership.objects.select_for_update().filter(
        party=member.party, role=Membership.Role.ADMIN
    )
    if [one.pk for one in admins] == [member.pk]:
        raise LastAdmin
    if not Membership.objects.filter(pk=member.pk).delete()[0]:
        return []
    keys = keys_made_by(member) if revokes_keys else []
    for key in keys:
        parties.revoke_key(key=key, at=at)
    if member.party.is_operator:
        _give_back_cases(member.user, at)
    ledger.record(
        "member.left",
        at=at,
        subject_kind="party",
        subject_id=member.party_id,
        party=member.party,
        body={"user": member.user_id, "by": by.pk if by else None, "keys": len(keys)},
    )
    return keys


def keys_made_by(member: Membership) -> list[ApiKey]:
    """The keys in force that this person made for the party: whoever leaves may know them."""
    rows = ApiKey.objects.filter(party=member.party, created_by=member.user, revoked_at=None)
    return list(rows.order_by("created_at"))


def _give_back_cases(user: User, at: datetime) -> None:
    if Membership.objects.filter(user=user, party__is_operator=True).exists():
        return
    Assignment.objects.filter(assignee=user, ended_at=None).update(ended_at=at)
    Review.objects.filter(assignee=user, state=Review.State.OPEN).update(assignee=None)
