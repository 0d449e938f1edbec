"""What usages cost: charges, what waits to be charged, and the stage they pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from compensation.models.accounts import Account
from compensation.models.assets import Asset
from compensation.models.entries import Entry
from compensation.models.weights import WeightVersion
from provenance.models import (
    FIRST,
    DatasetVersion,
    Grant,
    Party,
    Rate,
    RatePlan,
    Run,
    Tenure,
    Usage,
)

if TYPE_CHECKING:
    from provenance.access import Viewer


class Tally(models.Model):
    """How much a lab has used under one plan of an owner in a period, and what it was charged.

    Tiers, free quotas and caps count in it, in charge order. The billing function keeps it.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="tallies")
    plan = models.ForeignKey(RatePlan, on_delete=models.PROTECT, related_name="tallies")
    # "2026-11"
    period = models.CharField(max_length=7)
    quantity = models.BigIntegerField(default=0)
    charged_units = models.BigIntegerField(default=0)

    class Meta:
        verbose_name_plural = _("tallies")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "plan", "period"], name="tally_once"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} in {self.period}"


class ChargeQuerySet(models.QuerySet["Charge"]):
    """Charges as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> ChargeQuerySet:
        """Those the viewer pays, and those that earn it something; all for an operator."""
        if viewer.is_operator:
            return self
        mine = Q(run__lab=viewer.party) | Q(version__dataset__owner=viewer.party)
        used = Usage.objects.filter(mine, pk=OuterRef("usage_id"))
        shared = WeightVersion.objects.filter(weights__account__party=viewer.party).values("pk")
        # What is shared out of a sum has no usage: a join would lose it.
        paid = Q(account__party=viewer.party)
        used_by_or_of = Exists(used) & ~self._before(viewer.party)
        return self.filter(used_by_or_of | paid | Q(weight_version__in=shared))

    def _before(self, party: Party) -> Q:
        """What was charged for datasets of `party` before they passed to it."""
        found = Q(pk__in=[])
        for one in Tenure.objects.filter(owner=party, ends_at=None, transfer__isnull=False):
            of_it = Usage.objects.filter(
                pk=OuterRef("usage_id"), version__dataset=one.dataset_id
            ).exclude(run__lab=party)
            found |= Q(Exists(of_it), used_at__lt=one.begins_at)
        return found


class Charge(models.Model):
    """One revision of a usage's price; a correction is the next revision, holding the difference.

    Only the billing function writes these rows and checks what they name, set by set; that is
    why their foreign keys carry no constraint of their own.
    """

    class Kind(models.TextChoices):
        PRICED = "priced", _("Priced")
        FREE = "free", _("The grant asks for nothing")
        UNGRANTED = "ungranted", _("No grant covers it")
        UNKNOWN = "unknown", _("Nothing of that name is registered")
        SUBSCRIPTION = "subscription", _("A part of a subscription")
        REVENUE = "revenue", _("A part of a model's revenue")
        MINIMUM = "minimum", _("Up to the least amount of a period")

    # A usage; of the last three kinds a number that is theirs, which no usage has.
    usage = models.ForeignKey(
        Usage, on_delete=models.PROTECT, related_name="charges", db_constraint=False, db_index=False
    )
    revision = models.IntegerField()
    kind = models.CharField(max_length=12, choices=Kind.choices)
    # The lab's account; null where nothing is owed in any asset.
    account = models.ForeignKey(
        Account, null=True, on_delete=models.PROTECT, related_name="+", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    grant = models.ForeignKey(
        Grant, null=True, on_delete=models.PROTECT, related_name="charges", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    rate = models.ForeignKey(
        Rate, null=True, on_delete=models.PROTECT, related_name="charges", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    # What was priced, counted from the start of the run.
    record_count = models.BigIntegerField()
    token_count = models.BigIntegerField()
    epoch_count = models.BigIntegerField(default=0)
    fetch_count = models.BigIntegerField(default=0)
    amount_units = models.BigIntegerField()
    # The sum of this usage's charges up to this one.
    total_units = models.BigIntegerField()
    weight_version = models.ForeignKey(
        WeightVersion, null=True, on_delete=models.PROTECT, related_name="charges",
        db_constraint=False, db_index=False,
    )  # fmt: skip
    # The weight version's total after this charge, in charge order: an account's share of this
    # charge is what floor(total * weight / weight_sum) grew by.
    running_units = models.BigIntegerField(null=True)
    # Under a plan: whose quantity it counts in, and how far that was after this charge.
    tally = models.ForeignKey(
        Tally, null=True, on_delete=models.PROTECT, related_name="charges", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    tally_quantity = models.BigIntegerField(null=True)
    entry = models.ForeignKey(
        Entry, null=True, on_delete=models.PROTECT, related_name="charges", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    used_at = models.DateTimeField()
    charged_at = models.DateTimeField()

    objects = ChargeQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["usage", "revision"], name="charge_is_made_once"),
            models.CheckConstraint(
                condition=Q(amount_units=0)
                | Q(
                    account__isnull=False,
                    weight_version__isnull=False,
                    running_units__isnull=False,
                    entry__isnull=False,
                ),
                name="charge_says_what_it_is_for",
            ),
        ]
        # Rows come in the order of their numbers, entry by entry, those of a weight version side by
        # side: ranges say where, for next to nothing a row. Every question reads all ranges, so
        # they are not too short: of these, seven million charges are asked in a millisecond or two.
        indexes: ClassVar = [
            BrinIndex(fields=["id"], name="charge_by_number", autosummarize=True,
                      pages_per_range=64),
            BrinIndex(fields=["entry", "weight_version"], name="charge_by_group",
                      autosummarize=True, pages_per_range=16),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.amount_units} for {self.usage_id} revision {self.revision}"

    @property
    def reported(self) -> Usage | None:
        """The usage that is charged; null for what is shared out of a sum."""
        return getattr(self, "usage", None)

    @property
    def lab(self) -> Party | None:
        """Who pays."""
        usage = self.reported
        return usage.run.lab if usage else self.account.party if self.account else None

    @property
    def version(self) -> DatasetVersion | None:
        """What it is for; null where nothing of that name is registered."""
        usage, division = self.reported, self.weight_version
        return usage.version if usage else division.version if division else None


class ChargeGroupQuerySet(models.QuerySet["ChargeGroup"]):
    """Groups of charges as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> ChargeGroupQuerySet:
        """Those that earn the viewer something; all for an operator. A lab sees its charges."""
        if viewer.is_operator:
            return self
        shared = WeightVersion.objects.filter(weights__account__party=viewer.party).values("pk")
        return self.filter(weight_version__in=shared)


