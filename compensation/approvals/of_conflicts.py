"""Deciding conflicts and appeals: over the limit of the money in them, by two people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from compensation import limits, stakes
from compensation.approvals.ways import Body, Kind, Perform, Way
from compensation.limits import Act
from compensation.models import Asset
from provenance import conflicts
from provenance.conflicts import NotAnOperator, require_operator
from provenance.models import Conflict, Proposal, Resolution, User


def _conflict(body: Body) -> Conflict:
    rows = Conflict.objects.select_related("later__owner", "earlier__owner")
    return rows.get(pk=body["conflict"])


def _decision(
    decide: Callable[..., Any],
) -> Perform:
    def perform(body: Body, by: User | None, at: datetime, approved: int | None) -> Any:
        if by is None:
            raise NotAnOperator
        conflict = _conflict(body)
        if approved is None:
            held = stakes.of_conflicts([conflict.pk]).get(str(conflict.pk), {})
            limits.require(Act.DECISION, held)
        terms = {name: body[name] for name in _TERMS if name in body}
        return decide(conflict=conflict, by=by, at=at, **terms)

    return perform


_TERMS = ("outcome", "reasons", "filter", "earlier_basis_points", "from_the_start")


def _standing_of(body: Body) -> dict[str, Any]:
    """What a decision rests on: where the conflict stands, what was said, and the money in it."""
    conflict = _conflict(body)
    held = stakes.of_conflicts([conflict.pk]).get(str(conflict.pk), {})
    resolved = conflict.resolutions.order_by("decided_at").values_list("pk", flat=True)
    return {
        "state": conflict.state,
        "round": conflict.round,
        "claims": sorted(str(pk) for pk in conflict.claims.values_list("pk", flat=True)),
        "said": conflict.submissions.count(),
        "resolutions": [str(pk) for pk in resolved],
        "records": conflict.contested.count(),
        "held": {asset.code: str(units) for asset, units in sorted(held.items(), key=_by_code)},
    }


def _by_code(item: tuple[Asset, int]) -> str:
    return item[0].code


def _decision_words(body: Body) -> str:
    conflict = _conflict(body)
    outcome = str(Resolution.Outcome(body["outcome"]).label)
    if body["outcome"] == "shared":
        outcome = _noop("%(outcome)s (%(share)s %% to the earlier side)") % {
            "outcome": outcome,
            "share": f"{body.get('earlier_basis_points', 5000) / 100:g}",
        }
    words = {
        (True, False): _noop("%(sides)s: %(outcome)s, from the start, for all open records."),
        (True, True): _noop("%(sides)s: %(outcome)s, from the start, for some of the records."),
        (False, False): _noop("%(sides)s: %(outcome)s, from now on, for all open records."),
        (False, True): _noop("%(sides)s: %(outcome)s, from now on, for some of the records."),
    }[bool(body.get("from_the_start", True)), bool(body.get("filter"))]
    sides = f"{conflict.later.title} / {conflict.earlier.title}"
    return f"{words % {'sides': sides, 'outcome': outcome}}\n{body['reasons']}"


def _may_judge(body: Body, person: User) -> None:
    """The second person belongs to neither side either."""
    require_operator(_conflict(body), person)


def _may_judge_appeal(body: Body, person: User) -> None:
    """Nor did the second person decide, or approve, what is appealed."""
    _may_judge(body, person)
    conflict = _conflict(body)
    first = conflict.resolutions.filter(round=conflict.round, decided_by=person)
    if first.exists() or _approved_first(conflict, person):
        raise NotAnOperator(_("You decided this before: other operators decide the appeal."))


def _approved_first(conflict: Conflict, person: User) -> bool:
    return Proposal.objects.filter(
        kind=Kind.DECISION,
        subject=str(conflict.pk),
        state=Proposal.State.APPROVED,
        decided_by=person,
        basis__round=conflict.round,
    ).exists()


def _appeal(body: Body, by: User | None, at: datetime, approved: int | None) -> Any:
    """Decide an appeal; not by whom approved the decision."""
    if by is not None and _approved_first(_conflict(body), by):
        raise NotAnOperator(_("You approved the decision: another operator decides the appeal."))
    return _decision(conflicts.decide_appeal)(body, by, at, approved)


WAYS: dict[Proposal.Kind, Way] = {
    Kind.DECISION: Way(
        perform=_decision(conflicts.decide),
        basis=_standing_of,
        words=_decision_words,
        told=lambda made: _noop("Decided: %(outcome)s") % {"outcome": made.get_outcome_display()},
        right="rights",
        check=_may_judge,
    ),
    Kind.APPEAL: Way(
        perform=_appeal,
        basis=_standing_of,
        words=_decision_words,
        told=lambda made: (
            _noop("Decided on appeal: %(outcome)s") % {"outcome": made.get_outcome_display()}
        ),
        right="rights",
        check=_may_judge_appeal,
    ),
}
