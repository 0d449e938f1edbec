"""Who gets which part of a dataset version's revenue, and under which dispute."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from compensation.models.accounts import Account
from compensation.models.assets import Asset
from compensation.models.entries import Entry
from provenance.models import FIRST, Conflict, DatasetVersion, Resolution


class WeightVersion(models.Model):
    """One division of a dataset version's revenue in one asset, in force until it is closed.

    Its total grows with each charge while it is open. What an account was credited under it is
    floor(total * weight / weight_sum), over its whole life, in whatever batches it was billed.
    """

    class Counted(models.TextChoices):
        RECORDS = "records", _("Records")
        TOKENS = "tokens", _("Tokens")

    version = models.ForeignKey(
        DatasetVersion, on_delete=models.PROTECT, related_name="weight_versions"
    )
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    counted = models.CharField(max_length=10, choices=Counted.choices)
    number = models.PositiveIntegerField()
    # It divides what was used from then until the next owner took over (of the dataset, or of one
    # that has a part in it).
    owned_at = models.DateTimeField(default=FIRST, db_default=FIRST)
    fee_basis_points = models.PositiveIntegerField()
    # What was known of the conflicts of the dataset when it was made; another word makes the next.
    marker = models.CharField(max_length=64)
    weight_sum = models.DecimalField(max_digits=60, decimal_places=0)
    # Kept by the billing function.
    total_units = models.BigIntegerField(default=0)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version", "asset", "counted", "number"], name="weight_version_number_once"
            ),
            models.UniqueConstraint(
                fields=["version", "asset", "counted", "owned_at"],
                name="weight_version_open_once",
                condition=Q(closed_at__isnull=True),
            ),
            models.CheckConstraint(condition=Q(weight_sum__gt=0), name="weight_sum_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.version} weights {self.number}"


class Weight(models.Model):
    """The weight of one account in a weight version; never changed."""

    weight_version = models.ForeignKey(
        WeightVersion, on_delete=models.PROTECT, related_name="weights", db_index=False
    )
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="weights")
    weight = models.DecimalField(max_digits=60, decimal_places=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["weight_version", "account"], name="weight_once_per_account"
            ),
            models.CheckConstraint(condition=Q(weight__gt=0), name="weight_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.weight} for {self.account}"


class Restatement(models.Model):
    """A closed weight version was divided anew: target minus credited, as one journal entry."""

    weight_version = models.ForeignKey(
        WeightVersion, on_delete=models.PROTECT, related_name="restatements"
    )
    number = models.PositiveIntegerField()
    conflict = models.ForeignKey(
        Conflict, null=True, on_delete=models.PROTECT, related_name="restatements"
    )
    # Null where nothing had to move.
    entry = models.ForeignKey(
        Entry, null=True, on_delete=models.PROTECT, related_name="restatements"
    )
    made_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["weight_version", "number"], name="restatement_number_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.weight_version} restated {self.number}"


class Portion(models.Model):
    """What one version gets of what is a dataset's own, and by which split it divides that.

    Ordinal 0 is the version itself, the others it was made from. Kept with each restatement that
    changed them; a weight version that has none is its dataset's owner's whole.
    """

    weight_version = models.ForeignKey(
        WeightVersion, on_delete=models.PROTECT, related_name="portions", db_index=False
    )
    restatement = models.PositiveIntegerField(default=0)
    ordinal = models.PositiveIntegerField()
    source = models.ForeignKey(
        DatasetVersion, on_delete=models.PROTECT, related_name="portions", db_index=False
    )
    # Of 10**24.
    parts = models.DecimalField(max_digits=25, decimal_places=0)
    # [[party id, weight], ...], in order.
    holders = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["weight_version", "restatement", "ordinal"], name="portion_ordinal_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.parts} of {self.weight_version}"


class Cell(models.Model):
    """Records of a version that stand alike: the same holders, the same dispute.

    Restatement 0 is how the weight version began. The cell without dispute lists no records:
    it is all the others. A version whose records nobody disputes has no cells.
    """

    weight_version = models.ForeignKey(
        WeightVersion, on_delete=models.PROTECT, related_name="cells", db_index=False
    )
    restatement = models.PositiveIntegerField(default=0)
    ordinal = models.PositiveIntegerField()
    # The version whose records these are, where it is one that this was made from.
    source = models.ForeignKey(
        DatasetVersion, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    # [[party id, weight], ...], in order; "own" is the dataset itself.
    holders = models.JSONField()
    # The dispute that put them here: one that still holds them, or one that was resolved.
    conflict = models.ForeignKey(
        Conflict, null=True, on_delete=models.PROTECT, related_name="cells"
    )
    resolution = models.ForeignKey(
        Resolution, null=True, on_delete=models.PROTECT, related_name="cells"
    )
    is_held = models.BooleanField(default=False)
    # Records or tokens, as the weight version counts.
    count = models.BigIntegerField()
    record_ids = ArrayField(models.BigIntegerField(), default=list)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["weight_version", "restatement", "ordinal"], name="cell_ordinal_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.count} of {self.weight_version}"
