"""Datasets made from others: declared by the child's owner, accepted by the parent's.

A parent's owner accepts in advance by the terms of a licence on offer; without such terms it is
asked. What is only declared moves no money.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from provenance import conflicts, debts, ledger
from provenance.models import (
    Dataset,
    DatasetVersion,
    Derivation,
    DerivativeTerms,
    Licence,
    Party,
    User,
)
from provenance.models.splits import Policy
from provenance.refusals import Refused
from provenance.states import within

State = Derivation.State
# Two declarations at once could close a cycle that neither of them sees.
DECLARING_LOCK: Final = 0x7A11_0D01


class DerivationCycle(Refused):
    """A dataset cannot come from itself."""

    code = "derivation_cycle"
    hint = "Look at what the parent was made from: this dataset is among it."


class StackExceedsWhole(Refused):
    """The parents of this dataset would be owed more than all of its revenue."""

    code = "stack_exceeds_whole"
    hint = "Declare less, or ask a parent's owner for better terms."


class DerivedAlready(Refused):
    """This dataset is declared to come from that one already."""

    code = "derived_already"
    hint = "Look at the derivation that stands; the parent's owner can end it."


class ParentNotSealed(Refused):
    """Only a sealed version can be a parent."""

    code = "parent_not_sealed"
    hint = "Name a sealed version, as the catalogue lists them."


class BadPart(Refused):
    """That is no part of a revenue."""

    code = "bad_part"
    status = 400
    hint = "Choose `relative` or `absolute`, and 0 to 10,000 hundredths of a percent."


class NotYourDecision(Refused):
    """Only the other owner decides on this."""

    code = "not_your_decision"
    status = 403
    hint = "The parent's owner accepts, refuses and ends; the child's owner withdraws."


class DecidedAlready(Refused):
    """This derivation does not wait for that any more."""

    code = "decided_already"
    hint = "Look at its state."


@transaction.atomic
def declare(
    *,
    child: Dataset,
    source: DatasetVersion,
    policy: str,
    basis_points: int,
    from_the_start: bool = True,
    at: datetime,
    by: User | None = None,
) -> Derivation:
    """Say that `child` was made from `source`, and what it owes for that.

    Accepted at once where both are one owner's, or where a licence on offer asks no more. Raises
    DerivationCycle, and StackExceedsWhole with the sum.
    """
    if policy not in Policy.values or not 0 <= basis_points <= debts.WHOLE_BASIS_POINTS:
        raise BadPart
    if source.state != DatasetVersion.State.SEALED:
        raise ParentNotSealed
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [DECLARING_LOCK])
    parent = source.dataset
    if Derivation.objects.standing().filter(child=child, parent=parent).exists():
        raise DerivedAlready
    made = Derivation(
        child=child,
        parent=parent,
        source=source,
        policy=policy,
        basis_points=basis_points,
        from_the_start=from_the_start,
        declared_by=by,
        declared_at=at,
    )
    _require_room(made)
    made.save(force_insert=True)
    _record("declared", made, at, {"from_the_start": from_the_start})
    terms = terms_of(parent, at)
    if child.owner_id == parent.owner_id or (terms and _covers(made, terms)):
        _accept(made, at, terms=terms if child.owner_id != parent.owner_id else None)
    return made


def accept(*, derivation: Derivation, party: Party, at: datetime, by: User | None = None) -> None:
    """The parent's owner agrees; matches between the two are no conflict any more."""
    with transaction.atomic():
        locked = _locked(derivation, State.DECLARED)
        _require(party, locked.parent)
        _accept(locked, at, by=by)


def refuse(
    *, derivation: Derivation, party: Party, reason: str, at: datetime, by: User | None = None
) -> None:
    """The parent's owner does not agree; the child's owner may declare anew."""
    with transaction.atomic():
        locked = _locked(derivation, State.DECLARED)
        _require(party, locked.parent)
        _close(locked, State.REFUSED, at, reason=reason, by=by)


def withdraw(*, derivation: Derivation, party: Party, at: datetime) -> None:
    """The child's owner takes back what nobody has accepted yet."""
    with transaction.atomic():
        locked = _locked(derivation, State.DECLARED)
        _require(party, locked.child)
        _close(locked, State.WITHDRAWN, at)


def end(
    *, derivation: Derivation, party: Party, reason: str, at: datetime, by: User | None = None
) -> None:
    """The parent's owner asks for no more, from now on; what was credited stays."""
    with transaction.atomic():
        locked = _locked(derivation, State.ACCEPTED)
        _require(party, locked.parent)
        _close(locked, State.ENDED, at, reason=reason, by=by)


@transaction.atomic
def offer_terms(
    *, licence: Licence, policy: str, basis_points: int, at: datetime
) -> DerivativeTerms:
    """Ask this of datasets made under `licence` from now on; whoever declares it is accepted."""
    if policy not in Policy.values or not 0 <= basis_points <= debts.WHOLE_BASIS_POINTS:
        raise BadPart
    Licence.objects.select_for_update(of=("self",), no_key=True).get(pk=licence.pk)
    end_terms(licence=licence, at=at)
    made = DerivativeTerms.objects.create(
        licence=licence, policy=policy, basis_points=basis_points, valid_from=at
    )
    _record_terms(made, "derivation.terms_offered", at)
    return made


