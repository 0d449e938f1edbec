"""Versions on their way in: list a dataset's, send a new one, confirm a delta."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO, cast

from django.db import transaction
from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import GenericAPIView, get_object_or_404
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from ingest import bodies, pipeline
from ingest.api.uploads import UploadOut
from ingest.models import Upload
from provenance import registry
from provenance.api.door import IDEMPOTENCY, Door, Facts
from provenance.api.files import lines_of
from provenance.api.idempotency import idempotent
from provenance.api.versions import VersionOut
from provenance.models import Dataset, DatasetVersion, Party, Record
from provenance.refusals import Refused

# Texts held in memory at once.
CONTENT_BATCH = 500


class NotFingerprintOnly(Refused):
    """This dataset takes content, not fingerprints."""

    code = "not_fingerprint_only"
    hint = "Send the file to /versions, or register a dataset with `is_fingerprint_only`."


class VersionIn(serializers.Serializer[Any]):
    """A new version's content: a `file` (multipart) or a `url`, full or as a delta by key."""

    file = serializers.FileField(required=False, allow_empty_file=True)
    url = serializers.CharField(max_length=2000, default="", allow_blank=True)
    mode = serializers.ChoiceField(
        choices=DatasetVersion.Mode.choices,
        default=DatasetVersion.Mode.FULL,
        help_text="A delta adds and changes by key; a row whose `_withdrawn` is true takes away.",
    )
    text_column = serializers.CharField(max_length=200, default="", allow_blank=True)
    key_column = serializers.CharField(max_length=200, default="", allow_blank=True)
    contributor_column = serializers.CharField(
        max_length=200,
        default="",
        allow_blank=True,
        help_text="Says who made each record: it is credited to that contributor.",
    )
    starts = serializers.BooleanField(default=True, help_text="Or wait for the columns' choice.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one source."""
        if ("file" in attrs) == bool(attrs["url"]):
            raise serializers.ValidationError("Send either a `file` or a `url`.")
        return attrs


class PrintsIn(serializers.Serializer[Any]):
    """The file that `tallymark register` writes: fingerprints, no content."""

    file = serializers.FileField()
    mode = serializers.ChoiceField(
        choices=DatasetVersion.Mode.choices, default=DatasetVersion.Mode.FULL
    )


class Sending(Facts, GenericAPIView[DatasetVersion]):
    """What sending a version's content has in common."""

    serializer_class = VersionOut
    filterset_class = None
    queryset = DatasetVersion.objects.none()
    parser_classes = (MultiPartParser, FormParser, JSONParser)
    ordering = ("-number", "id")

    def dataset(self) -> Dataset:
        """The dataset named in the address, if the viewer may see it."""
        seen = Dataset.objects.visible_to(self.viewer).select_related("owner")
        return get_object_or_404(seen, pk=self.kwargs["pk"])

    def own_dataset(self) -> Dataset:
        """The dataset named in the address, if the viewer speaks for its owner."""
        dataset = self.dataset()
        self.require_own(dataset.owner, "rights")
        return dataset

    def begin(self, dataset: Dataset, given: dict[str, Any]) -> Response:
        """Open a version and begin its upload; the answer says where to follow it."""
        at, file = timezone.now(), given.pop("file", None)
        with transaction.atomic():
            version = registry.open_version(dataset=dataset, mode=given.pop("mode"), at=at)
            upload = pipeline.begin_upload(
                version=version,
                file=cast(BinaryIO, file),
                file_name=file.name if file else "",
                by=self.person,
                at=at,
                **given,
            )
        where = {"Location": f"/api/v1/uploads/{upload.pk}"}
        return Response(UploadOut(upload).data, status=status.HTTP_202_ACCEPTED, headers=where)


class DatasetVersions(Sending):
    """A dataset's versions."""

    def get_queryset(self) -> QuerySet[DatasetVersion]:
        """The versions of the dataset named in the address."""
        return self.dataset().versions.select_related("dataset__owner")

    def owners_of(self, row: DatasetVersion) -> Iterable[Party]:
        """The dataset's owner."""
        return (row.dataset.owner,)

    @extend_schema(operation_id="datasets_versions_list", responses=VersionOut(many=True))
    def get(self, request: Request, pk: str) -> Response:
        """The versions of a dataset, latest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(VersionOut(page, many=True).data)

    @extend_schema(request=VersionIn, responses={202: UploadOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def post(self, request: Request, pk: str) -> Response:
        """Send a new version; it is read, sealed and screened in the background."""
        dataset = self.own_dataset()
        return self.begin(dataset, self.read(VersionIn))


class DatasetPrints(Sending):
    """Fingerprints of a dataset whose content never leaves its owner."""

    @extend_schema(request=PrintsIn, responses={202: UploadOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def post(self, request: Request, pk: str) -> Response:
        """Send a version as fingerprints only."""
        dataset = self.own_dataset()
        if not dataset.is_fingerprint_only:
            raise NotFingerprintOnly
        return self.begin(dataset, self.read(PrintsIn))


class SealVersion(Door):
    """The owner's word on a delta that was shown."""

    @extend_schema(request=None, responses={202: UploadOut})
    def post(self, request: Request, pk: str) -> Response:
        """Confirm a delta: it is sealed and screened now."""
        seen = DatasetVersion.objects.visible_to(self.viewer).select_related("dataset__owner")
        version = get_object_or_404(seen, pk=pk)
        self.require_own(version.dataset.owner, "rights")
        waiting = Upload.objects.filter(version=version).exclude(state=Upload.State.FAILED)
        upload = get_object_or_404(waiting)
        pipeline.confirm_delta(upload=upload, at=timezone.now())
        upload.refresh_from_db()
        return Response(UploadOut(upload).data, status=status.HTTP_202_ACCEPTED)


class VersionContent(Facts, GenericAPIView[DatasetVersion]):
    """What the service keeps of a version's content, for its owner to take along."""

    queryset = DatasetVersion.objects.none()

    def get_queryset(self) -> QuerySet[DatasetVersion]:
        """Those that the viewer may see."""
        return DatasetVersion.objects.visible_to(self.viewer).select_related("dataset__owner")

    def owners_of(self, row: DatasetVersion) -> Iterable[Party]:
        """The dataset's owner."""
        return (row.dataset.owner,)

    @extend_schema(responses={(200, "application/x-ndjson"): OpenApiTypes.STR})
    def get(self, request: Request, pk: str) -> HttpResponseBase:
        """Every record with its text, one JSON object a line; null where none is kept here."""
        version = self.get_object()
        name = f"{version.dataset.name}-{version.number}-content"
        rows = _with_texts(registry.export_version(version), registry.records_of(version))
        return lines_of(rows, name, {"Cache-Control": "private, no-store"})


def _with_texts(
    rows: Iterator[dict[str, Any]], records: QuerySet[Record]
) -> Iterator[dict[str, Any]]:
    """The registry's rows, each with the text that is kept of it; both come in one order."""
    ids = records.values_list("pk", flat=True).iterator(CONTENT_BATCH)
    while batch := list(islice(zip(rows, ids, strict=False), CONTENT_BATCH)):
        texts = bodies.texts_of(pk for _, pk in batch)
        for row, pk in batch:
            yield {**row, "text": texts.get(pk)}
