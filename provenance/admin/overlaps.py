"""Overlaps: what two registrations share, with the pairs that show it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import pgettext

from provenance.access import Viewer
from provenance.admin.base import OWNERS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.evidence import Pair, pair
from provenance.admin.site import Panel, site
from provenance.admin.verbs import viewer_of
from provenance.models import Dataset, Match, MatchKind, Overlap, Party
from provenance.templatetags.tallymark import per_million

PAIRS_PER_PAGE = 5
POSSIBLE = "possible"
KINDS = [*MatchKind.choices, (POSSIBLE, _lazy("Possible"))]
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
        return kinds_in_words(overlap)

    @column(_lazy("Matching; estimate"), ordering="matching_count")
    def matching(self, overlap: Overlap) -> str:
        low, high = overlap.interval_low, overlap.interval_high
        named = {
            "matching": f"{overlap.matching_count:,}",
            "estimate": f"{overlap.estimate_count:,}",
            "low": f"{low:,}",
            "high": f"{high:,}",
        }
        return _("%(matching)s; %(estimate)s (%(low)s to %(high)s)") % named

    @column(_lazy("Detector; errors in a million"))
    def detector_and_rate(self, overlap: Overlap) -> str:
        return f"{overlap.detector}; {per_million(overlap.false_accusation_rate)}"

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.later.dataset.owner, subject.earlier.dataset.owner]

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        viewer = viewer_of(request)
        return {
            "overlap": subject,
            "conflict": subject.conflicts.first(),
            **pairs_context(request, subject.matches.all(), viewer),
        }


def kinds_in_words(overlap: Overlap) -> str:
    """Counts by kind, those that are there."""
    counts = {
        _("%(count)s exact"): overlap.exact_count,
        _("%(count)s near"): overlap.near_count,
        _("%(count)s contained"): overlap.contained_count,
        _("%(count)s possible, holds nothing"): overlap.possible_count,
        _("%(count)s semantic, a lead only"): overlap.semantic_count,
    }
    said = [words % {"count": f"{count:,}"} for words, count in counts.items() if count]
    return pgettext("list", ", ").join(said) or _("none")


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
    return {"pairs": pairs, "pairs_page": page, "kind": kind, "kinds": KINDS}


def of_kind(kind: str) -> Q:
    """Which matches are of one kind; the possible ones are those that hold nothing."""
    if kind == POSSIBLE:
        return Q(holds=False) & ~Q(kind=MatchKind.SEMANTIC)
    return Q(kind=kind) if kind in MatchKind.values else Q()


def _later_overlaps(request: HttpRequest, dataset: Any) -> Panel | None:
    viewer = viewer_of(request)
    rows = (
        Overlap.objects.visible_to(viewer)
        .filter(Q(later__dataset=dataset) | Q(earlier__dataset=dataset))
        .filter(conflicts__closed_at__isnull=True, conflicts__isnull=False)
    )
    count = rows.count()
    if not count:
        return None
    return Panel(
        _("Conflicts that are open"),
        "provenance/parts/words.html",
        {
            "words": _("Records of this dataset are in question between you and another owner."),
            "url": reverse("admin:provenance_conflict_changelist"),
            "label": _("To the conflicts"),
        },
    )


site.register(Overlap, OverlapAdmin)
site.add_panel(Dataset, _later_overlaps)
