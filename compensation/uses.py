"""What was used, by version: what pools are shared by.

A pool counts tokens where every version in it has some, else records; both with repeats, as the
charges counted them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Max, Q

from compensation import months, pricing
from compensation.models import Tally, WeightVersion
from compensation.sharing import Use
from provenance.models import (
    DatasetVersion,
    Rate,
    Run,
    RunEdge,
    Subscription,
    TrainedModel,
    Usage,
)

Counted = WeightVersion.Counted
WHOLE = 10_000  # basis points

# What the charges of some usages grew by, version by version. Charges hold counts from the start
# of a run, so each one's part is what it has more than the one before.
_GROWTH = """
SELECT u.version_id, sum(c.record_count - coalesce(l.record_count, 0)),
       sum(c.token_count - coalesce(l.token_count, 0)),
       sum(c.epoch_count - coalesce(l.epoch_count, 0)),
       sum(c.fetch_count - coalesce(l.fetch_count, 0)),
       count(*) FILTER (WHERE l.revision IS NULL)
  FROM provenance_usage u
  JOIN compensation_charge c ON c.usage_id = u.id
  LEFT JOIN LATERAL (SELECT p.* FROM compensation_charge p
    WHERE p.usage_id = c.usage_id AND p.revision < c.revision
    ORDER BY p.revision DESC LIMIT 1) l ON true
 WHERE u.version_id IS NOT NULL AND {which}
 GROUP BY u.version_id
"""
_OF_GRANTS = """u.grant_id = ANY(%(grants)s) AND u.rate_id IS NULL AND c.charged_at >= %(start)s
   AND c.charged_at < %(end)s"""
_OF_TALLY = """c.tally_id = %(tally)s AND u.rate_id IN (
       SELECT id FROM provenance_rate WHERE plan_id = %(plan)s)
   AND u.run_id IN (SELECT id FROM provenance_run WHERE lab_id = %(lab)s)"""


@dataclass(frozen=True)
class Grown:
    """What charges counted of a version."""

    records: int
    tokens: int
    epochs: int
    fetches: int
    runs: int


def of_subscription(subscription: Subscription, period: str) -> tuple[str, list[Use]]:
    """What was used under a subscription in a month; by the versions' size if nothing was."""
    named = {
        "grants": list(subscription.grants.values_list("pk", flat=True)),
        "start": months.start(period),
        "end": months.end(period),
    }
    grown = _grown(_OF_GRANTS, named)
    versions = _versions(grown)
    counted = _counted(versions.values())
    found = _uses(
        versions,
        {
            key: one.tokens if counted == Counted.TOKENS else one.records
            for key, one in grown.items()
        },
    )
    return (counted, found) if found else _by_size(subscription)


def of_tally(tally: Tally) -> tuple[str, list[Use]]:
    """What a lab used under a plan in a month, by what the plan counts."""
    named = {"tally": tally.pk, "plan": tally.plan_id, "lab": tally.account.party_id}
    grown = _grown(_OF_TALLY, named)
    field = {
        Rate.Basis.PER_1K_RECORDS: "records",
        Rate.Basis.PER_1M_TOKENS: "tokens",
        Rate.Basis.FLAT_PER_RUN: "runs",
        Rate.Basis.PER_EPOCH: "epochs",
        Rate.Basis.PER_FETCH: "fetches",
    }[Rate.Basis(tally.plan.basis)]
    versions = _versions(grown)
    found = _uses(versions, {key: getattr(one, field) for key, one in grown.items()})
    return pricing.counted(tally.plan.basis), found or _alike(versions)


def of_model(model: TrainedModel) -> tuple[str, int, list[Use]]:
    """What the runs behind a model used under licences with a share of revenue, times the points.

    The second is what the whole revenue would be due for: 10,000 basis points of all that use.
    """
    rows = Usage.objects.filter(
        run__in=_runs_behind(model), version__isnull=False, rate__revenue_basis_points__gt=0
    ).select_related("version", "rate")
    versions = _versions({row.version_id for row in rows if row.version_id})
    counted = _counted(versions.values())
    weighted: dict[UUID, int] = {}
    whole = 0
    for row in rows:
        assert row.version is not None
        assert row.rate is not None
        used = _used(row, counted)
        whole += used * WHOLE
        points = used * row.rate.revenue_basis_points
        weighted[row.version.pk] = weighted.get(row.version.pk, 0) + points
    return counted, whole, _uses(versions, weighted)


def _used(row: Usage, counted: str) -> int:
    """A usage as billing counts it."""
    return row.record_count if counted == Counted.RECORDS else row.tokens_used


def _runs_behind(model: TrainedModel) -> set[UUID]:
    """The root runs that made a model, and those that made the lab's own models they began from."""
    runs: set[UUID] = set()
    models, seen = {model.pk}, set[UUID]()
    while models:
        seen |= models
        made = RunEdge.objects.filter(direction=RunEdge.Direction.PRODUCED, model__in=models)
        tops = {row.run.top.pk for row in made.select_related("run__root")} - runs
        runs |= tops
        read = RunEdge.objects.filter(
            Q(run__in=tops) | Q(run__root__in=tops),
            direction=RunEdge.Direction.CONSUMED,
            model__lab=model.lab_id,
        )
        models = set(read.values_list("model", flat=True)) - seen
    return set(Run.objects.filter(pk__in=runs, lab=model.lab_id).values_list("pk", flat=True))


def _grown(which: str, named: Mapping[str, object]) -> dict[UUID, Grown]:
    with connection.cursor() as cursor:
        cursor.execute(_GROWTH.format(which=which), dict(named))  # type: ignore[arg-type]
        return {row[0]: Grown(*map(int, row[1:])) for row in cursor.fetchall()}


def _versions(keys: Iterable[UUID]) -> dict[UUID, DatasetVersion]:
    return DatasetVersion.objects.select_related("dataset").in_bulk(list(keys))


def _counted(versions: Iterable[DatasetVersion]) -> str:
    """Tokens where every version has some: a text that is cut in two keeps its tokens."""
    found = list(versions)
    has_tokens = bool(found) and all(one.token_count > 0 for one in found)
    return Counted.TOKENS if has_tokens else Counted.RECORDS


def _uses(versions: Mapping[UUID, DatasetVersion], quantities: Mapping[UUID, int]) -> list[Use]:
    return [
        Use(versions[key].dataset.owner_id, key, quantity)
        for key, quantity in sorted(quantities.items())
        if quantity > 0
    ]


def _by_size(subscription: Subscription) -> tuple[str, list[Use]]:
    """The newest sealed version of each dataset of a bundle, by its size."""
    sealed = DatasetVersion.objects.filter(
        state=DatasetVersion.State.SEALED,
        dataset__licences__in=subscription.bundle.licences.all(),
    )
    newest = sealed.values("dataset").annotate(number=Max("number"))
    numbers = {row["dataset"]: row["number"] for row in newest}
    versions = {
        one.pk: one
        for one in sealed.select_related("dataset").distinct()
        if numbers[one.dataset_id] == one.number
    }
    counted = _counted(versions.values())
    sizes = {
        key: one.token_count if counted == Counted.TOKENS else one.record_count
        for key, one in versions.items()
    }
    return counted, _uses(versions, sizes) or _alike(versions)


def _alike(versions: Mapping[UUID, DatasetVersion]) -> list[Use]:
    """Each version the same: where nothing was counted, all of it is one owner's."""
    return _uses(versions, dict.fromkeys(versions, 1))
