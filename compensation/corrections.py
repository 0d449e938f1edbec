"""What people post by hand: deposits that go back, and entries that nothing else makes.

Over their limits both take a second person (`compensation.limits`).
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from compensation import journal, limits
from compensation.limits import Act
from compensation.models import Account, Asset, Entry
from provenance import ledger
from provenance.models import Party, User
from provenance.refusals import Refused

Kind = Account.Kind
# Between which accounts a person may post; the others follow from use, conflicts and payouts alone.
ADJUSTABLE = (
    Kind.LAB,
    Kind.OWNER,
    Kind.PLATFORM_FEE,
    Kind.TREASURY,
    Kind.BANK_CHARGES,
    Kind.EXTERNAL,
)


class BadCorrection(Refused):
    """That cannot be posted by hand."""

    code = "bad_correction"
    status = 400
    hint = "Give a positive amount, a reference that is used once, and a reason."


class ReferenceUsed(Refused):
    """This reference belongs to another entry."""

    code = "correction_reference_used"
    hint = "Use a new reference for a new entry; look the first one up in the journal."


@transaction.atomic
def refund(
    *,
    lab: Party,
    asset: Asset,
    amount_units: int,
    reference: str,
    reason: str,
    at: datetime,
    by: User | None = None,
    approved_units: int | None = None,
) -> Entry:
    """Pay what a lab has left of its deposit back to it; a reference counts once.

    Raises limits.TakesTwo, BadCorrection, ReferenceUsed or journal.NotEnoughMoney.
    """
    _check(amount_units, reference, reason)
    journal.lock()
    limits.require(Act.REFUND, {asset: amount_units}, approved_units=approved_units)
    held = journal.account(Kind.LAB, asset, party=lab)
    return _post(
        Entry.Kind.REFUND, held, journal.account(Kind.EXTERNAL, asset),
        amount_units, f"refund:{asset.pk}:{reference}", reason, at, by,
    )  # fmt: skip


@transaction.atomic
def adjust(
    *,
    source: Account,
    target: Account,
    amount_units: int,
    reference: str,
    reason: str,
    at: datetime,
    by: User | None = None,
    approved_units: int | None = None,
) -> Entry:
    """Move an amount from one account to another, because a person says why; a reference counts
    once.

    Raises limits.TakesTwo, BadCorrection, ReferenceUsed or journal.NotEnoughMoney.
    """
    _check(amount_units, reference, reason)
    if source.asset_id != target.asset_id or source.pk == target.pk:
        raise BadCorrection(_("An entry moves money between two accounts of one asset."))
    for account in (source, target):
        if account.kind not in ADJUSTABLE:
            raise BadCorrection(
                _("%(account)s follows from use and payouts alone.") % {"account": account}
            )
    journal.lock()
    limits.require(Act.ENTRY, {source.asset: amount_units}, approved_units=approved_units)
    return _post(
        Entry.Kind.ADJUSTMENT, source, target,
        amount_units, f"by_hand:{source.asset_id}:{reference}", reason, at, by,
    )  # fmt: skip


def _check(amount_units: int, reference: str, reason: str) -> None:
    if amount_units <= 0 or not reference.strip() or len(reference) > 150 or not reason.strip():
        raise BadCorrection


def _post(
    kind: Entry.Kind,
    source: Account,
    target: Account,
    units: int,
    key: str,
    reason: str,
    at: datetime,
    by: User | None,
) -> Entry:
    known = Entry.objects.filter(idempotency_key=key).first()
    try:
        made = journal.post(
            kind=kind,
            lines=[(source, -units), (target, units)],
            effective_at=at,
            posted_at=at,
            idempotency_key=key,
            facts={"reason": reason.strip()[:300], "reference": key.split(":", 2)[2]},
        )
    except journal.KeyMovedSomethingElse as error:
        raise ReferenceUsed from error
    if known is None:
        ledger.record(
            "entry.posted_by_hand",
            at=at,
            subject_kind="journal",
            party=source.party or target.party,
            other_party=target.party if source.party else None,
            body={
                "entry": made.pk,
                "entry_hash": bytes(made.hash),
                "kind": str(kind),
                "by": by.pk if by else None,
            },
        )
    return made
