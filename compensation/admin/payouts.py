"""Payouts: where the money goes, what can be claimed now, and what was paid, each with proof."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from compensation import payees, settlement
from compensation.models import Asset, Payout, PayoutClaim, PayoutLeaf, PayoutMethod
from compensation.templatetags.money import amount
from provenance.access import Viewer
from provenance.admin.base import OWNERS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm, person_of, viewer_of
from provenance.models import Party


class ClaimForm(VerbForm):
    """Which asset is claimed."""

    asset = forms.ChoiceField(widget=forms.RadioSelect)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = open_amounts(self.viewer.party)
        choices = [(str(one["asset"].pk), one["words"]) for one in found]
        self.fields["asset"] = forms.ChoiceField(
            label="Claim",
            choices=choices,
            widget=forms.RadioSelect,
            initial=choices[0][0] if choices else None,
        )


class AddressForm(VerbForm):
    """An address on this service's chain."""

    address = forms.CharField(
        max_length=42, help_text="0x and 40 hexadecimal digits, as your wallet shows it."
    )


class SignatureForm(VerbForm):
    """The challenge, signed."""

    signature = forms.RegexField(
        r"^0x[0-9a-fA-F]{130}$", help_text="What your wallet gives back: 0x and 130 digits."
    )


def open_amounts(party: Party) -> list[dict[str, Any]]:
    """What the party can claim now, asset by asset, with the claim under way if there is one."""
    rows = []
    for asset in Asset.objects.order_by("symbol"):
        found = settlement.claimable(party, asset)
        if found is not None:
            words = amount(found.open_units, asset)
            rows.append({"asset": asset, "words": words, "leaf": found.leaf, "claim": found.claim})
    return rows


def _claim(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    asset = Asset.objects.get(pk=cleaned["asset"])
    settlement.claim(
        party=viewer_of(request).party, asset=asset, at=timezone.now(), by=person_of(request)
    )
    return (
        "On its way to your address; the service pays the gas. It counts as paid once the chain "
        "can no longer change it, usually within a minute here."
    )


def _may_claim(viewer: Viewer, subject: Any) -> bool:
    return any(one["claim"] is None for one in open_amounts(viewer.party))


def _name_address(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    made = payees.add_method(
        party=viewer_of(request).party,
        address=cleaned["address"],
        chain_id=settings.CHAIN_ID,
        at=timezone.now(),
        by=person_of(request),
    )
    return HttpResponseRedirect(reverse("admin:compensation_payoutmethod_change", args=[made.pk]))


def _verify(request: HttpRequest, method: Any, cleaned: dict[str, Any]) -> str:
    payees.verify_method(method=method, signature=cleaned["signature"], at=timezone.now())
    return "The address is proved to be yours; payouts go there from the next epoch on."


def _remove(request: HttpRequest, method: Any, cleaned: dict[str, Any]) -> str:
    payees.remove_method(method=method, at=timezone.now())
    return "Nothing new is paid there. What is in a tree already can still be claimed."


CLAIM = Verb(
    "claim",
    "Claim what is open",
    "finance",
    _claim,
    ClaimForm,
    "The service sends it to your address. Repeating a claim pays nothing twice.",
    offered=_may_claim,
    tone="primary",
)
ADDRESS = Verb(
    "address",
    "Name an address to be paid at",
    "finance",
    _name_address,
    AddressForm,
    "Money adds up until you name one. On the development chain it takes effect at once; "
    "elsewhere you sign a text to prove that the address is yours.",
    offered=lambda viewer, subject: viewer.party.is_owner,
)


class PayoutAdmin(ReadOnlyFacts):
    """What reached its payee."""

    shown_to = OWNERS
    page_template = "compensation/payout.html"
    list_before_template = "compensation/payouts_head.html"
    list_display = ("amount_word", "party", "address", "settled_at")
    list_select_related = ("party", "asset", "leaf__epoch__contract", "entry")
    ordering = ("-settled_at",)
    empty_title = "Nothing was paid yet"
    empty_words = "A payout stands here once the chain can no longer change it."
    list_verbs = (CLAIM, ADDRESS)

    @column("Amount", ordering="amount_units")
    def amount_word(self, payout: Payout) -> str:
        return amount(payout.amount_units, payout.asset)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Above what was paid: what is open, what is on its way, and where it goes."""
        party = viewer_of(request).party
        claims = PayoutClaim.objects.filter(party=party, leaf__payouts__isnull=True)
        head = {
            "is_owner": party.is_owner,
            "open_amounts": open_amounts(party),
            "method": payees.method_in_force(party),
            "under_way": claims.select_related("leaf__epoch__asset", "outbox")[:5],
        }
        return super().changelist_view(request, {**head, **(extra_context or {})})


class PayoutMethodAdmin(ReadOnlyFacts):
    """Where a party is paid, was paid, or wants to be."""

    list_title = "Payout addresses"
    shown_to = OWNERS
    page_template = "compensation/method.html"
    list_display = ("address", "party", "label", "added_at")
    list_select_related = ("party", "added_by")
    ordering = ("-added_at",)
    empty_title = "No address yet"
    empty_words = "Money adds up until you name one; nothing is lost meanwhile."
    list_verbs = (ADDRESS,)
    verbs = (
        Verb(
            "verify",
            "Prove that it is mine",
            "finance",
            _verify,
            SignatureForm,
            "Sign exactly the text above with this address, and paste the signature.",
            offered=lambda viewer, method: (
                method.party_id == viewer.party.pk
                and method.verified_at is None
                and method.removed_at is None
            ),
            is_inline=True,
        ),
        Verb(
            "remove",
            "Stop paying there",
            "finance",
            _remove,
            offered=lambda viewer, method: (
                method.party_id == viewer.party.pk and method.removed_at is None
            ),
        ),
    )

    @column(
        "State",
        label={"in force": "success", "to be proved": "warning", "removed": "danger"},
    )
    def label(self, method: PayoutMethod) -> str:
        if method.removed_at:
            return "removed"
        return "in force" if method.verified_at else "to be proved"

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {"title": subject.chain_address, "state": self.label(subject)}


class PayoutLeafAdmin(ReadOnlyFacts):
    """One payee's place in an epoch's tree, with the path that proves it."""

    shown_to = OWNERS
    page_template = "compensation/leaf.html"
    list_display = ("epoch", "party", "address")
    list_select_related = ("party", "epoch__asset", "epoch__contract")
    ordering = ("-epoch__number",)


site.register(Payout, PayoutAdmin)
site.register(PayoutMethod, PayoutMethodAdmin)
site.register(PayoutLeaf, PayoutLeafAdmin)
