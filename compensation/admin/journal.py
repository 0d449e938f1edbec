"""The journal: entries made of lines; and what the viewer's accounts hold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import pgettext_lazy

from compensation import corrections, entry_subjects, journal, money
from compensation.admin.approving import done_or_put_forward, limited
from compensation.admin.earnings import earnings_csv, earnings_view, works_csv
from compensation.admin.entry_facts import facts_of
from compensation.admin.statements import (
    explanation_view,
    shares_view,
    statement_csv,
    statement_export,
    statement_json,
    statement_pdf,
    statement_view,
)
from compensation.limits import Act
from compensation.models import Account, Charge, Conversion, Entry, HoldPart
from compensation.templatetags.money import amount
from provenance.access import Viewer
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import Panel, site
from provenance.admin.verbs import Outcome, Verb, VerbForm, viewer_of
from provenance.models import Conflict, DatasetVersion, Party, Proposal

OWN_WORDS = _lazy(
    "Every movement of money on your accounts: your lines of each entry. Others' lines are not "
    "shown; all of an entry's lines add up to zero."
)


class ReverseForm(VerbForm):
    """Why an entry is taken back."""

    reason = forms.CharField(
        max_length=300, help_text=_lazy("It is kept with the reversal, for good.")
    )


class AdjustForm(VerbForm):
    """An entry by hand."""

    source = forms.ModelChoiceField(queryset=Account.objects.none(), label=_lazy("From"))
    target = forms.ModelChoiceField(queryset=Account.objects.none(), label=_lazy("To"))
    amount = forms.CharField(help_text=_lazy("Such as 1500.00, in the asset of both accounts."))
    reference = forms.CharField(max_length=50, help_text=_lazy("Each counts once."))
    reason = forms.CharField(max_length=300, help_text=_lazy("It is kept with the entry."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        accounts = Account.objects.filter(kind__in=corrections.ADJUSTABLE)
        rows = accounts.select_related("asset", "party").order_by("asset__symbol", "kind", "pk")
        for name in ("source", "target"):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField), "both name an account"
            field.queryset = rows

    def clean(self) -> dict[str, Any]:
        """The amount in whole units of the first account's asset."""
        cleaned = super().clean() or {}
        if "amount" in cleaned and cleaned.get("source"):
            try:
                scale = cleaned["source"].asset.scale
                cleaned["units"] = money.to_units(cleaned["amount"], scale)
            except money.BadAmount as error:
                self.add_error("amount", str(error))
        return cleaned


