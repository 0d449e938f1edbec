"""Who takes part: organisations, their members, their keys, and who looked at what."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop as _noop

if TYPE_CHECKING:
    from provenance.access import Viewer


class User(AbstractUser):
    """A person who signs in; what a person may see comes from memberships."""

    email = models.EmailField(unique=True)
    # In which language this person reads pages and mail; empty until one was chosen.
    language = models.CharField(max_length=10, blank=True, default="")


class PartyQuerySet(models.QuerySet["Party"]):
    """Parties as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> PartyQuerySet:
        """The viewer's own party; every party for an operator."""
        return self if viewer.is_operator else self.filter(pk=viewer.party.pk)


class Party(models.Model):
    """An organisation: owner, lab or both; the operator is one too."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    namespace = models.SlugField(max_length=80, unique=True, help_text=_("Names its datasets."))
    is_owner = models.BooleanField(default=False)
    is_lab = models.BooleanField(default=False)
    is_operator = models.BooleanField(default=False)
    contact_email = models.EmailField(blank=True)
    # Whether a lab's reports of use are refused unless they are signed.
    requires_signed_reports = models.BooleanField(default=False)
    # Salts the payee id, so that the chain shows a pseudonym.
    salt = models.BinaryField(max_length=32)
    created_at = models.DateTimeField()

    objects = PartyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = _noop("parties")

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """What one user may do for one party."""

    class Role(models.TextChoices):
        ADMIN = "admin", _("Admin")
        RIGHTS = "rights", _("Rights")
        FINANCE = "finance", _("Finance")
        DEVELOPER = "developer", _("Developer")
        VIEWER = "viewer", _("Viewer")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField()
    # Since when the person has put the list of first steps away; null: it is shown.
    guide_dismissed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "party"], name="member_once_per_party")
        ]

    def __str__(self) -> str:
        return f"{self.user.email} ({self.get_role_display()})"


_Row = TypeVar("_Row", bound=models.Model, covariant=True)


class PartyScopedQuerySet(models.QuerySet[_Row]):
    """Rows that belong to exactly one party through their `party` column."""

    def visible_to(self, viewer: Viewer) -> Self:
        """The rows of the viewer's party; every row for an operator."""
        return self if viewer.is_operator else self.filter(party=viewer.party)


class Invitation(models.Model):
    """A person was asked to join a party; the link's token is stored hashed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=Membership.Role.choices)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)

    objects = PartyScopedQuerySet["Invitation"].as_manager()

    def __str__(self) -> str:
        return _("%(one)s to %(other)s") % {"one": self.email, "other": self.party.name}


class ApiKey(models.Model):
    """A secret that speaks for a party: stored hashed, scoped, revocable, shown once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12, unique=True)
    secret_hash = models.CharField(max_length=64)
    scopes = ArrayField(models.CharField(max_length=20), default=list)
    # Opens a lab's test data and nothing else; nothing that it does costs.
    is_test = models.BooleanField(default=False)
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = PartyScopedQuerySet["ApiKey"].as_manager()

    class Meta:
        verbose_name = _noop("API key")
        verbose_name_plural = _noop("API keys")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}...)"


class AccessLog(models.Model):
    """An operator looked at what belongs to a party; kept for that party to read."""

    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="looked_at")
    user = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    key = models.ForeignKey(ApiKey, null=True, on_delete=models.PROTECT, related_name="+")
    what = models.CharField(max_length=200)
    reason = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField()

    objects = PartyScopedQuerySet["AccessLog"].as_manager()

    class Meta:
        verbose_name = _noop("look")
        verbose_name_plural = _noop("looks")
        indexes: ClassVar = [models.Index(fields=["party", "-at"], name="access_log_by_party")]

    def __str__(self) -> str:
        return self.what


class IdempotencyKey(models.Model):
    """What was answered to a request with this key, so that a repeat gets the same answer."""

    party = models.ForeignKey(Party, on_delete=models.CASCADE)
    endpoint = models.CharField(max_length=120)
    key = models.CharField(max_length=200)
    body_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["party", "endpoint", "key"], name="idempotency_key_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.key}"
