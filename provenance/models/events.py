"""The ledger's rows: events, numbered and chained by the sealer."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.fields.json import KT
from django.utils import timezone

from provenance.models.parties import Party
from provenance.models.runs import Usage
from provenance.models.signals import Review

if TYPE_CHECKING:
    from provenance.access import Viewer


class EventQuerySet(models.QuerySet["Event"]):
    """Events as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> EventQuerySet:
        """Events that concern the viewer's party; all of them for an operator.

        What tells of a use is the lab's alone while only the lab is told of the use.
        """
        if viewer.is_operator:
            return self
        untold = Usage.objects.awaiting_grant(timezone.now())
        run = OuterRef("run_pseudonym")
        consumed = untold.filter(
            Q(run__pseudonym=run) | Q(run__descendants__pseudonym=run),
            version=OuterRef("subject_id"),
        )
        hidden = (
            Q(subject_kind="usage", subject_id__in=untold.values("pk"))
            | Q(subject_kind="review", subject_id__in=_reviews_of(untold))
            | Q(Exists(consumed), kind="run.consumed")
        )
        seen = self.alias(run_pseudonym=KT("body__run"))
        return seen.filter(Q(party=viewer.party) | (Q(other_party=viewer.party) & ~hidden))


def _reviews_of(usages: models.QuerySet[Usage]) -> models.QuerySet[Review, uuid.UUID]:
    return Review.objects.filter(usage__in=usages).values_list("pk", flat=True)


class Event(models.Model):
    """One fact. Inserted unsequenced by a use case; numbered and hashed once, by the sealer.

    `body` holds no personal data: only identifiers, counts, digests and salted commitments.
    """

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=60)
    # What it is about, for lookups: `dataset`, `version`, `run`, ... and its id.
    subject_kind = models.CharField(max_length=30)
    subject_id = models.UUIDField(default=uuid.UUID(int=0))
    # The parties whom it concerns, for visibility; not part of the hash.
    party = models.ForeignKey(Party, null=True, on_delete=models.PROTECT, related_name="events")
    other_party = models.ForeignKey(
        Party, null=True, on_delete=models.PROTECT, related_name="other_events"
    )
    body = models.JSONField()
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    sequence = models.BigIntegerField(null=True, unique=True)
    previous_hash = models.BinaryField(max_length=32, null=True)
    hash = models.BinaryField(max_length=32, null=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["id"], name="event_unsealed", condition=Q(sequence=None)),
            models.Index(fields=["subject_kind", "subject_id"], name="event_by_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.sequence or 'unsealed'} {self.kind}"
