"""Test data goes after a while, or when its lab says so."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet

from compensation.models import TrialEdge, TrialGrant, TrialModel, TrialQuote, TrialRun, TrialUsage
from provenance.models import Party

KEPT_DAYS = 90
# What hangs on another goes first.
_KINDS: tuple[type[Model], ...] = (
    TrialEdge,
    TrialUsage,
    TrialRun,
    TrialModel,
    TrialQuote,
    TrialGrant,
)


@transaction.atomic
def delete_old(*, at: datetime) -> int:
    """Delete all test data made KEPT_DAYS ago or earlier; how many rows."""
    made_until = at - timedelta(days=KEPT_DAYS)
    return sum(_delete(kind._default_manager.filter(made_at__lte=made_until)) for kind in _KINDS)


def has_any(*, lab: Party) -> bool:
    """Whether a lab has any test data."""
    return any(kind._default_manager.filter(lab=lab).exists() for kind in _KINDS)


@transaction.atomic
def delete_all(*, lab: Party) -> int:
    """Delete all of a lab's test data; how many rows."""
    return sum(_delete(kind._default_manager.filter(lab=lab)) for kind in _KINDS)


def _delete(rows: QuerySet[Any]) -> int:
    return int(rows.delete()[0])
