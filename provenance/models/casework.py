"""Who of the operators looks after which case."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from provenance.models.parties import User


class CaseKind(models.TextChoices):
    """What waits for an operator."""

    PROPOSAL = "proposal", _("To approve as the second person")
    CONFLICT = "conflict", _("Conflict to decide")
    APPEAL = "appeal", _("Appeal to decide")
    CLAIM = "claim", _("Claim to admit")
    REVIEW = "review", _("Review of reports")
    PAYOUT = "payout", _("Payout that came back")
    BOOKING = "booking", _("Booking of the bank")
    PAYABLE = "payable", _("Payout over the limit")
    TRANSFER = "transfer", _("Transfer of nobody yet")
    PAYMENT = "payment", _("Payment to look at")
    DIFFERENCE = "difference", _("Difference to explain")
    TRANSACTION = "transaction", _("Transaction that reverted")


class Assignment(models.Model):
    """An operator looks after a case, from a moment until it is handed over or given back.

    A review says itself who looks at it; every other case is named by its kind and its row's key.
    """

    kind = models.CharField(max_length=12, choices=CaseKind.choices)
    subject = models.CharField(max_length=64)
    assignee = models.ForeignKey(User, on_delete=models.PROTECT, related_name="assignments")
    assigned_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    assigned_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                name="case_has_one_assignee",
                condition=Q(ended_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}: {self.assignee}"
