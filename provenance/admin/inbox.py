"""How an owner narrows its conflicts, on the list and on the page that answers many at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from provenance.access import Viewer
from provenance.admin.verbs import viewer_of
from provenance.models import Conflict, ContestedRecord, Dataset, MatchKind, Party

MINE = "mine"
OVER = "over"
MOST_OPTIONS = 200
Options = list[tuple[str, Any]]
Rows = QuerySet[Conflict]


@dataclass(frozen=True)
class Narrowing:
    """One thing by which conflicts are narrowed: its name, its choices, and what each leaves."""

    name: str
    title: str | Promise
    options: Callable[[Viewer], Options]
    narrow: Callable[[Rows, Viewer, str], Rows]


def _states(viewer: Viewer) -> Options:
    words = [
        (Conflict.State.OPEN, _("found")),
        (Conflict.State.CLAIMED, _("claimed")),
        (Conflict.State.ANSWERED, _("answered")),
        (Conflict.State.DECIDING, _("waiting for a decision")),
        (Conflict.State.DECIDED, _("decided, may be appealed")),
        (Conflict.State.APPEALED, _("appealed")),
        (Conflict.State.RELEASED, _("released")),
        (Conflict.State.CLOSED, _("closed")),
    ]
    return [(MINE, _("waiting for me")), *((str(state), word) for state, word in words)]


def _by_state(rows: Rows, viewer: Viewer, value: str) -> Rows:
    return rows.filter(awaits=viewer.party) if value == MINE else rows.filter(state=value)


def _datasets(viewer: Viewer) -> Options:
    own = Dataset.objects.filter(owner=viewer.party)
    disputed = own.filter(Q(conflicts__isnull=False) | Q(later_conflicts__isnull=False))
    found = disputed.distinct().order_by("title", "pk").values_list("pk", "title")
    return [(str(pk), title) for pk, title in found[:MOST_OPTIONS]]


def _by_dataset(rows: Rows, viewer: Viewer, value: str) -> Rows:
    return rows.filter(Q(later=value) | Q(earlier=value))


def _others(viewer: Viewer) -> Options:
    if viewer.is_operator:
        return []
    mine = Conflict.objects.visible_to(viewer)
    sides = Q(pk__in=mine.values("later__owner")) | Q(pk__in=mine.values("earlier__owner"))
    found = Party.objects.filter(sides).exclude(pk=viewer.party.pk).order_by("name", "pk")
    return [(str(pk), name) for pk, name in found.values_list("pk", "name")[:MOST_OPTIONS]]


def _by_other(rows: Rows, viewer: Viewer, value: str) -> Rows:
    return rows.filter(Q(later__owner=value) | Q(earlier__owner=value))


def _kinds(viewer: Viewer) -> Options:
    return [one for one in MatchKind.choices if one[0] != MatchKind.SEMANTIC]


def _by_kind(rows: Rows, viewer: Viewer, value: str) -> Rows:
    pairs = ContestedRecord.objects.filter(conflict=OuterRef("pk"), kind=value, resolution=None)
    return rows.filter(Exists(pairs))


def _deadlines(viewer: Viewer) -> Options:
    return [
        (OVER, _("passed")),
        ("3", _("in 3 days or less")),
        ("7", _("in 7 days or less")),
        ("14", _("in 14 days or less")),
    ]


def _by_deadline(rows: Rows, viewer: Viewer, value: str) -> Rows:
    at = timezone.now()
    if value == OVER:
        return rows.filter(deadline_at__lte=at)
    return rows.filter(deadline_at__gt=at, deadline_at__lte=at + timedelta(days=int(value)))


NARROWINGS = (
    Narrowing("state", _("State"), _states, _by_state),
    Narrowing("dataset", _("My dataset"), _datasets, _by_dataset),
    Narrowing("other", _("Other side"), _others, _by_other),
    Narrowing("kind", _("Kind of match"), _kinds, _by_kind),
    Narrowing("due", _("Deadline"), _deadlines, _by_deadline),
)


def chosen(viewer: Viewer, given: Mapping[str, str]) -> dict[str, str]:
    """What was chosen of each narrowing; what is not among its choices counts as nothing."""
    found = {}
    for one in NARROWINGS:
        value = given.get(one.name, "")
        if value and value in {str(key) for key, _word in one.options(viewer)}:
            found[one.name] = value
    return found


def narrowed(rows: Rows, viewer: Viewer, picked: Mapping[str, str]) -> Rows:
    """The conflicts that are left by all that was chosen."""
    for one in NARROWINGS:
        if one.name in picked:
            rows = one.narrow(rows, viewer, picked[one.name])
    return rows


def _list_filter(one: Narrowing) -> type[admin.SimpleListFilter]:
    """The same narrowing, as the list of conflicts offers it."""

    class Filter(admin.SimpleListFilter):
        title = one.title  # type: ignore[assignment]  # Django translates it when it is shown
        parameter_name = one.name

        def lookups(self, request: HttpRequest, model_admin: Any) -> Options:
            return one.options(viewer_of(request))

        def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
            viewer = viewer_of(request)
            picked = chosen(viewer, {one.name: self.value() or ""})
            return one.narrow(queryset, viewer, picked[one.name]) if picked else queryset

    return Filter


LIST_FILTERS = tuple(_list_filter(one) for one in NARROWINGS)
