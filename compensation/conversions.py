"""Conversions between assets: an explicit entry at a stated price, funded from the treasury.

Nothing else crosses assets. The price is a fraction and exact; of the amount that it gives, the
floor is paid out, and the part of a unit that is left stays in the treasury.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from compensation import journal, limits
from compensation.models import Account, Asset, Conversion, Entry
from provenance import ledger
from provenance.models import Party, User
from provenance.refusals import Refused

Kind = Account.Kind
# Whose money may be converted: a lab's deposit, what an owner may be paid, the platform's part.
CONVERTIBLE = (Kind.LAB, Kind.OWNER, Kind.PLATFORM_FEE)


class BadConversion(Refused):
    """This cannot be converted."""

    code = "bad_conversion"
    status = 400
    hint = "Give two assets, an amount, and a price that leaves at least one unit."


class TreasuryTooSmall(Refused):
    """The treasury has not enough of the asset that is asked for."""

    code = "treasury_too_small"
    hint = "Fund the treasury in that asset first."


class ReferenceUsed(Refused):
    """This reference belongs to another conversion, or to other funds."""

    code = "conversion_reference_used"
    hint = "Use a new reference for a new conversion; look the first one up in the list."


def converted_units(units: int, rate: Fraction, source: Asset, target: Asset) -> int:
    """What `units` of one asset are in another at `rate` (whole for whole): the floor."""
    return int(units * _unit_price(rate, source, target))


@transaction.atomic
def convert(
    *,
    source: Account,
    target_asset: Asset,
    units: int,
    rate: Fraction,
    reference: str,
    reason: str,
    at: datetime,
    by: User | None = None,
    approved_units: int | None = None,
) -> Conversion:
    """Turn `units` of an account into another asset of the same party, at `rate`.

    `rate` is whole amounts of the target for one whole amount of the source. The same reference
    again returns the conversion made with it. Raises BadConversion, TreasuryTooSmall,
    ReferenceUsed, journal.NotEnoughMoney, journal.AmountTooLarge or limits.TakesTwo.
    """
    _check(source, target_asset, units, rate, reference)
    price = _unit_price(rate, source.asset, target_asset)
    given = converted_units(units, rate, source.asset, target_asset)
    if not given:
        raise BadConversion(
            _("%(units)s units are less than one unit of %(target_asset)s.")
            % {"units": units, "target_asset": target_asset}
        )
    journal.lock()
    earlier = Conversion.objects.filter(idempotency_key=reference).first()
    if earlier is None:
        limits.require(limits.Act.ENTRY, {source.asset: units}, approved_units=approved_units)
        _check_funds(target_asset, given)
    made = _post(source, target_asset, (units, given), price, reference, reason, at, by)
    if earlier is None:
        _record(made)
    return made


@transaction.atomic
def fund_treasury(*, asset: Asset, amount_units: int, reference: str, at: datetime) -> Entry:
    """Bring the platform's own money into the journal, or with a negative amount out of it.

    The same reference again returns the entry made with it. Raises ReferenceUsed,
    BadConversion, journal.NotEnoughMoney or journal.AmountTooLarge.
    """
    if not amount_units or not reference or len(reference) > 150:
        raise BadConversion(_("Give an amount, and the reference under which it moved."))
    try:
        return journal.post(
            kind=Entry.Kind.ADJUSTMENT,
            lines=[
                (journal.account(Kind.EXTERNAL, asset), -amount_units),
                (journal.account(Kind.TREASURY, asset), amount_units),
            ],
            effective_at=at,
            posted_at=at,
            idempotency_key=f"treasury:{asset.pk}:{reference}",
            facts={"reference": reference},
        )
    except journal.KeyMovedSomethingElse as error:
        raise ReferenceUsed from error


def _unit_price(rate: Fraction, source: Asset, target: Asset) -> Fraction:
    """Units of `target` for one unit of `source`."""
    return rate * Fraction(10) ** (target.scale - source.scale)


def _check(source: Account, target: Asset, units: int, rate: Fraction, reference: str) -> None:
    if source.kind not in CONVERTIBLE:
        raise BadConversion(
            _("%(source)s holds nothing that may be converted.") % {"source": source}
        )
    if source.asset_id == target.pk:
        raise BadConversion(_("It is in %(target)s already.") % {"target": target})
    if units <= 0 or rate <= 0 or not reference or len(reference) > 150:
        raise BadConversion
    limit = 10**30
    if rate.numerator > limit or rate.denominator > limit:
        raise BadConversion(_("The price has more digits than are kept."))


def _check_funds(asset: Asset, units: int) -> None:
    treasury = journal.account(Kind.TREASURY, asset)
    available = treasury.balance.available
    if available < units:
        raise TreasuryTooSmall(
            _("It has %(available)s units, and %(units)s are asked for.")
            % {"available": available, "units": units}
        )


def _post(
    source: Account,
    target_asset: Asset,
    units: tuple[int, int],
    price: Fraction,
    reference: str,
    reason: str,
    at: datetime,
    by: User | None,
) -> Conversion:
    """Book the units that are taken and those that are given; raises ReferenceUsed."""
    target = journal.account(Kind(source.kind), target_asset, party=source.party)
    for asset in (source.asset, target_asset):
        journal.account(Kind.TREASURY, asset)
    facts = {
        "conversion": reference,
        "from_units": units[0],
        "to_units": units[1],
        "price": f"{price.numerator}/{price.denominator}",
        "reason": reason,
    }
    words: list[Any] = [source.pk, target.pk, *units, price.numerator, price.denominator]
    words += [at, at, reference, journal.canonical_text(facts), reason, by.pk if by else None]
    try:
        with journal.refusals(reference), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT compensation_convert(%s, %s, %s::bigint, %s::bigint, %s::numeric,"
                " %s::numeric, %s, %s, %s, %s, %s, %s)",
                words,
            )
            return Conversion.objects.get(pk=cursor.fetchone()[0])
    except journal.KeyMovedSomethingElse as error:
        raise ReferenceUsed from error


def _record(made: Conversion) -> None:
    party: Party | None = made.from_account.party
    ledger.record(
        "money.converted",
        at=made.converted_at,
        subject_kind="journal",
        party=party,
        body={
            "from": made.from_account.asset.code,
            "from_units": str(made.from_units),
            "to": made.to_account.asset.code,
            "to_units": str(made.to_units),
            "price": f"{int(made.numerator)}/{int(made.denominator)}",
            "entries": [made.out_entry_id, made.in_entry_id],
        },
    )
