"""Who holds money: accounts, their balances, and what is set aside in them.

Credits are positive: a lab's balance is its deposit, an owner's is what we owe it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from compensation.models.assets import Asset
from provenance.models import Conflict, Party

if TYPE_CHECKING:
    from provenance.access import Viewer


class AccountQuerySet(models.QuerySet["Account"]):
    """Accounts as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> AccountQuerySet:
        """The viewer's own; all for an operator."""
        return self if viewer.is_operator else self.filter(party=viewer.party)


class Account(models.Model):
    """A place for money in the journal; its balance row is made with it, by the database."""

    class Kind(models.TextChoices):
        LAB = "lab", _("Deposit of a lab")
        LAB_DEBT = "lab_debt", _("Owed by a lab after a refund")
        OWNER = "owner", _("Payable to an owner")
        OWNER_PENDING = "owner_pending", _("Earned, not yet payable")
        AWAITED = "awaited", _("Owed to an owner when it is recovered")
        RECEIVABLE = "receivable", _("To be recovered from an owner")
        ESCROW = "escrow", _("Held while a conflict is open")
        PAYOUTS_IN_FLIGHT = "payouts_in_flight", _("On its way to an owner")
        PLATFORM_FEE = "platform_fee", _("The platform's part")
        ROUNDING = "rounding", _("Parts of units not yet owed to anybody")
        TREASURY = "treasury", _("The platform's own money")
        BANK_CHARGES = "bank_charges", _("Taken by banks")
        EXTERNAL = "external", _("The world outside")

    kind = models.CharField(max_length=20, choices=Kind.choices)
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="accounts")
    party = models.ForeignKey(Party, null=True, on_delete=models.PROTECT, related_name="accounts")
    conflict = models.ForeignKey(
        Conflict, null=True, on_delete=models.PROTECT, related_name="accounts"
    )

    objects = AccountQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "asset", "party", "conflict"],
                name="account_once",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        kind = self.get_kind_display()
        if self.party is None:
            return f"{kind} ({self.asset})"
        words = gettext("%(kind)s: %(party)s (%(asset)s)")
        return words % {"kind": kind, "party": self.party, "asset": self.asset}


class Balance(models.Model):
    """What an account holds now: the sum of its lines, kept by the database as lines are added."""

    account = models.OneToOneField(
        Account, primary_key=True, on_delete=models.PROTECT, related_name="balance"
    )
    posted = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)
    # What posted - held may not fall below; null where it may fall without limit.
    floor = models.BigIntegerField(null=True, default=0)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(held__gte=0), name="balance_holds_nothing_negative"),
            models.CheckConstraint(
                condition=Q(floor__isnull=True)
                | Q(posted__gte=models.F("floor") + models.F("held")),
                name="balance_not_under_its_floor",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.posted} in {self.account}"

    @property
    def available(self) -> int:
        """What may be spent without regard to a credit limit."""
        return self.posted - self.held


class HoldQuerySet(models.QuerySet["Hold"]):
    """Holds as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> HoldQuerySet:
        """Those on the viewer's accounts; all for an operator."""
        return self if viewer.is_operator else self.filter(account__party=viewer.party)


class Hold(models.Model):
    """An amount set aside in an account for something that may be posted later, also in parts."""

    class State(models.TextChoices):
        OPEN = "open", _("Held")
        POSTED = "posted", _("Posted; what was left was given back")
        VOID = "void", _("Given back")
        EXPIRED = "expired", _("Expired; what was left was given back")

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="holds")
    amount_units = models.BigIntegerField()
    # What is held still: less what was posted, and nothing once it has ended.
    remaining_units = models.BigIntegerField()
    idempotency_key = models.CharField(max_length=200, unique=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    # By the database's clock; null holds until it is posted or given back.
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = HoldQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_units__gt=0), name="hold_is_positive"),
            models.CheckConstraint(
                condition=Q(remaining_units__gte=0)
                & Q(remaining_units__lte=models.F("amount_units"))
                & (Q(state="open") | Q(remaining_units=0)),
                name="hold_keeps_no_more_than_it_has",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account"], name="hold_open", condition=Q(state="open")),
            models.Index(fields=["expires_at"], name="hold_due", condition=Q(state="open")),
        ]

    def __str__(self) -> str:
        return f"{self.amount_units} of {self.account} ({self.state})"


class CreditLimit(models.Model):
    """How far a lab's account may go under zero, from a moment on; 0 means prepaid."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="credit_limits")
    limit_units = models.BigIntegerField()
    reason = models.CharField(max_length=300, blank=True)
    set_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(limit_units__gte=0), name="limit_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.limit_units} for {self.account}"
