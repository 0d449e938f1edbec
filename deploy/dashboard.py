"""The first page: what waits, and figures in words, put together from every app."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

import compensation.admin.dashboard
import compensation.admin.queue
import ingest.admin.dashboard
import provenance.admin.dashboard
from provenance.admin import event_subjects
from provenance.admin.guide import open_guide
from provenance.admin.notices import newest
from provenance.admin.verbs import viewer_of
from provenance.models import Event

# How much of the queue the operators' first page shows.
QUEUE_LINES = 8
FACTS = 8
_PARTS = (provenance.admin.dashboard, compensation.admin.dashboard, ingest.admin.dashboard)


def compose(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fill the home page for this viewer."""
    viewer, at = viewer_of(request), timezone.now()
    todos = [todo for part in _PARTS for todo in part.todos(viewer, at)]
    return {
        **context,
        "viewer": viewer,
        "cards": [card for part in _PARTS for card in part.cards(viewer, at)],
        "todos": sorted(todos, key=lambda one: (one.deadline_at is None, one.deadline_at or at)),
        "facts": _newest_facts(request),
        **(_queue(at) if viewer.is_operator else {}),
        "told": newest(viewer),
        "guide": open_guide(request),
    }


def _newest_facts(request: HttpRequest) -> list[tuple[Event, event_subjects.Subject | None]]:
    """The last events that concern the viewer, each with what it is about, if that has a page.

    An operator finds that on the ledger's pages, which log who looked.
    """
    viewer = viewer_of(request)
    events = list(Event.objects.visible_to(viewer).order_by("-id")[:FACTS])
    found = {} if viewer.is_operator else event_subjects.find(request, events)
    return [(event, found.get(event.pk)) for event in events]


def _queue(at: datetime) -> dict[str, Any]:
    """What is due first of all that waits for operators."""
    return {
        "is_operator": True,
        "now": at,
        "cases": compensation.admin.queue.cases(at=at, limit=QUEUE_LINES),
        "case_count": sum(compensation.admin.queue.counts(at).values()),
    }
