"""Versions of datasets: look, confirm a delta, withdraw, erase, take out what is kept."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from provenance import registry
from provenance.api.conditional import etag_of, headers_of, not_modified
from provenance.api.door import Facts
from provenance.api.fields import DatasetRef, HexField, ReasonIn
from provenance.api.files import file_of, lines_of
from provenance.documents import certificates
from provenance.models import DatasetVersion, Party


class VersionOut(serializers.ModelSerializer[DatasetVersion]):
    """One state of a dataset: counts, and once sealed its root and place in the ledger."""

    name = serializers.SerializerMethodField(help_text="namespace/name@number")
    dataset = DatasetRef()
    records_root = HexField()

    class Meta:
        model = DatasetVersion
        fields = (
            "id", "name", "dataset", "number", "state", "mode", "record_count", "token_count",
            "byte_count", "added_count", "changed_count", "withdrawn_count", "records_root",
            "created_at", "sealed_at", "sealed_sequence", "withdrawn_at", "erased_at",
        )  # fmt: skip

    def get_name(self, version: DatasetVersion) -> str:
        """The name that a usage report may use."""
        return str(version)


class Versions(RetrieveModelMixin, Facts, GenericViewSet[DatasetVersion]):
    """A version of one of the viewer's datasets."""

    serializer_class = VersionOut
    queryset = DatasetVersion.objects.none()
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[DatasetVersion]:
        """Those that the viewer may see."""
        return DatasetVersion.objects.visible_to(self.viewer).select_related("dataset__owner")

    def owners_of(self, row: DatasetVersion) -> Iterable[Party]:
        """The dataset's owner."""
        return (row.dataset.owner,)

    @extend_schema(request=ReasonIn, responses=VersionOut)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        """Take it out of use: no new grant covers it, and what still uses it is flagged."""
        version, reason = self._mine(), self.read(ReasonIn)["reason"]
        registry.withdraw_version(version=version, at=timezone.now(), reason=reason)
        return self._now()

    @extend_schema(request=None, responses=VersionOut)
    @action(detail=True, methods=["post"])
    def erase(self, request: Request, pk: str) -> Response:
        """Erase its content and salts for good; the ledger's chain still verifies."""
        registry.erase_version(version=self._mine(), at=timezone.now())
        return self._now()

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["get"])
    def certificate(self, request: Request, pk: str) -> Response:
        """What its registration proves, what it does not, and how to check it."""
        return Response(certificates.certificate(self.get_object()))

    @extend_schema(responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], url_path="certificate.pdf")
    def certificate_pdf(self, request: Request, pk: str) -> HttpResponseBase:
        """The certificate as a paper."""
        version = self.get_object()
        return file_of(certificates.certificate_pdf(version), f"certificate {version}", "pdf")

    @extend_schema(
        responses={(200, "application/x-ndjson"): OpenApiTypes.STR, 304: None},
        description="Every record that is kept of it, one JSON object a line.",
    )
    @action(detail=True, methods=["get"])
    def export(self, request: Request, pk: str) -> HttpResponseBase:
        """Every record that is kept of it, one JSON object a line."""
        version = self.get_object()
        changed_at = version.erased_at or version.withdrawn_at or version.sealed_at
        etag = etag_of("export", version.pk, version.state, changed_at)
        if unchanged := not_modified(request, etag, changed_at):
            return unchanged
        name = f"{version.dataset.name}-{version.number}"
        return lines_of(registry.export_version(version), name, headers_of(etag, changed_at))

    def _mine(self) -> DatasetVersion:
        """The version named in the address, if the viewer speaks for its owner."""
        version: DatasetVersion = self.get_object()
        self.require_own(version.dataset.owner, "rights")
        return version

    def _now(self) -> Response:
        """The version as it stands after the act."""
        return Response(VersionOut(super().get_object()).data)
