"""Whether a grant covers a use, and what it is priced by then.

A use that no grant covers is told to its lab first. For GRANT_WAIT_DAYS the owner is not shown it
and nothing is charged; a grant that is given in that time covers all of it, at the list price of
when its run started. After that the owner sees it, and it costs nothing: there is no agreement.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction

from provenance import ledger, quoting, receipts
from provenance.models import DatasetVersion, Grant, Rate, Run, Usage
from provenance.models.runs import UsageQuerySet

State = DatasetVersion.State
# A grant that is given in the last moment may not be seen at once by whoever looks for it.
SETTLING = timedelta(minutes=5)
BATCH = 1_000


def judge(usage: Usage, root: Run, version: DatasetVersion | None, used_at: datetime) -> None:
    """Make the next revision, with its grant and flags.

    A grant once found stays: a started run continues.
    """
    usage.revision += 1
    usage.used_at = max(usage.used_at, used_at)
    usage.is_unknown = version is None
    if version is None:
        return
    if usage.grant_id is None:
        _find_grant(usage, root, version, used_at)
    is_own = version.dataset.owner_id == root.lab_id
    usage.is_ungranted = usage.grant_id is None and not is_own
    if not usage.is_ungranted:
        usage.awaits_grant_until = None
    elif usage.awaits_grant_until is None:
        usage.awaits_grant_until = usage.reported_at + timedelta(days=settings.GRANT_WAIT_DAYS)
    taken_back = version.state != State.SEALED
    since = version.withdrawn_at or version.erased_at
    if taken_back and since is not None and used_at >= since:
        usage.is_of_withdrawn = True


def _find_grant(usage: Usage, root: Run, version: DatasetVersion, used_at: datetime) -> None:
    """The grant that was valid at the use, else the one that is valid when we hear of it."""
    quoted = quoting.quoted(root, version, usage.purpose)
    covering = partial(
        Grant.objects.covering,
        lab=root.lab,
        version=version,
        purpose=usage.purpose,
        licence=quoted.licence_id if quoted else None,
    )
    grant = covering(at=used_at)
    if grant is not None:
        usage.grant, usage.rate = grant, quoting.rate_of(grant, quoted)
        return
    grant = covering(at=usage.reported_at)
    if grant is not None:
        usage.grant, usage.rate = grant, _list_price(usage, root, version, grant)


@transaction.atomic
def cover(grant: Grant, *, at: datetime) -> int:
    """Let a grant cover what its lab used before and the owner was not told of yet; how many uses.

    What somebody else writes to in this moment is left to `cover_missed`, so that nobody waits
    for us while we wait for another.
    """
    rows = _locked(at).filter(
        run__lab=grant.lab_id,
        version__dataset=grant.dataset_id,
        purpose__in=grant.purposes,
    )
    covered = list(rows.order_by("pk"))
    for usage in covered:
        _take(usage, grant, at)
    return len(covered)


def cover_missed(*, at: datetime) -> int:
    """Cover the uses whose grant was given in time and passed them by; how many. Safe to repeat."""
    waiting = Usage.objects.awaiting_grant(at - SETTLING).order_by("awaits_grant_until", "pk")
    return sum(_cover_one(usage, at) for usage in waiting.values_list("pk", flat=True)[:BATCH])


@transaction.atomic
def _cover_one(pk: UUID, at: datetime) -> bool:
    usage = _locked(at - SETTLING).filter(pk=pk).first()
    if usage is None or usage.version is None or usage.awaits_grant_until is None:
        return False
    grant = Grant.objects.covering(
        lab=usage.run.lab,
        version=usage.version,
        purpose=usage.purpose,
        at=min(at, usage.awaits_grant_until),
    )
    if grant is None:
        return False
    _take(usage, grant, at)
    return True


def _locked(at: datetime) -> UsageQuerySet:
    waiting = Usage.objects.awaiting_grant(at)
    waiting = waiting.select_related("run__lab", "version__dataset__owner")
    return waiting.select_for_update(of=("self",), skip_locked=True)


def _take(usage: Usage, grant: Grant, at: datetime) -> None:
    """Put a use under a grant that came later: its next revision, with the same counters."""
    assert usage.version is not None, "what waits for a grant has its version"
    usage.grant = grant
    usage.rate = _list_price(usage, usage.run, usage.version, grant)
    usage.revision += 1
    usage.is_ungranted, usage.awaits_grant_until = False, None
    usage.save(update_fields=["grant", "rate", "revision", "is_ungranted", "awaits_grant_until"])
    record(usage, at=at)


def _list_price(usage: Usage, root: Run, version: DatasetVersion, grant: Grant) -> Rate | None:
    """What a use is priced by whose grant came later.

    The run's quote, if it has one of this licence; else the licence's price when the run started,
    or the one that the grant froze where it had none then. A subscription pays for whole months.
    """
    quoted = quoting.quoted(root, version, usage.purpose)
    if quoted is not None and quoted.licence_id == grant.licence_id:
        return quoted.rate
    if grant.subscription is not None and _is_paid_month(grant, root.started_at):
        return None
    return Rate.objects.in_force(grant.licence, root.started_at) or grant.rate


def _is_paid_month(grant: Grant, moment: datetime) -> bool:
    """Whether a grant's subscription pays for the month of a moment before it."""
    assert grant.subscription is not None, "the grant comes with a subscription"
    begun = grant.subscription.started_at.astimezone(ZoneInfo(settings.PERIOD_ZONE))
    return moment >= begun.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def record(usage: Usage, *, at: datetime) -> None:
    """Write a usage's revision, as it stands, into the ledger."""
    version, root = usage.version, usage.run
    commitment = receipts.covering(usage)
    ledger.record(
        "dataset.used",
        at=at,
        subject_kind="usage",
        subject_id=usage.id,
        party=root.lab,
        other_party=version.dataset.owner if version else None,
        body={
            "run": root.pseudonym,
            "version": usage.version_id,
            "purpose": usage.purpose,
            "meter": usage.meter,
            "grant": usage.grant_id,
            "revision": usage.revision,
            "records": usage.record_count,
            "tokens": usage.token_count,
            "epochs": usage.epoch_count,
            "fetches": usage.fetch_count,
            "is_unknown": usage.is_unknown,
            "is_ungranted": usage.is_ungranted,
            "is_of_withdrawn": usage.is_of_withdrawn,
            **({"receipts": commitment} if commitment else {}),
        },
    )
