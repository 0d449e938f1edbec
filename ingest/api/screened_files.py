"""Screening a whole candidate file: send it, follow it, read its report and what changed since."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO, cast

from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from ingest.gateways import files, notices, reports
from ingest.models import ScreenedMatch, Screening, ScreeningNotice
from provenance.api.door import IDEMPOTENCY, Browse
from provenance.api.fields import HexField
from provenance.api.files import file_of
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.models import Dataset, MatchKind, Party, Purpose
from provenance.refusals import Refused


class NotReportedYet(Refused):
    """This file is not screened yet."""

    code = "not_reported_yet"
    hint = "Ask for the screening until its state is `done`."


class FileIn(serializers.Serializer[Any]):
    """A candidate file. Its bytes are deleted when the report is there."""

    file = serializers.FileField(allow_empty_file=True)
    purpose = serializers.ChoiceField(choices=Purpose.choices)
    kind = serializers.ChoiceField(
        choices=Dataset.Kind.choices, default="", allow_blank=True, help_text="Guessed unless said."
    )
    text_column = serializers.CharField(max_length=200, default="", allow_blank=True)
    watch_days = serializers.IntegerField(
        min_value=0,
        max_value=files.MOST_WATCHED_DAYS,
        default=0,
        help_text="Keep fingerprints, not content, so long, and be told of what is registered "
        "later and is like them.",
    )


class ScreeningProgressOut(serializers.Serializer[Any]):
    """How far a candidate file is."""

    record_count = serializers.IntegerField()
    bad_count = serializers.IntegerField()
    bytes_done = serializers.IntegerField()
    bytes_total = serializers.IntegerField()
    records_per_second = serializers.FloatField(allow_null=True)
    remaining_seconds = serializers.IntegerField(allow_null=True)


class ScreeningOut(serializers.ModelSerializer[Screening]):
    """A candidate file on its way to a report."""

    sha256 = HexField()
    progress = serializers.SerializerMethodField()
    new_notice_count = serializers.IntegerField(
        source="fresh_count", help_text="What changed since, and was not looked at yet."
    )

    class Meta:
        model = Screening
        fields = (
            "id", "purpose", "kind", "state", "stage", "file_name", "sha256", "file_format",
            "text_column", "progress", "corpus_sequence", "detector", "watched_until",
            "new_notice_count", "error_code", "error_detail", "error_hint", "created_at",
            "finished_at",
        )  # fmt: skip

    @extend_schema_field(ScreeningProgressOut)
    def get_progress(self, screening: Screening) -> dict[str, Any]:
        """Where it stands now."""
        at = timezone.now()
        return {
            "record_count": screening.record_count,
            "bad_count": screening.bad_count,
            "bytes_done": screening.bytes_done,
            "bytes_total": screening.bytes_total,
            "records_per_second": screening.records_per_second(at),
            "remaining_seconds": screening.remaining_seconds(at),
        }


class ScreenedMatchOut(serializers.ModelSerializer[ScreenedMatch]):
    """A row of the file, by its number from 1, and the registered version that it is like."""

    version = serializers.UUIDField(source="version_id")
    dataset = serializers.CharField(source="version.dataset", help_text="namespace/name")

    class Meta:
        model = ScreenedMatch
        fields = (
            "row", "version", "dataset", "kind", "holds", "is_short", "is_later", "score",
            "jaccard", "containment",
        )  # fmt: skip


class NoticeOut(serializers.ModelSerializer[ScreeningNotice]):
    """What changed a report's answer."""

    dataset = serializers.CharField(help_text="namespace/name")
    words = serializers.SerializerMethodField()

    class Meta:
        model = ScreeningNotice
        fields = ("id", "dataset", "cause", "words", "before", "after", "made_at", "seen_at")

    def get_words(self, notice: ScreeningNotice) -> str:
        """The notice in a sentence."""
        return notices.sentence(notice)


class MatchFilter(Filter):
    """Find rows by the dataset that they are like, or by kind."""

    dataset = filters.UUIDFilter(field_name="version__dataset_id")
    kind = filters.ChoiceFilter(choices=MatchKind.choices)
    holds = filters.BooleanFilter()


class ScreenedFiles(Browse):
    """The viewer's candidate files."""

    serializer_class = ScreeningOut
    filterset_class = None
    queryset = Screening.objects.none()
    parser_classes = (MultiPartParser, FormParser, JSONParser)
    lookup_value_converter = "uuid"
    ordering = ("-created_at", "id")

    def get_queryset(self) -> QuerySet[Screening]:
        """Those that the viewer may see."""
        fresh = Count("notices", filter=Q(notices__seen_at__isnull=True))
        seen = Screening.objects.visible_to(self.viewer).select_related("party")
        return seen.annotate(fresh_count=fresh)

    def owners_of(self, row: Screening) -> Iterable[Party]:
        """The lab."""
        return (row.party,)

    @extend_schema(
        request={"multipart/form-data": FileIn},
        responses={202: ScreeningOut},
        parameters=[IDEMPOTENCY],
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Send a candidate file; it is compared in the background and then deleted."""
        given = self.read(FileIn)
        self.viewer.require("develop")
        file = given.pop("file")
        screening = files.begin_file(
            party=self.viewer.party,
            file=cast(BinaryIO, file),
            file_name=file.name,
            by=self.person,
            at=timezone.now(),
            **given,
        )
        where = {"Location": f"/api/v1/screenings/files/{screening.pk}"}
        shown = ScreeningOut(self.get_queryset().get(pk=screening.pk))
        return Response(shown.data, status=status.HTTP_202_ACCEPTED, headers=where)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True)
    def report(self, request: Request, pk: str) -> Response:
        """The report with its signature; `tallymark verify` checks it."""
        return Response(reports.document(self._reported()))

    @extend_schema(responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    @action(detail=True, url_path="report.pdf")
    def report_pdf(self, request: Request, pk: str) -> HttpResponse:
        """The report on paper."""
        screening = self._reported()
        return file_of(reports.pdf(screening), f"screening-{screening.pk}", "pdf")

    @extend_schema(responses=ScreenedMatchOut(many=True))
    @action(
        detail=True,
        serializer_class=ScreenedMatchOut,
        filterset_class=MatchFilter,
        ordering=("row", "id"),
    )
    def matches(self, request: Request, pk: str) -> Response:
        """The rows that are like something registered, page by page."""
        screening = self.whole(pk)
        rows = screening.matches.select_related("version__dataset__owner")
        return self.page(self.filter_queryset(rows))

    @extend_schema(responses=NoticeOut(many=True))
    @action(detail=True, serializer_class=NoticeOut, ordering=("-made_at", "id"))
    def notices(self, request: Request, pk: str) -> Response:
        """What changed the answer since the report."""
        screening = self.whole(pk)
        return self.page(screening.notices.select_related("dataset__owner"))

    @extend_schema(request=None, responses=ScreeningOut)
    @action(detail=True, methods=["post"])
    def seen(self, request: Request, pk: str) -> Response:
        """Say that the notices were read."""
        screening = self.whole(pk)
        self.require_own(screening.party, "develop")
        notices.mark_seen(screening, at=timezone.now())
        return Response(ScreeningOut(self.get_queryset().get(pk=pk)).data)

    def whole(self, pk: str) -> Screening:
        """The screening named in the address, whatever the filter of its parts says."""
        screening = get_object_or_404(self.get_queryset(), pk=pk)
        self.log_looks(self.owners_of(screening))
        return screening

    def _reported(self) -> Screening:
        screening: Screening = self.get_object()
        if screening.report is None:
            raise NotReportedYet
        return screening
