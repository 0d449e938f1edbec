"""Rates: what use under a licence costs, version after version, and the plans they follow."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _
from tallymark.canonical import canonical

from provenance.ledger import moment
from provenance.licensing.offers import record_licence
from provenance.models import Licence, Party, Rate, RatePlan
from provenance.plans import STEPS, Tier, compiled
from provenance.refusals import Refused

ASSET = re.compile(
    r"[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}/[-a-z0-9]{3,8}:[-.%a-zA-Z0-9]{1,128}|iso4217:[A-Z]{3}"
)
LARGEST_PRICE = 2**63 - 1
LARGEST_QUANTITY = 2**53 - 1
MOST_TIERS = 20
WHOLE = 10_000  # basis points


class BadRate(Refused):
    """That rate cannot be."""

    code = "bad_rate"
    status = 400
    hint = (
        "Give a price in whole units, an asset as CAIP-19 or iso4217:EUR, and a time from now on."
    )


class BadPlan(Refused):
    """Those tiers, quotas or limits cannot be."""

    code = "bad_plan"
    status = 400
    hint = (
        f"Give up to {MOST_TIERS} tiers by rising quantity, the first from 0, and amounts in whole "
        "units that are not negative."
    )


@dataclass(frozen=True)
class PlanTerms:
    """Prices that depend on what a lab uses of an owner's data in a calendar month.

    `tiers`: (from_quantity, price_units); quantities are of what the rate's basis counts.
    """

    tiers: Sequence[Tier]
    mode: str = RatePlan.Mode.GRADUATED
    free_quantity: int = 0
    cap_units: int | None = None
    minimum_units: int = 0

    @property
    def says_more_than_a_price(self) -> bool:
        """Whether a straight price would not say the same."""
        limits = (self.free_quantity, self.minimum_units, self.cap_units is not None)
        return len(self.tiers) > 1 or any(limits)


@transaction.atomic
def set_rate(
    *,
    licence: Licence,
    basis: str,
    price_units: int = 0,
    asset: str,
    valid_from: datetime,
    at: datetime,
    plan: PlanTerms | None = None,
    revenue_basis_points: int = 0,
) -> Rate:
    """Set what use costs from `valid_from` on; the rate in force, or a planned one, ends there.

    With a `plan` the price is that of its first tier. Raises BadRate, BadPlan.
    """
    _require_sound(basis, price_units, asset, revenue_basis_points)
    if valid_from < at:
        raise BadRate(_("A rate cannot begin in the past."))
    Licence.objects.select_for_update(no_key=True).get(pk=licence.pk)
    standing = Rate.objects.filter(licence=licence)
    standing.filter(valid_from__gte=valid_from).update(valid_to=F("valid_from"))
    standing.filter(valid_from__lt=valid_from).filter(
        Q(valid_to=None) | Q(valid_to__gt=valid_from)
    ).update(valid_to=valid_from)
    rate = Rate.objects.create(
        licence=licence,
        basis=basis,
        price_units=plan.tiers[0][1] if plan and plan.tiers else price_units,
        plan=_kept_plan(licence.dataset.owner, basis, plan) if plan else None,
        revenue_basis_points=revenue_basis_points,
        asset=asset,
        valid_from=valid_from,
    )
    record_licence(
        "rate.set", licence, at, {"licence": licence.id, "rate": rate.pk, **rate_terms(rate)}
    )
    return rate


def draft_rate(
    *,
    licence: Licence,
    basis: str,
    price_units: int,
    asset: str,
    at: datetime,
    plan: PlanTerms | None = None,
) -> Rate:
    """The rate that `set_rate` would make, kept nowhere. Raises BadRate, BadPlan."""
    _require_sound(basis, price_units, asset, 0)
    return Rate(
        licence=licence,
        basis=basis,
        price_units=plan.tiers[0][1] if plan and plan.tiers else price_units,
        plan=_plan(licence.dataset.owner, basis, plan) if plan else None,
        asset=asset,
        valid_from=at,
    )


def rate_in_force(licence: Licence, at: datetime) -> Rate | None:
    """The rate of `licence` at `at`; None where use is free."""
    return Rate.objects.in_force(licence, at)


def rate_terms(rate: Rate) -> dict[str, Any]:
    """A rate in full, as text and whole numbers."""
    terms: dict[str, Any] = {
        "basis": rate.basis,
        "counter": rate.counter,
        # Text: a price may be greater than what every JSON reader can hold.
        "price_units": str(rate.price_units),
        "asset": rate.asset,
        "valid_from": moment(rate.valid_from),
    }
    if rate.revenue_basis_points:
        terms["revenue_basis_points"] = rate.revenue_basis_points
    if rate.plan is not None:
        terms["plan"] = _plan_terms(rate.plan)
    return terms


def require_asset(asset: str) -> None:
    """Raises BadRate where that names no asset."""
    if not ASSET.fullmatch(asset):
        raise BadRate(_("'%(asset)s' names no asset.") % {"asset": asset})


def _require_sound(basis: str, price_units: int, asset: str, revenue_basis_points: int) -> None:
    if basis not in Rate.Basis.values:
        raise BadRate(
            _("There is no basis '%(basis)s'.") % {"basis": basis},
            hint=f"One of: {', '.join(Rate.Basis.values)}.",
        )
    if not 0 <= price_units <= LARGEST_PRICE:
        raise BadRate(_("The price must be a whole number of units, not negative."))
    if not 0 <= revenue_basis_points <= WHOLE:
        raise BadRate(
            _("A share of revenue is 0 to 10,000 basis points."),
            hint=_("150 basis points are 1.5 % of what the lab reports for a model."),
        )
    require_asset(asset)


def _plan(owner: Party, basis: str, terms: PlanTerms) -> RatePlan:
    """The plan of these terms, compiled and not kept."""
    _require_plan(terms)
    tiers = [(int(start), int(price)) for start, price in terms.tiers]
    schedule = compiled(
        step=STEPS[basis],
        mode=terms.mode,
        tiers=tiers,
        free_quantity=terms.free_quantity,
        cap_units=terms.cap_units,
    )
    plan = RatePlan(
        owner=owner,
        basis=basis,
        mode=terms.mode,
        tiers=[list(tier) for tier in tiers],
        free_quantity=terms.free_quantity,
        cap_units=terms.cap_units,
        minimum_units=terms.minimum_units,
        froms=list(schedule.froms),
        bases=list(schedule.bases),
        prices=list(schedule.prices),
    )
    plan.digest = hashlib.sha256(canonical(_plan_terms(plan))).hexdigest()
    return plan


def _kept_plan(owner: Party, basis: str, terms: PlanTerms) -> RatePlan:
    """The owner's plan of these terms; like terms are one plan."""
    plan = _plan(owner, basis, terms)
    found = RatePlan.objects.filter(owner=owner, digest=plan.digest).first()
    if found is None:
        RatePlan.objects.bulk_create([plan], ignore_conflicts=True)
        found = RatePlan.objects.get(owner=owner, digest=plan.digest)
    return found