class ChargeGroup(models.Model):
    """What one entry charged under one weight version, of all labs, and the digest of it.

    Only the billing function writes these rows.
    """

    weight_version = models.ForeignKey(
        WeightVersion, on_delete=models.PROTECT, related_name="charge_groups", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    entry = models.ForeignKey(
        Entry, on_delete=models.PROTECT, related_name="charge_groups", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    charge_count = models.IntegerField()
    amount_units = models.BigIntegerField()
    # The weight version's total after this entry: a share is what
    # floor(total * weight / weight_sum) grew by.
    total_after_units = models.BigIntegerField()
    digest = models.BinaryField(max_length=32)

    objects = ChargeGroupQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["weight_version", "entry"], name="charge_group_once"),
        ]
        indexes: ClassVar = [
            BrinIndex(fields=["id"], name="charge_group_by_number", autosummarize=True,
                      pages_per_range=8),
            BrinIndex(fields=["entry"], name="charge_group_by_entry", autosummarize=True,
                      pages_per_range=2),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.charge_count} charges in entry {self.entry_id}"


class WaitingQuerySet(models.QuerySet["Waiting"]):
    """What waits, as one viewer may see it."""

    def visible_to(self, viewer: Viewer) -> WaitingQuerySet:
        """That of the viewer's runs; all for an operator."""
        return self if viewer.is_operator else self.filter(usage__run__lab=viewer.party)


