"""Whose a dataset is besides its owner: contributors, splits, and the datasets it was made from."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop as _noop

from provenance.models.datasets import Dataset, DatasetVersion, Record
from provenance.models.licences import Licence
from provenance.models.parties import Party, User

if TYPE_CHECKING:
    from provenance.access import Viewer


class ContributorQuerySet(models.QuerySet["Contributor"]):
    """Contributors as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> ContributorQuerySet:
        """Those that the viewer named, and itself; all for an operator."""
        if viewer.is_operator:
            return self
        return self.filter(Q(owner=viewer.party) | Q(party=viewer.party))


class Contributor(models.Model):
    """Somebody who worked on an owner's data, by the name that the owner's files use.

    It is a party that earns from the first day; a person takes it over by an invitation.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="contributors")
    label = models.CharField(max_length=200)
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="contributions")
    named_at = models.DateTimeField()

    objects = ContributorQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "label"], name="contributor_once_per_owner"),
        ]

    def __str__(self) -> str:
        return self.label


class RecordCredit(models.Model):
    """Who made, or labelled, one record: one contributor, so that a second name earns nothing."""

    record = models.OneToOneField(
        Record, primary_key=True, on_delete=models.PROTECT, related_name="credit"
    )
    contributor = models.ForeignKey(Contributor, on_delete=models.PROTECT, related_name="credits")

    def __str__(self) -> str:
        return f"{self.record_id} by {self.contributor}"


class SplitQuerySet(models.QuerySet["Split"]):
    """Splits as one viewer may see them whole."""

    def visible_to(self, viewer: Viewer) -> SplitQuerySet:
        """Those of the viewer's own datasets; all for an operator."""
        return self if viewer.is_operator else self.filter(dataset__owner=viewer.party)


class Split(models.Model):
    """How what a dataset earns for itself is divided, in whole weights; the last one holds.

    From `applies_at`, or from the start: then it divides past revenue, too.
    """

    class Origin(models.TextChoices):
        GIVEN = "given", "Given by hand"
        RECORDS = "records", "By the records that each contributor made"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="splits")
    number = models.PositiveIntegerField()
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.GIVEN)
    # For `records`: the rule by which they were counted, and the version whose records they are.
    rule = models.CharField(max_length=40, blank=True)
    version = models.ForeignKey(
        DatasetVersion, null=True, on_delete=models.PROTECT, related_name="splits"
    )
    from_the_start = models.BooleanField(default=False)
    applies_at = models.DateTimeField()
    made_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    objects = SplitQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dataset", "number"], name="split_number_once"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset} split {self.number}"


class SplitShareQuerySet(models.QuerySet["SplitShare"]):
    """Shares as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> SplitShareQuerySet:
        """Its own, and those of its datasets; all for an operator."""
        if viewer.is_operator:
            return self
        return self.filter(Q(party=viewer.party) | Q(split__dataset__owner=viewer.party))


class SplitShare(models.Model):
    """The weight of one party in a split."""

    split = models.ForeignKey(Split, on_delete=models.PROTECT, related_name="shares")
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="split_shares")
    weight = models.BigIntegerField()
    # Where records were counted: how many, and their points by the rule.
    record_count = models.BigIntegerField(null=True)
    points = models.BigIntegerField(null=True)

    objects = SplitShareQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["split", "party"], name="split_share_once"),
            models.CheckConstraint(condition=Q(weight__gt=0), name="split_weight_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.weight} for {self.party}"


class Policy(models.TextChoices):
    """Of what a dataset owes a part to one that it was made from."""

    RELATIVE = "relative", _("of what this dataset earns")
    ABSOLUTE = "absolute", _("of the whole, from this dataset and from all made of it later")


class DerivativeTermsQuerySet(models.QuerySet["DerivativeTerms"]):
    """Terms for derivatives as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> DerivativeTermsQuerySet:
        """The viewer's own, and those of licences on offer; all for an operator."""
        if viewer.is_operator:
            return self
        return self.filter(Q(licence__dataset__owner=viewer.party) | Q(licence__is_offered=True))


class DerivativeTerms(models.Model):
    """What a licence asks of datasets made from this one; whoever declares as much is accepted."""

    licence = models.ForeignKey(Licence, on_delete=models.PROTECT, related_name="derivative_terms")
    policy = models.CharField(max_length=10, choices=Policy.choices)
    basis_points = models.PositiveIntegerField()
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True)

    objects = DerivativeTermsQuerySet.as_manager()

    class Meta:
        verbose_name_plural = _noop("derivative terms")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(basis_points__lte=10_000), name="derivative_terms_at_most_the_whole"
            ),
            models.UniqueConstraint(
                fields=["licence"],
                condition=Q(valid_to=None),
                name="derivative_terms_in_force_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.basis_points / 100} % {self.get_policy_display()}"


class DerivationQuerySet(models.QuerySet["Derivation"]):
    """Derivations as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> DerivationQuerySet:
        """Those of its datasets, and those from its datasets; all for an operator."""
        if viewer.is_operator:
            return self
        return self.filter(Q(child__owner=viewer.party) | Q(parent__owner=viewer.party))

    def standing(self) -> DerivationQuerySet:
        """Those that are declared or accepted, and not ended."""
        return self.filter(state__in=Derivation.STANDING)


class Derivation(models.Model):
    """A dataset was made from a version of another, and owes it a part of its revenue."""

    class State(models.TextChoices):
        DECLARED = "declared", _("Waits for the other owner")
        ACCEPTED = "accepted", _("Accepted")
        REFUSED = "refused", _("Refused")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        ENDED = "ended", _("Ended")

    STANDING: ClassVar = (State.DECLARED, State.ACCEPTED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    child = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="derivations")
    parent = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="derived")
    # The version it was made from: its conflicts and contributors share the parent's part.
    source = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="derived")
    policy = models.CharField(max_length=10, choices=Policy.choices)
    basis_points = models.PositiveIntegerField()
    # From the start: past revenue is divided by it, too. Otherwise from its acceptance.
    from_the_start = models.BooleanField(default=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.DECLARED)
    reason = models.TextField(blank=True)
    declared_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    declared_at = models.DateTimeField()
    # The terms that accepted it, or null where a person or the same owner did.
    terms = models.ForeignKey(
        DerivativeTerms, null=True, on_delete=models.PROTECT, related_name="accepted"
    )
    decided_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    accepted_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = DerivationQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["child", "parent"],
                condition=Q(state__in=["declared", "accepted"]),
                name="derivation_stands_once",
            ),
            models.CheckConstraint(
                condition=Q(basis_points__lte=10_000), name="derivation_at_most_the_whole"
            ),
            models.CheckConstraint(
                condition=~Q(child=models.F("parent")), name="derivation_of_another"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.child} from {self.source}"
