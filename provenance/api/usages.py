"""Usages: what runs reported of what they used, to the lab and to the owner of the data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from provenance import receipts, works
from provenance.access import Viewer
from provenance.api.authentication import viewer_of
from provenance.api.door import IDEMPOTENCY, Facts
from provenance.api.fields import PartyRef, VersionRef
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.meters import native
from provenance.models import Party, Purpose, Run, Usage
from provenance.streams import LARGEST_COUNT, Count

# A batch is one transaction.
BATCH_LIMIT = 1000
NAMES_LIMIT = 5_000


class RunRef(serializers.Serializer[Any]):
    """A run: its own lab sees id and name, the owner of the data only the pseudonym."""

    id = serializers.UUIDField(allow_null=True)
    name = serializers.CharField(allow_null=True)
    pseudonym = serializers.CharField()


class UsageOut(serializers.ModelSerializer[Usage]):
    """How much of one version a run has used so far for one purpose."""

    run = serializers.SerializerMethodField()
    lab = PartyRef(source="run.lab")
    version = VersionRef(allow_null=True)

    class Meta:
        model = Usage
        fields = (
            "id", "run", "lab", "version", "subject", "purpose", "grant", "meter", "record_count",
            "token_count", "epoch_count", "fetch_count", "rate", "revision", "is_unknown",
            "is_ungranted", "awaits_grant_until", "is_of_withdrawn", "is_signed", "used_at",
            "reported_at",
        )  # fmt: skip

    @extend_schema_field(RunRef)
    def get_run(self, usage: Usage) -> dict[str, Any]:
        """The run, as far as this viewer may know it."""
        return run_for(self.context["viewer"], usage.run)


def run_for(viewer: Viewer, run: Run) -> dict[str, Any]:
    """The facts of a RunRef, as far as `viewer` may know them."""
    is_known = viewer.is_operator or viewer.party.pk == run.lab_id
    return {
        "id": run.pk if is_known else None,
        "name": run.name if is_known else None,
        "pseudonym": run.pseudonym,
    }


class UsageIn(serializers.Serializer[Any]):
    """One stream's cumulative counters; `sequence` grows by one with every report of a stream."""

    run = serializers.UUIDField()
    subject = serializers.CharField(
        max_length=300, help_text="A version's id, or namespace/name@number."
    )
    purpose = serializers.ChoiceField(
        choices=Purpose.choices, default="", help_text="The run's own, unless said."
    )
    stream = serializers.CharField(max_length=100, default="main")
    sequence = serializers.IntegerField(min_value=1, max_value=LARGEST_COUNT)
    records = serializers.IntegerField(min_value=0, max_value=LARGEST_COUNT, default=0)
    tokens = serializers.IntegerField(min_value=0, max_value=LARGEST_COUNT, default=0)
    epochs = serializers.IntegerField(min_value=0, max_value=LARGEST_COUNT, default=0)
    fetches = serializers.IntegerField(min_value=0, max_value=LARGEST_COUNT, default=0)
    used_at = serializers.DateTimeField()
    signature = serializers.RegexField(
        r"^(0x[0-9a-fA-F]{130})?$",
        default="",
        allow_blank=True,
        help_text="Of `UsageReceipt` (EIP-712) over all of this, by a reporting key of the lab.",
    )


