"""On what terms data may be used: what owners offer, and for which purposes."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from provenance.models.datasets import Dataset

if TYPE_CHECKING:
    from provenance.access import Viewer


class Purpose(models.TextChoices):
    """What data is used for; each is opt-in."""

    PRETRAIN = "pretrain", _("Pre-training")
    FINETUNE = "finetune", _("Fine-tuning")
    EVALUATE = "evaluate", _("Evaluation")
    RETRIEVE = "retrieve", _("Retrieval")
    RESEARCH = "research", _("Non-commercial research")


class LicenceQuerySet(models.QuerySet["Licence"]):
    """Licences as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> LicenceQuerySet:
        """The viewer's own; those on offer for everybody; all for an operator."""
        if viewer.is_operator:
            return self
        return self.filter(Q(dataset__owner=viewer.party) | Q(is_offered=True))


class Licence(models.Model):
    """Terms an owner offers for a dataset; without one, all rights are reserved."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="licences")
    name = models.CharField(max_length=200)
    spdx = models.CharField(max_length=200, blank=True, help_text=_("An SPDX expression, if any."))
    text = models.TextField(blank=True)
    purposes = ArrayField(models.CharField(max_length=20, choices=Purpose.choices), default=list)
    # Opt-in: grants for these purposes are given without the owner's hand.
    is_automatic = models.BooleanField(default=False)
    is_offered = models.BooleanField(default=True)
    shows_model_name = models.BooleanField(default=False)
    term_days = models.PositiveIntegerField(default=365)
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = LicenceQuerySet.as_manager()

    def __str__(self) -> str:
        return _("%(one)s for %(other)s") % {"one": self.name, "other": self.dataset}
