"""What labs mean to spend, what they have spent by month and project, and what they were told."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from compensation.models.accounts import Account
from compensation.models.assets import Asset
from provenance.models import Party, Project, Run, User

if TYPE_CHECKING:
    from provenance.access import Viewer


_Row = TypeVar("_Row", bound=models.Model, covariant=True)


class LabsQuerySet(models.QuerySet[_Row]):
    """Rows of labs as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> Self:
        """The lab's own; all for an operator."""
        return self if viewer.is_operator else self.filter(lab=viewer.party)


class BudgetQuerySet(LabsQuerySet["Budget"]):
    """Budgets as one viewer may see them."""

    def in_force(self) -> Self:
        """Those that no later one has replaced or ended."""
        return self.filter(ended_at=None)


class Budget(models.Model):
    """What a lab means to spend in an asset, in all its runs or in those of one project.

    When it is spent no new run starts; those under way go on to the caps they accepted. A budget
    is never changed: setting it again ends it and makes another.
    """

    class Every(models.TextChoices):
        MONTH = "month", _("a month")
        QUARTER = "quarter", _("a quarter")
        YEAR = "year", _("a year")
        ALL = "all", _("in all")

    lab = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="budgets")
    # Null: every use by the lab, in a project or not.
    project = models.ForeignKey(
        Project, null=True, on_delete=models.PROTECT, related_name="budgets"
    )
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    every = models.CharField(max_length=8, choices=Every.choices)
    limit_units = models.BigIntegerField()
    set_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = BudgetQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["lab", "project", "asset", "every"],
                name="budget_in_force_once",
                condition=Q(ended_at__isnull=True),
                nulls_distinct=False,
            ),
            models.CheckConstraint(condition=Q(limit_units__gte=0), name="budget_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.project or _('All runs')}, {self.get_every_display()}"


class Spending(models.Model):
    """What a lab's account was charged in a month for one project: added up from charges."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="spending")
    # Null: use in no project, and charges that no run made.
    project = models.ForeignKey(
        Project, null=True, on_delete=models.PROTECT, related_name="spending"
    )
    # By the moment of the charge, in the zone of the service.
    month = models.CharField(max_length=7)
    spent_units = models.BigIntegerField()

    class Meta:
        verbose_name_plural = _("spending")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "project", "month"], name="spending_once", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"{self.spent_units} in {self.month}"


class SpendingMark(models.Model):
    """The last entry whose charges are in the spending: one row."""

    number = models.BigIntegerField()

    def __str__(self) -> str:
        return f"entry {self.number}"


class BudgetNotice(models.Model):
    """A lab was told, once, that 50, 80 or 100 % of a budget or of a run's cap is spent."""

    lab = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="budget_notices")
    budget = models.ForeignKey(Budget, null=True, on_delete=models.PROTECT, related_name="notices")
    run = models.ForeignKey(Run, null=True, on_delete=models.PROTECT, related_name="budget_notices")
    # The first month of the period that the budget counts in; empty for a cap.
    period = models.CharField(max_length=7, blank=True, default="")
    percent = models.PositiveSmallIntegerField()
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    limit_units = models.BigIntegerField()
    spent_units = models.BigIntegerField()
    noticed_at = models.DateTimeField()

    objects = LabsQuerySet["BudgetNotice"].as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["budget", "run", "period", "percent", "limit_units"],
                name="budget_notice_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(budget__isnull=True) ^ Q(run__isnull=True),
                name="notice_is_of_a_budget_or_a_cap",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.percent} % of {self.budget or self.run}"
