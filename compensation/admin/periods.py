"""Periods: the months of the journal, what moved in each, and closing them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet, Sum
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation import month_end, periods
from compensation.models import Period, PeriodTotal, TurnoverMark
from compensation.templatetags.money import bare
from provenance import looked
from provenance.access import Viewer
from provenance.admin.base import OPERATORS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.looking import note_list
from provenance.admin.site import site
from provenance.admin.verbs import Verb, person_of
from provenance.models import Party


def _close(request: HttpRequest, period: Any, cleaned: dict[str, Any]) -> str:
    closed = periods.close_period(name=period.name, at=timezone.now(), by=person_of(request))
    return _("%(name)s is closed, up to entry %(last_number)s.") % {
        "name": closed.name,
        "last_number": f"{closed.last_number:,}",
    }


def _may_close(viewer: Viewer, period: Any) -> bool:
    return viewer.is_operator and not period.is_closed and period.ends_at <= timezone.now()


def _export(request: HttpRequest, period: Any, cleaned: dict[str, Any]) -> StreamingHttpResponse:
    book = month_end.book_of(name=period.name, draft=True, at=timezone.now())
    note_list(
        request,
        f"export of month {period.name}",
        Party.objects.filter(accounts__isnull=False).distinct(),
        looked.FOR_ACCOUNTING,
    )
    name = month_end.file_name(book)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(
        month_end.month_end(book), content_type="application/zip", headers=headers
    )


class PeriodAdmin(ReadOnlyFacts):
    """Months, which close in order and for good."""

    list_title = _lazy("Months")
    shown_to = OPERATORS
    page_template = "compensation/period.html"
    list_display = ("name_word", "label", "lines_word", "starts_at", "ends_at", "closed_at")
    list_select_related = ("closed_by",)
    ordering = ("-name",)
    list_words = _lazy(
        "Nothing enters a closed month. What comes late is posted to the earliest "
        "open one and keeps the date from which it is effective."
    )
    empty_title = _lazy("No month yet")
    empty_words = _lazy("A month appears with the first entry that is effective in it.")
    verbs = (
        Verb(
            "close",
            _lazy("Close this month"),
            "finance",
            _close,
            explains=_lazy("For good: no entry can be posted to it afterwards, by anybody."),
            offered=_may_close,
            tone="primary",
        ),
        Verb(
            "export",
            _lazy("Export for accounting"),
            "finance",
            _export,
            explains=_lazy(
                "One zip of sheets: trial balance, entries and lines, accounts, invoices, credit "
                "notes, payouts, deposits, fees, open items by age, and differences. While the "
                "month is open it is a draft, and says so in its name."
            ),
            offered=lambda viewer, period: viewer.is_operator,
        ),
    )

    def scope(self, viewer: Viewer) -> QuerySet[Any]:
        rows = Period.objects.select_related("closed_by").annotate(
            line_count=Sum("totals__line_count")
        )
        return rows if viewer.is_operator else rows.none()

    @column(_lazy("Month"), ordering="name")
    def name_word(self, period: Any) -> str:
        return str(period.name)

    @column(_lazy("State"), label={"closed": "success", "open": "warning"})
    def label(self, period: Any) -> str:
        return "closed" if period.is_closed else "open"

    @column(_lazy("Lines"))
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
            "title": _("Month %(name)s") % {"name": subject.name},
            "totals": totals,
            "added_up_to": TurnoverMark.objects.get().number,
            "first_open": earlier.order_by("starts_at").first(),
        }


site.register(Period, PeriodAdmin)