def _adjust(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    source = cleaned["source"]
    return done_or_put_forward(
        request,
        Proposal.Kind.ADJUSTMENT,
        f"{source.asset_id}:{cleaned['reference']}",
        {
            "source": source.pk,
            "target": cleaned["target"].pk,
            "units": str(cleaned["units"]),
            "reference": cleaned["reference"],
            "reason": cleaned["reason"],
        },
        lambda made: _("Posted as entry %(number)s.") % {"number": made.pk},
    )


def _reverse(request: HttpRequest, entry: Any, cleaned: dict[str, Any]) -> Outcome:
    return done_or_put_forward(
        request,
        Proposal.Kind.REVERSAL,
        str(entry.pk),
        {"entry": entry.pk, "reason": cleaned["reason"]},
        lambda made: (
            _("Entry %(pk)s takes entry %(pk_2)s back.") % {"pk": made.pk, "pk_2": entry.pk}
        ),
    )


def _may_reverse(viewer: Viewer, entry: Any) -> bool:
    if not viewer.is_operator or entry.kind not in journal.REVERSIBLE:
        return False
    return not Entry.objects.filter(reverses=entry).exists()


class EntryAdmin(ReadOnlyFacts):
    """Money that moved, each time with its reason."""

    list_title = _lazy("Journal")
    page_template = "compensation/entry.html"
    list_display = ("number", "kind_word", "moved", "effective", "posted", "month")
    list_filter = ("kind", "asset", "period")
    list_select_related = ("asset",)
    ordering = ("-id",)
    list_words = _lazy("Every movement of money: lines that add up to zero, numbered and chained.")
    empty_title = _lazy("No money has moved yet")
    list_verbs = (
        Verb(
            "adjust",
            _lazy("Post an entry by hand"),
            "finance",
            _adjust,
            AdjustForm,
            limited(Act.ENTRY, _lazy("For what nothing else books, with the reason.")),
            offered=lambda viewer, subject: viewer.is_operator,
        ),
    )
    verbs = (
        Verb(
            "reverse",
            _lazy("Reverse it"),
            "finance",
            _reverse,
            ReverseForm,
            _lazy("Another entry takes it back, effective now, in the open month; this one stays."),
            offered=_may_reverse,
        ),
    )

    @column(_lazy("Entry"), ordering="id")
    def number(self, entry: Entry) -> str:
        return f"{entry.pk:,}"

    @column(pgettext_lazy("why money moved", "For"), ordering="kind")
    def kind_word(self, entry: Entry) -> str:
        return str(entry.get_kind_display())

    @column(_lazy("Moved"))
    def moved(self, entry: Entry) -> str:
        total = sum(line.amount_units for line in entry.lines.all() if line.amount_units > 0)
        return amount(total, entry.asset)

    @column(_lazy("Effective"), ordering="effective_at")
    def effective(self, entry: Entry) -> datetime:
        return entry.effective_at

    @column(_lazy("Posted"), ordering="posted_at")
    def posted(self, entry: Entry) -> datetime:
        return entry.posted_at

    @column(_lazy("Month"), ordering="period")
    def month(self, entry: Entry) -> str:
        return entry.period_id or "–"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list; to a party it says that its own lines alone are shown."""
        words = {} if viewer_of(request).is_operator else {"list_words": OWN_WORDS}
        return super().changelist_view(request, words | (extra_context or {}))

    def more_urls(self, named: Any) -> list[URLPattern]:
        return [
            named("earnings/", earnings_view, "earnings"),
            named("earnings.csv", earnings_csv, "earnings_csv"),
            named("works.csv", works_csv, "works_csv"),
            named("statement/", statement_view, "statement"),
            named("statement.csv", statement_csv, "statement_csv"),
            named("statement.json", statement_json, "statement_json"),
            named("statement.pdf", statement_pdf, "statement_pdf"),
            named("statement.zip", statement_export, "statement_export"),
            named("charges/<str:object_id>/", explanation_view, "explanation"),
            named("<str:object_id>/shares/", shares_view, "shares"),
        ]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("lines__account__party")

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """What a whole entry moved is for operators: a party sees the sum of its own lines."""
        shown = super().get_list_display(request)
        viewer = viewer_of(request)
        if viewer.is_operator:
            return shown

        @column(_("On your accounts"))
        def own(entry: Entry) -> str:
            return _own_in_words(entry, viewer)

        return [own if name == "moved" else name for name in shown]

    def parties_of(self, subject: Any) -> Iterable[Party]:
        parties = (line.account.party for line in subject.lines.all())
        return {party.pk: party for party in parties if party is not None}.values()

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        viewer = viewer_of(request)
        lines = subject.lines.select_related("account__party", "account__asset").order_by("pk")
        if not viewer.is_operator:
            lines = lines.filter(account__party=viewer.party)
        version = DatasetVersion.objects.visible_to(viewer).filter(pk=subject.facts.get("version"))
        return {
            "payout": entry_subjects.payouts([subject], viewer.party).get(subject.pk),
            "conflict": entry_subjects.conflicts([subject], viewer.party).get(subject.pk),
            "version": version.select_related("dataset__owner").first(),
            "title": _("Entry %(pk)s") % {"pk": subject.pk},
            "reversed_by": Entry.objects.filter(reverses=subject).first(),
            "hold_part": HoldPart.objects.filter(entry=subject).select_related("hold").first(),
            "conversion": Conversion.objects.filter(
                Q(out_entry=subject) | Q(in_entry=subject)
            ).first(),
            "lines": lines,
            "facts": facts_of(subject) if viewer.is_operator else [],
            "charges": _charges_seen(subject, viewer),
        }


def _own_in_words(entry: Entry, viewer: Viewer) -> str:
    """What an entry did to the viewer's accounts together; its lines are read already."""
    own = [line.amount_units for line in entry.lines.all() if line.account.party == viewer.party]
    if sum(own):
        return amount(sum(own), entry.asset)
    words = _("%(amount)s between them")
    return words % {"amount": amount(sum(one for one in own if one > 0), entry.asset)}


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
        words = _("No money is held in this conflict.")
    else:
        words = _("%(names)s is held until it is settled; it belongs to no one yet.") % {
            "names": ", ".join(rows)
        }
    return Panel(_("Money that is held"), "provenance/parts/words.html", {"words": words})


site.register(Entry, EntryAdmin)
site.add_panel(Conflict, _held)
