"""What every step of a conflict needs: who stands where, what is held, and telling both sides."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, QuerySet
from django.utils.translation import gettext as _

from provenance import kept, ledger, reasons
from provenance.ledger import moment
from provenance.models import (
    Claim,
    Conflict,
    ContestedRecord,
    Dataset,
    Membership,
    Party,
    StatementOfReasons,
    Submission,
    User,
)
from provenance.refusals import Refused

# Decision 14: to claim, to answer, to reply and to decide; and to appeal.
STEP = timedelta(days=14)
APPEAL = timedelta(days=30)

State = Conflict.State
OPEN_STATES = (State.OPEN, State.CLAIMED, State.ANSWERED, State.DECIDING)


class NotASide(Refused):
    """Only the two owners of a conflict may speak in it."""

    code = "not_a_side"
    status = 403
    hint = "Sign in for the organisation that registered one of the two datasets."


class WrongMoment(Refused):
    """The conflict is not at the point where that can be done."""

    code = "wrong_moment"
    hint = "Look at the conflict's state: it says who is awaited, and until when."


class NotAnOperator(Refused):
    """Only an operator who belongs to neither side may do that."""

    code = "not_an_operator"
    status = 403
    hint = "Ask an operator who is a member of neither organisation."


def locked(conflict: Conflict) -> Conflict:
    """The conflict's row, held until the transaction ends."""
    rows = Conflict.objects.select_related("later__owner", "earlier__owner", "overlap")
    return rows.select_for_update(of=("self",), no_key=True).get(pk=conflict.pk)


def require_state(conflict: Conflict, *states: str) -> None:
    """Raise WrongMoment unless the conflict is in one of `states`."""
    if conflict.state not in states:
        raise WrongMoment(_("This conflict is '%(state)s'.") % {"state": conflict.state_words})


def side_of(conflict: Conflict, party: Party) -> Dataset:
    """The dataset with which `party` stands in the conflict."""
    for dataset in (conflict.later, conflict.earlier):
        if dataset.owner_id == party.pk:
            return dataset
    raise NotASide


def other(conflict: Conflict, dataset: Dataset) -> Dataset:
    """The dataset on the other side."""
    return conflict.earlier if dataset.pk == conflict.later_id else conflict.later


def submit(
    conflict: Conflict,
    party: Party,
    kind: str,
    text: str,
    by: User | None,
    at: datetime,
    *,
    agrees: bool = False,
) -> Submission:
    """Keep what a side said in this round."""
    return Submission.objects.create(
        conflict=conflict,
        party=party,
        kind=kind,
        round=conflict.round,
        text=text,
        agrees=agrees,
        made_by=by,
        made_at=at,
    )


def require_operator(conflict: Conflict, user: User) -> None:
    """Raise NotAnOperator unless `user` is an operator, and a member of neither side."""
    memberships = Membership.objects.filter(user=user)
    sides = (conflict.later.owner_id, conflict.earlier.owner_id)
    is_operator = memberships.filter(party__is_operator=True).exclude(party__in=sides).exists()
    if not is_operator or memberships.filter(party__in=sides).exists():
        raise NotAnOperator


def standing_claims(conflict: Conflict) -> list[Claim]:
    """The claims of this round that hold something, the first to take effect first."""
    rows = Claim.objects.standing().filter(conflict=conflict, round=conflict.round)
    claims = rows.select_related("claimant")
    return sorted(claims, key=lambda claim: (claim.admitted_at or claim.made_at, claim.made_at))


def claimant_and_respondent(conflict: Conflict) -> tuple[Dataset, Dataset]:
    """The sides of the first standing claim; there must be one."""
    claimant = side_of(conflict, standing_claims(conflict)[0].claimant)
    return claimant, other(conflict, claimant)


def held_records(conflict: Conflict, dataset: Dataset | None = None) -> QuerySet[ContestedRecord]:
    """The contested records that are held and not yet settled, of one side or of both."""
    held = conflict.contested.filter(
        held_since__isnull=False, released_at__isnull=True, resolution__isnull=True
    )
    return held if dataset is None else held.filter(record__dataset=dataset)


