"""What keys for tests open. Whatever is not here is closed to them."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from compensation import budgets, trials
from compensation.api.accounts import asset_by_code
from compensation.api.estimates import EstimateIn, EstimateOut
from compensation.api.quotes import QuoteIn, QuoteItemOut, wanted_of
from compensation.api.runs import CapIn, RunStart
from compensation.api.trials.shapes import (
    TrialEdgeOut,
    TrialGrantOut,
    TrialModelOut,
    TrialQuoteOut,
    TrialRunOut,
    TrialUsageOut,
)
from compensation.estimates import Estimate, Total
from compensation.models import TrialGrant, TrialModel, TrialQuote, TrialRun, TrialUsage
from compensation.quotes import totals_of
from provenance.api.datasets import Catalogue
from provenance.api.door import Door, Facts, NotInTestMode
from provenance.api.grants import GrantFilter, GrantIn
from provenance.api.idempotency import idempotent
from provenance.api.models import ModelFilter, ModelIn
from provenance.api.parties import Me
from provenance.api.reporting_keys import SigningTerms
from provenance.api.runs import EdgeIn, RunEnd, RunFilter, versions_to_name
from provenance.api.usages import BATCH_LIMIT, UsageFilter, UsageIn, report_of
from provenance.models import Dataset, Licence, QuoteItem
from provenance.projects import Cap

READING = ["get", "head", "options"]


class TrialMe(Me):
    """For whom the key speaks."""

    serves_tests = True


class TrialSigningTerms(SigningTerms):
    """For what reports are signed; a test key changes none of it."""

    serves_tests = True
    http_method_names = READING


class TrialCatalogue(Catalogue):
    """What every lab finds on offer; nothing of the lab's own that is not."""

    serves_tests = True

    def get_queryset(self) -> QuerySet[Dataset]:
        """Datasets with a sealed version."""
        return super().get_queryset().filter(versions__state="sealed").distinct()


class TrialBrowse(ListModelMixin, RetrieveModelMixin, Facts, GenericViewSet[Any]):
    """A noun of test data: the lab's own."""

    serves_tests = True
    noun: ClassVar[type[Model]]
    related: ClassVar[tuple[str, ...]] = ()
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Any]:
        """The lab's test data of this noun."""
        rows: QuerySet[Any] = self.noun._default_manager.visible_to(self.viewer)  # type: ignore[attr-defined]
        return rows.select_related(*self.related)

    def own(self, noun: type[Model], pk: Any) -> Any:
        """A row of the lab's tests; 404 for anything else, real rows included."""
        mine = noun._default_manager.visible_to(self.viewer)  # type: ignore[attr-defined]
        return get_object_or_404(mine, pk=pk) if pk else None


class TrialRuns(TrialBrowse):
    """The lab's test runs."""

    noun = TrialRun
    related = ("lab", "root", "quote")
    serializer_class = TrialRunOut
    filterset_class = RunFilter
    ordering = ("-started_at", "id")

    @idempotent
    def create(self, request: Request) -> Response:
        """Start a test run, or join the one with this `run_id`."""
        self.viewer.require("develop")
        given, now = self.read(RunStart), timezone.now()
        run = trials.start_run(
            lab=self.viewer.party,
            purpose=given["purpose"],
            name=given["name"],
            parent=self.own(TrialRun, given["parent"]),
            run_id=given["run_id"],
            quote=self.own(TrialQuote, given["quote"]),
            project=given["project"],
            cap=budgets.cap_given(given["cap_asset"], given["cap_units"]),
            at=given["started_at"] or now,
            received_at=now,
        )
        return Response(self.get_serializer(run).data, status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str) -> Response:
        """End it."""
        run, given = self._mine(), self.read(RunEnd)
        trials.end_run(run=run, at=given["ended_at"] or timezone.now())
        return self._now()

    @action(detail=True, methods=["post"])
    def heartbeat(self, request: Request, pk: str) -> Response:
        """Say that it still runs."""
        trials.heartbeat(run=self._mine(), at=timezone.now())
        return self._now()

    @action(detail=True, methods=["post"])
    def cap(self, request: Request, pk: str) -> Response:
        """Accept a higher cap."""
        run: TrialRun = self.get_object()
        self.viewer.require("finance")
        given = self.read(CapIn)
        cap = Cap(asset_by_code(given["cap_asset"]).code, given["cap_units"])
        trials.raise_cap(run=run, cap=cap)
        return self._now()

    @action(detail=True, methods=["post"])
    def edges(self, request: Request, pk: str) -> Response:
        """Say what the test run consumed or produced."""
        run, given = self._mine(), self.read(EdgeIn)
        named = versions_to_name(self.viewer.party)
        edge = trials.add_edge(
            run=run,
            direction=given["direction"],
            version=get_object_or_404(named, pk=given["version"]) if given["version"] else None,
            model=self.own(TrialModel, given["model"]),
            at=timezone.now(),
        )
        shown: Any = edge
        return Response(TrialEdgeOut(shown).data, status=status.HTTP_201_CREATED)

    def _mine(self) -> TrialRun:
        self.viewer.require("develop")
        run: TrialRun = self.get_object()
        return run

    def _now(self) -> Response:
        return Response(self.get_serializer(self.get_object()).data)


