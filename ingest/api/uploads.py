"""Uploads: send content, see how far it is, read which rows were bad."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from ingest import pipeline
from ingest.models import BadRow, Upload
from provenance.api.door import Facts
from provenance.api.fields import HexField, VersionRef
from provenance.api.filters import Filter
from provenance.models import Party


class ProgressOut(serializers.Serializer[Any]):
    """How far an upload is; `remaining_seconds` is reckoned from how fast it went just now."""

    stage = serializers.CharField()
    record_count = serializers.IntegerField()
    bad_count = serializers.IntegerField()
    bytes_done = serializers.IntegerField()
    bytes_total = serializers.IntegerField(allow_null=True)
    screened_count = serializers.IntegerField()
    remaining_seconds = serializers.IntegerField(allow_null=True)
    records_per_second = serializers.FloatField(allow_null=True)
    record_estimate = serializers.IntegerField(allow_null=True)
    to_compare_count = serializers.IntegerField(allow_null=True)
    against_records = serializers.IntegerField(allow_null=True)
    against_owners = serializers.IntegerField(allow_null=True)
    last_moved_at = serializers.DateTimeField(allow_null=True)


class UploadOut(serializers.ModelSerializer[Upload]):
    """A file on its way into a version."""

    version = VersionRef()
    sha256 = HexField(allow_null=True)
    progress = serializers.SerializerMethodField()

    class Meta:
        model = Upload
        fields = (
            "id", "version", "content", "state", "file_name", "url", "sha256", "file_format",
            "columns", "text_column", "key_column", "contributor_column", "progress",
            "unchanged_count", "error_code", "error_detail", "error_hint", "created_at",
            "started_at", "finished_at",
        )  # fmt: skip

    @extend_schema_field(ProgressOut)
    def get_progress(self, upload: Upload) -> dict[str, Any]:
        """Where it stands now."""
        return dict(ProgressOut(upload.progress(timezone.now())).data)


class BadRowOut(serializers.ModelSerializer[BadRow]):
    """A row that could not be read."""

    class Meta:
        model = BadRow
        fields = ("line", "reason")


class DeltaOut(serializers.Serializer[Any]):
    """What a delta would change."""

    added = serializers.IntegerField()
    changed = serializers.IntegerField()
    withdrawn = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    bad = serializers.IntegerField()


class ColumnsIn(serializers.Serializer[Any]):
    """Which columns are read, in place of the guessed ones."""

    text_column = serializers.CharField(max_length=200, default=None, allow_null=True)
    key_column = serializers.CharField(
        max_length=200, default=None, allow_null=True, allow_blank=True
    )
    contributor_column = serializers.CharField(
        max_length=200, default=None, allow_null=True, allow_blank=True
    )


class UploadFilter(Filter):
    """Find uploads by state, version or dataset."""

    state = filters.ChoiceFilter(choices=Upload.State.choices)
    version = filters.UUIDFilter(field_name="version_id")
    dataset = filters.UUIDFilter(field_name="version__dataset_id")


class Uploads(ListModelMixin, RetrieveModelMixin, Facts, GenericViewSet[Upload]):
    """Uploads to the viewer's datasets."""

    serializer_class = UploadOut
    filterset_class = UploadFilter
    queryset = Upload.objects.none()
    lookup_value_converter = "uuid"
    ordering: tuple[str, ...] = ("-created_at", "id")

    def get_queryset(self) -> QuerySet[Upload]:
        """Those that the viewer may see."""
        return Upload.objects.visible_to(self.viewer).select_related("version__dataset__owner")

    def owners_of(self, row: Upload) -> Iterable[Party]:
        """The dataset's owner."""
        return (row.version.dataset.owner,)

    @extend_schema(responses=BadRowOut(many=True))
    @action(
        detail=True,
        url_path="bad-rows",
        serializer_class=BadRowOut,
        filterset_class=None,
        ordering=("line", "id"),
    )
    def bad_rows(self, request: Request, pk: str) -> Response:
        """The rows that could not be read, page by page; the rest of the file went on."""
        rows = BadRow.objects.filter(upload=self.get_object())
        return self.page(rows)

    @extend_schema(responses=DeltaOut)
    @action(detail=True)
    def delta(self, request: Request, pk: str) -> Response:
        """What a delta that has been read would change, before it is sealed."""
        return Response(DeltaOut(pipeline.preview(self.get_object())).data)

    @extend_schema(request=ColumnsIn, responses=UploadOut)
    @action(detail=True, methods=["post"])
    def columns(self, request: Request, pk: str) -> Response:
        """Name the columns, before the upload is started."""
        pipeline.choose_columns(upload=self._mine(), **self.read(ColumnsIn))
        return self._now()

    @extend_schema(request=None, responses=UploadOut)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Start an upload that was sent with `starts=false`."""
        pipeline.start_upload(upload=self._mine(), at=timezone.now())
        return self._now()

    @extend_schema(request=None, responses=UploadOut)
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: str) -> Response:
        """Give up an upload that is not sealed yet."""
        pipeline.discard_upload(upload=self._mine(), at=timezone.now())
        return self._now()

    def _mine(self) -> Upload:
        """The upload named in the address, if the viewer speaks for its owner."""
        upload: Upload = self.get_object()
        self.require_own(upload.version.dataset.owner, "rights")
        return upload

    def _now(self) -> Response:
        """The upload as it stands after the act."""
        return Response(UploadOut(super().get_object()).data)
