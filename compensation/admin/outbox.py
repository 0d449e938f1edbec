"""Dismissing what reverted for good, on the page of the transaction."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation.admin.approving import done_or_put_forward
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm
from provenance.models import OutboxTransaction, Proposal


class DismissForm(VerbForm):
    """Why nothing needs it any more."""

    reason = forms.CharField(
        max_length=300,
        label=_lazy("What was the cause, and why does nothing need it any more?"),
        help_text=_lazy("It is kept with the transaction."),
    )


def _dismiss(request: HttpRequest, row: Any, cleaned: dict[str, Any]) -> Outcome:
    return done_or_put_forward(
        request,
        Proposal.Kind.DISMISSAL,
        str(row.pk),
        {"transaction": row.pk, "reason": cleaned["reason"]},
        lambda made: _("It is dismissed, and never sent again."),
    )


site.add_verb(
    OutboxTransaction,
    Verb(
        "dismiss",
        _lazy("Dismiss it for good"),
        "develop",
        _dismiss,
        DismissForm,
        _lazy(
            "Where nothing needs it any more. It is never sent again. A batch of the ledger or a "
            "payout tree that waits for it cannot be dismissed; what carries money takes a second "
            "operator."
        ),
        offered=lambda viewer, row: (
            viewer.is_operator and row.state == OutboxTransaction.State.REVIEW
        ),
        tone="danger",
    ),
)
