"""What takes two people, on pages: done at once, or put forward with a link to what waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.translation import gettext as _

from compensation import approvals, limits
from compensation.models import Asset
from provenance.admin.verbs import Outcome, Words, person_of
from provenance.models import Proposal


def limited(act: limits.Act, explains: Words) -> Words:
    """What a verb says of itself, and above which amounts it takes two, as the limits are then."""

    def words() -> str:
        units = {one: limits.limit_units(act, one) for one in Asset.objects.order_by("symbol")}
        if not units:
            return str(explains)
        above = _("Above %(amounts)s a second operator must agree.")
        return f"{explains} {above % {'amounts': limits.in_words(units)}}"

    return lazy(words, str)()


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
