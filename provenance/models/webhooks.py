"""Where a party's programs are told what its people are told, and how each telling went."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from provenance.models.notices import Notice
from provenance.models.parties import Party, PartyScopedQuerySet, User

if TYPE_CHECKING:
    from datetime import datetime

    from provenance.access import Viewer


class WebhookQuerySet(PartyScopedQuerySet["Webhook"]):
    """Webhooks as one viewer may see them."""

    def standing(self) -> WebhookQuerySet:
        """Those that messages are made for, also while nothing is posted there."""
        return self.filter(removed_at=None)


class Webhook(models.Model):
    """An address of a party to which its notices are posted, signed with a secret of its own."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="webhooks")
    url = models.CharField(max_length=500)
    name = models.CharField(max_length=100)
    # Kinds of notices that are posted; none named: all of them.
    kinds = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    # Encrypted (`provenance.secrecy`): signing needs the secret itself, not its hash.
    hidden_secret = models.BinaryField()
    made_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    disabled_at = models.DateTimeField(null=True)
    disabled_words = models.CharField(max_length=300, blank=True)
    removed_at = models.DateTimeField(null=True)

    objects = WebhookQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class WebhookMessageQuerySet(models.QuerySet["WebhookMessage"]):
    """Messages as one viewer may see them, and those that wait."""

    def visible_to(self, viewer: Viewer) -> WebhookMessageQuerySet:
        """Those to the viewer's own addresses; every one for an operator."""
        return self if viewer.is_operator else self.filter(webhook__party=viewer.party)

    def due(self, at: datetime) -> WebhookMessageQuerySet:
        """Those to be posted by `at` to addresses that still take messages."""
        return self.filter(send_at__lte=at, webhook__disabled_at=None, webhook__removed_at=None)


class WebhookMessage(models.Model):
    """One message to one address: the same id and body at every attempt and replay.

    `send_at` is when it is tried next; a worker that takes it moves it on (see `Letter`).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.PROTECT, related_name="messages")
    # None for a test message.
    notice = models.ForeignKey(Notice, null=True, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=60)
    # Byte for byte what is posted and signed.
    body = models.TextField()
    made_at = models.DateTimeField()
    send_at = models.DateTimeField(null=True)
    # Since the message was made or last replayed.
    attempt_count = models.PositiveIntegerField(default=0)
    delivered_at = models.DateTimeField(null=True)
    gave_up_at = models.DateTimeField(null=True)

    objects = WebhookMessageQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["webhook", "notice"],
                name="webhook_message_once",
                condition=Q(notice__isnull=False),
            )
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["send_at"],
                name="webhook_message_to_send",
                condition=Q(send_at__isnull=False),
            ),
            models.Index(fields=["webhook", "-made_at"], name="webhook_message_by_webhook"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.webhook}"

    @property
    def state(self) -> str:
        """In a word, where it stands."""
        if self.delivered_at:
            return "delivered"
        if self.gave_up_at:
            return "failed"
        return "waiting"


class WebhookAttempt(models.Model):
    """One time a message was posted, and what was answered."""

    message = models.ForeignKey(WebhookMessage, on_delete=models.PROTECT, related_name="attempts")
    at = models.DateTimeField()
    # The HTTP status, where there was an answer.
    status = models.PositiveSmallIntegerField(null=True)
    # How the answer's body began, or why there was none.
    answer = models.TextField(blank=True)
    milliseconds = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.status or 'no answer'} at {self.at:%Y-%m-%d %H:%M}"
