"""What parties are told when a dataset passes from one to another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from provenance.models import Event, Notice, OwnershipTransfer
from provenance.notices.kinds import OWNERS, Kind, Topic, register
from provenance.notices.telling import follows, tell

_PAGE = "admin:provenance_ownershiptransfer_change"


def _offered(rows: Sequence[Notice], at: datetime) -> set[UUID]:
    waiting = OwnershipTransfer.objects.filter(state=OwnershipTransfer.State.PROPOSED)
    offered = waiting.in_bulk({row.about for row in rows})
    return {row.pk for row in rows if UUID(row.about) in offered}


register(
    Kind(
        "ownership.offered",
        Topic.DEADLINES,
        _("A dataset is to be handed over to you"),
        _("%(giver)s hands %(dataset)s over to you"),
        _(
            "From the moment you take it over it is yours and earns for you, with its licences, "
            "grants and debts. Until %(until_at)s you may take it or refuse it."
        ),
        _PAGE,
        "rights",
        _("Take it or refuse it"),
        awaited=_offered,
        reaches=OWNERS,
    ),
    Kind(
        "ownership.leaving",
        Topic.SECURITY,
        _("A dataset of yours is to pass to somebody else"),
        _("%(dataset)s is to pass from you to %(receiver)s"),
        _(
            "It passes when %(receiver)s takes it over, until %(until_at)s. If nobody of you meant "
            "this, withdraw it, or write to the operator where operators proposed it."
        ),
        _PAGE,
        "rights",
        _("See why"),
        reaches=OWNERS,
    ),
    Kind(
        "ownership.passed",
        Topic.SECURITY,
        _("A dataset passed from one owner to another"),
        _("%(dataset)s passed from %(giver)s to %(receiver)s"),
        _(
            "What was used before earns for %(giver)s, what is used since for %(receiver)s. "
            "What was earned stays where it is."
        ),
        _PAGE,
        "rights",
        reaches=OWNERS,
    ),
    Kind(
        "ownership.stayed",
        Topic.SECURITY,
        _("A dataset did not pass to another owner"),
        _("%(dataset)s stays with %(giver)s"),
        _("It does not pass to %(receiver)s: %(what_became)s. %(answer)s"),
        _PAGE,
        "rights",
        reaches=OWNERS,
    ),
)


@follows("ownership.proposed")
def _proposed(event: Event) -> None:
    transfer, shared = _facts(event)
    until = {"until_at": transfer.expires_at}
    tell(
        "ownership.offered",
        party=transfer.receiver,
        deadline_at=transfer.expires_at,
        **shared,
        **until,
    )
    tell("ownership.leaving", party=transfer.giver, **shared, **until)


@follows("dataset.transferred", "ownership.refused", "ownership.withdrawn", "ownership.expired")
def _ended(event: Event) -> None:
    transfer, shared = _facts(event)
    for party in (transfer.giver, transfer.receiver):
        if event.kind == "dataset.transferred":
            tell("ownership.passed", party=party, **shared)
        else:
            became = OwnershipTransfer.State(transfer.state).label
            answer = transfer.answer
            tell("ownership.stayed", party=party, what_became=became, answer=answer, **shared)


def _facts(event: Event) -> tuple[OwnershipTransfer, dict[str, Any]]:
    rows = OwnershipTransfer.objects.select_related("dataset__owner", "giver", "receiver")
    transfer = rows.get(pk=event.body["transfer"])
    return transfer, {
        "about": transfer.pk,
        "key": event.pk,
        "at": event.occurred_at,
        "dataset": transfer.dataset.title,
        "giver": transfer.giver,
        "receiver": transfer.receiver,
    }