def in_question(conflict: Conflict) -> QuerySet[ContestedRecord]:
    """The held records of sides against which a claim stands: what a decision is about."""
    against = [other(conflict, side_of(conflict, c.claimant)) for c in standing_claims(conflict)]
    return held_records(conflict).filter(record__dataset__in=against)


def move(
    conflict: Conflict, state: str, *, awaits: Party | None = None, until: datetime | None = None
) -> None:
    """Put the conflict into `state`, with who is awaited and until when."""
    conflict.state, conflict.awaits, conflict.deadline_at = state, awaits, until
    conflict.save(update_fields=["state", "awaits", "deadline_at"])


def settle(conflict: Conflict, at: datetime) -> None:
    """Close a settled conflict; records found meanwhile, and still held, begin its next round."""
    if held_records(conflict).exists():
        reopen(conflict, at)
        return
    conflict.closed_at = at
    conflict.save(update_fields=["closed_at"])
    move(conflict, State.CLOSED)


def rest(conflict: Conflict, at: datetime) -> None:
    """Go on without a claim: the newcomer's hold runs to its end, and without one it is settled."""
    held = held_records(conflict, conflict.later).aggregate(since=Max("held_since"))
    if held["since"] is None:
        settle(conflict, at)
    else:
        move(conflict, State.OPEN, awaits=conflict.earlier.owner, until=held["since"] + STEP)


def reopen(conflict: Conflict, at: datetime) -> None:
    """Begin the next round, for records found since the last one was settled."""
    conflict.round += 1
    conflict.closed_at = None
    conflict.save(update_fields=["round", "closed_at"])
    move(conflict, State.OPEN, awaits=conflict.earlier.owner, until=at + STEP)


def tell(conflict: Conflict, kind: str, at: datetime, **facts: Any) -> None:
    """Give both sides a statement of reasons with the facts of the overlap."""
    facts = {**_facts(conflict), **{key: _plain(value) for key, value in facts.items()}}
    with kept.in_english():
        text, opening_words = reasons.write(kind, facts), reasons.opening()
    claimants = {claim.claimant_id for claim in standing_claims(conflict)}
    opening = {
        name
        for name, side in (("later", conflict.later), ("earlier", conflict.earlier))
        if side.is_fingerprint_only and side.owner_id in claimants
    }
    StatementOfReasons.objects.bulk_create(
        StatementOfReasons(
            conflict=conflict,
            party=side.owner,
            kind=kind,
            facts={**facts, "side": name},
            text=f"{text}\n{opening_words}" if name in opening else text,
            made_at=at,
        )
        for name, side in (("later", conflict.later), ("earlier", conflict.earlier))
    )


def note(conflict: Conflict, kind: str, at: datetime, **body: Any) -> None:
    """Record an event that concerns both sides."""
    ledger.record(
        f"conflict.{kind}",
        at=at,
        subject_kind="conflict",
        subject_id=conflict.id,
        party=conflict.later.owner,
        other_party=conflict.earlier.owner,
        body={"round": conflict.round, **body},
    )


def _facts(conflict: Conflict) -> dict[str, Any]:
    """What a statement says of the overlap: kinds and counts never without their detector."""
    rows = conflict.contested.filter(record__dataset=conflict.later)
    counted = rows.values_list("kind").annotate(count=Count("pk")).order_by("kind")
    facts: dict[str, Any] = {
        "later": str(conflict.later),
        "earlier": str(conflict.earlier),
        "counts": Counter(dict(counted)),
    }
    if (overlap := conflict.overlap) is not None:
        facts |= {
            "detector": overlap.detector,
            "interval": [overlap.interval_low, overlap.interval_high],
            "false_accusation_rate": overlap.false_accusation_rate,
        }
    return facts


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return moment(value)
    return str(value) if isinstance(value, Party | Dataset) else value
