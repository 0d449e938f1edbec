"""What runs and usages cost, which part of it is the viewer's own, and the proof of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db.models import Sum
from django.http import HttpRequest
from django.utils.translation import gettext as _

from compensation import billing, pricing
from compensation.models import Account, Asset, Charge, Waiting, Weight
from compensation.statements.grounds import counted_of
from compensation.templatetags.money import amount
from provenance.admin.site import Panel, site
from provenance.admin.verbs import viewer_of
from provenance.models import Event, Run, Usage

# As many uses of a run stand on its page.
USES = 200


def _charges(request: HttpRequest, usage: Any) -> Panel | None:
    viewer = viewer_of(request)
    rows = (
        Charge.objects.visible_to(viewer)
        .filter(usage=usage)
        .select_related("rate", "entry__asset", "account__asset", "weight_version")
        .order_by("revision")
    )
    # Who pays learns nothing of how the owner's money is divided, nor that a conflict holds it.
    party = None if viewer.is_operator else viewer.party.pk
    shown = [
        {
            "charge": charge,
            "counted": counted_of(charge, usage),
            "shares": shares_of(charge, party),
            "event": _event_of(charge),
        }
        for charge in rows
    ]
    waiting = Waiting.objects.visible_to(viewer).filter(usage=usage).select_related("account")
    context = {
        "charges": shown,
        "waiting": waiting.first(),
        "has_parts": any(row["shares"] for row in shown),
    }
    return Panel(_("What it cost"), "compensation/charges_panel.html", context)


def shares_of(charge: Charge, party_id: Any = None) -> list[dict[str, Any]]:
    """Each account's part of a charge (or one party's), exact: the growth of its floor."""
    if charge.weight_version is None or charge.running_units is None:
        return []
    whole = int(charge.weight_version.weight_sum)
    before = charge.running_units - charge.amount_units
    weights = Weight.objects.filter(weight_version=charge.weight_version)
    if party_id is not None:
        weights = weights.filter(account__party=party_id)
    return [
        {
            "account": weight.account,
            "name": _name(weight.account),
            "units": pricing.credit(charge.amount_units, before, int(weight.weight), whole),
        }
        for weight in weights.select_related("account__party", "account__asset").order_by("pk")
    ]


def _name(account: Account) -> str:
    """Whose part it is, in words."""
    if account.kind == Account.Kind.ESCROW:
        return _("held while a conflict is open")
    return str(account.party or account.get_kind_display())


def _event_of(charge: Charge) -> Event | None:
    """The ledger's event that carries the digest of the charge's entry."""
    return billing.event_of(charge.entry) if charge.entry is not None else None


def _run_cost(request: HttpRequest, run: Any) -> Panel | None:
    """What a job has cost its lab so far, asset by asset, and by which uses."""
    viewer = viewer_of(request)
    if run.lab_id != viewer.party.pk and not viewer.is_operator:
        return None
    charged = Charge.objects.filter(usage__run=run.top, account__isnull=False)
    sums = charged.values("usage", "account__asset").annotate(units=Sum("amount_units"))
    assets = Asset.objects.in_bulk()
    totals: Counter[int] = Counter()
    for row in sums:
        totals[row["account__asset"]] += row["units"]
    latest = list(sums.order_by("-usage")[:USES])
    usages = Usage.objects.select_related("version__dataset__owner").in_bulk(
        [row["usage"] for row in latest]
    )
    rows = [
        {
            "usage": usages[row["usage"]],
            "amount": amount(row["units"], assets[row["account__asset"]]),
        }
        for row in latest
    ]
    said = [amount(units, assets[pk]) for pk, units in totals.items()]
    context = {
        "rows": rows,
        "totals": _(" and ").join(said),
        "is_cut": sums.count() > len(rows),
    }
    return Panel(_("What it cost"), "compensation/run_cost.html", context)


site.add_panel(Usage, _charges)
site.add_panel(Run, _run_cost)
