"""One answer to many conflicts: what a side said of a filtered set, and what came of each."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from provenance.models.conflicts import Conflict
from provenance.models.parties import Party, User

if TYPE_CHECKING:
    from provenance.access import Viewer


class BulkAnswerQuerySet(models.QuerySet["BulkAnswer"]):
    """Answers as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> BulkAnswerQuerySet:
        """The viewer's own; all for an operator."""
        return self if viewer.is_operator else self.filter(party=viewer.party)


class BulkAnswer(models.Model):
    """A side's one answer to the conflicts that it had before it; work while `finished_at` is null.

    `filter` narrows the pairs of each conflict, as in `conflicts.concede`.
    """

    class Choice(models.TextChoices):
        KEEP = "keep", _("Each keeps its own: I claim nothing")
        GIVE = "give", _("They are the other side's: I give them up")
        CLAIM = "claim", _("They are mine: I claim them")
        DISPUTE = "dispute", _("I do not accept the claims")
        REPLY = "reply", _("I reply to the answers")
        WITHDRAW = "withdraw", _("I withdraw my claims")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="bulk_answers")
    choice = models.CharField(max_length=8, choices=Choice.choices)
    text = models.TextField(blank=True)
    evidence = models.TextField(blank=True)
    filter = models.JSONField(default=dict)
    made_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = BulkAnswerQuerySet.as_manager()

    def __str__(self) -> str:
        return str(self.get_choice_display())


class AnsweredConflict(models.Model):
    """One conflict of a bulk answer: how many pairs were answered, or why nothing was."""

    answer = models.ForeignKey(BulkAnswer, on_delete=models.PROTECT, related_name="cases")
    conflict = models.ForeignKey(Conflict, on_delete=models.PROTECT, related_name="+")
    pair_count = models.BigIntegerField(default=0)
    refusal = models.TextField(blank=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["answer", "conflict"], name="conflict_once_per_bulk_answer"
            )
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["answer", "id"],
                name="conflict_to_answer",
                condition=models.Q(done_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.answer}: {self.conflict}"
