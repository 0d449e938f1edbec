"""Invoices, self-billed invoices and credit notes; and what waits to be issued."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation import invoices, money
from compensation.models import Invoice, InvoiceWaiting, Period, Side
from compensation.templatetags.money import amount
from provenance import kept
from provenance.access import Viewer
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.looking import note_list
from provenance.admin.site import site
from provenance.admin.verbs import Verb, VerbForm, person_of, viewer_of
from provenance.documents.sheets import as_csv

SHEET = (
    "number", "kind", "party", "month", "without_vat", "vat", "to_be_paid", "asset", "issued_at",
    "corrects",
)  # fmt: skip


# More than these are looked at on their own page.
MOST_WAITING = 5


class TakeBackForm(VerbForm):
    """Why a document is taken back."""

    reason = forms.CharField(
        max_length=1000, widget=forms.Textarea, help_text=_lazy("It stands on the credit note.")
    )


class MonthForm(VerbForm):
    """Which closed month."""

    period = forms.ModelChoiceField(
        queryset=Period.objects.filter(closed_at__isnull=False).order_by("-name"),
        label=_lazy("Closed month"),
        empty_label=None,
        help_text=_lazy("A month stands here once it is closed."),
    )


def _take_back(request: HttpRequest, invoice: Any, cleaned: dict[str, Any]) -> str:
    made = invoices.take_back(
        invoice=invoice, reason=cleaned["reason"], by=person_of(request), at=timezone.now()
    )
    return _("%(made)s takes it back. The correct document follows within the hour.") % {
        "made": made
    }


def _issue(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    period = cleaned["period"]
    count = invoices.issue_period(period=period, at=timezone.now(), by=person_of(request))
    waiting = InvoiceWaiting.objects.filter(period=period).count()
    return _("Issued for %(period)s: %(count)s. Waiting: %(waiting)s.") % {
        "period": period,
        "count": count,
        "waiting": waiting,
    }


def _may_take_back(viewer: Viewer, invoice: Any) -> bool:
    is_open = invoice.corrects_id is None and not hasattr(invoice, "corrected_by")
    return viewer.is_operator and is_open


class InvoiceAdmin(ReadOnlyFacts):
    """What was issued."""

    page_template = "compensation/invoice.html"
    list_before_template = "compensation/invoices_head.html"
    list_display = (
        "number_and_kind", "party", "period_name", "net_word", "tax_word", "due_word", "issued_at",
    )  # fmt: skip
    list_filter = ("kind", "period")
    search_fields = ("number", "party__name")
    list_select_related = ("party", "asset", "period", "corrects", "proof__event")
    ordering = ("-issued_at", "-number")
    list_words = _lazy(
        "Issued when a month is closed, numbered without gaps, and never changed: a "
        "mistake is taken back by a credit note."
    )
    empty_title = _lazy("No invoice yet")
    empty_words = _lazy(
        "When a month is closed, what was charged or earned in it is invoiced here."
    )
    empty_step = (_lazy("To the statements"), "admin:compensation_entry_statement")
    verbs: ClassVar = (
        Verb(
            "take-back",
            _lazy("Take it back"),
            "finance",
            _take_back,
            TakeBackForm,
            _lazy(
                "Put right what was wrong first (tax data, a VAT rule): the document that "
                "follows takes what is on file then."
            ),
            offered=_may_take_back,
            tone="danger",
        ),
    )
    list_verbs: ClassVar = (
        Verb(
            "issue",
            _lazy("Issue a month"),
            "finance",
            _issue,
            MonthForm,
            _lazy("By itself it happens within the hour after a month is closed."),
            offered=lambda viewer, subject: viewer.is_operator,
        ),
    )

    def more_urls(self, named: Any) -> list[URLPattern]:
        return [
            named("invoices.csv", self.csv, "csv"),
            named("<str:object_id>/document.pdf", self.pdf, "pdf"),
            named("<str:object_id>/document.json", self.json, "json"),
        ]

    @kept.in_english()
    def csv(self, request: HttpRequest) -> HttpResponse:
        """What the list shows, for a spreadsheet: exact amounts, one document a row."""
        rows = self.get_queryset(request)
        shown = [
            (
                one.number,
                one.get_kind_display(),
                one.party.name,
                one.period_id,
                money.to_text(one.net_units, one.asset.scale),
                money.to_text(one.tax_units, one.asset.scale),
                money.to_text(one.due_units, one.asset.scale),
                one.asset.symbol,
                one.issued_at.isoformat(),
                one.corrects.number if one.corrects else "",
            )
            for one in rows
        ]
        note_list(request, "list of invoices", {one.party_id: one.party for one in rows}.values())
        headers = {"Content-Disposition": 'attachment; filename="invoices.csv"'}
        sheet = as_csv(SHEET, shown)
        return HttpResponse(sheet, content_type="text/csv; charset=utf-8", headers=headers)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, with its sheet beside what may be done."""
        viewer = viewer_of(request)
        links: list[tuple[Any, str]] = [
            (verb, self.url("list_verb", verb.slug))
            for verb in self.list_verbs_of()
            if verb.is_open_to(viewer, None)
        ]
        links.append(({"label": "CSV"}, self.url("csv")))
        waiting = (
            InvoiceWaiting.objects.visible_to(viewer).order_by("period").select_related("asset")
        )
        head = {"list_links": links, "waiting": waiting[:MOST_WAITING], "sheet_link": ""}
        return super().changelist_view(request, {**head, **(extra_context or {})})

    @column(_lazy("Document"), header=True)
    def number_and_kind(self, invoice: Invoice) -> list[str]:
        return [invoice.number, invoice.get_kind_display()]

    @column(_lazy("Month"), ordering="period")
    def period_name(self, invoice: Invoice) -> str:
        return str(invoice.period_id)

    @column(_lazy("Without VAT"), ordering="net_units")
    def net_word(self, invoice: Invoice) -> str:
        return amount(invoice.net_units, invoice.asset)

    @column(_lazy("VAT"))
    def tax_word(self, invoice: Invoice) -> str:
        return amount(invoice.tax_units, invoice.asset)

    @column(_lazy("To be paid"))
    def due_word(self, invoice: Invoice) -> str:
        return amount(invoice.due_units, invoice.asset)

    def look(self, request: HttpRequest, subject: Any, reason: str = "") -> HttpResponse | None:
        """An invoice is its own reason."""
        return super().look(request, subject, reason or f"invoice {subject}")

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        document = invoices.as_document(subject)
        is_labs = subject.side == Side.LAB
        return {
            "title": f"{subject.get_kind_display()} {subject.number}",
            "document": document,
            "lines": subject.lines.select_related("rate__plan", "invoice__asset"),
            "settled_units": -subject.settled_units,
            "is_sellers": not is_labs and subject.party_id == viewer_of(request).party.pk,
            "lacks_details": (
                is_labs and subject.due_units > 0 and not document["payment_instructions"]
            ),
            "successor": getattr(subject, "corrected_by", None),
            "pdf_url": self.url("pdf", subject.pk),
            "json_url": self.url("json", subject.pk),
        }

    def pdf(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The document on paper."""
        found = self.found(request, object_id)
        headers = {"Content-Disposition": f'inline; filename="{found.number}.pdf"'}
        return self.look(request, found) or HttpResponse(
            invoices.as_pdf(found), content_type="application/pdf", headers=headers
        )

    def json(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The document as data."""
        found = self.found(request, object_id)
        headers = {"Content-Disposition": f'attachment; filename="{found.number}.json"'}
        return self.look(request, found) or JsonResponse(
            invoices.as_document(found), headers=headers
        )


site.register(Invoice, InvoiceAdmin)
