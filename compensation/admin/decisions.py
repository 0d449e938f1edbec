"""How operators decide conflicts and appeals: over the limit of the money in them, two do."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation.admin.approving import done_or_put_forward, limited
from compensation.limits import Act
from provenance.access import Viewer
from provenance.admin.conflict_forms import DecisionForm
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb
from provenance.models import Conflict, Proposal

State = Conflict.State


def _body(conflict: Conflict, cleaned: dict[str, Any]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    if cleaned["kinds"]:
        chosen["kind"] = cleaned["kinds"]
    if cleaned["record_ids"]:
        chosen["record_ids"] = cleaned["record_ids"]
    return {
        "conflict": str(conflict.pk),
        "outcome": cleaned["outcome"],
        "reasons": cleaned["reasons"],
        "filter": chosen,
        "earlier_basis_points": cleaned["earlier_parts"],
        "from_the_start": cleaned["from_the_start"],
    }


def _decide(request: HttpRequest, conflict: Any, cleaned: dict[str, Any]) -> Outcome:
    return done_or_put_forward(
        request,
        Proposal.Kind.DECISION,
        str(conflict.pk),
        _body(conflict, cleaned),
        lambda made: _(
            "Decided. Both sides were told, with the reasons; either may appeal within 30 days."
        ),
    )


def _decide_appeal(request: HttpRequest, conflict: Any, cleaned: dict[str, Any]) -> Outcome:
    return done_or_put_forward(
        request,
        Proposal.Kind.APPEAL,
        str(conflict.pk),
        _body(conflict, cleaned),
        lambda made: _("The appeal is decided. Both sides were told, with the reasons."),
    )


def _may(state: Conflict.State, kind: Proposal.Kind) -> Any:
    """Where it is an operator's turn, and nothing waits for a second one."""

    def check(viewer: Viewer, conflict: Any) -> bool:
        if not viewer.is_operator or conflict.state != state:
            return False
        waits = Proposal.objects.filter(
            kind=kind, subject=str(conflict.pk), state=Proposal.State.OPEN
        )
        return not waits.exists()

    return check


site.add_verb(
    Conflict,
    Verb(
        "decide",
        _lazy("Decide"),
        "rights",
        _decide,
        DecisionForm,
        limited(Act.DECISION, _lazy("Money moves as you decide; what is left open stays held.")),
        offered=_may(State.DECIDING, Proposal.Kind.DECISION),
        is_inline=True,
    ),
)
site.add_verb(
    Conflict,
    Verb(
        "decide-appeal",
        _lazy("Decide the appeal"),
        "rights",
        _decide_appeal,
        DecisionForm,
        _lazy("Somebody else decided first; you look afresh."),
        offered=_may(State.APPEALED, Proposal.Kind.APPEAL),
        is_inline=True,
    ),
)
