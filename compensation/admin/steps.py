"""The first steps that have to do with money: a price, where it goes, and what a lab pays in."""

from __future__ import annotations

from collections.abc import Iterable

from django.urls import reverse
from django.utils.translation import gettext as _

from compensation.models import Account, Asset, PayoutMethod
from provenance.access import Viewer
from provenance.admin.guide import Step, add_steps, registers
from provenance.models import Licence, Rate


def _of_owner(viewer: Viewer) -> Iterable[Step]:
    """A price, and where it is paid."""
    if not viewer.party.is_owner:
        return
    if registers(viewer) and viewer.may("rights"):
        licence = Licence.objects.filter(dataset__owner=viewer.party, retired_at=None)
        first = licence.order_by("created_at").first()
        address = reverse("admin:provenance_licence_changelist")
        if first is not None:
            address = reverse("admin:provenance_licence_verb", args=[first.pk, "price"])
        yield Step(
            70,
            _("Set a price"),
            _(
                "Until there is one, use under your licence costs nothing. Grants freeze the price "
                "of their day, so a later one binds only those that come after it."
            ),
            _("Set the price"),
            address,
            is_done=Rate.objects.filter(licence__dataset__owner=viewer.party).exists(),
        )
    if viewer.may("finance"):
        yield Step(
            80,
            _("Say where to be paid"),
            _(
                "A bank account or a wallet. Money adds up for you until you say so, and nothing "
                "is lost; a new place waits some days, so that nobody can swap it unnoticed."
            ),
            _("Name an account or an address"),
            reverse("admin:compensation_payoutmethod_changelist"),
            is_done=PayoutMethod.objects.filter(party=viewer.party, removed_at=None).exists(),
        )


def _of_lab(viewer: Viewer) -> Iterable[Step]:
    """Money for the first run."""
    if not (viewer.party.is_lab and viewer.may("finance")):
        return
    paid_in = Account.objects.filter(kind=Account.Kind.LAB, party=viewer.party)
    yield Step(
        120,
        _("Pay in a deposit"),
        _("Runs start while there is money for them. What is not used is yours and is paid back."),
        _("See how to pay in"),
        reverse("admin:compensation_deposit_changelist"),
        is_done=paid_in.exists(),
    )


def _of_operator(viewer: Viewer) -> Iterable[Step]:
    """A currency to take."""
    if not viewer.is_operator:
        return
    yield Step(
        220,
        _("Register a currency or a token"),
        _("Prices, deposits and payouts are in it. Without one nobody can set a price."),
        _("Register a currency"),
        reverse("admin:compensation_deposit_list_verb", args=["currency"]),
        is_done=Asset.objects.exists(),
    )


for make in (_of_owner, _of_lab, _of_operator):
    add_steps(make)