class NamedRecordIn(serializers.Serializer[Any]):
    """One record, by its key or by the SHA-256 of its canonical form."""

    key = serializers.CharField(max_length=300, default="", allow_blank=True)
    sha256 = serializers.RegexField(r"^([0-9a-f]{64})?$", default="", allow_blank=True)
    count = serializers.IntegerField(min_value=1, max_value=LARGEST_COUNT, default=1)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two."""
        if bool(attrs["key"]) == bool(attrs["sha256"]):
            raise serializers.ValidationError("Name the record by its key or by its sha256.")
        return attrs


class NamedRecordsIn(serializers.Serializer[Any]):
    """The records of one subject that a stream has read so far."""

    run = serializers.UUIDField()
    subject = serializers.CharField(
        max_length=300, help_text="A version's id, or namespace/name@number."
    )
    purpose = serializers.ChoiceField(
        choices=Purpose.choices, default="", help_text="The run's own, unless said."
    )
    stream = serializers.CharField(max_length=100, default="main")
    records = serializers.ListField(child=NamedRecordIn(), min_length=1, max_length=NAMES_LIMIT)


class ReceiptTakenOut(serializers.Serializer[Any]):
    """What the service signed of a receipt (`Countersignature`, EIP-712)."""

    usage = serializers.CharField()
    version = serializers.CharField(help_text="Empty for a version that nobody registered.")
    run = serializers.CharField(help_text="The run's pseudonym.")
    revision = serializers.IntegerField()
    received_at = serializers.IntegerField(help_text="Microseconds since 1970.")
    signer = serializers.CharField()
    signature = serializers.CharField()


class UsageReceiptOut(serializers.Serializer[Any]):
    """A signed report; run and stream are told by their Keccak-256, as the signature holds them."""

    service = serializers.CharField()
    chain = serializers.CharField()
    tenant = serializers.CharField()
    run = serializers.CharField()
    version = serializers.CharField()
    purpose = serializers.CharField()
    stream = serializers.CharField()
    sequence = serializers.IntegerField()
    records = serializers.IntegerField()
    tokens = serializers.IntegerField()
    epochs = serializers.IntegerField()
    fetches = serializers.IntegerField()
    used_at = serializers.IntegerField(help_text="Microseconds since 1970.")
    signer = serializers.CharField()
    signature = serializers.CharField()
    taken = ReceiptTakenOut(allow_null=True)


class UsageFilter(Filter):
    """Find usages by run, version, dataset, purpose, flag or time."""

    run = filters.UUIDFilter(method="of_run", label="The run's id; a lab's own runs only.")
    version = filters.UUIDFilter(field_name="version_id")
    dataset = filters.UUIDFilter(field_name="version__dataset_id")
    purpose = filters.ChoiceFilter(choices=Purpose.choices)
    is_ungranted = filters.BooleanFilter()
    is_unknown = filters.BooleanFilter()
    is_signed = filters.BooleanFilter()
    used_after = filters.IsoDateTimeFilter(field_name="used_at", lookup_expr="gte")
    used_before = filters.IsoDateTimeFilter(field_name="used_at", lookup_expr="lt")

    def of_run(self, rows: QuerySet[Usage], name: str, value: Any) -> QuerySet[Usage]:
        """Those of a run that the viewer may see by its id, and of its children."""
        runs = Run.objects.visible_to(viewer_of(self.request)).filter(pk=value)
        return rows.filter(run__in=runs)


class Usages(ListModelMixin, RetrieveModelMixin, Facts, GenericViewSet[Usage]):
    """Usages of the viewer's runs, or of the viewer's data."""

    serializer_class = UsageOut
    filterset_class = UsageFilter
    queryset = Usage.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-reported_at", "id")

    def get_queryset(self) -> QuerySet[Usage]:
        """Those that the viewer may see."""
        seen = Usage.objects.visible_to(self.viewer)
        return seen.select_related("run__lab", "version__dataset__owner")

    def owners_of(self, row: Usage) -> Iterable[Party | None]:
        """The lab, and the owner of the data."""
        return (row.run.lab, row.version.dataset.owner if row.version else None)

    @extend_schema(
        request=UsageIn(many=True),
        responses={202: UsageOut(many=True)},
        parameters=[IDEMPOTENCY],
        description="One report or a list of them, taken as a whole. Counters are cumulative, so "
        "a repeat is harmless. What is unknown, ungranted or withdrawn is kept and flagged.",
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Report usage: one report, or a list."""
        self.viewer.require("develop")
        is_many = isinstance(request.data, list)
        given: Any = self.read(
            UsageIn, many=is_many, **({"max_length": BATCH_LIMIT} if is_many else {})
        )
        reports = [report_of(item) for item in (given if is_many else [given])]
        usages = native.accept(lab=self.viewer.party, reports=reports, received_at=timezone.now())
        answer = UsageOut(usages, many=True, context=self.context()).data
        body = answer if is_many else answer[0]
        return Response(body, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        request=NamedRecordsIn,
        responses={202: UsageOut},
        description="Which records a run read, by key or by digest: evidence by which owners see "
        "what their single works earned. It changes no counter and no charge. Counts are "
        "cumulative by stream; a name that the version does not have is left out.",
    )
    @action(detail=False, methods=["post"], pagination_class=None, filterset_class=None)
    def records(self, request: Request) -> Response:
        """Name the single records that were read."""
        self.viewer.require("develop")
        given = self.read(NamedRecordsIn)
        mine = Run.objects.filter(lab=self.viewer.party)
        usage = works.name_records(
            run=get_object_or_404(mine, pk=given["run"]),
            subject=given["subject"],
            purpose=given["purpose"],
            stream=given["stream"],
            records=[
                works.Named(one["count"], one["key"], bytes.fromhex(one["sha256"]))
                for one in given["records"]
            ],
        )
        body = UsageOut(usage, context=self.context()).data
        return Response(body, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses=UsageReceiptOut(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None, filterset_class=None)
    def receipts(self, request: Request, pk: str) -> Response:
        """The signed reports that its counters add up from; none where they are not signed."""
        row = self.get_object()
        found = receipts.behind(row, row.revision) if row.is_signed else []
        return Response(UsageReceiptOut(map(receipts.document, found), many=True).data)


def report_of(given: dict[str, Any]) -> native.Report:
    """A report as the meter takes it."""
    return native.Report(
        run_id=given["run"],
        subject=given["subject"],
        purpose=given["purpose"],
        stream=given["stream"],
        sequence=given["sequence"],
        count=Count(given["records"], given["tokens"], given["epochs"], given["fetches"]),
        used_at=given["used_at"],
        signature=given["signature"],
    )
