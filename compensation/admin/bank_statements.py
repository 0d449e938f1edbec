"""The files that a bank gave us: what each tells of, payment by payment."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Max, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _lazy

from compensation import bank_files
from compensation.admin.bank import LINE_LIMIT, OperatorPages, booked_in_words
from compensation.bank import reading
from compensation.models import BankBooking, BankFile
from provenance import kept
from provenance.access import Viewer
from provenance.admin.columns import column
from provenance.admin.looking import gate
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm, person_of
from provenance.models import Party
from provenance.templatetags.tallymark import day


class FileForm(VerbForm):
    """A file as the bank gave it."""

    file = forms.FileField(help_text=_lazy("pain.002 or camt.053, XML."), allow_empty_file=True)


def _take_file(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    given = cleaned["file"]
    made = bank_files.take_file(
        content=given.read(reading.LIMIT_BYTES + 1),
        name=given.name,
        at=timezone.now(),
        by=person_of(request),
    )
    return HttpResponseRedirect(reverse("admin:compensation_bankfile_change", args=[made.pk]))


class BankFileAdmin(OperatorPages):
    """What the bank gave us."""

    list_title = _lazy("Files of the bank")
    page_template = "compensation/bank_file.html"
    list_display = ("name", "kind", "booked_up_to", "line_count", "brought_at")
    list_select_related = ("brought_by",)
    ordering = ("-brought_at",)
    list_words = _lazy(
        "Answers and statements. The same file again, or an entry in two, counts once."
    )
    empty_title = _lazy("No file yet")
    empty_words = _lazy("Upload what the bank answers (pain.002) and its statements (camt.053).")
    list_verbs = (
        Verb(
            "read",
            _lazy("Upload a file of the bank"),
            "finance",
            _take_file,
            FileForm,
            _lazy("What was booked is paid, what came back is payable again, the rest is listed."),
            tone="primary",
        ),
    )

    def look(self, request: HttpRequest, subject: Any, reason: str = "") -> HttpResponse | None:
        """A file's page names payees, who can read of the look; the list names nobody."""
        told = Q(bank_payouts__steps__file=subject) | Q(bank_payouts__bookings__file=subject)
        with kept.in_english():
            what = f"{self.opts.verbose_name} {subject}"
        return gate(request, what, Party.objects.filter(told).distinct(), reason)

    def scope(self, viewer: Viewer) -> Any:
        return super().scope(viewer).annotate(last_day=Max("bookings__booked_on"))

    @column(_lazy("Booked up to"), ordering="last_day")
    def booked_up_to(self, file: Any) -> str:
        return day(file.last_day)

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        bookings = subject.bookings
        return {
            "bookings": [
                (one, booked_in_words(one))
                for one in bookings.select_related("account__asset", "payout")[:LINE_LIMIT]
            ],
            "steps": subject.steps.select_related("payout__asset", "payout__party")[:LINE_LIMIT],
            "new_count": bookings.count() or subject.steps.count(),
            "open_count": bookings.filter(state=BankBooking.State.OPEN).count(),
        }


site.register(BankFile, BankFileAdmin)