def _require_plan(terms: PlanTerms) -> None:
    starts = [start for start, _ in terms.tiers]
    if not 1 <= len(starts) <= MOST_TIERS:
        raise BadPlan(_("A plan has 1 to %(most_tiers)s tiers.") % {"most_tiers": MOST_TIERS})
    if starts[0] != 0:
        raise BadPlan(_("The first tier begins at 0."))
    if starts != sorted(set(starts)):
        raise BadPlan(_("Each tier begins at a greater quantity than the one before."))
    if terms.mode not in RatePlan.Mode.values:
        raise BadPlan(
            _("There is no mode '%(mode)s'.") % {"mode": terms.mode},
            hint=_("Either graduated or volume."),
        )
    if not max(starts[-1], terms.free_quantity) <= LARGEST_QUANTITY or terms.free_quantity < 0:
        raise BadPlan(
            _("Quantities are from 0 to %(largest_quantity)s.")
            % {"largest_quantity": f"{LARGEST_QUANTITY:,}"}
        )
    amounts = [price for _, price in terms.tiers] + [terms.minimum_units, terms.cap_units or 0]
    if not all(0 <= amount <= LARGEST_PRICE for amount in amounts):
        raise BadPlan(_("Prices, cap and minimum are whole units, not negative."))
    if terms.cap_units is not None and terms.minimum_units > terms.cap_units:
        raise BadPlan(
            _("The minimum is greater than the cap."), hint=_("Lower the minimum or raise the cap.")
        )


def _plan_terms(plan: RatePlan) -> dict[str, Any]:
    """A plan in full, as text and whole numbers: what its digest is made of."""
    return {
        "basis": plan.basis,
        "mode": str(plan.mode),
        "tiers": [[start, str(price)] for start, price in plan.tiers],
        "free_quantity": plan.free_quantity,
        "cap_units": None if plan.cap_units is None else str(plan.cap_units),
        "minimum_units": str(plan.minimum_units),
    }
