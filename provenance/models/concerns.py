"""What people without an account tell: something of theirs is in a registered dataset."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from provenance.models.parties import User

if TYPE_CHECKING:
    from provenance.access import Viewer


# Within this time everybody who wrote is answered.
ANSWERED_WITHIN = timedelta(days=14)


class ConcernQuerySet(models.QuerySet["Concern"]):
    """Concerns as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> ConcernQuerySet:
        """All for an operator; nobody else sees who wrote."""
        return self if viewer.is_operator else self.none()


class Concern(models.Model):
    """A person's word, in good faith, and what an operator answered (after the EU's DSA, art. 16).

    It holds and blocks nothing: money is held by a claim, and a claim needs an account.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    email = models.EmailField()
    what = models.TextField()
    place = models.TextField()
    why = models.TextField()
    made_at = models.DateTimeField()
    answer = models.TextField(blank=True)
    answered_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    answered_at = models.DateTimeField(null=True)

    objects = ConcernQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(answered_at=None, answer="")
                | (Q(answered_at__isnull=False) & ~Q(answer="")),
                name="concern_is_answered_in_words",
            )
        ]
        indexes: ClassVar = [models.Index(fields=["email", "-made_at"], name="concern_by_sender")]

    @property
    def due_at(self) -> datetime:
        """Until when it is answered."""
        return self.made_at + ANSWERED_WITHIN

    def __str__(self) -> str:
        return _("Concern of %(day)s") % {"day": f"{self.made_at:%Y-%m-%d}"}
