"""Money that is shared out rather than priced: one lab's, of one month, never a global pool."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from compensation.models.assets import Asset
from compensation.models.charges import Charge, Tally
from provenance.models import DatasetVersion, Party, Subscription, TrainedModel, User

if TYPE_CHECKING:
    from provenance.access import Viewer


class RevenueReportQuerySet(models.QuerySet["RevenueReport"]):
    """Reports as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> RevenueReportQuerySet:
        """The lab's own; all for an operator."""
        return self if viewer.is_operator else self.filter(model__lab=viewer.party)


class RevenueReport(models.Model):
    """What a lab says a model of its earned in a month; a correction is the next revision."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    model = models.ForeignKey(TrainedModel, on_delete=models.PROTECT, related_name="revenue")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    period = models.CharField(max_length=7)
    revision = models.PositiveIntegerField()
    revenue_units = models.BigIntegerField()
    reported_at = models.DateTimeField()
    reported_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")

    objects = RevenueReportQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["model", "asset", "period", "revision"], name="revenue_revision_once"
            ),
            models.CheckConstraint(
                condition=Q(revenue_units__gte=0), name="revenue_is_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return _("Revenue of %(model)s in %(period)s") % {
            "model": self.model,
            "period": self.period,
        }


class PoolQuerySet(models.QuerySet["Pool"]):
    """Pools as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> PoolQuerySet:
        """Those the viewer's lab pays, and those that its data shares in; all for an operator."""
        if viewer.is_operator:
            return self
        shared = PoolShare.objects.filter(version__dataset__owner=viewer.party).values("pool")
        return self.filter(Q(lab=viewer.party) | Q(pk__in=shared))


class Pool(models.Model):
    """What a lab owes for a month beside its priced use, and what that was about.

    Its number follows from its subject, so that none is made twice. It is charged whole, in one
    transaction, when the lab's money covers it; until then it waits.
    """

    class Kind(models.TextChoices):
        SUBSCRIPTION = Charge.Kind.SUBSCRIPTION.value, _("subscription")
        REVENUE = Charge.Kind.REVENUE.value, _("share of a model's revenue")
        MINIMUM = Charge.Kind.MINIMUM.value, _("up to the least amount of a month")

    id = models.UUIDField(primary_key=True, editable=False)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    lab = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="pools")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    period = models.CharField(max_length=7)
    # Grows with every correction of what a pool is about.
    revision = models.PositiveIntegerField(default=1)
    # What is shared, and the use that all of it would be due for.
    amount_units = models.BigIntegerField()
    whole_use = models.DecimalField(max_digits=60, decimal_places=0)
    counted = models.CharField(max_length=10)
    subscription = models.ForeignKey(
        Subscription, null=True, on_delete=models.PROTECT, related_name="pools"
    )
    report = models.OneToOneField(
        RevenueReport, null=True, on_delete=models.PROTECT, related_name="pool"
    )
    tally = models.OneToOneField(Tally, null=True, on_delete=models.PROTECT, related_name="pool")
    opened_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    objects = PoolQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["subscription", "period"], name="subscription_owed_once_a_month"
            ),
            models.CheckConstraint(
                condition=Q(
                    kind="subscription", subscription__isnull=False, report=None, tally=None
                )
                | Q(kind="revenue", subscription=None, report__isnull=False, tally=None)
                | Q(kind="minimum", subscription=None, report=None, tally__isnull=False),
                name="pool_has_its_subject",
            ),
            models.CheckConstraint(
                condition=Q(amount_units__gte=0) & Q(whole_use__gt=0), name="pool_can_be_shared"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["opened_at"], condition=Q(settled_at__isnull=True), name="pool_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.period}"


class PoolShareQuerySet(models.QuerySet["PoolShare"]):
    """Shares as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> PoolShareQuerySet:
        """Those that the viewer pays, and those of its data; all for an operator."""
        if viewer.is_operator:
            return self
        return self.filter(Q(pool__lab=viewer.party) | Q(version__dataset__owner=viewer.party))


class PoolShare(models.Model):
    """One version's part of a pool; `number` stands in its charges where a usage's id would."""

    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="shares")
    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="+")
    number = models.UUIDField()
    use = models.DecimalField(max_digits=60, decimal_places=0)
    amount_units = models.BigIntegerField()

    objects = PoolShareQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["pool", "version"], name="pool_shared_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["number"], name="pool_share_by_number")]

    def __str__(self) -> str:
        return f"{self.amount_units} for {self.version}"
