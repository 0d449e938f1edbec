"""What takes two people, on pages: done at once, or put forward with a link to what waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from compensation import approvals
from provenance.admin.verbs import Outcome, person_of
from provenance.models import Proposal


def done_or_put_forward(
    request: HttpRequest,
    kind: Proposal.Kind,
    subject: str,
    body: Mapping[str, Any],
    told: Callable[[Any], Outcome],
) -> Outcome:
    """Do it and say so with `told`; or go to the page of the proposal that waits now."""
    made = approvals.attempt(
        kind=kind, subject=subject[:64], body=body, by=person_of(request), at=timezone.now()
    )
    if not isinstance(made, Proposal):
        return told(made)
    messages.warning(
        request,
        _("This is over the limit for one person. Nothing was done yet: it waits for a second "
          "operator."),
    )  # fmt: skip
    return HttpResponseRedirect(reverse("admin:provenance_proposal_change", args=[made.pk]))