@transaction.atomic
def end_terms(*, licence: Licence, at: datetime) -> None:
    """Ask again for each derivative; what was accepted stays."""
    for terms in licence.derivative_terms.filter(valid_to=None):
        terms.valid_to = at
        terms.save(update_fields=["valid_to"])
        _record_terms(terms, "derivation.terms_ended", at)


def terms_of(parent: Dataset, at: datetime) -> DerivativeTerms | None:
    """What the parent's licences ask of derivatives: the newest on offer; None: ask the owner."""
    on_offer = Q(licence__is_offered=True, licence__retired_at=None)
    in_force = Q(valid_from__lte=at) & (Q(valid_to=None) | Q(valid_to__gt=at))
    rows = DerivativeTerms.objects.filter(on_offer, in_force, licence__dataset=parent)
    return rows.order_by("-valid_from", "-pk").first()


def owed(child: Dataset) -> int:
    """What a dataset owes in all, declared debts included: basis points of its revenue."""
    return debts.stack(child.pk, debts.by_child(debts.standing(debts.above([child.pk]))))


def _require_room(made: Derivation) -> None:
    """No cycle, and the stack of the child stays within its revenue, at all times it holds."""
    known = debts.above([made.child_id, made.parent_id])
    if not made.from_the_start:
        known = debts.standing(known)
    owed_by = debts.by_child(known)
    if made.child_id in debts.descending(made.parent_id, owed_by):
        raise DerivationCycle
    owed_by[made.child_id] = [*owed_by.get(made.child_id, ()), _debt(made)]
    sum_of = debts.stack(made.child_id, owed_by)
    if sum_of > debts.WHOLE_BASIS_POINTS:
        raise StackExceedsWhole(
            _("The parents of %(child)s would be owed %(sum_of)s %% of its revenue.")
            % {"child": made.child, "sum_of": f"{sum_of / 100:g}"}
        )


def _debt(made: Derivation) -> debts.Debt:
    return debts.Debt(
        child=made.child_id,
        parent=made.parent_id,
        source=made.source_id,
        policy=made.policy,
        basis_points=made.basis_points,
        from_the_start=made.from_the_start,
        declared_at=made.declared_at,
        accepted_at=None,
        ended_at=None,
        state=made.state,
    )


def _covers(made: Derivation, terms: DerivativeTerms) -> bool:
    return made.policy == terms.policy and made.basis_points >= terms.basis_points


def _accept(
    made: Derivation,
    at: datetime,
    *,
    terms: DerivativeTerms | None = None,
    by: User | None = None,
) -> None:
    made.state, made.accepted_at, made.terms, made.decided_by = State.ACCEPTED, at, terms, by
    made.save(update_fields=["state", "accepted_at", "terms", "decided_by"])
    _record("accepted", made, at, {"terms": terms.pk if terms else None})
    if made.child.owner_id != made.parent.owner_id:
        conflicts.settle_derived(child=made.child, parent=made.parent, at=at)


def _close(
    made: Derivation, state: str, at: datetime, *, reason: str = "", by: User | None = None
) -> None:
    made.state, made.ended_at, made.reason, made.decided_by = state, at, reason, by
    made.save(update_fields=["state", "ended_at", "reason", "decided_by"])
    _record(state, made, at, {})


def _locked(derivation: Derivation, *states: str) -> Derivation:
    rows = Derivation.objects.select_related("child__owner", "parent__owner", "source__dataset")
    locked = rows.select_for_update(of=("self",), no_key=True).get(pk=derivation.pk)
    if locked.state not in states:
        raise DecidedAlready(_("It is %(state)s.") % {"state": within(locked.state)})
    return locked


def _require(party: Party, dataset: Dataset) -> None:
    if dataset.owner_id != party.pk:
        raise NotYourDecision


def _record(kind: str, made: Derivation, at: datetime, body: dict[str, Any]) -> None:
    ledger.record(
        f"derivation.{kind}",
        at=at,
        subject_kind="derivation",
        subject_id=made.pk,
        party=made.child.owner,
        other_party=made.parent.owner,
        body={
            "child": made.child_id,
            "parent": made.parent_id,
            "source": made.source_id,
            "policy": made.policy,
            "basis_points": made.basis_points,
            **body,
        },
    )


def _record_terms(terms: DerivativeTerms, kind: str, at: datetime) -> None:
    ledger.record(
        kind,
        at=at,
        subject_kind="licence",
        subject_id=terms.licence_id,
        party=terms.licence.dataset.owner,
        body={"policy": terms.policy, "basis_points": terms.basis_points},
    )


def of_dataset(dataset_id: uuid.UUID) -> list[Derivation]:
    """What stands between a dataset and others, in either direction, the newest first."""
    rows = Derivation.objects.standing().filter(Q(child=dataset_id) | Q(parent=dataset_id))
    return list(
        rows.select_related("child__owner", "parent__owner", "source__dataset__owner").order_by(
            "-declared_at"
        )
    )
