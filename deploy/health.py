"""Whether this process lives, whether the service can work, and what it has in hand."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import connection
from django.db.models import Count, F, Max, Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from compensation.billing import LOOK_BACK
from compensation.models import Charge, Waiting
from ingest.models import Upload
from provenance import gas
from provenance.models import Event, OutboxTransaction, Usage

log = structlog.get_logger(__name__)
CHAIN_TIMEOUT_SECONDS = 2
BROKER_TIMEOUT_SECONDS = 2
# An event that has waited longer than this was forgotten by the sealer.
SEALER_PATIENCE_SECONDS = 60


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process answers at all; asks nobody else."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when everything that the work needs answers; 503 with what does not."""
    answers = {name: _tried(name, check) for name, check in CHECKS.items()}
    is_ready = all(answer["ok"] for answer in answers.values())
    body = {"ready": is_ready, "node": settings.NODE_NAME, "checks": answers}
    return JsonResponse(body, status=200 if is_ready else 503)


@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Counts for Prometheus, taken from the tables at each scrape: true for all processes."""
    registry = CollectorRegistry()
    registry.register(Work())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _tried(name: str, check: Callable[[], str]) -> dict[str, object]:
    """The outcome of one check; whatever it raises is the answer, never an error page."""
    try:
        return {"ok": True, "detail": check()}
    except Exception as failure:
        log.warning("not_ready", check=name, error=str(failure))
        return {"ok": False, "detail": type(failure).__name__}


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (version,) = cursor.fetchone()
    return f"PostgreSQL {version}"


def _broker() -> str:
    from deploy.celery import app  # Celery's start-up is of no use to the other addresses

    with app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT_SECONDS)
        return str(broker.transport_cls)


def _chain() -> str:
    call = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    request = urllib.request.Request(  # noqa: S310  (the operator's own setting)
        settings.CHAIN_RPC_URL,
        data=json.dumps(call).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=CHAIN_TIMEOUT_SECONDS) as answer:  # noqa: S310
        chain_id = int(json.load(answer)["result"], 16)
    if chain_id != settings.CHAIN_ID:
        raise ValueError(f"the node is on chain {chain_id}, not {settings.CHAIN_ID}")
    warnings = gas.warnings(chain_id=chain_id)
    return "; ".join([f"chain {chain_id}", *warnings])


def _sealer() -> str:
    age = sealer_age_seconds(timezone.now())
    if age > SEALER_PATIENCE_SECONDS:
        raise TimeoutError(f"the oldest unsealed event has waited {age:.0f} s")
    return f"{age:.0f} s behind"


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "broker": _broker,
    "chain": _chain,
    "sealer": _sealer,
}


def sealer_age_seconds(now: datetime) -> float:
    """How long the oldest unsealed event has waited; 0 where none waits."""
    oldest = Event.objects.filter(sequence=None).aggregate(at=Min("recorded_at"))["at"]
    return max(0.0, (now - oldest).total_seconds()) if oldest else 0.0


def uncharged_count(now: datetime) -> int:
    """Usages reported in the last days whose last charge is of an earlier revision, or none."""
    last = Charge.objects.filter(usage=OuterRef("pk")).order_by("-revision").values("revision")
    recent = Usage.objects.filter(reported_at__gte=now - LOOK_BACK)
    charged = recent.annotate(charged=Coalesce(Subquery(last[:1]), 0))
    return charged.filter(revision__gt=F("charged")).count()


class Work(Collector):
    """What has been done and what waits, as gauges."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Each gauge, from one indexed query."""
        sealed = Event.objects.aggregate(last=Max("sequence"))["last"] or 0
        yield _gauge("events", "Events in the sealed ledger.", sealed)
        unsealed = Event.objects.filter(sequence=None).count()
        yield _gauge("events_unsealed", "Events the sealer has yet to number.", unsealed)
        age = sealer_age_seconds(timezone.now())
        yield _gauge("sealer_age_seconds", "Age of the oldest unsealed event.", age)
        uncharged = uncharged_count(timezone.now())
        yield _gauge("usages_uncharged", "Late usages grown past their charges.", uncharged)
        yield _by("reason", "usages_waiting", "Usages that wait.", Waiting.objects.all())
        not_final = OutboxTransaction.objects.exclude(state=OutboxTransaction.State.FINAL)
        yield _by("state", "outbox_open", "Transactions not yet final.", not_final)
        standings = gas.standings(chain_id=settings.CHAIN_ID)
        yield from _accounts(standings)
        yield _by("state", "uploads", "Uploads by state.", Upload.objects.all())


def _accounts(standings: list[gas.Standing]) -> Iterator[GaugeMetricFamily]:
    """Of each sending account: whether it is stopped, and how long its gas lasts."""
    labels = ["address", "roles"]
    stopped = GaugeMetricFamily("tallymark_chain_stopped", "1: it sends nothing.", labels=labels)
    left = GaugeMetricFamily(
        "tallymark_chain_transactions_left", "For how many its gas lasts.", labels=labels
    )
    for one in standings:
        named = [one.account.address, ",".join(one.account.roles)]
        stopped.add_metric(named, float(bool(one.account.alarm)))
        left.add_metric(named, one.account.transactions_left or 0)
    yield from (stopped, left)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"tallymark_{name}", text, value=value)


def _by(column: str, name: str, text: str, rows: QuerySet[Any]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"tallymark_{name}", text, labels=[column])
    for value, count in rows.order_by().values_list(column).annotate(count=Count("pk")):
        family.add_metric([value], count)
    return family
