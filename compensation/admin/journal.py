"""The journal: entries made of lines; and what the viewer's accounts hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.db.models import Q
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils import timezone

from compensation import journal
from compensation.admin.statements import (
    explanation_view,
    shares_view,
    statement_csv,
    statement_export,
    statement_json,
    statement_pdf,
    statement_view,
)
from compensation.models import Account, Charge, Conversion, Entry, HoldPart
from compensation.templatetags.money import amount
from provenance.access import Viewer
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import Panel, site
from provenance.admin.verbs import Verb, VerbForm, person_of, viewer_of
from provenance.models import Conflict, Party


class ReverseForm(VerbForm):
    """Why an entry is taken back."""

    reason = forms.CharField(max_length=300, help_text="It is kept with the reversal, for good.")


def _reverse(request: HttpRequest, entry: Any, cleaned: dict[str, Any]) -> str:
    made = journal.reverse(
        entry=entry, reason=cleaned["reason"], at=timezone.now(), by=person_of(request)
    )
    return f"Entry {made.pk} takes entry {entry.pk} back."


def _may_reverse(viewer: Viewer, entry: Any) -> bool:
    if not viewer.is_operator or entry.kind not in journal.REVERSIBLE:
        return False
    return not Entry.objects.filter(reverses=entry).exists()


class EntryAdmin(ReadOnlyFacts):
    """Money that moved, each time with its reason."""

    list_title = "Journal"
    page_template = "compensation/entry.html"
    list_display = ("number", "kind_word", "moved", "effective_at", "posted_at", "period_id")
    list_filter = ("kind", "asset", "period")
    list_select_related = ("asset",)
    ordering = ("-id",)
    list_words = "Every movement of money: lines that add up to zero, numbered and chained."
    empty_title = "No money has moved yet"
    verbs = (
        Verb(
            "reverse",
            "Reverse it",
            "finance",
            _reverse,
            ReverseForm,
            "Another entry takes it back, effective now, in the open month; this one stays.",
            offered=_may_reverse,
        ),
    )

    @column("Entry", ordering="id")
    def number(self, entry: Entry) -> str:
        return f"{entry.pk:,}"

    @column("For", ordering="kind")
    def kind_word(self, entry: Entry) -> str:
        return str(entry.get_kind_display())

    @column("Moved")
    def moved(self, entry: Entry) -> str:
        total = sum(line.amount_units for line in entry.lines.all() if line.amount_units > 0)
        return amount(total, entry.asset)

    def more_urls(self, named: Any) -> list[URLPattern]:
        return [
            named("statement/", statement_view, "statement"),
            named("statement.csv", statement_csv, "statement_csv"),
            named("statement.json", statement_json, "statement_json"),
            named("statement.pdf", statement_pdf, "statement_pdf"),
            named("statement.zip", statement_export, "statement_export"),
            named("charges/<str:object_id>/", explanation_view, "explanation"),
            named("<str:object_id>/shares/", shares_view, "shares"),
        ]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("lines")

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """What a whole entry moved is for operators: a party sees its own lines on the page."""
        shown = super().get_list_display(request)
        is_operator = viewer_of(request).is_operator
        return [name for name in shown if name != "moved" or is_operator]

    def parties_of(self, subject: Any) -> Iterable[Party]:
        accounts = Account.objects.filter(lines__entry=subject, party__isnull=False)
        return Party.objects.filter(pk__in=accounts.values("party"))

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        viewer = viewer_of(request)
        lines = subject.lines.select_related("account__party", "account__asset").order_by("pk")
        if not viewer.is_operator:
            lines = lines.filter(account__party=viewer.party)
        return {
            "title": f"Entry {subject.pk}",
            "reversed_by": Entry.objects.filter(reverses=subject).first(),
            "hold_part": HoldPart.objects.filter(entry=subject).select_related("hold").first(),
            "conversion": Conversion.objects.filter(
                Q(out_entry=subject) | Q(in_entry=subject)
            ).first(),
            "lines": lines,
            "facts": subject.facts if viewer.is_operator else {},
            "charges": _charges_seen(subject, viewer),
        }


def _charges_seen(entry: Entry, viewer: Viewer) -> Any:
    rows = Charge.objects.visible_to(viewer).filter(entry=entry)
    return rows.select_related("usage__version__dataset__owner", "usage__run__lab")[:200]


def _held(request: HttpRequest, conflict: Any) -> Panel | None:
    """How much money a conflict holds, in escrow, for those who may see the conflict."""
    accounts = Account.objects.filter(conflict=conflict, kind=Account.Kind.ESCROW)
    rows = [
        amount(account.balance.posted, account.asset)
        for account in accounts.select_related("asset", "balance")
        if account.balance.posted
    ]
    if not rows:
        words = "No money is held in this conflict."
    else:
        words = f"{', '.join(rows)} is held until it is settled; it belongs to no one yet."
    return Panel("Money that is held", "provenance/parts/words.html", {"words": words})


site.register(Entry, EntryAdmin)
site.add_panel(Conflict, _held)
