"""What labs owe for a month beside their priced use: subscriptions, minimums, shares of revenue.

Each pool is one lab's, of one month, and is settled once the month has ended:

- a *subscription* owes its bundle's price for every month it touches, shared among the bundle's
  datasets by what was used of them in that month under it. Where nothing was used the owner keeps
  it, shared by the size of the newest versions.
- a *minimum* owes what a plan's charges of the month lack, shared by the use that they counted. A
  month without use under the plan owes nothing.
- a *revenue* pool owes, of what the lab reported a model to have earned, the use-weighted basis
  points of the licences with a share of revenue that its runs used, shared by use times points.

How an amount is shared stands in compensation/sharing.py; billing charges and divides each share
like any other revenue of that version.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from compensation import billing, journal, months, uses
from compensation.models import (
    Account,
    Asset,
    Balance,
    Charge,
    Pool,
    PoolShare,
    RevenueReport,
    Stage,
    Tally,
)
from compensation.sharing import Use, shared_out
from provenance import ledger
from provenance.models import Subscription
from provenance.models.ids import new_id

# What billing was about to charge when a month ended is in before the month is settled.
GRACE = timedelta(hours=1)
# Of the numbers below, so that nothing else ever makes the same.
NUMBERS = UUID("6f6a58c4-8f6b-4d5e-9a39-0a4a0c4f3a11")


def settle_due(*, at: datetime, limit: int = 500) -> int:
    """Open the pools of the months that have ended, and charge those that can be paid; how many.

    Each is one transaction of its own: killed anywhere, the next run goes on.
    """
    last = months.name_of(at - GRACE)
    for subject in _due_subjects(last):
        _open(subject, last=last, at=at)
    waiting = Pool.objects.filter(settled_at=None).order_by("opened_at", "pk")
    return sum(settle(one, at=at) for one in list(waiting.values_list("pk", flat=True)[:limit]))


@transaction.atomic
def settle(pool_id: UUID, *, at: datetime) -> bool:
    """Charge a pool whole, if the lab's money covers what is not paid yet. Safe to repeat."""
    journal.lock()
    pool = Pool.objects.select_related("lab", "asset", "report").get(pk=pool_id)
    if pool.settled_at is not None:
        return False
    shares = list(pool.shares.filter(amount_units__gt=0).order_by("version"))
    if not is_superseded(pool):
        needed = sum(share.amount_units for share in shares) - _paid(shares)
        if needed > 0 and not _covers(pool, needed):
            return False
        _charge(pool, shares, at)
    pool.settled_at = at
    pool.save(update_fields=["settled_at"])
    return True


def is_superseded(pool: Pool) -> bool:
    """Whether a later report took the place of the one that a pool is about."""
    report = pool.report
    if report is None:
        return False
    later = RevenueReport.objects.filter(
        model=report.model_id, asset=report.asset_id, period=report.period
    )
    return later.filter(revision__gt=report.revision).exists()


def _charge(pool: Pool, shares: Sequence[PoolShare], at: datetime) -> None:
    """Have billing charge each share; a share charged before is charged what it grew by."""
    if not shares:
        return
    batch = new_id()
    Stage.objects.bulk_create(
        Stage(
            batch=batch,
            usage_id=share.number,
            revision=pool.revision,
            kind=pool.kind,
            lab=pool.lab,
            version_id=share.version_id,
            record_count=0,
            token_count=0,
            used_at=min(at, months.end(pool.period)),
            fixed_units=share.amount_units,
            asset=pool.asset,
            counted=pool.counted,
        )
        for share in shares
    )
    billing.bill_stage(batch, at=at)
    assert _paid(shares) >= sum(share.amount_units for share in shares), "it was covered"


def _paid(shares: Sequence[PoolShare]) -> int:
    """What has been charged for these shares so far, earlier revisions included."""
    charged = Charge.objects.filter(usage__in=[share.number for share in shares])
    return sum(charged.values_list("amount_units", flat=True))


def _covers(pool: Pool, needed: int) -> bool:
    account = journal.account(Account.Kind.LAB, pool.asset, party=pool.lab)
    balance = Balance.objects.get(account=account)
    return balance.floor is None or needed <= balance.posted - balance.held - balance.floor


Subject = Subscription | Tally | RevenueReport


def _due_subjects(last: str) -> Iterable[Subject]:
    """What months before `last`, the first that goes on, may owe for and have no pool of yet."""
    yield from Subscription.objects.select_related("lab", "bundle__owner").order_by("pk")
    short = Tally.objects.filter(period__lt=last, pool=None)
    yield from short.filter(plan__minimum_units__gt=F("charged_units")).order_by("pk")
    said_again = RevenueReport.objects.filter(
        model=OuterRef("model"),
        asset=OuterRef("asset"),
        period=OuterRef("period"),
        revision__gt=OuterRef("revision"),
    )
    reports = RevenueReport.objects.filter(~Exists(said_again), period__lt=last, pool=None)
    yield from reports.order_by("pk")


