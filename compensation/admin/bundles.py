"""Bundles for a flat amount a month, and the subscriptions of labs to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation.admin.deposits import AmountForm
from compensation.wording import assets_named, bundle_in_words
from provenance import licensing, looked
from provenance.access import Viewer
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, owns, person_of, viewer_of
from provenance.models import Bundle, Licence, Party, Subscription


class BundleForm(AmountForm):
    """Licences of one's own, and what they cost together."""

    name = forms.CharField(max_length=200, help_text=_lazy("As labs find it."))
    licences = forms.ModelMultipleChoiceField(
        queryset=Licence.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        help_text=_lazy("Each is granted, for all its purposes, to whoever subscribes."),
    )
    field_order = ("name", "licences", "amount", "asset")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = Licence.objects.filter(dataset__owner=self.viewer.party, retired_at=None)
        chosen = self.fields["licences"]
        assert isinstance(chosen, forms.ModelMultipleChoiceField)
        chosen.queryset = own.select_related("dataset__owner").order_by("dataset__name", "name")
        self.fields["amount"].label = _lazy("A month")


def _offer(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    bundle = licensing.offer_bundle(
        owner=viewer_of(request).party,
        name=cleaned["name"],
        licences=list(cleaned["licences"].select_related("dataset__owner")),
        price_units=cleaned["amount_units"],
        asset=cleaned["asset"].code,
        at=timezone.now(),
    )
    return HttpResponseRedirect(reverse("admin:provenance_bundle_change", args=[bundle.pk]))


def _retire(request: HttpRequest, bundle: Any, cleaned: dict[str, Any]) -> str:
    licensing.retire_bundle(bundle=bundle, at=timezone.now())
    return _("Nobody can subscribe to it any more; subscriptions go on.")


def _subscribe(request: HttpRequest, bundle: Any, cleaned: dict[str, Any]) -> Outcome:
    made = licensing.subscribe(
        lab=viewer_of(request).party, bundle=bundle, at=timezone.now(), by=person_of(request)
    )
    return HttpResponseRedirect(reverse("admin:provenance_subscription_change", args=[made.pk]))


def _end(request: HttpRequest, subscription: Any, cleaned: dict[str, Any]) -> str:
    ended = licensing.unsubscribe(subscription=subscription, at=timezone.now())
    return _("It ends on %(ends_at)s; the running month is owed still.") % {
        "ends_at": f"{ended.ends_at:%Y-%m-%d}"
    }


def _may_subscribe(viewer: Viewer, bundle: Any) -> bool:
    return viewer.party.is_lab and not owns(viewer, bundle) and bundle.retired_at is None


def _may_end(viewer: Viewer, subscription: Any) -> bool:
    sides = (subscription.lab_id, subscription.bundle.owner_id)
    return viewer.party.pk in sides and subscription.ends_at is None


class BundleAdmin(ReadOnlyFacts):
    """An owner's bundles, or those that a lab may subscribe to."""

    page_template = "compensation/bundle.html"
    list_display = ("name_and_owner", "price", "label")
    search_fields = ("name", "owner__name")
    list_select_related = ("owner",)
    ordering = ("-created_at",)
    list_words = _lazy("Several datasets for a flat amount a month, shared among them by use.")
    empty_title = _lazy("No bundle is on offer")
    empty_words = _lazy("An owner puts licences together here; labs subscribe to them.")
    list_verbs = (
        Verb(
            "offer",
            _lazy("Offer a bundle"),
            "rights",
            _offer,
            BundleForm,
            _lazy("It never changes once it is offered. Uses under it cost nothing more."),
            offered=lambda viewer, subject: viewer.party.is_owner,
        ),
    )
    verbs = (
        Verb(
            "subscribe",
            _lazy("Subscribe"),
            "rights",
            _subscribe,
            explains=_lazy(
                "Its price is owed in full for every calendar month that you stay, charged "
                "when the month has ended."
            ),
            offered=_may_subscribe,
            tone="primary",
        ),
        Verb(
            "retire",
            _lazy("Retire this bundle"),
            "rights",
            _retire,
            offered=lambda viewer, bundle: owns(viewer, bundle) and bundle.retired_at is None,
        ),
    )

    @column(_lazy("Bundle"), header=True)
    def name_and_owner(self, bundle: Bundle) -> list[str]:
        return [bundle.name, _("of %(owner)s") % {"owner": bundle.owner}]

    @column(_lazy("Price"))
    def price(self, bundle: Bundle) -> str:
        words: str = bundle.price_words  # type: ignore[attr-defined]
        return words

    @column(_lazy("State"), label={"on offer": "success", "retired": "danger"})
    def label(self, bundle: Bundle) -> str:
        return "retired" if bundle.retired_at else "on offer"

    def prepare(self, rows: list[Bundle]) -> None:
        """The prices of a page, in one query."""
        assets = assets_named(row.asset for row in rows)
        for row in rows:
            row.price_words = bundle_in_words(row, assets)  # type: ignore[attr-defined]
        super().prepare(rows)

    def look(self, request: HttpRequest, subject: Any, reason: str = "") -> Any:
        """An offer is public among members: looking at it needs no reason."""
        return super().look(request, subject, reason or looked.OFFERED_BUNDLE)

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        licences = subject.licences.select_related("dataset__owner").order_by("dataset__name")
        return {"price": bundle_in_words(subject), "licences": licences}


class SubscriptionAdmin(ReadOnlyFacts):
    """What labs subscribe to."""

    page_template = "compensation/subscription.html"
    list_display = ("bundle_and_lab", "price", "started_at", "ends_at")
    list_select_related = ("lab", "bundle__owner")
    ordering = ("-started_at",)
    empty_title = _lazy("No subscription yet")
    empty_words = _lazy("A lab subscribes on the page of a bundle.")
    empty_step = (_lazy("To the bundles"), "admin:provenance_bundle_changelist")
    verbs = (
        Verb(
            "end",
            _lazy("End this subscription"),
            "rights",
            _end,
            explains=_lazy("It and its grants end with this month, which is owed still."),
            offered=_may_end,
            tone="danger",
        ),
    )

    @column(_lazy("Bundle, lab"), header=True)
    def bundle_and_lab(self, row: Subscription) -> list[str]:
        return [
            row.bundle.name,
            _("of %(owner)s, for %(lab)s") % {"owner": row.bundle.owner, "lab": row.lab},
        ]

    @column(_lazy("Price"))
    def price(self, row: Subscription) -> str:
        words: str = row.price_words  # type: ignore[attr-defined]
        return words

    def prepare(self, rows: list[Subscription]) -> None:
        """The prices of a page, in one query."""
        assets = assets_named(row.bundle.asset for row in rows)
        for row in rows:
            row.price_words = bundle_in_words(row.bundle, assets)  # type: ignore[attr-defined]
        super().prepare(rows)

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.lab, subject.bundle.owner]

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        pools = subject.pools.select_related("asset").order_by("-period")[:24]
        return {"price": bundle_in_words(subject.bundle), "pools": pools}


site.register(Bundle, BundleAdmin)
site.register(Subscription, SubscriptionAdmin)
