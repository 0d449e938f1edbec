"""Projects: what a lab groups its runs by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from provenance import projects
from provenance.api.door import IDEMPOTENCY, Browse
from provenance.api.idempotency import idempotent
from provenance.models import Party, Project


class ProjectOut(serializers.ModelSerializer[Project]):
    """A project of a lab."""

    class Meta:
        model = Project
        fields = ("id", "name", "created_at")


class ProjectIn(serializers.Serializer[Any]):
    """A project to make; runs name it when they start."""

    name = serializers.CharField(max_length=100)


class Projects(Browse):
    """The lab's projects."""

    serializer_class = ProjectOut
    queryset = Project.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("name", "id")

    def get_queryset(self) -> QuerySet[Project]:
        """Those that the viewer may see."""
        return Project.objects.visible_to(self.viewer).select_related("lab")

    def owners_of(self, row: Project) -> Iterable[Party]:
        """The lab."""
        return (row.lab,)

    @extend_schema(request=ProjectIn, responses={201: ProjectOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Make a project; one that is there already is answered as it is."""
        self.viewer.require("finance")
        given = self.read(ProjectIn)
        made = projects.make_project(lab=self.viewer.party, at=timezone.now(), **given)
        return Response(ProjectOut(made).data, status=status.HTTP_201_CREATED)
