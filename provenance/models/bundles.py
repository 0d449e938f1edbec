"""Flat prices a month: an owner's bundle of licences, and the labs that subscribe to it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from provenance.models.licences import Licence
from provenance.models.parties import Party, User

if TYPE_CHECKING:
    from provenance.access import Viewer


class BundleQuerySet(models.QuerySet["Bundle"]):
    """Bundles as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> BundleQuerySet:
        """The viewer's own; those on offer; those it subscribes to; all for an operator."""
        if viewer.is_operator:
            return self
        mine = Q(owner=viewer.party) | Q(pk__in=viewer.party.subscriptions.values("bundle"))
        return self.filter(mine | Q(retired_at=None))


class Bundle(models.Model):
    """Licences that an owner offers together for a flat amount a month; it never changes.

    Offering one opts in to granting its licences to whoever subscribes.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="bundles")
    name = models.CharField(max_length=200)
    licences = models.ManyToManyField(Licence, related_name="bundles")
    price_units = models.BigIntegerField()
    asset = models.CharField(max_length=120)
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = BundleQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(price_units__gte=0), name="bundle_is_not_negative")
        ]

    def __str__(self) -> str:
        return _("%(one)s of %(other)s") % {"one": self.name, "other": self.owner}


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    """Subscriptions as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> SubscriptionQuerySet:
        """The viewer's own, and those to its bundles; all for an operator."""
        if viewer.is_operator:
            return self
        return self.filter(Q(lab=viewer.party) | Q(bundle__owner=viewer.party))


class Subscription(models.Model):
    """A lab's subscription to a bundle: the bundle's price is owed for each month it touches."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    lab = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="subscriptions")
    bundle = models.ForeignKey(Bundle, on_delete=models.PROTECT, related_name="subscriptions")
    subscribed_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField()
    # The end of the last month it is owed for; null while it goes on.
    ends_at = models.DateTimeField(null=True)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["lab", "bundle"],
                condition=Q(ends_at__isnull=True),
                name="subscribed_once_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return _("%(one)s for %(other)s") % {"one": self.bundle, "other": self.lab}
