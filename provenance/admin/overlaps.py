"""Overlaps: what two registrations share, with the pairs that show it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from provenance import debts
from provenance.access import Viewer
from provenance.admin.base import OWNERS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.dashboard import OPEN
from provenance.admin.evidence import KIND_NAMES, Pair, pair
from provenance.admin.site import Panel, site
from provenance.admin.verbs import viewer_of
from provenance.figures import per_million
from provenance.models import Conflict, Dataset, Match, MatchKind, Overlap, Party
from provenance.templatetags.tallymark import kinds as kinds_of

PAIRS_PER_PAGE = 5
MOST_NAMED = 10
"""So many open conflicts the page of a dataset names."""
POSSIBLE = "possible"
KINDS = [*KIND_NAMES.items(), (POSSIBLE, _lazy("Possible"))]
"""What a page of matches can be narrowed to."""


class OverlapAdmin(ReadOnlyFacts):
    """Overlaps that touch the viewer's data."""

    shown_to = OWNERS
    page_template = "provenance/overlap.html"
    list_display = ("sides", "kinds", "matching", "detector_and_rate", "found_at")
    list_select_related = ("later__dataset__owner", "earlier__dataset__owner")
    ordering = ("-found_at",)
    list_words = _lazy(
        "What registrations have in common, as the detector found it. An overlap says that "
        "records are alike; it says nothing about who wrote them."
    )
    empty_title = _lazy("No overlap was found")
    empty_words = _lazy(
        "Whatever is registered later is compared with yours too; you see it here the moment "
        "something alike is found."
    )

    @column(_lazy("Registered later, earlier"), header=True)
    def sides(self, overlap: Overlap) -> list[str]:
        return [str(overlap.later), _("and, earlier, %(dataset)s") % {"dataset": overlap.earlier}]

    @column(_lazy("Records by kind"))
    def kinds(self, overlap: Overlap) -> str:
        return kinds_of(overlap)

    @column(_lazy("Matching; estimate"), ordering="matching_count")
    def matching(self, overlap: Overlap) -> str:
        low, high = overlap.interval_low, overlap.interval_high
        named = {
            "matching": f"{overlap.matching_count:,}",
            "estimate": f"{overlap.estimate_count:,}",
            "low": f"{low:,}",
            "high": f"{high:,}",
        }
        if low == high:
            return _("%(matching)s; %(estimate)s") % named
        return _("%(matching)s; %(estimate)s (%(low)s to %(high)s)") % named

    @column(_lazy("Detector; its wrong matches"))
    def detector_and_rate(self, overlap: Overlap) -> str:
        rate = per_million(overlap.false_accusation_rate)
        words = _("%(detector)s; at most %(rate)s of 1,000,000")
        return words % {"detector": overlap.detector, "rate": rate}

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.later.dataset.owner, subject.earlier.dataset.owner]

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        viewer = viewer_of(request)
        conflict = subject.conflicts.first()
        return {
            "overlap": subject,
            "conflict": conflict,
            "why_none": "" if conflict else _why_none(subject),
            "before": None if conflict else _between(subject).first(),
            **pairs_context(request, subject.matches.all(), viewer),
        }


def _between(overlap: Overlap) -> QuerySet[Conflict]:
    """The conflicts of the two datasets, whichever is the later one there."""
    pair = (overlap.later.dataset_id, overlap.earlier.dataset_id)
    return Conflict.objects.filter(later__in=pair, earlier__in=pair)


def _why_none(overlap: Overlap) -> str:
    """Why what was found alike opened no conflict of its own."""
    later, earlier = overlap.later.dataset, overlap.earlier.dataset
    if later.owner_id == earlier.owner_id:
        return _("No conflict was opened: both datasets have one owner.")
    if debts.is_accepted_between(later.pk, earlier.pk):
        return _("No conflict was opened: both owners say that one was made from the other.")
    if not overlap.matching_count:
        return _(
            "No conflict was opened: what was found is only a lead (meaning, possible matches, "
            "columns), which opens nothing and holds nothing."
        )
    if _between(overlap).exists():
        return _("No conflict was opened anew: these records were in question before.")
    return _("No conflict was opened.")


def pairs_context(request: HttpRequest, matches: QuerySet[Match], viewer: Viewer) -> dict[str, Any]:
    """A page of pairs, of one kind where the address says so."""
    kind = request.GET.get("kind", "")
    rows = (
        matches.filter(of_kind(kind))
        .select_related(
            "later",
            "earlier",
            "overlap__later__dataset__owner",
            "overlap__earlier__dataset__owner",
        )
        .order_by("pk")
    )
    page: Page[Match] = Paginator(rows, PAIRS_PER_PAGE).get_page(request.GET.get("pairs"))
    pairs: list[Pair] = [pair(match, viewer) for match in page.object_list]
    return {
        "pairs": pairs,
        "pairs_page": page,
        "pairs_records": rows.values("later").order_by().distinct().count(),
        "kind": kind,
        "kinds": KINDS,
    }


def of_kind(kind: str) -> Q:
    """Which matches are of one kind; the possible ones are those that hold nothing."""
    if kind == POSSIBLE:
        return Q(holds=False) & ~Q(kind=MatchKind.SEMANTIC)
    return Q(kind=kind) if kind in MatchKind.values else Q()


def _open_conflicts(request: HttpRequest, dataset: Any) -> Panel | None:
    rows = Conflict.objects.visible_to(viewer_of(request)).with_claims_waiting()
    rows = rows.filter(Q(later=dataset) | Q(earlier=dataset), state__in=OPEN)
    found = rows.select_related("later__owner", "earlier__owner").order_by("deadline_at", "pk")
    if not (count := found.count()):
        return None
    return Panel(
        _("Conflicts that are open"),
        "provenance/parts/conflicts.html",
        {"conflicts": found[:MOST_NAMED], "left": max(0, count - MOST_NAMED)},
    )


site.register(Overlap, OverlapAdmin)
site.add_panel(Dataset, _open_conflicts)
