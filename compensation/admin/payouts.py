"""Payouts: where the money goes, what can be claimed now, and what was paid, each with proof."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation import entry_subjects, money, payouts, progress, settlement, terms
from compensation.admin.payees import ACCOUNT, ADDRESS, TERMS, methods_in_force
from compensation.models import (
    Asset,
    BankPayout,
    Entry,
    ExportedPayout,
    FailedPush,
    Payout,
    PayoutClaim,
    PayoutLeaf,
)
from compensation.templatetags.money import amount
from provenance.access import Viewer
from provenance.admin.base import OWNERS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.looking import gate
from provenance.admin.site import site
from provenance.admin.verbs import Verb, VerbForm, person_of, viewer_of
from provenance.models import Party

# What a page shows of a payout's lines; the API gives all.
LINE_LIMIT = 500


class ClaimForm(VerbForm):
    """Which asset is claimed."""

    asset = forms.ChoiceField(widget=forms.RadioSelect)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = open_amounts(self.viewer.party)
        words = _("%(words)s to %(address)s")
        choices = [
            (str(one["asset"].pk), words % {"words": one["words"], "address": one["leaf"].address})
            for one in found
        ]
        self.fields["asset"] = forms.ChoiceField(
            label=_("Claim"),
            choices=choices,
            widget=forms.RadioSelect,
            initial=choices[0][0] if choices else None,
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
    return _(
        "On its way to your address; the service pays the gas. It counts as paid "
        "once the chain can no longer change it, usually within a minute here."
    )


def _may_claim(viewer: Viewer, subject: Any) -> bool:
    return any(one["claim"] is None for one in open_amounts(viewer.party))


CLAIM = Verb(
    "claim",
    _lazy("Claim what is open"),
    "finance",
    _claim,
    ClaimForm,
    _lazy("The service sends it to your address. Repeating a claim pays nothing twice."),
    offered=_may_claim,
    tone="primary",
)


class PayoutAdmin(ReadOnlyFacts):
    """What reached its payee."""

    shown_to = OWNERS
    page_template = "compensation/payout.html"
    list_before_template = "compensation/payouts_head.html"
    list_display = ("amount_word", "party", "address", "settled_at")
    list_select_related = ("party", "asset", "leaf__epoch__contract", "entry")
    ordering = ("-settled_at",)
    list_words = _lazy(
        "What owners were paid on the chain. What goes by bank stands among the payment runs."
    )
    empty_title = _lazy("Nothing was paid on the chain yet")
    empty_words = _lazy(
        "A payment on the chain stands here once the chain can no longer change it."
    )
    list_verbs = (CLAIM, ACCOUNT, ADDRESS, TERMS)

    @column(_lazy("Amount"), ordering="amount_units")
    def amount_word(self, payout: Payout) -> str:
        return amount(payout.amount_units, payout.asset)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Above what was paid on the chain: what gathers, every payout, and where it goes."""
        viewer, at = viewer_of(request), timezone.now()
        party = viewer.party
        failed = FailedPush.objects.filter(
            leaf=OuterRef("leaf"), tx_hash=OuterRef("outbox__tx_hash")
        )
        claims = PayoutClaim.objects.filter(~Exists(failed), party=party, leaf__payouts=None)
        assets = Asset.objects.filter(accounts__party=party).distinct().order_by("symbol")
        gathering = [
            one for asset in assets for one in progress.gathering(party=party, asset=asset, at=at)
        ]
        head = {
            "is_owner": party.is_owner,
            "open_amounts": open_amounts(party),
            "methods": methods_in_force(viewer),
            "gathering": gathering,
            "payouts": progress.payouts_of(party=party),
            "chosen": [(asset, terms.terms_of(party, asset)) for asset in assets],
            "failures": settlement.open_failures(party=party),
            "under_way": claims.select_related("leaf__epoch__asset", "outbox")[:5],
        }
        return super().changelist_view(request, {**head, **(extra_context or {})})

    def more_urls(self, named: Any) -> list[URLPattern]:
        """A payout by bank or on the chain, by its reference."""
        return [named("progress/<slug:reference>/", self.progress_view, "progress")]

    def progress_view(self, request: HttpRequest, reference: str) -> HttpResponse:
        """Every state of one payout, and exactly what it pays."""
        viewer = viewer_of(request)
        party = _payee(reference) if viewer.is_operator else viewer.party
        found = progress.payout_of(party=party, reference=reference) if party else None
        if party is None or found is None:
            raise Http404(_("There is no such payout, or it is not yours."))
        stopped = gate(request, f"payout {reference}", [party])
        if stopped is not None:
            return stopped
        lines = progress.lines_of(found)
        entries = Entry.objects.filter(pk__in={line.entry_id for line in lines[:LINE_LIMIT]})
        conflicts = entry_subjects.conflicts(entries, party)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Payout %(reference)s") % {"reference": reference},
            "above": [(self.heading(request), self.url("changelist"))],
            "opts": self.opts,
            "payout": found,
            "lines": [(line, conflicts.get(line.entry_id)) for line in lines[:LINE_LIMIT]],
            "more_count": max(0, len(lines) - LINE_LIMIT),
        }
        return TemplateResponse(request, "compensation/progress.html", context)


def _payee(reference: str) -> Party | None:
    """Whose payout a reference names, for an operator."""
    bank = BankPayout.objects.filter(reference=reference).select_related("party").first()
    if bank is not None:
        return bank.party
    exported = ExportedPayout.objects.filter(reference=reference).select_related("party").first()
    if exported is not None:
        return exported.party
    number = reference.removeprefix("E")
    leaves = PayoutLeaf.objects.select_related("party")
    leaf = leaves.filter(pk=int(number)).first() if progress.is_number(number) else None
    return leaf.party if leaf is not None else None


class PayoutLeafAdmin(ReadOnlyFacts):
    """One payee's place in an epoch's tree, with the path that proves it."""

    shown_to = OWNERS
    page_template = "compensation/leaf.html"
    list_display = ("epoch", "party", "added", "address")
    list_select_related = ("party", "epoch__asset", "epoch__contract")
    ordering = ("-epoch__number",)
    list_words = _lazy(
        "Each tree of payouts has a leaf for every payee: what it is owed in all, and the path by "
        "which the contract pays it without asking us."
    )

    @column(_lazy("Added"), ordering="added_units")
    def added(self, leaf: PayoutLeaf) -> str:
        return amount(leaf.added_units, leaf.epoch.asset)

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        asset = subject.epoch.asset
        in_all = money.floor_from_tokens(
            int(subject.cumulative), asset.scale, asset.token_decimals or 0
        )
        return {"proof": payouts.proof_of(subject), "in_all": amount(in_all, asset)}


site.register(Payout, PayoutAdmin)
site.register(PayoutLeaf, PayoutLeafAdmin)