def _open(subject: Subject, *, last: str, at: datetime) -> None:
    if isinstance(subject, Subscription):
        _open_subscription(subject, last=last, at=at)
    elif isinstance(subject, Tally):
        _open_minimum(subject.pk, at=at)
    else:
        _open_revenue(subject.pk, at=at)


def _open_subscription(subscription: Subscription, *, last: str, at: datetime) -> None:
    """A pool for each month that the subscription touches and that has ended."""
    asset = Asset.objects.filter(code=subscription.bundle.asset).first()
    if asset is None:
        return  # it is owed as soon as the asset is registered
    made = set(subscription.pools.values_list("period", flat=True))
    for period in months.between(subscription.started_at, subscription.ends_at, last):
        if period in made:
            continue
        with transaction.atomic():
            journal.lock()
            counted, found = uses.of_subscription(subscription, period)
            if not found:
                continue  # the owner has no sealed version to share it among
            pool = Pool(
                id=uuid5(NUMBERS, f"subscription:{subscription.pk}:{period}"),
                kind=Pool.Kind.SUBSCRIPTION,
                lab=subscription.lab,
                asset=asset,
                period=period,
                amount_units=subscription.bundle.price_units,
                whole_use=sum(use.quantity for use in found),
                counted=counted,
                subscription=subscription,
                opened_at=at,
            )
            _keep(pool, found, f"subscription:{subscription.pk}:{period}", at)


@transaction.atomic
def _open_minimum(tally_id: int, *, at: datetime) -> None:
    """A pool of what a tally's charges lack of the plan's minimum."""
    journal.lock()
    rows = Tally.objects.select_related("account__party", "account__asset", "plan")
    tally = rows.get(pk=tally_id)
    lacking = tally.plan.minimum_units - tally.charged_units
    counted, found = uses.of_tally(tally)
    if lacking <= 0 or not found or tally.account.party is None:
        return
    pool = Pool(
        id=uuid5(NUMBERS, f"minimum:{tally.pk}"),
        kind=Pool.Kind.MINIMUM,
        lab=tally.account.party,
        asset=tally.account.asset,
        period=tally.period,
        amount_units=lacking,
        whole_use=sum(use.quantity for use in found),
        counted=counted,
        tally=tally,
        opened_at=at,
    )
    _keep(pool, found, f"minimum:{tally.pk}", at)


@transaction.atomic
def _open_revenue(report_id: UUID, *, at: datetime) -> None:
    """A pool of a report; corrections are shared by the use that the first one was."""
    journal.lock()
    report = RevenueReport.objects.select_related("model__lab", "asset").get(pk=report_id)
    name = f"revenue:{report.model_id}:{report.asset_id}:{report.period}"
    earlier = Pool.objects.filter(
        report__model=report.model_id, report__asset=report.asset_id, period=report.period
    )
    last = earlier.select_related("report").order_by("revision").last()
    counted, whole, found = _again(last) if last else uses.of_model(report.model)
    if not found:
        return  # its runs used nothing that has a share of revenue, so far
    pool = Pool(
        id=uuid5(NUMBERS, f"{name}:{report.revision}"),
        kind=Pool.Kind.REVENUE,
        lab=report.model.lab,
        asset=report.asset,
        period=report.period,
        revision=report.revision,
        amount_units=report.revenue_units,
        whole_use=whole,
        counted=counted,
        report=report,
        opened_at=at,
    )
    _keep(pool, found, name, at, last)


def _again(pool: Pool) -> tuple[str, int, list[Use]]:
    """The use by which an earlier pool was shared."""
    rows = pool.shares.select_related("version__dataset").order_by("version")
    found = [Use(row.version.dataset.owner_id, row.version_id, int(row.use)) for row in rows]
    return pool.counted, int(pool.whole_use), found


def _keep(
    pool: Pool, found: Sequence[Use], name: str, at: datetime, last: Pool | None = None
) -> None:
    """Keep a pool with its shares, each grown from that of the `last` one, and tell the ledger."""
    pool.save(force_insert=True)
    before = last.amount_units if last else 0
    grown = shared_out(pool.amount_units, found, int(pool.whole_use), before=before)
    had = dict(last.shares.values_list("version", "amount_units")) if last else {}
    parts = {version: units + had.get(version, 0) for version, units in grown.items()}
    PoolShare.objects.bulk_create(
        PoolShare(
            pool=pool,
            version_id=use.version,
            number=uuid5(NUMBERS, f"{name}:{use.version}"),
            use=use.quantity,
            amount_units=parts[use.version],
        )
        for use in sorted(found, key=lambda one: one.version)
    )
    ledger.record(
        "pool.opened",
        at=at,
        subject_kind="pool",
        subject_id=pool.pk,
        party=pool.lab,
        body={
            "kind": str(pool.kind),
            "period": pool.period,
            "revision": pool.revision,
            "asset": pool.asset.code,
            "amount_units": str(pool.amount_units),
            "whole_use": str(pool.whole_use),
            "shares": [[str(version), str(units)] for version, units in sorted(parts.items())],
        },
    )
