"""Money that operators book, and how far labs may owe: over the limits, by two people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.translation import gettext_noop as _noop

from compensation import by_hand, limits
from compensation.approvals.ways import Body, Kind, Way, asset_of
from compensation.models import Balance, Deposit, Entry
from provenance.models import Party, Proposal, User


def _amount(body: Body) -> str:
    return limits.in_words({asset_of(body): int(body["units"])})


def _deposit(body: Body, by: User | None, at: datetime, approved: int | None) -> Deposit:
    return by_hand.deposit(
        lab=Party.objects.get(pk=body["lab"]),
        asset=asset_of(body),
        amount_units=int(body["units"]),
        reference=body["reference"],
        at=at,
        by=by,
        approved_units=approved,
    )


def _deposit_words(body: Body) -> str:
    return _noop("Credit %(lab)s with %(amount)s, which arrived under %(reference)s.") % {
        "lab": Party.objects.get(pk=body["lab"]),
        "amount": _amount(body),
        "reference": body["reference"],
    }


def _limit(body: Body, by: User | None, at: datetime, approved: int | None) -> Balance:
    return by_hand.set_credit_limit(
        lab=Party.objects.get(pk=body["lab"]),
        asset=asset_of(body),
        limit_units=int(body["units"]),
        reason=body["reason"],
        at=at,
        approved_units=approved,
    )


def _limit_basis(body: Body) -> dict[str, Any]:
    """The limit that it has: another one set in between makes this void."""
    lab = Party.objects.get(pk=body["lab"])
    return {"limit": str(by_hand.limit_of(lab, asset_of(body)))}


def _limit_words(body: Body) -> str:
    words = _noop("Let %(lab)s owe up to %(amount)s.") % {
        "lab": Party.objects.get(pk=body["lab"]),
        "amount": _amount(body),
    }
    return f"{words}\n{body['reason']}"


def _fund(body: Body, by: User | None, at: datetime, approved: int | None) -> Entry:
    return by_hand.fund_treasury(
        asset=asset_of(body),
        amount_units=int(body["units"]),
        reference=body["reference"],
        at=at,
        approved_units=approved,
    )


def _fund_words(body: Body) -> str:
    return _noop("Post %(amount)s to the treasury, which moved under %(reference)s.") % {
        "amount": _amount(body),
        "reference": body["reference"],
    }


WAYS: dict[Proposal.Kind, Way] = {
    Kind.DEPOSIT: Way(
        perform=_deposit,
        basis=lambda body: {},
        words=_deposit_words,
        told=lambda made: _noop("Posted as entry %(pk)s.") % {"pk": made.entry_id},
    ),
    Kind.CREDIT: Way(
        perform=_limit,
        basis=_limit_basis,
        words=_limit_words,
        told=lambda made: _noop("The limit is set."),
    ),
    Kind.FUNDING: Way(
        perform=_fund,
        basis=lambda body: {},
        words=_fund_words,
        told=lambda made: _noop("Posted as entry %(pk)s.") % {"pk": made.pk},
    ),
}
