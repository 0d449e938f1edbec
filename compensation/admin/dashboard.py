"""What the first page says of money: earned, held, to claim, left."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from compensation import budgets, payees
from compensation.admin import invoices_waiting
from compensation.admin.payouts import open_amounts
from compensation.models import Account, Asset, PayoutMethod, Waiting
from compensation.templatetags.money import amount
from provenance.access import Viewer
from provenance.admin.cards import Card, Todo

Kind = Account.Kind


def cards(viewer: Viewer, at: datetime) -> list[Card]:
    """An owner's and a lab's money at a glance."""
    found: list[Card] = []
    if viewer.party.is_owner:
        found += _of_owner(viewer)
    if viewer.party.is_lab:
        left = _held(Account.objects.filter(kind=Kind.LAB, party=viewer.party))
        found.append(
            Card(
                _("Balance"),
                left or _("Nothing"),
                _("left of what you paid in"),
                reverse("admin:compensation_deposit_changelist"),
            )
        )
    if viewer.is_operator:
        count = Waiting.objects.count()
        found.append(
            Card(
                _("Waiting to be charged"),
                f"{count:,}",
                _("uses whose lab has no funds, or whose asset is unknown"),
                reverse("admin:provenance_usage_changelist"),
                calls=bool(count),
            )
        )
    return found


def todos(viewer: Viewer, at: datetime) -> list[Todo]:
    """Money that waits for the person."""
    found: list[Todo] = []
    payouts = reverse("admin:compensation_payout_changelist")
    if viewer.party.is_owner and viewer.may("finance"):
        for one in open_amounts(viewer.party):
            if one["claim"] is None:
                found.append(Todo(_("Claim %(words)s") % {"words": one["words"]}, payouts))
        owed = _held(_owed_nowhere(viewer))
        if owed:
            found.append(
                Todo(
                    _("Say where you want to be paid; waiting for it: %(owed)s") % {"owed": owed},
                    payouts,
                )
            )
        for method in PayoutMethod.objects.filter(
            party=viewer.party, removed_at=None, flagged_at__isnull=False
        ):
            found.append(
                Todo(
                    _("A payout to %(address)s came back: confirm it")
                    % {"address": method.address},
                    payouts,
                )
            )
    if viewer.party.is_lab and Waiting.objects.visible_to(viewer).exists():
        url = reverse("admin:compensation_deposit_changelist")
        found.append(Todo(_("Pay in: some uses wait to be charged"), url))
    if viewer.party.is_lab:
        url = reverse("admin:compensation_budget_changelist")
        found += [Todo(standing.words, url) for standing in budgets.pressing(viewer.party, at)]
    return [*found, *invoices_waiting.todos(viewer)]


def _of_owner(viewer: Viewer) -> list[Card]:
    own = Account.objects.filter(party=viewer.party)
    pending = _held(own.filter(kind=Kind.OWNER_PENDING))
    side = Q(conflict__later__owner=viewer.party) | Q(conflict__earlier__owner=viewer.party)
    disputed = _held(Account.objects.filter(side, kind=Kind.ESCROW))
    url = reverse("admin:compensation_payout_changelist")
    held = _("is held while conflicts are open") if disputed else _("is held because of a conflict")
    later = _("is earned and becomes payable later") if pending else _("waits to become payable")
    return [
        *_payable(viewer, _held(own.filter(kind=Kind.OWNER)), url),
        Card(_("Held back"), pending or _("Nothing"), later, url),
        Card(
            _("In question"),
            disputed or _("Nothing"),
            held,
            reverse("admin:provenance_conflict_changelist"),
        ),
    ]


def _payable(viewer: Viewer, ready: str, url: str) -> list[Card]:
    """What is payable, and what is ready to be claimed; that nothing is, where neither is."""
    to_claim = [one["words"] for one in open_amounts(viewer.party) if one["claim"] is None]
    found = []
    if to_claim:
        words = _("is ready for you on the chain")
        found.append(Card(_("To claim"), _listed(to_claim), words, url, calls=True))
    if ready:
        nowhere = _held(_owed_nowhere(viewer).filter(kind=Kind.OWNER))
        words = _("goes out with the next payout")
        if nowhere == ready:
            words = _("waits until you say where to be paid")
        elif nowhere:
            words = _("waits in part until you say where to be paid")
        found.append(Card(_("Payable"), ready, words, url))
    return found or [Card(_("Payable"), _("Nothing"), _("is to be paid to you now"), url)]


def _owed(viewer: Viewer) -> QuerySet[Account]:
    return Account.objects.filter(party=viewer.party, kind__in=(Kind.OWNER, Kind.OWNER_PENDING))


def _owed_nowhere(viewer: Viewer) -> QuerySet[Account]:
    """What adds up because the party has not said where it is paid."""
    owed = _owed(viewer).select_related("asset")
    nowhere = [one.pk for one in owed if payees.method_in_force(viewer.party, one.asset) is None]
    return _owed(viewer).filter(pk__in=nowhere)


def _held(accounts: QuerySet[Account]) -> str:
    """The sum of accounts asset by asset, in words; empty where it is nothing."""
    sums: dict[Asset, int] = defaultdict(int)
    for account in accounts.select_related("asset", "balance"):
        sums[account.asset] += account.balance.posted
    return _listed([amount(units, asset) for asset, units in sums.items() if units])


def _listed(amounts: list[str]) -> str:
    return pgettext("list", ", ").join(amounts)
