"""Periods: the months of the journal, what moved in each, and closing them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone

from compensation import periods
from compensation.models import Period, PeriodTotal, TurnoverMark
from compensation.templatetags.money import bare
from provenance.access import Viewer
from provenance.admin.base import OPERATORS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb, person_of


def _close(request: HttpRequest, period: Any, cleaned: dict[str, Any]) -> str:
    closed = periods.close_period(name=period.name, at=timezone.now(), by=person_of(request))
    return f"{closed.name} is closed, up to entry {closed.last_number:,}."


def _may_close(viewer: Viewer, period: Any) -> bool:
    return viewer.is_operator and not period.is_closed and period.ends_at <= timezone.now()


class PeriodAdmin(ReadOnlyFacts):
    """Months, which close in order and for good."""

    shown_to = OPERATORS
    page_template = "compensation/period.html"
    list_display = ("name_word", "label", "lines_word", "starts_at", "ends_at", "closed_at")
    list_select_related = ("closed_by",)
    ordering = ("-name",)
    list_words = (
        "Nothing enters a closed month. What comes late is posted to the earliest open one and"
        " keeps the date from which it is effective."
    )
    empty_title = "No month yet"
    empty_words = "A month appears with the first entry that is effective in it."
    verbs = (
        Verb(
            "close",
            "Close this month",
            "finance",
            _close,
            explains="For good: no entry can be posted to it afterwards, by anybody.",
            offered=_may_close,
            tone="primary",
        ),
    )

    def scope(self, viewer: Viewer) -> QuerySet[Any]:
        rows = Period.objects.select_related("closed_by").annotate(
            line_count=Sum("totals__line_count")
        )
        return rows if viewer.is_operator else rows.none()

    @column("Month", ordering="name")
    def name_word(self, period: Any) -> str:
        return str(period.name)

    @column("State", label={"closed": "success", "open": "warning"})
    def label(self, period: Any) -> str:
        return "closed" if period.is_closed else "open"

    @column("Lines")
    def lines_word(self, period: Any) -> str:
        return f"{period.line_count or 0:,}"

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        rows = PeriodTotal.objects.filter(period=subject).select_related("asset")
        totals = [
            {
                "asset": row.asset,
                "kind": row.get_kind_display(),
                "credited": bare(int(row.credited_units), row.asset),
                "debited": bare(int(row.debited_units), row.asset),
                "line_count": row.line_count,
            }
            for row in rows.order_by("asset__symbol", "kind")
        ]
        earlier = Period.objects.filter(closed_at=None, starts_at__lt=subject.starts_at)
        return {
            "title": f"Month {subject.name}",
            "totals": totals,
            "added_up_to": TurnoverMark.objects.get().number,
            "first_open": earlier.order_by("starts_at").first(),
        }


site.register(Period, PeriodAdmin)
