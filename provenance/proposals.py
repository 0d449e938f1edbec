"""Acts that take two people: one puts them forward, another approves or refuses, with a reason.

What is to be done, and on which facts, is written down when it is put forward; approving does
exactly that, or nothing. Only `approve` is given a way to do it: the apps that act bring it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from tallymark.canonical import canonical

from provenance import ledger
from provenance.casework import operators
from provenance.models import Proposal, User
from provenance.refusals import Refused

State = Proposal.State
LASTS = timedelta(days=7)


class NotASecondPerson(Refused):
    """Whoever put it forward cannot approve it."""

    code = "not_a_second_person"
    status = 403
    hint = "Ask another operator; withdraw it if it should not be done."


class NotTheProposer(Refused):
    """Only who put it forward withdraws it."""

    code = "not_the_proposer"
    status = 403
    hint = "Refuse it, with a reason."


class ProposalEnded(Refused):
    """This proposal does not wait any more."""

    code = "proposal_ended"
    hint = "Look at it: it says what became of it. Put it forward anew if it is still wanted."


class ProposalVoid(Refused):
    """The facts that this proposal rests on have changed."""

    code = "proposal_void"
    hint = "Nothing was done. Look at the facts as they are now, and put it forward anew."


class AlreadyProposed(Refused):
    """Somebody has put this forward already."""

    code = "already_proposed"
    hint = "Approve or refuse what waits, or withdraw it before you put another one forward."


class NoReason(Refused):
    """A refusal has a reason."""

    code = "reason_missing"
    status = 400
    hint = "Say why: who put it forward reads it."


class NotAnOperatorsPerson(Refused):
    """Only operators put such things forward and approve them."""

    code = "not_an_operators_person"
    status = 403
    hint = "Ask an operator of this service."


@transaction.atomic
def propose(
    *,
    kind: Proposal.Kind,
    subject: str,
    body: Mapping[str, Any],
    basis: Mapping[str, Any],
    words: str,
    stake: str = "",
    by: User,
    at: datetime,
) -> Proposal:
    """Put an act forward; the same again, by the same person, is the one that waits.

    Raises AlreadyProposed where something else waits for the same subject.
    """
    _require_operator(by)
    waiting = Proposal.objects.select_for_update().filter(
        kind=kind, subject=subject, state=State.OPEN
    )
    for one in waiting:
        if one.expires_at <= at:
            _end(one, State.EXPIRED, None, "", at)
        elif (one.body, one.basis, one.proposed_by) == (dict(body), dict(basis), by):
            return one
        else:
            raise AlreadyProposed
    made = Proposal(
        kind=kind,
        subject=subject,
        body=dict(body),
        basis=dict(basis),
        salt=secrets.token_bytes(32),
        words=words,
        stake=stake[:200],
        proposed_by=by,
        proposed_at=at,
        expires_at=at + LASTS,
    )
    made.digest = digest_of(made)
    made.save(force_insert=True)
    _record("proposal.made", made, at)
    return made


def approve(
    *,
    proposal: Proposal,
    basis: Callable[[Proposal], Mapping[str, Any]],
    perform: Callable[[Proposal], str],
    by: User,
    at: datetime,
    reason: str = "",
) -> Proposal:
    """Do what was proposed, because a second person agrees; `perform` says what came of it.

    Raises NotASecondPerson, ProposalEnded, or ProposalVoid where `basis` is not what it was; what
    `perform` refuses leaves the proposal waiting.
    """
    with transaction.atomic():
        locked = _waiting(proposal, by)
        if locked.proposed_by == by:
            raise NotASecondPerson
        if locked.expires_at <= at:
            _end(locked, State.EXPIRED, None, "", at)
        elif dict(basis(locked)) != locked.basis:
            _end(locked, State.VOID, None, "", at)
        else:
            assert digest_of(locked) == bytes(locked.digest), "a proposal is as it was made"
            _do(locked, perform, by, reason, at)
    # What ended it is kept, and told.
    if locked.state == State.EXPIRED:
        raise ProposalEnded
    if locked.state == State.VOID:
        raise ProposalVoid
    return locked


def _do(
    proposal: Proposal, perform: Callable[[Proposal], str], by: User, reason: str, at: datetime
) -> None:
    try:
        with transaction.atomic():
            proposal.outcome = perform(proposal)[:300]
    except ProposalVoid:
        _end(proposal, State.VOID, None, "", at)
    else:
        _end(proposal, State.APPROVED, by, reason.strip(), at)


@transaction.atomic
def refuse(*, proposal: Proposal, reason: str, by: User, at: datetime) -> Proposal:
    """A second person does not agree. Raises NotASecondPerson, NoReason or ProposalEnded."""
    locked = _waiting(proposal, by)
    if locked.proposed_by == by:
        raise NotASecondPerson
    if not reason.strip():
        raise NoReason
    return _end(locked, State.REFUSED, by, reason.strip(), at)


@transaction.atomic
def withdraw(*, proposal: Proposal, by: User, at: datetime) -> Proposal:
    """Who put it forward takes it back. Raises NotTheProposer or ProposalEnded."""
    locked = _waiting(proposal, by)
    if locked.proposed_by != by:
        raise NotTheProposer
    return _end(locked, State.WITHDRAWN, by, "", at)


@transaction.atomic
def expire(*, at: datetime) -> int:
    """End what nobody approved in time; how many."""
    late = Proposal.objects.select_for_update(skip_locked=True).filter(
        state=State.OPEN, expires_at__lte=at
    )
    return len([_end(one, State.EXPIRED, None, "", at) for one in late])


def digest_of(proposal: Proposal) -> bytes:
    """SHA-256 of what is proposed and on which facts, in RFC 8785 JSON, salted."""
    plain = {
        "kind": str(proposal.kind),
        "subject": proposal.subject,
        "body": proposal.body,
        "basis": proposal.basis,
        "salt": bytes(proposal.salt).hex(),
    }
    return hashlib.sha256(canonical(plain)).digest()


def _waiting(proposal: Proposal, by: User) -> Proposal:
    _require_operator(by)
    rows = Proposal.objects.select_for_update(of=("self",)).select_related("proposed_by")
    locked = rows.get(pk=proposal.pk)
    if locked.state != State.OPEN:
        raise ProposalEnded
    return locked


def _require_operator(person: User) -> None:
    if not operators().filter(pk=person.pk).exists():
        raise NotAnOperatorsPerson


def _end(
    proposal: Proposal, state: Proposal.State, by: User | None, reason: str, at: datetime
) -> Proposal:
    proposal.state, proposal.decided_by, proposal.decided_at = state, by, at
    proposal.reason = reason
    proposal.save(update_fields=["state", "decided_by", "decided_at", "reason", "outcome"])
    _record(f"proposal.{state}", proposal, at)
    return proposal


def _record(kind: str, proposal: Proposal, at: datetime) -> None:
    ledger.record(
        kind,
        at=at,
        subject_kind="proposal",
        subject_id=proposal.id,
        body={
            "kind": str(proposal.kind),
            "digest": bytes(proposal.digest),
            "proposed_by": proposal.proposed_by_id,
            "decided_by": proposal.decided_by_id,
        },
    )
