"""Why a charge is what it is: from what was reported to what was paid, each step with its grounds.

Each viewer is shown what is theirs: a lab how it was priced, a holder its own part as well, an
operator every part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation.models import Account, Charge, ChargeGroup, Weight
from compensation.statements.grounds import (
    amount_said,
    journal_of,
    payout_of,
    pool_of,
    rate_of,
    report_of,
    when,
)
from compensation.statements.shares import growth
from provenance.access import Viewer
from provenance.ledger import moment
from provenance.models import Party, Usage

Facts = dict[str, Any]
Words = str | Promise
# Whose part it is where no party holds it.
HOLDERS: dict[str, Words] = {
    Account.Kind.ESCROW: _lazy("What is held while a conflict is open"),
    Account.Kind.PLATFORM_FEE: _lazy("The platform"),
}


@dataclass(frozen=True)
class Explanation:
    """A charge and its grounds; amounts are units of the asset. What does not apply is null."""

    charge: Charge
    # The lab, and the owner of the data.
    parties: list[Party]
    words: list[str]
    report: Facts | None
    # Where it was shared out of a sum rather than priced: a subscription, revenue, a minimum.
    pool: Facts | None
    rate: Facts | None
    decision: Facts | None
    split: Facts | None
    journal: Facts | None
    payout: Facts | None

    def as_json(self) -> Facts:
        """The explanation as plain JSON values."""
        charge = self.charge
        return {
            "charge": charge.pk,
            "usage": str(charge.usage_id),
            "revision": charge.revision,
            "kind": charge.kind,
            "amount_units": charge.amount_units,
            "total_units": charge.total_units,
            "asset": charge.account.asset.code if charge.account else None,
            "charged_at": moment(charge.charged_at),
            "words": self.words,
            "report": self.report,
            "pool": self.pool,
            "rate": self.rate,
            "decision": self.decision,
            "split": self.split,
            "journal": self.journal,
            "payout": self.payout,
        }


def explain(charge_id: int, viewer: Viewer) -> Explanation | None:
    """The explanation of a charge as `viewer` may see it; None where there is none to see.

    The number of queries is the same for every charge.
    """
    seen = Charge.objects.visible_to(viewer).select_related(
        "account__asset", "account__party", "entry__asset", "entry__maturity", "grant__licence",
        "rate__plan", "tally", "weight_version__version__dataset__owner",
    )  # fmt: skip
    charge = seen.filter(pk=charge_id).first()
    if charge is None:
        return None
    usage = _usage_of(charge)
    split = _split(charge, viewer)
    parts = {
        "report": report_of(charge, usage, viewer.party) if usage else None,
        "pool": None if usage else pool_of(charge),
        "rate": rate_of(charge),
        "decision": _decision(charge),
        "split": split,
        "journal": journal_of(charge),
        "payout": payout_of(charge, viewer.party) if split else None,
    }
    words = _words(charge, parts)
    return Explanation(charge=charge, parties=_parties(charge, usage), words=words, **parts)


def _usage_of(charge: Charge) -> Usage | None:
    """The usage; null for what is shared out of a sum."""
    rows = Usage.objects.select_related("run__lab", "version__dataset__owner")
    return rows.filter(pk=charge.usage_id).first()


def _parties(charge: Charge, usage: Usage | None) -> list[Party]:
    division = charge.weight_version
    version = usage.version if usage else division.version if division else None
    lab = usage.run.lab if usage else charge.account.party if charge.account else None
    return [one for one in (lab, version.dataset.owner if version else None) if one is not None]


def _decision(charge: Charge) -> Facts | None:
    """By what the use was allowed."""
    grant = charge.grant
    if grant is None:
        return None
    return {
        "grant": str(grant.pk),
        "licence": grant.licence.name,
        "state": grant.state,
        "purposes": list(grant.purposes),
        "decided_at": moment(grant.decided_at) if grant.decided_at else None,
        "is_automatic": grant.decided_automatically,
        "valid_from": moment(grant.valid_from) if grant.valid_from else None,
        "valid_to": moment(grant.valid_to) if grant.valid_to else None,
    }


def _split(charge: Charge, viewer: Viewer) -> Facts | None:
    """How it was divided: the viewer's parts, or all for an operator; null for whoever has none."""
    division = charge.weight_version
    if division is None or charge.running_units is None:
        return None
    weights = Weight.objects.filter(weight_version=division).select_related("account__party")
    if not viewer.is_operator:
        weights = weights.filter(account__party=viewer.party)
    before, whole = charge.running_units - charge.amount_units, int(division.weight_sum)
    after = charge.running_units
    parts = [_part(one, before, after, whole) for one in weights.order_by("account")]
    if not parts:
        return None
    group = ChargeGroup.objects.filter(entry=charge.entry_id, weight_version=division).first()
    return {
        "weights": division.pk,
        "number": division.number,
        "counted": division.counted,
        "fee_basis_points": division.fee_basis_points,
        "opened_at": moment(division.opened_at),
        "weight_sum": str(whole),
        "total_before": before,
        "total_after": charge.running_units,
        "parts": parts,
        "others": None if viewer.is_operator else _others(charge, whole, parts),
        "group": {
            "charges": group.charge_count,
            "amount_units": group.amount_units,
            "total_after": group.total_after_units,
            "digest": bytes(group.digest).hex(),
        }
        if group
        else None,
    }


