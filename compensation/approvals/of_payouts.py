"""Payment runs and payout trees: over the limit, by two people."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext_noop as _noop

from compensation import payment_runs, payouts
from compensation.approvals.ways import HEADROOM_PERCENT, Body, Kind, Way, asset_of
from compensation.models import BankAccount, PaymentRun, PayoutEpoch
from provenance.models import Proposal, User
from provenance.refusals import Refused


class NothingToBuild(Refused):
    """Nothing is payable on the chain now, or a tree is under way."""

    code = "nothing_to_build"
    hint = "Look at the newest tree: the next one is built once it is active."


def _run(body: Body, by: User | None, at: datetime, approved: int | None) -> PaymentRun:
    return payment_runs.make_run(
        asset=asset_of(body),
        execute_on=max(date.fromisoformat(body["execute_on"]), at.date())
        if approved is not None
        else date.fromisoformat(body["execute_on"]),
        at=at,
        by=by,
        approved_units=approved,
    )


def _run_basis(body: Body) -> dict[str, Any]:
    """The account that pays, and the last run: another run in between has paid some of it."""
    asset = asset_of(body)
    account = BankAccount.objects.filter(asset=asset, closed_at=None).first()
    last = PaymentRun.objects.filter(account__asset=asset).order_by("-number").first()
    return {"account": account.pk if account else None, "last": last.number if last else 0}


def _root(body: Body, by: User | None, at: datetime, approved: int | None) -> PayoutEpoch:
    made = payouts.build_epoch(asset_of(body), at, approved_units=approved)
    if made is None:
        raise NothingToBuild
    return made


def _root_basis(body: Body) -> dict[str, Any]:
    last = PayoutEpoch.objects.filter(asset__code=body["asset"]).order_by("-number").first()
    return {"last": last.number if last else 0}


WAYS: dict[Proposal.Kind, Way] = {
    Kind.RUN: Way(
        perform=_run,
        basis=_run_basis,
        words=lambda body: (
            _noop(
                "Order everything that is due in %(asset)s from the bank, on %(execute_on)s "
                "or the day of the approval; up to %(HEADROOM_PERCENT)s %% more than is due "
                "now."
            )
            % {
                "asset": asset_of(body).symbol,
                "execute_on": body["execute_on"],
                "HEADROOM_PERCENT": HEADROOM_PERCENT,
            }
        ),
        told=lambda made: _noop("Ordered as %(made)s.") % {"made": made},
        headroom_percent=HEADROOM_PERCENT,
    ),
    Kind.ROOT: Way(
        perform=_root,
        basis=_root_basis,
        words=lambda body: (
            _noop(
                "Propose the next payout tree in %(asset)s; up to %(HEADROOM_PERCENT)s %% "
                "more than is due now."
            )
            % {"asset": asset_of(body).symbol, "HEADROOM_PERCENT": HEADROOM_PERCENT}
        ),
        told=lambda made: _noop("Proposed as %(made)s.") % {"made": made},
        headroom_percent=HEADROOM_PERCENT,
    ),
}
