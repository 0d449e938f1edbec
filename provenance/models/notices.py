"""What parties are told, each person's copy of it, and what each person wants by mail."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from provenance.models.parties import Party, User

if TYPE_CHECKING:
    from datetime import datetime

    from provenance.access import Viewer


class Sending(models.TextChoices):
    """When a person is mailed a notice."""

    NOW = "now", _("at once")
    DAILY = "daily", _("once a day")
    OFF = "off", _("not by mail")


class NoticeQuerySet(models.QuerySet["Notice"]):
    """Notices as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> NoticeQuerySet:
        """Those to the viewer's own party: operators, too, read only what is written to them."""
        return self.filter(party=viewer.party)


class Notice(models.Model):
    """A party was told of a fact, in the transaction of the fact.

    `facts` holds what its words name, and nothing that the party may not see; the words themselves
    are made when it is read, in the reader's language (`provenance.notices`).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=60)
    facts = models.JSONField(default=dict)
    # Which row the kind's page shows.
    about = models.CharField(max_length=60, blank=True)
    # Of one kind, what makes it another one: a repeat tells nobody twice.
    key = models.CharField(max_length=200)
    made_at = models.DateTimeField()
    # Until when the party may act; whether that was recalled, and what follows was done.
    deadline_at = models.DateTimeField(null=True)
    reminded_at = models.DateTimeField(null=True)
    lapsed_at = models.DateTimeField(null=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["party", "kind", "key"], name="notice_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["party", "-made_at"], name="notice_by_party"),
            models.Index(
                fields=["deadline_at"],
                name="notice_runs",
                condition=Q(deadline_at__isnull=False, lapsed_at=None),
            ),
        ]

    def __str__(self) -> str:
        return self.kind


class LetterQuerySet(models.QuerySet["Letter"]):
    """Copies that are to be mailed, and those that nobody has read."""

    def due(self, at: datetime) -> LetterQuerySet:
        """Those to be mailed by `at` that nobody works on."""
        return self.filter(send_at__lte=at)

    def unread(self, *, user: User, party: Party) -> LetterQuerySet:
        """What `user` has not read of the notices to `party`."""
        return self.filter(user=user, notice__party=party, read_at=None)


class Letter(models.Model):
    """One person's copy of a notice: whether it was read, and how it goes by mail.

    Without a person it goes to the party's contact address. `send_at` is when mailing it is tried
    next: a worker that takes it moves it on, so that another takes it only if this one died.
    """

    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="letters")
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="letters")
    read_at = models.DateTimeField(null=True)
    sending = models.CharField(max_length=5, choices=Sending.choices)
    send_at = models.DateTimeField(null=True)
    attempt_count = models.PositiveIntegerField(default=0)
    mailed_at = models.DateTimeField(null=True)
    # Why the last attempt failed; with neither `send_at` nor `mailed_at` it was the last.
    error = models.CharField(max_length=300, blank=True)

    objects = LetterQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["notice", "user"], name="letter_once", nulls_distinct=False
            )
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["send_at"], name="letter_to_send", condition=Q(send_at__isnull=False)
            ),
            models.Index(fields=["user"], name="letter_unread", condition=Q(read_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.notice} to {self.user or self.notice.party.contact_email}"


class NoticeChoice(models.Model):
    """What one person wants of one kind of notice, where that is not the usual."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notice_choices")
    kind = models.CharField(max_length=60)
    sending = models.CharField(max_length=5, choices=Sending.choices)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "kind"], name="notice_choice_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.sending}"


class NoticeDay(models.Model):
    """When a person's day begins: what is gathered goes out at that hour in that time zone."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="notice_day")
    zone = models.CharField(max_length=60, default="UTC")
    hour = models.PositiveSmallIntegerField(default=8, validators=[MaxValueValidator(23)])

    def __str__(self) -> str:
        return f"{self.hour}:00 {self.zone}"
