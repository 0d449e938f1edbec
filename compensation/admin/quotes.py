"""Quotes: what a use will cost, asked for at a licence and read on a page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from compensation import quotes
from compensation.models import Asset
from compensation.pricing import Count
from compensation.templatetags.money import amount
from compensation.wording import price_in_words
from provenance import licensing
from provenance.access import Viewer
from provenance.admin.base import LABS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm, person_of, viewer_of
from provenance.models import DatasetVersion, Licence, Quote, QuoteItem


def _expectation(label: str, words: str) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=0,
        max_value=licensing.LARGEST_QUANTITY,
        help_text=words,
    )


class QuoteForm(VerbForm):
    """What a job is going to use of the newest version."""

    purpose = forms.ChoiceField(label="For")
    records = _expectation("Records", "With repeats; empty: epochs times all records.")
    epochs = _expectation("Epochs", "How often all of it is gone through.")
    fetches = _expectation("Fetches", "How often it is fetched.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(one, one) for one in self.subject.purposes]
        self.fields["purpose"] = forms.ChoiceField(label="For", choices=choices)


def _ask(request: HttpRequest, licence: Any, cleaned: dict[str, Any]) -> Outcome:
    version = _newest(licence)
    if version is None:
        raise quotes.NotOnOffer("The owner has sealed no version yet.")
    names = ("records", "epochs", "fetches")
    count = Count(**{name: cleaned[name] or 0 for name in names})
    quote = quotes.make_quote(
        lab=viewer_of(request).party,
        purpose=cleaned["purpose"],
        wanted=[quotes.Wanted(version=version, count=count, licence=licence.pk)],
        at=timezone.now(),
        by=person_of(request),
    )
    return HttpResponseRedirect(reverse("admin:provenance_quote_change", args=[quote.pk]))


def _newest(licence: Licence) -> DatasetVersion | None:
    sealed = licence.dataset.versions.filter(state=DatasetVersion.State.SEALED)
    return sealed.order_by("-number").first()


def _may_ask(viewer: Viewer, licence: Any) -> bool:
    return viewer.party.is_lab and licence.dataset.owner_id != viewer.party.pk


class QuoteAdmin(ReadOnlyFacts):
    """A lab's quotes."""

    shown_to = LABS
    page_template = "compensation/quote.html"
    list_display = ("number", "purpose_word", "comes_to", "created_at", "label")
    list_select_related = ("lab",)
    ordering = ("-created_at",)
    list_words = "Prices that were promised to you: name one's number when you start a run."
    empty_title = "No quote yet"
    empty_words = "Ask for one on the page of a licence in the catalogue, or through the API."

    @column("Quote", header=True)
    def number(self, quote: Quote) -> list[str]:
        return [str(quote), str(quote.pk)]

    @column("For")
    def purpose_word(self, quote: Quote) -> str:
        return str(quote.get_purpose_display())

    @column("Comes to")
    def comes_to(self, quote: Quote) -> str:
        return total_in_words(list(quote.items.select_related("rate")))

    @column("State", label={"valid": "success", "over": "warning"})
    def label(self, quote: Quote) -> str:
        return "valid" if timezone.now() < quote.valid_until else "over"

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        items = list(
            subject.items.select_related("rate__plan", "version__dataset__owner").order_by("pk")
        )
        assets = assets_of(items)
        rows = [
            {
                "version": item.version,
                "words": price_in_words(item.rate, assets),
                "quantity": item.quantity,
                "used": item.used_quantity,
                "amount": _said(item),
            }
            for item in items
        ]
        return {
            "rows": rows,
            "total": total_in_words(items),
            "is_valid": timezone.now() < subject.valid_until,
        }


def assets_of(items: list[QuoteItem]) -> dict[str, Asset]:
    """The registered assets of these items' rates, by code."""
    codes = {item.rate.asset for item in items if item.rate is not None}
    return {asset.code: asset for asset in Asset.objects.filter(code__in=codes)}


def total_in_words(items: list[QuoteItem]) -> str:
    """What the items come to, asset by asset."""
    assets, sums = assets_of(items), dict[str, int]()
    for item in items:
        if item.rate is not None:
            sums[item.rate.asset] = sums.get(item.rate.asset, 0) + item.amount_units
    words = [
        amount(units, assets[code]) if code in assets else f"{units:,} units of {code}"
        for code, units in sorted(sums.items())
    ]
    return " and ".join(words) or "nothing"


def _said(item: QuoteItem) -> str:
    return total_in_words([item]) if item.rate is not None else "free"


site.register(Quote, QuoteAdmin)
site.add_verb(
    Licence,
    Verb(
        "quote",
        "Ask for a quote",
        "develop",
        _ask,
        QuoteForm,
        "An exact price for what you expect to use; it binds for some days.",
        offered=_may_ask,
    ),
)
