"""What a lab was granted: a licence for a time, with its text, price and term frozen."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, F, Q, When
from django.utils.translation import pgettext
from django.utils.translation import pgettext_lazy as _named

from provenance.models.bundles import Subscription
from provenance.models.datasets import Dataset, DatasetVersion
from provenance.models.licences import Licence, Purpose
from provenance.models.parties import Party, User
from provenance.models.rates import Rate

if TYPE_CHECKING:
    from datetime import datetime

    from provenance.access import Viewer


class GrantQuerySet(models.QuerySet["Grant"]):
    """Grants as one viewer may see them, and the one that covers a use."""

    def visible_to(self, viewer: Viewer) -> GrantQuerySet:
        """Those the viewer asked for or gives; all for an operator."""
        if viewer.is_operator:
            return self
        return self.filter(Q(lab=viewer.party) | Q(dataset__owner=viewer.party))

    def covering(
        self,
        *,
        lab: Party,
        version: DatasetVersion,
        purpose: str,
        at: datetime,
        licence: uuid.UUID | None = None,
    ) -> Grant | None:
        """The earliest grant of `lab` that allowed `purpose` on the dataset at `at`.

        One of `licence` goes first, then one that came with a subscription. A revoked grant covers
        what was used before it was revoked, however late the report.
        """
        is_named = Case(When(licence=licence, then=0), default=1)
        return (
            self.filter(
                lab=lab,
                dataset=version.dataset_id,
                purposes__contains=[purpose],
                state__in=[Grant.State.GIVEN, Grant.State.REVOKED],
                valid_from__lte=at,
            )
            .filter(Q(valid_to__isnull=True) | Q(valid_to__gt=at))
            .order_by(is_named, F("subscription").asc(nulls_last=True), "decided_at", "id")
            .first()
        )


class Grant(models.Model):
    """A lab's licence for a time; `terms` freezes text, price, term and who accepted."""

    class State(models.TextChoices):
        REQUESTED = "requested", _named("state", "Requested")
        GIVEN = "given", _named("state", "Given")
        REFUSED = "refused", _named("state", "Refused")
        REVOKED = "revoked", _named("state", "Revoked")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    lab = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="grants")
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="grants")
    licence = models.ForeignKey(Licence, on_delete=models.PROTECT, related_name="grants")
    # The rate whose price was frozen; null where use is free.
    rate = models.ForeignKey(Rate, null=True, on_delete=models.PROTECT, related_name="+")
    # Where use is paid for by a subscription, and so costs nothing more.
    subscription = models.ForeignKey(
        Subscription, null=True, on_delete=models.PROTECT, related_name="grants"
    )
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
        return pgettext("a grant", "%(one)s to %(other)s") % {
            "one": self.dataset,
            "other": self.lab,
        }
