"""Projects: what a lab groups its runs by, so that each group can have a budget."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models

from provenance.models.parties import Party

if TYPE_CHECKING:
    from provenance.access import Viewer


class ProjectQuerySet(models.QuerySet["Project"]):
    """Projects as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> Self:
        """The lab's own; all for an operator."""
        return self if viewer.is_operator else self.filter(lab=viewer.party)


class Project(models.Model):
    """A lab's name for some of its runs; owners do not see it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    lab = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="projects")
    name = models.CharField(max_length=100)
    created_at = models.DateTimeField()

    objects = ProjectQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["lab", "name"], name="project_named_once")
        ]

    def __str__(self) -> str:
        return self.name
