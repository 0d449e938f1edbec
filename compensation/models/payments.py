"""What payment providers tell us, kept word for word, and what each payment came to."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from compensation.models.assets import Asset
from compensation.models.deposits import Deposit
from provenance.models import Party, User

if TYPE_CHECKING:
    from provenance.access import Viewer


class PaymentQuerySet(models.QuerySet["Payment"]):
    """Payments as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> PaymentQuerySet:
        """The viewer's own; all for an operator."""
        return self if viewer.is_operator else self.filter(lab=viewer.party)


class Payment(models.Model):
    """One payment at a provider: what all its events together say, and what was posted of it.

    The provider's events come in any order and more than once; the payment is what follows from
    all of them, and only the difference to what was posted is ever posted.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Told of a refund or dispute; the payment itself has not come")
        UNASSIGNED = "unassigned", _("Arrived; whose it is must be said")
        CREDITED = "credited", _("Credited")
        REVIEW = "review", _("A person should look at it")

    provider = models.CharField(max_length=40)
    # The provider's own id of it.
    key = models.CharField(max_length=120)
    lab = models.ForeignKey(Party, null=True, on_delete=models.PROTECT, related_name="payments")
    # Who said whose it is, where the payment did not.
    assigned_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=300, blank=True, default="")
    asset = models.ForeignKey(Asset, null=True, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=12, choices=State.choices, default=State.WAITING)
    note = models.TextField(blank=True, default="")
    deposit = models.OneToOneField(
        Deposit, null=True, on_delete=models.PROTECT, related_name="payment"
    )
    # What refunds and disputes took back of it until now, and what of that had been spent.
    taken_units = models.BigIntegerField(default=0)
    short_units = models.BigIntegerField(default=0)
    move_count = models.PositiveIntegerField(default=0)
    # An event has come that is not worked in yet.
    is_stale = models.BooleanField(default=True)
    first_heard_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    objects = PaymentQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "key"], name="payment_once"),
            models.CheckConstraint(
                condition=Q(taken_units__gte=0) & Q(taken_units__gte=F("short_units")),
                name="payment_is_taken_back_once",
            ),
            models.CheckConstraint(
                condition=Q(deposit__isnull=False) | Q(taken_units=0),
                name="payment_comes_before_it_goes",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="payment_stale", condition=Q(is_stale=True)),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.key}"


class PaymentEvent(models.Model):
    """One signed message of a provider, as it came; never changed, so that it can be replayed."""

    provider = models.CharField(max_length=40)
    event_id = models.CharField(max_length=120)
    kind = models.CharField(max_length=120)
    # Null where the event is of a kind that moves no money.
    payment = models.ForeignKey(Payment, null=True, on_delete=models.PROTECT, related_name="events")
    body = models.TextField()
    signature = models.TextField()
    received_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="payment_event_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"