def _part(one: Weight, before: int, after: int, whole: int) -> Facts:
    return {
        "account": one.account_id,
        "kind": one.account.kind,
        "party": one.account.party.name if one.account.party else None,
        "weight": str(int(one.weight)),
        "units": growth(before, after, int(one.weight), whole),
    }


def _others(charge: Charge, whole: int, parts: list[Facts]) -> Facts:
    """What is left of the charge for others, nobody of them named; rounding is in it."""
    return {
        "weight": str(whole - sum(int(part["weight"]) for part in parts)),
        "units": charge.amount_units - sum(part["units"] for part in parts),
    }


def _words(charge: Charge, parts: dict[str, Facts | None]) -> list[str]:
    """The steps, in sentences."""
    said = [one["words"] for one in (parts["report"], parts["pool"]) if one is not None]
    decision = parts["decision"]
    if decision is not None:
        how = (
            _("It was allowed under “%(licence)s”, given automatically on %(day)s.")
            if decision["is_automatic"]
            else _("It was allowed under “%(licence)s”, given on %(day)s.")
        )
        day = when(charge.grant.decided_at) if charge.grant and charge.grant.decided_at else ""
        said.append(how % {"licence": decision["licence"], "day": day})
    if parts["pool"] is None:
        rate = parts["rate"]
        said.append(
            rate["words"]
            if rate
            else _("It costs nothing: %(kind)s.") % {"kind": charge.get_kind_display()}
        )
    if parts["split"] is not None:
        said += _split_words(charge, parts["split"])
    said += [one["words"] for one in (parts["journal"], parts["payout"]) if one is not None]
    return said


def _split_words(charge: Charge, split: Facts) -> list[str]:
    assert charge.account is not None, "what is divided was paid from an account"
    asset = charge.account.asset
    before, after = split["total_before"], split["total_after"]
    whole = int(split["weight_sum"])
    words = (
        _(
            "%(holder)s has %(weight)s of %(whole)s parts. Of %(after)s, all that was charged so "
            "far, these are %(now)s, rounded down; less the %(earlier)s of what was charged "
            "before, it is %(amount)s."
        )
        if before
        else _(
            "%(holder)s has %(weight)s of %(whole)s parts of %(after)s, rounded down: %(amount)s."
        )
    )
    return [
        words
        % {
            "holder": part["party"] or HOLDERS.get(part["kind"], part["kind"]),
            "weight": f"{int(part['weight']):,}",
            "whole": f"{whole:,}",
            "after": amount_said(after, asset),
            "now": amount_said(growth(0, after, int(part["weight"]), whole), asset),
            "earlier": amount_said(growth(0, before, int(part["weight"]), whole), asset),
            "amount": amount_said(part["units"], asset),
        }
        for part in split["parts"]
    ]
