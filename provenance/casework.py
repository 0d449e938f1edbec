"""The operators' cases: who looks after which, so that two do not do one's work."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from provenance.models import Assignment, CaseKind, Membership, Review, User
from provenance.refusals import Refused


class NotAColleague(Refused):
    """Only operators look after cases."""

    code = "not_a_colleague"
    hint = "Choose a person who is a member of the operator."


def operators() -> QuerySet[User]:
    """The people who may look after a case: active members of an operator who may act."""
    members = Membership.objects.filter(party__is_operator=True).exclude(
        role=Membership.Role.VIEWER
    )
    return User.objects.filter(pk__in=members.values("user"), is_active=True).order_by("email")


@transaction.atomic
def assign(
    *, kind: CaseKind, subject: str, to: User | None, by: User, at: datetime
) -> Assignment | None:
    """Hand a case to an operator, or back to the queue with None; who had it stays on record.

    Safe to repeat. A review is assigned by `signals.assign`. Raises NotAColleague.
    """
    assert kind != CaseKind.REVIEW, "a review says itself who looks at it"
    people = set(operators().filter(pk__in=[one.pk for one in (to, by) if one]))
    if by not in people or (to is not None and to not in people):
        raise NotAColleague
    now = Assignment.objects.select_for_update().filter(kind=kind, subject=subject, ended_at=None)
    held = now.first()
    if held is not None and held.assignee == to:
        return held
    now.update(ended_at=at)
    if to is None:
        return None
    return Assignment.objects.create(
        kind=kind, subject=subject, assignee=to, assigned_by=by, assigned_at=at
    )


def assignees(kind: CaseKind, subjects: Iterable[str] | None = None) -> dict[str, User]:
    """Who looks after the cases of a kind, by their keys; of all cases where none are named."""
    if kind == CaseKind.REVIEW:
        reviews = Review.objects.filter(state=Review.State.OPEN, assignee__isnull=False)
        if subjects is not None:
            reviews = reviews.filter(pk__in=list(subjects))
        return {str(one.pk): one.assignee for one in reviews.select_related("assignee")
                if one.assignee is not None}  # fmt: skip
    rows = Assignment.objects.filter(kind=kind, ended_at=None)
    if subjects is not None:
        rows = rows.filter(subject__in=list(subjects))
    return {one.subject: one.assignee for one in rows.select_related("assignee")}
