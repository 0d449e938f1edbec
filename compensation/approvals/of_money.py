"""What people post by hand: over the limits, by two of them."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Any

from django.utils.translation import gettext_noop as _noop

from compensation import conversions, corrections, journal, limits
from compensation.approvals.ways import Body, Kind, Way, asset_of
from compensation.models import Account, Entry
from provenance.models import Party, Proposal, User


def _units(body: Body) -> int:
    return int(body["units"])


def _reverse(body: Body, by: User | None, at: datetime, approved: int | None) -> Entry:
    entry = Entry.objects.select_related("asset").get(pk=body["entry"])
    return journal.reverse(
        entry=entry, reason=body["reason"], at=at, by=by, approved_units=approved
    )


def _entry_basis(body: Body) -> dict[str, Any]:
    entry = Entry.objects.get(pk=body["entry"])
    is_reversed = Entry.objects.filter(reverses=entry).exists()
    return {"entry": bytes(entry.hash).hex(), "is_reversed": is_reversed}


def _refund(body: Body, by: User | None, at: datetime, approved: int | None) -> Entry:
    return corrections.refund(
        lab=Party.objects.get(pk=body["lab"]),
        asset=asset_of(body),
        amount_units=_units(body),
        reference=body["reference"],
        reason=body["reason"],
        at=at,
        by=by,
        approved_units=approved,
    )


def _refund_words(body: Body) -> str:
    amount = limits.in_words({asset_of(body): _units(body)})
    lab = Party.objects.get(pk=body["lab"])
    words = _noop("Pay %(amount)s back to %(lab)s, under %(reference)s.") % {
        "amount": amount,
        "lab": lab,
        "reference": body["reference"],
    }
    return f"{words}\n{body['reason']}"


def _account(pk: int) -> Account:
    return Account.objects.select_related("asset", "party").get(pk=pk)


def _adjust(body: Body, by: User | None, at: datetime, approved: int | None) -> Entry:
    return corrections.adjust(
        source=_account(body["source"]),
        target=_account(body["target"]),
        amount_units=_units(body),
        reference=body["reference"],
        reason=body["reason"],
        at=at,
        by=by,
        approved_units=approved,
    )


def _adjust_words(body: Body) -> str:
    source, target = _account(body["source"]), _account(body["target"])
    amount = limits.in_words({source.asset: _units(body)})
    words = _noop("%(amount)s from %(source)s to %(target)s, under %(reference)s.") % {
        "amount": amount,
        "source": source,
        "target": target,
        "reference": body["reference"],
    }
    return f"{words}\n{body['reason']}"


def _convert(body: Body, by: User | None, at: datetime, approved: int | None) -> Any:
    return conversions.convert(
        source=_account(body["account"]),
        target_asset=asset_of(body),
        units=_units(body),
        rate=Fraction(body["rate"]),
        reference=body["reference"],
        reason=body["reason"],
        at=at,
        by=by,
        approved_units=approved,
    )


def _convert_words(body: Body) -> str:
    source = _account(body["account"])
    amount = limits.in_words({source.asset: _units(body)})
    target = asset_of(body)
    words = _noop(
        "%(amount)s of %(source)s into %(target)s at %(rate)s for one, under %(reference)s."
    )
    facts = {"amount": amount, "source": source, "target": target}
    facts |= {"rate": body["rate"], "reference": body["reference"]}
    return f"{words % facts}\n{body['reason']}"


WAYS: dict[Proposal.Kind, Way] = {
    Kind.REVERSAL: Way(
        perform=_reverse,
        basis=_entry_basis,
        words=lambda body: (
            f"{_noop('Take entry %(number)s back.') % {'number': body['entry']}}\n{body['reason']}"
        ),
        told=lambda made: (
            _noop("Entry %(pk)s takes entry %(reverses_id)s back.")
            % {"pk": made.pk, "reverses_id": made.reverses_id}
        ),
    ),
    Kind.REFUND: Way(
        perform=_refund,
        basis=lambda body: {},
        words=_refund_words,
        told=lambda made: _noop("Posted as entry %(pk)s.") % {"pk": made.pk},
    ),
    Kind.ADJUSTMENT: Way(
        perform=_adjust,
        basis=lambda body: {},
        words=_adjust_words,
        told=lambda made: _noop("Posted as entry %(pk)s.") % {"pk": made.pk},
    ),
    Kind.CONVERSION: Way(
        perform=_convert,
        basis=lambda body: {},
        words=_convert_words,
        told=lambda made: (
            _noop("Posted as entries %(out_entry_id)s and %(in_entry_id)s.")
            % {"out_entry_id": made.out_entry_id, "in_entry_id": made.in_entry_id}
        ),
    ),
}
