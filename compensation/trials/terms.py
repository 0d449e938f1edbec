"""Grants, quotes and estimates of test runs: real terms and prices, and nobody is bound."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from compensation import months, quotes
from compensation.models import TrialGrant, TrialQuote
from compensation.quotes import Terms, Wanted
from compensation.trials import costs
from provenance import licensing
from provenance.models import (
    DatasetVersion,
    Grant,
    Licence,
    Party,
    QuoteItem,
    Rate,
    User,
)


@transaction.atomic
def request_grant(
    *,
    lab: Party,
    licence: Licence,
    purposes: Sequence[str],
    message: str = "",
    at: datetime,
    by: User | None = None,
) -> TrialGrant:
    """Have what a grant would give, at once: its owner is not asked. Asking twice is asking once.

    Raises what licensing.request_grant does.
    """
    licensing.require_offered(lab, licence, purposes)
    standing = TrialGrant.objects.filter(
        lab=lab, licence=licence, purposes__contains=list(purposes), valid_to__gt=at
    ).first()
    if standing is not None:
        return standing
    grant = Grant(
        lab=lab,
        dataset=licence.dataset,
        licence=licence,
        rate=licensing.rate_in_force(licence, at),
        purposes=sorted(set(purposes)),
        state=Grant.State.GIVEN,
        requested_by=by,
        requested_at=at,
        decided_at=at,
        decided_automatically=True,
        valid_from=at,
        valid_to=at + timedelta(days=licence.term_days),
    )
    names = (
        "dataset", "licence", "rate", "purposes", "state", "requested_at", "decided_at",
        "decided_automatically", "valid_from", "valid_to",
    )  # fmt: skip
    facts: dict[str, Any] = {name: getattr(grant, name) for name in names}
    return TrialGrant.objects.create(
        lab=lab, made_at=at, message=message, terms=licensing.frozen_terms(grant), **facts
    )


def covering(
    *,
    lab: Party,
    version: DatasetVersion,
    purpose: str,
    at: datetime,
    licence: UUID | None = None,
) -> TrialGrant | None:
    """The earliest test grant that covers a use at `at`; one of `licence` where it is named."""
    grants = TrialGrant.objects.filter(
        lab=lab,
        dataset=version.dataset_id,
        purposes__contains=[purpose],
        valid_from__lte=at,
        valid_to__gt=at,
    )
    named = grants.filter(licence=licence) if licence else grants
    return (named if licence and named.exists() else grants).order_by("decided_at", "id").first()


class Ground:
    """What test runs agreed and used before: nothing of it is in the books."""

    def terms(
        self, lab: Party, version: DatasetVersion, purpose: str, licence: UUID | None, at: datetime
    ) -> Terms:
        """The test grant's, else what is on offer. Raises NotOnOffer or SeveralLicences."""
        grant = covering(lab=lab, version=version, purpose=purpose, at=at, licence=licence)
        if grant is not None and licence in (None, grant.licence_id):
            return Terms(grant.licence, grant.rate)
        return quotes.on_offer(version, purpose, licence, at)

    def used(self, lab: Party, rate: Rate, period: str) -> int:
        """What test runs counted under the plan."""
        return costs.used_before(lab, rate, period)

    def period(self, at: datetime) -> str:
        """The calendar's month: tests open none in the journal."""
        return months.name_of(at)


def estimate(
    *, lab: Party, purpose: str, wanted: Sequence[Wanted], at: datetime
) -> list[QuoteItem]:
    """What a run would cost, item by item. Raises what quotes.reckon does."""
    _, items = quotes.reckon(lab=lab, purpose=purpose, wanted=wanted, at=at, ground=Ground())
    return items


@transaction.atomic
def make_quote(
    *,
    lab: Party,
    purpose: str,
    wanted: Sequence[Wanted],
    at: datetime,
    shown: Any,
) -> TrialQuote:
    """Price what is expected; `shown` says items as the API does. Raises as quotes.reckon."""
    quote, items = quotes.reckon(lab=lab, purpose=purpose, wanted=wanted, at=at, ground=Ground())
    return TrialQuote.objects.create(
        lab=lab,
        made_at=at,
        purpose=quote.purpose,
        period=quote.period,
        created_at=at,
        valid_until=quote.valid_until,
        items=shown(items),
        totals=quotes.totals_of(items),
    )
