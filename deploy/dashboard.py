"""The first page: what waits, and figures in words, put together from every app."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

import compensation.admin.dashboard
import ingest.admin.dashboard
import provenance.admin.dashboard
from provenance.admin.verbs import viewer_of
from provenance.models import Dataset, Event, Run

_PARTS = (provenance.admin.dashboard, compensation.admin.dashboard, ingest.admin.dashboard)


def compose(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fill the home page for this viewer."""
    viewer, at = viewer_of(request), timezone.now()
    todos = [todo for part in _PARTS for todo in part.todos(viewer, at)]
    events = Event.objects.visible_to(viewer).order_by("-id")[:8]
    return {
        **context,
        "viewer": viewer,
        "cards": [card for part in _PARTS for card in part.cards(viewer, at)],
        "todos": sorted(todos, key=lambda one: (one.deadline_at is None, one.deadline_at or at)),
        "events": events,
        "is_new_owner": viewer.party.is_owner
        and not Dataset.objects.filter(owner=viewer.party).exists(),
        "is_new_lab": viewer.party.is_lab and not Run.objects.filter(lab=viewer.party).exists(),
    }
