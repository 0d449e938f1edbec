"""Suspending parties and holding what a court or an inquiry needs; with a reason, and an end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from provenance import ledger
from provenance.casework import operators
from provenance.models import Dataset, Party, Restriction, User
from provenance.refusals import Refused

Kind = Restriction.Kind


class PartySuspended(Refused):
    """This organisation is suspended: it can read, answer and appeal, and begin nothing new."""

    code = "party_suspended"
    status = 403
    hint = "The reason, and until when, stands under Restrictions; write to the operator."


class UnderLegalHold(Refused):
    """This is under a legal hold: nothing of it is erased."""

    code = "legal_hold"
    hint = "The reason, and until when, stands under Restrictions. Try again when it has ended."


class PaymentStopped(Refused):
    """Nothing is paid to this organisation now: it is suspended, or under a legal hold."""

    code = "payment_stopped"
    hint = "What it earns goes on adding up. The reason, and until when, is under Restrictions."


class BadRestriction(Refused):
    """That cannot be restricted so."""

    code = "bad_restriction"
    status = 400
    hint = "Give a reason, and an end after now or none; operators themselves are not restricted."


class NotForYou(Refused):
    """Only operators restrict, and lift."""

    code = "restrictions_are_the_operators"
    status = 403
    hint = "Write to the operator."


@transaction.atomic
def restrict(
    *,
    kind: Kind,
    party: Party,
    dataset: Dataset | None = None,
    reason: str,
    until: datetime | None = None,
    by: User,
    at: datetime,
) -> Restriction:
    """Suspend a party, or place it or one of its datasets under a legal hold, from `at` on.

    The same again while it is in force is the one that is. Raises BadRestriction or NotForYou.
    """
    _require_operator(by)
    is_odd = dataset is not None and (dataset.owner_id != party.pk or kind == Kind.SUSPENSION)
    if party.is_operator or is_odd or not reason.strip() or (until is not None and until <= at):
        raise BadRestriction
    Party.objects.select_for_update(no_key=True).get(pk=party.pk)
    same = Restriction.objects.in_force(at).filter(kind=kind, party=party, dataset=dataset)
    known = same.filter(ends_at=until).first()
    if known is not None:
        return known
    made = Restriction.objects.create(
        kind=kind,
        party=party,
        dataset=dataset,
        reason=reason.strip(),
        begins_at=at,
        ends_at=until,
        set_by=by,
    )
    _record(f"{kind}.set", made, at)
    return made


@transaction.atomic
def lift(*, restriction: Restriction, reason: str, by: User, at: datetime) -> Restriction:
    """End a restriction now, with a reason; a repeat changes nothing."""
    _require_operator(by)
    locked = (
        Restriction.objects.select_for_update(of=("self",))
        .select_related("party", "dataset")
        .get(pk=restriction.pk)
    )
    if locked.lifted_at is not None:
        return locked
    if not reason.strip():
        raise BadRestriction
    locked.lifted_at, locked.lifted_by, locked.lifted_reason = at, by, reason.strip()
    locked.save(update_fields=["lifted_at", "lifted_by", "lifted_reason"])
    _record(f"{locked.kind}.lifted", locked, at)
    return locked


def require_active(party: Party, at: datetime) -> None:
    """Raise PartySuspended while `party` may begin nothing new."""
    rows = Restriction.objects.in_force(at).filter(party=party, kind=Kind.SUSPENSION)
    if rows.exists():
        raise PartySuspended


def require_erasable(dataset: Dataset, at: datetime) -> None:
    """Raise UnderLegalHold while nothing of `dataset` may be erased."""
    holds = Restriction.objects.in_force(at).filter(party=dataset.owner_id, kind=Kind.LEGAL_HOLD)
    if any(hold.dataset_id in (None, dataset.pk) for hold in holds):
        raise UnderLegalHold


def require_payable(party: Party, at: datetime) -> None:
    """Raise PaymentStopped while nothing is paid to `party`."""
    if unpaid([party.pk], at):
        raise PaymentStopped


def unpaid(parties: Iterable[UUID] | None, at: datetime) -> set[UUID]:
    """Those of the parties, or all, to whom nothing is paid at `at`."""
    rows = Restriction.objects.in_force(at)
    if parties is not None:
        rows = rows.filter(party__in=list(parties))
    return set(rows.values_list("party", flat=True))


def _require_operator(person: User) -> None:
    if not operators().filter(pk=person.pk).exists():
        raise NotForYou


def _record(kind: str, made: Restriction, at: datetime) -> None:
    ledger.record(
        kind,
        at=at,
        subject_kind="restriction",
        subject_id=made.id,
        party=made.party,
        body={
            "party": made.party_id,
            "dataset": made.dataset_id,
            "until": made.ends_at,
        },
    )