class Waiting(models.Model):
    """A usage that could not be charged yet, and why."""

    class Reason(models.TextChoices):
        NO_FUNDS = "no_funds", _("The lab's balance does not cover it")
        OVER_CAP = "over_cap", _("The run has reached the cap that its lab accepted")
        UNKNOWN_ASSET = "unknown_asset", _("The price is in an asset that is not registered here")

    usage = models.OneToOneField(
        Usage, primary_key=True, on_delete=models.PROTECT, related_name="waiting"
    )
    revision = models.IntegerField()
    reason = models.CharField(max_length=20, choices=Reason.choices)
    account = models.ForeignKey(
        Account, null=True, on_delete=models.PROTECT, related_name="waiting"
    )
    # What the account would need to have for everything up to this usage.
    needed_units = models.BigIntegerField(null=True)
    since_at = models.DateTimeField()
    tried_at = models.DateTimeField()

    objects = WaitingQuerySet.as_manager()

    class Meta:
        verbose_name_plural = _("waiting")

    def __str__(self) -> str:
        return f"{self.usage_id}: {self.get_reason_display()}"


class Stage(models.Model):
    """Usages on their way through billing; unlogged, and empty between transactions."""

    batch = models.UUIDField()
    usage = models.ForeignKey(
        Usage, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    revision = models.IntegerField()
    kind = models.CharField(max_length=12, choices=Charge.Kind.choices)
    lab = models.ForeignKey(
        Party, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    version = models.ForeignKey(
        DatasetVersion, null=True, on_delete=models.PROTECT, related_name="+", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    grant = models.ForeignKey(
        Grant, null=True, on_delete=models.PROTECT, related_name="+", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    rate = models.ForeignKey(
        Rate, null=True, on_delete=models.PROTECT, related_name="+", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    record_count = models.BigIntegerField()
    token_count = models.BigIntegerField()
    epoch_count = models.BigIntegerField(default=0, db_default=0)
    fetch_count = models.BigIntegerField(default=0, db_default=0)
    used_at = models.DateTimeField()
    # Only of runs that accepted a cap.
    run = models.ForeignKey(
        Run, null=True, on_delete=models.PROTECT, related_name="+", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    # The last moment before it was used at which the dataset, or one that has a part, passed on.
    owned_at = models.DateTimeField(default=FIRST, db_default=FIRST)
    # Money that is shared out, not priced: the whole of it so far, of which asset, divided by what.
    fixed_units = models.BigIntegerField(null=True)
    asset = models.ForeignKey(
        Asset, null=True, on_delete=models.PROTECT, related_name="+", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    counted = models.CharField(
        max_length=10, choices=WeightVersion.Counted.choices, null=True, default=None
    )

    class Meta:
        indexes: ClassVar = [models.Index(fields=["batch"], name="stage_by_batch")]

    def __str__(self) -> str:
        return f"{self.usage_id} in {self.batch}"


class StageKind(models.Model):
    """What of a staged batch is priced and divided alike; unlogged, and gone when it is billed.

    Only the billing functions write these rows, while nobody else posts.
    """

    batch = models.UUIDField()
    version = models.ForeignKey(
        DatasetVersion, on_delete=models.PROTECT, related_name="+", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    # Null where money is shared out, not priced.
    rate = models.ForeignKey(
        Rate, null=True, on_delete=models.PROTECT, related_name="+", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    owned_at = models.DateTimeField()
    # Null where the price is in an asset that is not registered here.
    asset = models.ForeignKey(
        Asset, null=True, on_delete=models.PROTECT, related_name="+", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    counted = models.CharField(max_length=10, null=True)
    basis = models.CharField(max_length=20, null=True)
    step = models.BigIntegerField(null=True)
    price_units = models.BigIntegerField(null=True)
    plan_id = models.BigIntegerField(null=True)
    dataset_id = models.UUIDField()
    # The weight version in force, if there is one, as it was before this batch.
    weight_version = models.ForeignKey(
        WeightVersion, null=True, on_delete=models.PROTECT, related_name="+", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    fee_basis_points = models.PositiveIntegerField(null=True)
    marker = models.CharField(max_length=64, null=True)
    total_units = models.BigIntegerField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["batch"], name="stage_kind_by_batch")]

    def __str__(self) -> str:
        return f"{self.version_id} in {self.batch}"
