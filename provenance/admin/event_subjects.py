"""What events are about, by name and with the way there, as far as each reader may see it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest

from provenance import kept, ledger
from provenance.admin.site import site
from provenance.admin.verbs import viewer_of
from provenance.event_words import about
from provenance.looked import without_noun
from provenance.models import Event, Usage

# Kinds of subjects that are not called as their models are.
_MODELS = {
    "model": "trainedmodel",
    "outbox": "outboxtransaction",
    "version": "datasetversion",
}
# Where the body says which one it is.
_IN_BODY = {"bank_payout": "reference", "payout_epoch": "epoch", "period": "period"}
_LAST_DIGITS = 8


@dataclass(frozen=True)
class Subject:
    """What an event is about: its noun, its name, and its page if this reader has one."""

    noun: str
    name: str
    url: str = ""


def find(request: HttpRequest, events: list[Event]) -> dict[int, Subject]:
    """The subject of each event, by the event's key: one query for each kind of subject."""
    by_kind: dict[str, set[Any]] = defaultdict(set)
    for event in events:
        by_kind[event.subject_kind].add(_key(event))
    seen = {kind: _seen(request, kind, keys) for kind, keys in by_kind.items()}
    return {event.pk: _subject(event, seen[event.subject_kind]) for event in events}


def _subject(event: Event, seen: dict[str, tuple[str, str]]) -> Subject:
    noun, key = about(event.subject_kind), _key(event)
    if str(key) in seen:
        name, url = seen[str(key)]
        return Subject(noun, without_noun(name, noun), url)
    return Subject(noun, _short(event))


def _short(event: Event) -> str:
    """A subject whose page is not the reader's: a number, or the end of its id."""
    key = _key(event)
    ending = "" if key == ledger.NOBODY else str(key)
    if key == event.subject_id:
        ending = ending[-_LAST_DIGITS:]
    return str(event.body.get(_IN_BODY.get(event.subject_kind, ""), ending))


def _key(event: Event) -> Any:
    """The key of the subject; an id of small size is a number."""
    if event.subject_kind == "period":
        return event.body.get("period", "")
    number = event.subject_id.int
    return number if 0 < number < 2**63 else event.subject_id


def _seen(request: HttpRequest, kind: str, keys: set[Any]) -> dict[str, tuple[str, str]]:
    """Names and addresses of the subjects of one kind whose pages this reader may open."""
    called = _MODELS.get(kind, kind.replace("_", ""))
    admin: Any = next(
        (one for model, one in site._registry.items() if model._meta.model_name == called), None
    )
    if admin is None or not admin.has_module_permission(request):
        return {}
    try:
        rows = list(admin.scope(viewer_of(request)).filter(pk__in=keys))
    except (TypeError, ValueError, ValidationError):
        # Keys of another shape are not of this model.
        return {}
    return {str(row.pk): (_name(row), admin.url("change", row.pk)) for row in rows}


def _name(row: Model) -> str:
    """How a subject is called; a use by its data alone, for its run is the lab's to name."""
    if isinstance(row, Usage):
        return str(row.version or row.subject)
    return kept.said(str(row))
