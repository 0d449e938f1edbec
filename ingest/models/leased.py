"""What all work that is done in slices has in common: who works on it, and when again."""

from __future__ import annotations

from django.db import models


class Leased(models.Model):
    """Work that one worker does at a time, as long as its lease lasts (see `ingest.leases`).

    A worker that lost its lease cannot commit, for the token has changed.
    """

    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    retry_at = models.DateTimeField()
    attempt_count = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
