"""Conflicts as they are decided here: over the limit of the money in them, by two people."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from compensation import approvals
from compensation.api.proposals import ProposalOut, put_forward
from provenance.api.conflict_facts import ConflictOut, DecisionIn
from provenance.api.conflicts import Conflicts
from provenance.api.door import IDEMPOTENCY
from provenance.api.idempotency import idempotent
from provenance.models import Proposal

DECIDED = {200: ConflictOut, 202: ProposalOut}


class DecidedConflicts(Conflicts):
    """Conflicts that the viewer is a side of; operators decide them."""

    @extend_schema(request=DecisionIn, responses=DECIDED, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"])
    @idempotent
    def decide(self, request: Request, pk: str) -> Response:
        """Decide it, for all open records or for some; 202 where a second operator must agree."""
        return self._decide(Proposal.Kind.DECISION)

    @extend_schema(request=DecisionIn, responses=DECIDED, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"], url_path="decide-appeal")
    @idempotent
    def decide_appeal(self, request: Request, pk: str) -> Response:
        """Decide the appeal: another operator than the one who decided first."""
        return self._decide(Proposal.Kind.APPEAL)

    def _decide(self, kind: Proposal.Kind) -> Response:
        conflict, by = self.judged()
        made = approvals.attempt(
            kind=kind,
            subject=str(conflict.pk),
            body={"conflict": str(conflict.pk), **self.read(DecisionIn)},
            by=by,
            at=timezone.now(),
        )
        return put_forward(made) if isinstance(made, Proposal) else self.now()
