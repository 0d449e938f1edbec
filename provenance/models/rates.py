"""What use under a licence costs: rates, and the plans they may follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from provenance.models.licences import Licence
from provenance.models.parties import Party
from provenance.plans import STEPS

if TYPE_CHECKING:
    from datetime import datetime

    from provenance.access import Viewer


class Basis(models.TextChoices):
    """What is counted, and how much of it a price is for."""

    PER_1K_RECORDS = "per_1k_records", _("per 1,000 records")
    PER_1M_TOKENS = "per_1m_tokens", _("per 1,000,000 tokens")
    FLAT_PER_RUN = "flat_per_run", _("flat per run")
    PER_EPOCH = "per_epoch", _("per epoch")
    PER_FETCH = "per_fetch", _("per fetch")


class RatePlan(models.Model):
    """Prices that depend on how much a lab uses in a month: tiers, a free quota, a cap, a minimum.

    Quantities are counted per lab, owner's plan and calendar month, over all datasets of the owner
    under the plan, in charge order. `froms`, `bases` and `prices` are the plan compiled by
    provenance.plans: a quantity Q costs div(bases[i] + (Q - froms[i]) * prices[i], step) in all,
    i being the last with froms[i] <= Q. The minimum is topped up when the month has ended.
    """

    class Mode(models.TextChoices):
        GRADUATED = "graduated", _("each part at the price of its own tier")
        VOLUME = "volume", _("everything at the price of the tier that is reached")

    owner = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="rate_plans")
    basis = models.CharField(max_length=20, choices=Basis.choices)
    mode = models.CharField(max_length=10, choices=Mode.choices, default=Mode.GRADUATED)
    # [[from_quantity, price_units], ...]: the first from 0.
    tiers = models.JSONField()
    free_quantity = models.BigIntegerField(default=0)
    cap_units = models.BigIntegerField(null=True, blank=True)
    minimum_units = models.BigIntegerField(default=0)
    froms = ArrayField(models.BigIntegerField())
    bases = ArrayField(models.DecimalField(max_digits=40, decimal_places=0))
    prices = ArrayField(models.BigIntegerField())
    # SHA-256 of the plan, in hexadecimal: one owner's like plans are one plan.
    digest = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "digest"], name="plan_made_once"),
            models.CheckConstraint(
                condition=Q(free_quantity__gte=0)
                & Q(minimum_units__gte=0)
                & (Q(cap_units__isnull=True) | Q(cap_units__gte=0)),
                name="plan_is_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_mode_display()}, {self.get_basis_display()}"

    @property
    def step(self) -> int:
        """How much of what is counted a price is for."""
        return STEPS[self.basis]


class RateQuerySet(models.QuerySet["Rate"]):
    """Rates as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> RateQuerySet:
        """Those of licences that the viewer may see."""
        return self.filter(licence__in=Licence.objects.visible_to(viewer))

    def in_force(self, licence: Licence, at: datetime) -> Rate | None:
        """The rate of `licence` at `at`; None where it asks for nothing."""
        standing = Q(valid_to=None) | Q(valid_to__gt=at)
        rates = self.filter(standing, licence=licence, valid_from__lte=at)
        return rates.select_related("plan").order_by("-valid_from", "-id").first()


class Rate(models.Model):
    """What use under a licence costs, while it is valid; prices are whole units of the asset.

    Each is one version of the price; a usage keeps the one it is priced by.
    """

    Basis = Basis

    licence = models.ForeignKey(Licence, on_delete=models.PROTECT, related_name="rates")
    basis = models.CharField(max_length=20, choices=Basis.choices)
    # Tokens are counted by the sealed version's own counter.
    counter = models.CharField(max_length=60, default="tallymark-tokens/1")
    # With a plan, the price of its first tier.
    price_units = models.BigIntegerField()
    # Without one, every unit costs the same and nothing is counted per month.
    plan = models.ForeignKey(
        RatePlan, null=True, blank=True, on_delete=models.PROTECT, related_name="rates"
    )
    # Of the revenue of a model made with the data, in 1/10,000; shared among what it used.
    revenue_basis_points = models.PositiveIntegerField(default=0)
    asset = models.CharField(max_length=120, help_text=_("CAIP-19, or iso4217:EUR."))
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)

    objects = RateQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(price_units__gte=0), name="rate_is_not_negative"),
            models.CheckConstraint(
                condition=Q(revenue_basis_points__lte=10_000), name="rate_shares_at_most_all"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.price_units} {self.asset} {self.get_basis_display()}"

    @property
    def step(self) -> int:
        """How much of what is counted the price is for: 1,000 records, 1,000,000 tokens, or 1."""
        return STEPS[self.basis]
