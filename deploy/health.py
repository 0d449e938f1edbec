"""Whether this process lives, whether the service can work, and what it has in hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, Max, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from compensation.billing import LOOK_BACK
from compensation.models import Charge, Waiting
from deploy import checks
from ingest.models import Upload
from provenance import gas
from provenance.admin.site import site
from provenance.admin.verbs import viewer_of
from provenance.models import Event, OutboxTransaction, Usage


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process answers at all; asks nobody else."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when everything that the work needs answers; 503 with what does not."""
    found = checks.findings(needed_only=True)
    answers = {one.check.name: {"ok": one.is_well, "detail": one.detail} for one in found}
    is_ready = all(one.is_well for one in found)
    body = {"ready": is_ready, "node": settings.NODE_NAME, "checks": answers}
    return JsonResponse(body, status=200 if is_ready else 503)


def health_page(request: HttpRequest) -> HttpResponse:
    """For operators: everything that the service needs, whether it is well, and what to do."""
    if not viewer_of(request).is_operator:
        raise PermissionDenied(_("How the service is inside is for its operators."))
    found = checks.findings()
    context = {
        **site.each_context(request),
        "title": _("Health"),
        "findings": found,
        "is_well": all(one.state in (checks.State.WELL, checks.State.UNKNOWN) for one in found),
        "unknown_count": sum(one.state == checks.State.UNKNOWN for one in found),
        "node": settings.NODE_NAME,
        "looked_at": timezone.now(),
    }
    return TemplateResponse(request, "health.html", context)


@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Counts for Prometheus, taken from the tables at each scrape: true for all processes."""
    registry = CollectorRegistry()
    registry.register(Work())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def uncharged_count(now: datetime) -> int:
    """Usages reported in the last days whose last charge is of an earlier revision, or none."""
    last = Charge.objects.filter(usage=OuterRef("pk")).order_by("-revision").values("revision")
    recent = Usage.objects.told_to_owners(now).filter(reported_at__gte=now - LOOK_BACK)
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
        age = checks.sealer_age_seconds(timezone.now())
        yield _gauge("sealer_age_seconds", "Age of the oldest unsealed event.", age)
        uncharged = uncharged_count(timezone.now())
        yield _gauge("usages_uncharged", "Late usages grown past their charges.", uncharged)
        yield _by("reason", "usages_waiting", "Usages that wait.", Waiting.objects.all())
        not_final = OutboxTransaction.objects.exclude(state__in=OutboxTransaction.OVER)
        yield _by("state", "outbox_open", "Transactions not yet final.", not_final)
        standings = gas.standings()
        yield from _accounts(standings)
        yield _by("state", "uploads", "Uploads by state.", Upload.objects.all())


def _accounts(standings: list[gas.Standing]) -> Iterator[GaugeMetricFamily]:
    """Of each sending account: whether it is stopped, and how long its gas lasts."""
    labels = ["chain", "address", "roles"]
    stopped = GaugeMetricFamily("tallymark_chain_stopped", "1: it sends nothing.", labels=labels)
    left = GaugeMetricFamily(
        "tallymark_chain_transactions_left", "For how many its gas lasts.", labels=labels
    )
    for one in standings:
        named = [str(one.account.chain_id), one.account.address, ",".join(one.account.roles)]
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


site.add_page("health/", health_page, "health")
