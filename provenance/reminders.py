"""Deadlines: whoever is still awaited is told once more in time, and once what follows is due."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from provenance import notices
from provenance.models import Notice

# How long before a deadline it is recalled.
BEFORE = timedelta(days=3)
BATCH = 500


def remind(*, at: datetime) -> int:
    """Recall the deadlines of the next three days, each once; how many were recalled."""
    near = Notice.objects.filter(
        deadline_at__gt=at, deadline_at__lte=at + BEFORE, reminded_at=None, lapsed_at=None
    )
    return sum(_remind(notice, at) for notice in near.order_by("deadline_at", "pk")[:BATCH])


def pass_deadlines(*, at: datetime) -> int:
    """Do what follows where a deadline has passed, each once; how many passed."""
    over = Notice.objects.filter(deadline_at__lte=at, lapsed_at=None)
    return sum(_pass(notice, at) for notice in over.order_by("deadline_at", "pk")[:BATCH])


@transaction.atomic
def _remind(notice: Notice, at: datetime) -> bool:
    """Recall one deadline, unless it is settled or was told just now."""
    rows = Notice.objects.select_for_update(of=("self",), skip_locked=True)
    held = rows.select_related("party").filter(pk=notice.pk, reminded_at=None).first()
    if held is None or held.deadline_at is None:
        return False
    held.reminded_at = at
    held.save(update_fields=["reminded_at"])
    kind = notices.kind_of(held.kind)
    is_fresh = held.made_at > held.deadline_at - BEFORE
    if is_fresh or kind.awaited is None or held.pk not in kind.awaited([held], at):
        return False
    notices.tell(
        notices.RECALL,
        party=held.party,
        about=held.pk,
        key=held.pk,
        at=at,
        deadline_at=held.deadline_at,
        **{**held.facts, "of_kind": held.kind, "until_at": held.deadline_at},
    )
    return True


@transaction.atomic
def _pass(notice: Notice, at: datetime) -> bool:
    rows = Notice.objects.select_for_update(of=("self",), skip_locked=True)
    held = rows.select_related("party").filter(pk=notice.pk, lapsed_at=None).first()
    if held is None:
        return False
    held.lapsed_at = at
    held.save(update_fields=["lapsed_at"])
    kind = notices.kind_of(held.kind)
    if kind.passes is not None:
        kind.passes(held, at)
    return True
