"""The journal: entries made of lines, numbered without gaps and chained by their hashes.

Only the database's own functions (compensation/sql) write these rows; see `compensation.journal`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from compensation.models.accounts import Account, Hold
from compensation.models.assets import Asset
from compensation.models.periods import Period

if TYPE_CHECKING:
    from provenance.access import Viewer


class JournalHead(models.Model):
    """The last entry's number and hash: one row, which every posting locks."""

    number = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)
    # Keeps the lines that the ledger commits to from being guessed; made with the table, secret.
    salt = models.BinaryField(max_length=32)

    def __str__(self) -> str:
        return f"entry {self.number}"


class EntryQuerySet(models.QuerySet["Entry"]):
    """Entries as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> EntryQuerySet:
        """Those with a line in an account of the viewer's; all for an operator."""
        if viewer.is_operator:
            return self
        mine = Line.objects.filter(account__party=viewer.party).values("entry")
        return self.filter(pk__in=mine)


class Entry(models.Model):
    """Money that moved at one moment, for one reason: lines that add up to zero."""

    class Kind(models.TextChoices):
        DEPOSIT = "deposit", _("Deposit")
        REFUND = "refund", _("A deposit went back")
        USAGE = "usage", _("Usage")
        MATURITY = "maturity", _("Became payable")
        RESTATEMENT = "restatement", _("Divided anew after a conflict")
        RECOVERY = "recovery", _("Recovered from a later payout")
        PAYOUT = "payout", _("Sent to be paid")
        SETTLEMENT = "settlement", _("Paid, and final")
        RETURN = "return", _("Came back, and is payable again")
        REVERSAL = "reversal", _("Reversal")
        ADJUSTMENT = "adjustment", _("Adjustment")
        CONVERSION = "conversion", _("Converted from one asset to another")

    # The number in the chain of entries, from 1, without gaps.
    id = models.BigIntegerField(primary_key=True)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="entries")
    effective_at = models.DateTimeField()
    posted_at = models.DateTimeField()
    # The month that it belongs to, open when it was posted; null for what is older than periods.
    period = models.ForeignKey(
        Period, null=True, on_delete=models.PROTECT, related_name="entries", db_index=False
    )
    idempotency_key = models.CharField(max_length=200, unique=True)
    reverses = models.OneToOneField(
        "self", null=True, on_delete=models.PROTECT, related_name="reversed_by"
    )
    # Why it was made: canonical JSON, kept as the text that was hashed.
    facts_text = models.TextField(default="{}")
    # When what it credits to owners becomes payable.
    matures_at = models.DateTimeField(null=True)
    line_count = models.IntegerField()
    charge_count = models.IntegerField(default=0)
    charges_digest = models.BinaryField(max_length=32)
    previous_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)

    objects = EntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = _("entries")
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [
            models.Index(fields=["effective_at"], name="entry_by_effect"),
            models.Index(fields=["posted_at"], name="entry_by_posting"),
            models.Index(fields=["period"], name="entry_by_period"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.get_kind_display()}"

    @property
    def facts(self) -> dict[str, Any]:
        """Why it was made."""
        found: dict[str, Any] = json.loads(self.facts_text)
        return found


class Line(models.Model):
    """What one entry did to one account; credits are positive."""

    # The line trigger proves that entry and account exist, once for all lines of an entry;
    # a constraint would ask for each line, and neither is ever deleted.
    entry = models.ForeignKey(
        Entry, on_delete=models.PROTECT, related_name="lines", db_constraint=False, db_index=False
    )
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="lines", db_constraint=False, db_index=False
    )
    amount_units = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["entry", "account"], name="line_once_per_account"),
            models.CheckConstraint(
                condition=~models.Q(amount_units=0), name="line_moves_something"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "entry"], name="line_by_account"),
        ]

    def __str__(self) -> str:
        return f"{self.amount_units} in {self.account_id}"


class Maturity(models.Model):
    """An entry whose credits to owners are held back until a moment."""

    entry = models.OneToOneField(
        Entry,
        primary_key=True,
        on_delete=models.PROTECT,
        related_name="maturity",
        db_constraint=False,
    )
    matures_at = models.DateTimeField()
    matured_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = _("maturities")
        indexes: ClassVar = [
            models.Index(
                fields=["matures_at"],
                name="maturity_due",
                condition=models.Q(matured_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"entry {self.entry_id} at {self.matures_at:%Y-%m-%d}"


class HoldPart(models.Model):
    """What one entry posted of a hold."""

    hold = models.ForeignKey(Hold, on_delete=models.PROTECT, related_name="parts")
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="hold_part")
    amount_units = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(amount_units__gt=0), name="hold_part_is_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_units} of hold {self.hold_id}"


class Take(models.Model):
    """Held-back money that a restatement took; the oldest credits of the account bear it."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="takes")
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="takes")
    amount_units = models.BigIntegerField()
    # What no matured credit has borne yet.
    remaining_units = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "entry"], name="take_once_per_entry"),
            models.CheckConstraint(
                condition=models.Q(remaining_units__gte=0)
                & models.Q(amount_units__gte=models.F("remaining_units")),
                name="take_bears_no_more_than_it_took",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["account"], name="take_open", condition=models.Q(remaining_units__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_units} from {self.account}"