class TrialUsageFilter(UsageFilter):
    """As for real usages, by a test run."""

    run = filters.UUIDFilter(field_name="run_id")


class TrialUsages(TrialBrowse):
    """What the lab's test runs used, and what it would have cost."""

    noun = TrialUsage
    related = ("run__lab", "version__dataset__owner", "lab")
    serializer_class = TrialUsageOut
    filterset_class = TrialUsageFilter
    ordering = ("-reported_at", "id")

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """With what the rows would have cost."""
        shown = args[0] if args else []
        rows = shown if isinstance(shown, list) else [shown]
        context = {**self.get_serializer_context(), "costs": trials.costs_of(rows)}
        return TrialUsageOut(*args, **kwargs, context=context)

    @idempotent
    def create(self, request: Request) -> Response:
        """Report test usage: one report, or a list."""
        self.viewer.require("develop")
        is_many = isinstance(request.data, list)
        given: Any = self.read(
            UsageIn, many=is_many, **({"max_length": BATCH_LIMIT} if is_many else {})
        )
        reports = [report_of(item) for item in (given if is_many else [given])]
        rows = trials.report_usages(
            lab=self.viewer.party, reports=reports, received_at=timezone.now()
        )
        answer = self.get_serializer(rows, many=True).data
        return Response(answer if is_many else answer[0], status=status.HTTP_202_ACCEPTED)


class TrialModels(TrialBrowse):
    """Models of the lab's tests."""

    noun = TrialModel
    serializer_class = TrialModelOut
    filterset_class = ModelFilter
    ordering = ("-created_at", "id")

    @idempotent
    def create(self, request: Request) -> Response:
        """Register a model of tests, and the test run that made it."""
        self.viewer.require("develop")
        given = self.read(ModelIn)
        run = self.own(TrialRun, given.pop("run"))
        model = trials.register_model(lab=self.viewer.party, run=run, at=timezone.now(), **given)
        return Response(self.get_serializer(model).data, status=status.HTTP_201_CREATED)


class TrialGrants(TrialBrowse):
    """Grants that tests asked for: given at once, and nobody was asked."""

    noun = TrialGrant
    related = ("lab", "dataset__owner", "licence")
    serializer_class = TrialGrantOut
    filterset_class = GrantFilter
    ordering = ("-requested_at", "id")

    @idempotent
    def create(self, request: Request) -> Response:
        """Have what a grant would give."""
        self.viewer.require("rights")
        given = self.read(GrantIn)
        offered = Licence.objects.filter(is_offered=True)
        licence = get_object_or_404(offered, pk=given.pop("licence"))
        grant = trials.request_grant(
            lab=self.viewer.party, licence=licence, by=self.person, at=timezone.now(), **given
        )
        return Response(self.get_serializer(grant).data, status=status.HTTP_201_CREATED)


class TrialQuotes(TrialBrowse):
    """Quotes for test runs."""

    noun = TrialQuote
    serializer_class = TrialQuoteOut
    ordering = ("-created_at", "id")

    @idempotent
    def create(self, request: Request) -> Response:
        """Ask what a use would cost, counted among test runs."""
        self.viewer.require("develop")
        given = self.read(QuoteIn)
        quote = trials.make_quote(
            lab=self.viewer.party,
            purpose=given["purpose"],
            wanted=[wanted_of(each) for each in given["items"]],
            at=timezone.now(),
            shown=_shown,
        )
        return Response(self.get_serializer(quote).data, status=status.HTTP_201_CREATED)


def _shown(items: list[QuoteItem]) -> Any:
    """Items as plain JSON values, as they are kept."""
    data = QuoteItemOut(items, many=True).data
    return json.loads(json.dumps(data, cls=DjangoJSONEncoder))


class TrialEstimates(Door):
    """What a test run would cost; money and budgets are not looked at."""

    serves_tests = True

    def post(self, request: Request) -> Response:
        """Reckon it; nothing is kept."""
        self.viewer.require("develop")
        given = self.read(EstimateIn)
        items = trials.estimate(
            lab=self.viewer.party,
            purpose=given["purpose"],
            wanted=[wanted_of(each) for each in given["items"]],
            at=timezone.now(),
        )
        totals = [Total(one["asset"], one["amount_units"], None, None) for one in totals_of(items)]
        cap = budgets.cap_given(given["cap_asset"], given["cap_units"])
        return Response(EstimateOut(Estimate(items, totals, cap, None)).data)


class Closed(Door):
    """Every other address: a key for tests opens nothing there."""

    serves_tests = True

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse, after the key was looked at."""
        super().initial(request, *args, **kwargs)
        raise NotInTestMode

    def get(self, request: Request) -> Response:
        """Never reached."""
        raise NotInTestMode

    post = put = patch = delete = get
