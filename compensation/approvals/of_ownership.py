"""Passing a dataset on because a paper says so: always by two operators."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.translation import gettext_noop as _noop

from compensation.approvals.ways import APPROVED_BY, Body, Kind, Way
from compensation.limits import AlwaysTwo
from provenance import ownership
from provenance.models import Dataset, OwnershipTransfer, Party, Proposal, User


def _dataset(body: Body) -> Dataset:
    return Dataset.objects.select_related("owner").get(pk=body["dataset"])


def _pass_on(
    body: Body, by: User | None, at: datetime, approved: int | None
) -> OwnershipTransfer | None:
    """Offer it to the receiver, or say only whether that could be done while nobody approved."""
    receiver = Party.objects.get(pk=body["receiver"])
    terms = {"dataset": _dataset(body), "receiver": receiver, "reason": body["reason"], "at": at}
    if APPROVED_BY not in body:
        ownership.require_transferable(**terms)
        if approved is None:
            raise AlwaysTwo
        return None
    second = User.objects.get(pk=body[APPROVED_BY])
    return ownership.propose_transfer(**terms, by=by, paper=body["paper"], confirmed_by=second)


def _words(body: Body) -> str:
    dataset, receiver = _dataset(body), Party.objects.get(pk=body["receiver"])
    # The first line is said in the reader's language, the person's own words below it as they are.
    words = _noop(
        "%(title)s passes from %(owner)s to %(receiver)s, once %(receiver)s accepts. The paper "
        "that says so: %(paper)s"
    ) % {
        "title": dataset.title,
        "owner": dataset.owner,
        "receiver": receiver,
        "paper": body["paper"],
    }
    return f"{words}\n{body['reason']}"


def _basis(body: Body) -> dict[str, Any]:
    """Whose it is."""
    return {"owner": str(_dataset(body).owner_id)}


WAYS: dict[Proposal.Kind, Way] = {
    Kind.TRANSFER: Way(
        perform=_pass_on,
        basis=_basis,
        words=_words,
        told=lambda made: (
            _noop("Offered to %(receiver)s, until %(day)s.")
            % {"receiver": made.receiver, "day": f"{made.expires_at:%Y-%m-%d}"}
        ),
        right="rights",
    ),
}
