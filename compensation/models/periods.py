"""Periods of the journal: months that close, in order, and what moved in each.

Only the database's own functions write these rows; see `compensation.periods`.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from compensation.models.accounts import Account
from compensation.models.assets import Asset
from provenance.models import User


class Calendar(models.Model):
    """The zone whose months are the periods: one row, set when the database was made."""

    zone = models.CharField(max_length=60)

    def __str__(self) -> str:
        return self.zone


class Period(models.Model):
    """A month, from `starts_at` (included) to `ends_at` (excluded); nothing enters a closed one."""

    name = models.CharField(max_length=7, primary_key=True)
    starts_at = models.DateTimeField(unique=True)
    ends_at = models.DateTimeField(unique=True)
    closed_at = models.DateTimeField(null=True)
    # Null where a command closed it.
    closed_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    # The journal's last entry when it closed.
    last_number = models.BigIntegerField(null=True)

    class Meta:
        ordering: ClassVar = ["-name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="period_ends_after_its_start"
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, last_number__isnull=True)
                | Q(closed_at__gte=F("ends_at"), last_number__isnull=False),
                name="period_closes_when_it_is_over",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_closed(self) -> bool:
        """Whether nothing enters it any more."""
        return self.closed_at is not None


class Turnover(models.Model):
    """What an account moved with entries of one effective and one posting hour (both UTC).

    Added up by a task from lines that are there already, so that a balance of long ago is the sum
    of few rows; `TurnoverMark` says how far. It is derived, and proved by `verify_journal`.
    """

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="turnovers", db_index=False
    )
    effective_hour = models.DateTimeField()
    posted_hour = models.DateTimeField()
    amount_units = models.DecimalField(max_digits=40, decimal_places=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "effective_hour", "posted_hour"],
                include=["amount_units"],
                name="turnover_once_per_hour",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_units} in {self.account_id} at {self.effective_hour:%Y-%m-%d %H}"


class PeriodTotal(models.Model):
    """What accounts of one kind were credited and debited in a period; added up like turnovers."""

    period = models.ForeignKey(
        Period, on_delete=models.PROTECT, related_name="totals", db_index=False
    )
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=20, choices=Account.Kind.choices)
    credited_units = models.DecimalField(max_digits=40, decimal_places=0)
    debited_units = models.DecimalField(max_digits=40, decimal_places=0)
    line_count = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["period", "asset", "kind"], name="period_total_once_per_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} in {self.period_id}"


class TurnoverMark(models.Model):
    """The last entry whose lines are in the turnovers: one row."""

    number = models.BigIntegerField()

    def __str__(self) -> str:
        return f"entry {self.number}"
