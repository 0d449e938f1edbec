"""Money that comes in: assets, deposits of labs, and how far a lab may owe."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from compensation import debts, journal
from compensation.models import Account, Asset, Balance, Deposit, Entry
from provenance import ledger
from provenance.models import Party, User
from provenance.refusals import Refused

Kind = Account.Kind

LARGEST_SCALE = 9


class NotALab(Refused):
    """Only a lab has a deposit."""

    code = "not_a_lab"
    hint = "Mark the organisation as a lab first."


class BadDeposit(Refused):
    """That cannot be a deposit."""

    code = "bad_deposit"
    status = 400
    hint = "Give a positive amount, and the reference under which the money arrived."


class ReferenceUsed(Refused):
    """This reference belongs to another deposit."""

    code = "deposit_reference_used"
    hint = "Each payment has its own reference; look the first one up in the list of deposits."


class AssetDiffers(Refused):
    """This asset is registered with other properties."""

    code = "asset_differs"
    hint = "Amounts are counted in its scale already: use it as it is registered."


def register_asset(
    *, code: str, symbol: str, scale: int, token_decimals: int | None = None, name: str = ""
) -> Asset:
    """Register what amounts may be counted in. Safe to repeat; its scale never changes."""
    if not 0 <= scale <= LARGEST_SCALE:
        raise AssetDiffers(
            _("A scale of %(scale)s is not between 0 and %(LARGEST_SCALE)s.")
            % {"scale": scale, "LARGEST_SCALE": LARGEST_SCALE}
        )
    asset, _is_new = Asset.objects.get_or_create(
        code=code,
        defaults={
            "symbol": symbol,
            "scale": scale,
            "token_decimals": token_decimals,
            "name": name,
        },
    )
    if (asset.scale, asset.token_decimals) != (scale, token_decimals):
        raise AssetDiffers(
            _("%(code)s has the scale %(scale)s.") % {"code": code, "scale": asset.scale}
        )
    return asset


@transaction.atomic
def deposit(
    *,
    lab: Party,
    asset: Asset,
    amount_units: int,
    reference: str,
    at: datetime,
    received_at: datetime | None = None,
    by: User | None = None,
) -> Deposit:
    """Credit a lab with money that arrived; its reference counts once, however often it comes.

    What the lab owes after refunds is paid from it. `received_at` is when it came, if not now.
    """
    if not lab.is_lab:
        raise NotALab
    if amount_units <= 0 or not reference or len(reference) > 150:
        raise BadDeposit
    journal.lock()
    earlier = Deposit.objects.filter(asset=asset, reference=reference).first()
    if earlier is not None:
        if (earlier.lab_id, earlier.amount_units) != (lab.pk, amount_units):
            raise ReferenceUsed(
                _("%(reference)s was %(earlier)s.") % {"reference": reference, "earlier": earlier}
            )
        return earlier
    made = Deposit.objects.create(
        lab=lab,
        asset=asset,
        amount_units=amount_units,
        reference=reference,
        entry=_credit(lab, asset, amount_units, reference, received_at or at, at),
        received_at=received_at or at,
        recorded_by=by,
    )
    _record_received(made)
    debts.collect(lab=lab, asset=asset, at=at)
    return made


def _credit(
    lab: Party, asset: Asset, units: int, reference: str, effective_at: datetime, at: datetime
) -> Entry:
    return journal.post(
        kind=Entry.Kind.DEPOSIT,
        lines=[
            (journal.account(Kind.EXTERNAL, asset), -units),
            (journal.account(Kind.LAB, asset, party=lab), units),
        ],
        effective_at=effective_at,
        posted_at=at,
        idempotency_key=f"deposit:{asset.pk}:{reference}",
        facts={"reference": reference},
    )


def _record_received(made: Deposit) -> None:
    entry = made.entry
    ledger.record(
        "deposit.received",
        at=made.received_at,
        subject_kind="party",
        subject_id=made.lab_id,
        party=made.lab,
        body={
            "asset": made.asset.code,
            "amount_units": str(made.amount_units),
            "entry": entry.pk,
            "entry_hash": bytes(entry.hash),
        },
    )


@transaction.atomic
def set_credit_limit(
    *, lab: Party, asset: Asset, limit_units: int, reason: str, at: datetime
) -> Balance:
    """Let a lab be invoiced up to a limit; 0 makes it prepaid again.

    Raises journal.NotEnoughMoney if the lab owes more than that already.
    """
    if not lab.is_lab:
        raise NotALab
    if limit_units < 0:
        raise BadDeposit(_("A limit is not negative."), hint=_("Give 0 for a prepaid lab."))
    journal.lock()
    target = journal.account(Kind.LAB, asset, party=lab)
    journal.set_floor(target=target, limit_units=limit_units, reason=reason, at=at)
    ledger.record(
        "credit.limited",
        at=at,
        subject_kind="party",
        subject_id=lab.pk,
        party=lab,
        body={"asset": asset.code, "limit_units": str(limit_units)},
    )
    return Balance.objects.get(account=target)
