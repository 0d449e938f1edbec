"""Who owned a dataset from when to when, and how it passed from one party to another."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Final

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from provenance.models.datasets import Dataset
from provenance.models.parties import Party, User

if TYPE_CHECKING:
    from provenance.access import Viewer


# Before anything passed to anybody.
FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)


class OwnershipTransferQuerySet(models.QuerySet["OwnershipTransfer"]):
    """Transfers as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> OwnershipTransferQuerySet:
        """Those that the viewer gives or receives; all for an operator."""
        if viewer.is_operator:
            return self
        return self.filter(Q(giver=viewer.party) | Q(receiver=viewer.party))


class OwnershipTransfer(models.Model):
    """One party hands a dataset over to another; it takes effect when the other accepts.

    The owner proposes it, or an operator because a paper says so: then `paper` names it and a
    second operator has confirmed it.
    """

    class State(models.TextChoices):
        PROPOSED = "proposed", _("Waits for the receiver")
        ACCEPTED = "accepted", _("Accepted, and done")
        REFUSED = "refused", _("Refused by the receiver")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        EXPIRED = "expired", _("Expired: the receiver did not answer")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="transfers")
    giver = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="given_transfers")
    receiver = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="received_transfers")
    state = models.CharField(max_length=9, choices=State.choices, default=State.PROPOSED)
    reason = models.TextField()
    # What an operator goes by: a judgment, a deed, a letter, and where it is kept.
    paper = models.CharField(max_length=300, blank=True, default="")
    # Null where a key that no person made proposed it.
    proposed_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    confirmed_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    # Why it was refused or withdrawn, where somebody says so.
    answer = models.TextField(blank=True, default="")

    objects = OwnershipTransferQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="transfer_is_to_another", condition=~Q(giver=F("receiver"))
            ),
            models.CheckConstraint(name="transfer_has_a_reason", condition=~Q(reason="")),
            models.CheckConstraint(
                name="transfer_by_paper_takes_two_operators",
                condition=Q(paper="", confirmed_by__isnull=True)
                | ~Q(paper="")
                & Q(confirmed_by__isnull=False, proposed_by__isnull=False)
                & ~Q(confirmed_by=F("proposed_by")),
            ),
            models.CheckConstraint(
                name="transfer_ends_once",
                condition=Q(state="proposed", decided_at__isnull=True)
                | ~Q(state="proposed") & Q(decided_at__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["dataset"], name="transfer_open_once", condition=Q(state="proposed")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset.title}: {self.giver} → {self.receiver}"

    @property
    def is_by_operator(self) -> bool:
        """Whether operators proposed it, because a paper says so."""
        return bool(self.paper)


class TenureQuerySet(models.QuerySet["Tenure"]):
    """What was whose, as filters on other rows.

    `dataset` and `moment` are the lookups of a row's dataset and of when it happened. The filters
    name the few datasets that passed to or from a party, and nothing where none did.
    """

    def ended_of(self, party: Party, *, dataset: str, moment: str) -> Q:
        """What happened to datasets while `party`, which owns them no longer, owned them."""
        found = Q(pk__in=[])
        for one in self.filter(owner=party, ends_at__isnull=False):
            since = one.begins_at if one.transfer_id else FIRST
            found |= Q(
                **{dataset: one.dataset_id, f"{moment}__gte": since, f"{moment}__lt": one.ends_at}
            )
        return found

    def before(self, party: Party, *, dataset: str, moment: str) -> Q:
        """What happened to datasets of `party` before it owned them."""
        found = Q(pk__in=[])
        for one in self.filter(owner=party, ends_at=None, transfer__isnull=False):
            found |= Q(**{dataset: one.dataset_id, f"{moment}__lt": one.begins_at})
        return found


class Tenure(models.Model):
    """From when to when a dataset was whose: written once it has passed to somebody.

    A dataset without any is its owner's, from its registration.
    """

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="tenures")
    owner = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="tenures")
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    # Null for who registered it.
    transfer = models.OneToOneField(
        OwnershipTransfer, null=True, on_delete=models.PROTECT, related_name="tenure"
    )

    objects = TenureQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["begins_at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dataset", "begins_at"], name="tenure_begins_once"),
            models.UniqueConstraint(
                fields=["dataset"], name="tenure_runs_once", condition=Q(ends_at__isnull=True)
            ),
            models.CheckConstraint(
                name="tenure_ends_after_its_beginning",
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("begins_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset_id} of {self.owner}"
