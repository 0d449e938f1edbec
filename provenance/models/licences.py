"""On what terms data may be used: licences, their rates, and what a lab was granted."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from provenance.models.datasets import Dataset, DatasetVersion
from provenance.models.parties import Party, User

if TYPE_CHECKING:
    from datetime import datetime

    from provenance.access import Viewer


class Purpose(models.TextChoices):
    """What data is used for; each is opt-in."""

    PRETRAIN = "pretrain", "Pre-training"
    FINETUNE = "finetune", "Fine-tuning"
    EVALUATE = "evaluate", "Evaluation"
    RETRIEVE = "retrieve", "Retrieval"
    RESEARCH = "research", "Non-commercial research"


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
    spdx = models.CharField(max_length=200, blank=True, help_text="An SPDX expression, if any.")
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
        return f"{self.name} for {self.dataset}"


class Rate(models.Model):
    """What use under a licence costs, while it is valid; prices are whole units of the asset."""

    class Basis(models.TextChoices):
        PER_1K_RECORDS = "per_1k_records", "per 1,000 records"
        PER_1M_TOKENS = "per_1m_tokens", "per 1,000,000 tokens"
        FLAT_PER_RUN = "flat_per_run", "flat per run"

    licence = models.ForeignKey(Licence, on_delete=models.PROTECT, related_name="rates")
    basis = models.CharField(max_length=20, choices=Basis.choices)
    # Tokens are counted by the sealed version's own counter unless a grant says otherwise.
    counter = models.CharField(max_length=60, default="tallymark-tokens/1")
    price_units = models.BigIntegerField()
    asset = models.CharField(max_length=120, help_text="CAIP-19, or iso4217:EUR.")
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(price_units__gte=0), name="rate_is_not_negative")
        ]

    def __str__(self) -> str:
        return f"{self.price_units} {self.asset} {self.get_basis_display()}"


class GrantQuerySet(models.QuerySet["Grant"]):
    """Grants as one viewer may see them, and the one that covers a use."""

    def visible_to(self, viewer: Viewer) -> GrantQuerySet:
        """Those the viewer asked for or gives; all for an operator."""
        if viewer.is_operator:
            return self
        return self.filter(Q(lab=viewer.party) | Q(dataset__owner=viewer.party))

    def covering(
        self, *, lab: Party, version: DatasetVersion, purpose: str, at: datetime
    ) -> Grant | None:
        """The earliest grant of `lab` that allowed `purpose` on the dataset at `at`.

        A revoked grant covers what was used before it was revoked, however late the report.
        """
        return (
            self.filter(
                lab=lab,
                dataset=version.dataset_id,
                purposes__contains=[purpose],
                state__in=[Grant.State.GIVEN, Grant.State.REVOKED],
                valid_from__lte=at,
            )
            .filter(Q(valid_to__isnull=True) | Q(valid_to__gt=at))
            .order_by("decided_at", "id")
            .first()
        )


class Grant(models.Model):
    """A lab's licence for a time; `terms` freezes text, price, term and who accepted."""

    class State(models.TextChoices):
        REQUESTED = "requested"
        GIVEN = "given"
        REFUSED = "refused"
        REVOKED = "revoked"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    lab = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="grants")
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="grants")
    licence = models.ForeignKey(Licence, on_delete=models.PROTECT, related_name="grants")
    # The rate whose price was frozen; null where use is free.
    rate = models.ForeignKey(Rate, null=True, on_delete=models.PROTECT, related_name="+")
    purposes = ArrayField(models.CharField(max_length=20, choices=Purpose.choices))
    state = models.CharField(max_length=10, choices=State.choices, default=State.REQUESTED)
    terms = models.JSONField(default=dict)
    message = models.TextField(blank=True)
    requested_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decided_automatically = models.BooleanField(default=False)
    reason = models.TextField(blank=True)
    valid_from = models.DateTimeField(null=True)
    valid_to = models.DateTimeField(null=True)

    objects = GrantQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.dataset} to {self.lab}"
