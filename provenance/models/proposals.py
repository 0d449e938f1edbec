"""What one operator wants done and another must agree to."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from provenance.models.parties import User

if TYPE_CHECKING:
    from datetime import datetime

    from provenance.access import Viewer


class ProposalQuerySet(models.QuerySet["Proposal"]):
    """Proposals as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> ProposalQuerySet:
        """All for an operator; nothing for anybody else."""
        return self if viewer.is_operator else self.none()

    def waiting(self, at: datetime) -> ProposalQuerySet:
        """Those that may still be approved at `at`."""
        return self.filter(state=Proposal.State.OPEN, expires_at__gt=at)


class Proposal(models.Model):
    """An act that takes two people, as the first of them put it forward.

    `body` says what is to be done, `basis` the facts that it rests on: if they are others when the
    second person looks, the proposal is void. `digest` is SHA-256 of both, of kind, subject and
    salt, in canonical JSON; the ledger holds it.
    """

    class Kind(models.TextChoices):
        DECISION = "decision", _("Decide a conflict")
        APPEAL = "appeal", _("Decide an appeal")
        REVERSAL = "reversal", _("Take an entry back")
        REFUND = "refund", _("Pay a deposit back")
        ADJUSTMENT = "adjustment", _("Post an entry by hand")
        CONVERSION = "conversion", _("Convert between assets")
        ROOT = "root", _("Propose a payout tree")
        RUN = "run", _("Order a payment run")
        DEPOSIT = "deposit", _("Book a deposit")
        CREDIT = "credit", _("Set a credit limit")
        FUNDING = "funding", _("Fund the treasury")
        DISMISSAL = "dismissal", _("Dismiss a reverted transaction")
        TRANSFER = "transfer", _("Pass a dataset to another owner")
        INVITATION = "invitation", _("Invite a person into a party")

    class State(models.TextChoices):
        OPEN = "open", _("Waits for a second person")
        APPROVED = "approved", _("Approved, and done")
        REFUSED = "refused", _("Refused")
        WITHDRAWN = "withdrawn", _("Withdrawn by who proposed it")
        EXPIRED = "expired", _("Expired: nobody approved it in time")
        VOID = "void", _("Void: the facts have changed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    # The row that it is about, by its key; what is proposed of it twice at a time is one too many.
    subject = models.CharField(max_length=64)
    body = models.JSONField()
    basis = models.JSONField()
    salt = models.BinaryField(max_length=32)
    digest = models.BinaryField(max_length=32)
    # What it does, in words for the second person; amounts name their assets.
    words = models.TextField()
    stake = models.CharField(max_length=200, blank=True, default="")
    state = models.CharField(max_length=9, choices=State.choices, default=State.OPEN)
    proposed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="proposals")
    proposed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True, default="")
    # What came of it, in words.
    outcome = models.CharField(max_length=300, blank=True, default="")

    objects = ProposalQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="nobody_approves_their_own_proposal",
                condition=~Q(state__in=["approved", "refused"])
                | (Q(decided_by__isnull=False) & ~Q(decided_by=F("proposed_by"))),
            ),
            models.CheckConstraint(
                name="proposal_is_withdrawn_by_its_proposer",
                condition=~Q(state="withdrawn") | Q(decided_by=F("proposed_by")),
            ),
            models.CheckConstraint(
                name="proposal_ends_once",
                condition=Q(state="open", decided_at__isnull=True)
                | ~Q(state="open") & Q(decided_at__isnull=False),
            ),
            models.CheckConstraint(
                name="proposal_is_refused_with_a_reason",
                condition=~Q(state="refused") | ~Q(reason=""),
            ),
            models.UniqueConstraint(
                fields=["kind", "subject"],
                name="proposal_open_once",
                condition=Q(state="open"),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["expires_at"], name="proposal_open_by_end", condition=Q(state="open")
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.words.splitlines()[0][:80]}"
