"""Quotes: what a use will cost, asked for at a licence and read on a page."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from compensation import quotes
from compensation.models import Asset
from compensation.pricing import Count
from compensation.templatetags.money import amount
from compensation.wording import assets_named, price_in_words
from provenance import licensing
from provenance.access import Viewer
from provenance.admin.base import LABS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm, person_of, viewer_of
from provenance.models import DatasetVersion, Licence, Purpose, Quote, QuoteItem


def _expectation(label: Any, words: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=0,
        max_value=licensing.LARGEST_QUANTITY,
        help_text=words,
    )


class QuoteForm(VerbForm):
    """What a job is going to use of the newest version."""

    purpose = forms.ChoiceField(label=_lazy("For"))
    records = _expectation(
        _lazy("Records"), _lazy("With repeats; empty: epochs times all records.")
    )
    epochs = _expectation(_lazy("Epochs"), _lazy("How often all of it is gone through."))
    fetches = _expectation(_lazy("Fetches"), _lazy("How often it is fetched."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [
            (value, label) for value, label in Purpose.choices if value in self.subject.purposes
        ]
        self.fields["purpose"] = forms.ChoiceField(label=_("For"), choices=choices)


def _ask(request: HttpRequest, licence: Any, cleaned: dict[str, Any]) -> Outcome:
    version = _newest(licence)
    if version is None:
        raise quotes.NotOnOffer(_("The owner has sealed no version yet."))
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


def _what_a_quote_is() -> str:
    count = settings.QUOTE_VALIDITY_DAYS
    return ngettext(
        "An exact price for what you expect to use; it binds for %(count)s day.",
        "An exact price for what you expect to use; it binds for %(count)s days.",
        count,
    ) % {"count": count}


def _may_ask(viewer: Viewer, licence: Any) -> bool:
    return viewer.party.is_lab and licence.dataset.owner_id != viewer.party.pk


class QuoteAdmin(ReadOnlyFacts):
    """A lab's quotes."""

    shown_to = LABS
    page_template = "compensation/quote.html"
    list_display = ("number", "purpose_word", "comes_to", "created_at", "label")
    list_select_related = ("lab",)
    ordering = ("-created_at",)
    list_words = _lazy("Prices that were promised to you: name one's number when you start a run.")
    empty_title = _lazy("No quote yet")
    empty_words = _lazy(
        "Ask for one on the page of a licence in the catalogue, or through the API."
    )
    empty_step = (_lazy("To the licences"), "admin:provenance_licence_changelist")

    @column(_lazy("Quote"), header=True)
    def number(self, quote: Quote) -> list[str]:
        return [str(quote), str(quote.pk)]

    @column(_lazy("For"))
    def purpose_word(self, quote: Quote) -> str:
        return str(quote.get_purpose_display())

    @column(_lazy("Comes to"))
    def comes_to(self, quote: Quote) -> str:
        words: str = quote.total_words  # type: ignore[attr-defined]
        return words

    def prepare(self, rows: list[Quote]) -> None:
        """What the quotes of a page come to, in two queries."""
        items: dict[Any, list[QuoteItem]] = defaultdict(list)
        for item in QuoteItem.objects.filter(quote__in=rows).select_related("rate"):
            items[item.quote_id].append(item)
        assets = assets_of([item for found in items.values() for item in found])
        for row in rows:
            row.total_words = total_in_words(items[row.pk], assets)  # type: ignore[attr-defined]
        super().prepare(rows)

    @column(_lazy("State"), label={"valid": "success", "over": "warning"})
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
    return assets_named(item.rate.asset for item in items if item.rate is not None)


def total_in_words(items: list[QuoteItem], assets: dict[str, Asset] | None = None) -> str:
    """What the items come to, asset by asset; `assets` by code saves looking them up."""
    sums = {one["asset"]: one["amount_units"] for one in quotes.totals_of(items)}
    return words_of_totals(sums, assets_of(items) if assets is None else assets)


def words_of_totals(sums: dict[str, int], assets: dict[str, Asset]) -> str:
    """Amounts by asset's code, as people write them."""
    words = [
        amount(units, assets[code])
        if code in assets
        else _("%(units)s units of %(code)s") % {"units": f"{units:,}", "code": code}
        for code, units in sorted(sums.items())
    ]
    return _(" and ").join(words) or _("nothing")


def _said(item: QuoteItem) -> str:
    return total_in_words([item]) if item.rate is not None else _("free")


site.register(Quote, QuoteAdmin)
site.add_verb(
    Licence,
    Verb(
        "quote",
        _lazy("Ask for a quote"),
        "develop",
        _ask,
        QuoteForm,
        lazy(_what_a_quote_is, str)(),
        offered=_may_ask,
    ),
)
