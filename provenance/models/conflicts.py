"""What was found alike, and how owners and operators settle it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop as _noop
from django.utils.translation import pgettext_lazy as _named

from provenance.models.datasets import Dataset, DatasetVersion, Record
from provenance.models.parties import Party, User

if TYPE_CHECKING:
    from provenance.access import Viewer


class MatchKind(models.TextChoices):
    """How two records are alike; `semantic` alone never accuses."""

    EXACT = "exact", _("Exact")
    NEAR = "near", _("Near")
    CONTAINED = "contained", _("Contained")
    SEMANTIC = "semantic", _("Semantic")


class OverlapQuerySet(models.QuerySet["Overlap"]):
    """Overlaps as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> OverlapQuerySet:
        """Those that touch the viewer's data; all for an operator."""
        if viewer.is_operator:
            return self
        return self.filter(
            Q(later__dataset__owner=viewer.party) | Q(earlier__dataset__owner=viewer.party)
        )


class Overlap(models.Model):
    """What two versions share, as one detector found it: counts by kind and an estimate."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    later = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="overlaps")
    earlier = models.ForeignKey(
        DatasetVersion, on_delete=models.PROTECT, related_name="later_overlaps"
    )
    detector = models.CharField(max_length=60)
    exact_count = models.BigIntegerField(default=0)
    near_count = models.BigIntegerField(default=0)
    contained_count = models.BigIntegerField(default=0)
    semantic_count = models.BigIntegerField(default=0)
    # Distinct records of `later` with a match over the threshold that holds money; those whose
    # only matches are below it; and the estimate of how many truly overlap, corrected for what
    # the detector misses and falsely finds, with its 95 % interval.
    matching_count = models.BigIntegerField(default=0)
    possible_count = models.BigIntegerField(default=0)
    estimate_count = models.BigIntegerField(default=0)
    interval_low = models.BigIntegerField(default=0)
    interval_high = models.BigIntegerField(default=0)
    false_accusation_rate = models.FloatField(default=0.0)
    # What else was found about the two versions, such as columns that share their values.
    details = models.JSONField(default=dict)
    found_at = models.DateTimeField()

    objects = OverlapQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["later", "earlier", "detector"], name="overlap_once_per_detector"
            )
        ]

    def __str__(self) -> str:
        return _("%(one)s and %(other)s") % {"one": self.later, "other": self.earlier}


class Match(models.Model):
    """Two records compared and found alike, with the evidence that was seen at match time.

    `evidence`: {"passages": [{"later": [start, end], "earlier": [start, end]}], "later_context":
    str, "earlier_context": str, ...}: the matching passages with 30 words of context, no more.
    """

    overlap = models.ForeignKey(Overlap, on_delete=models.PROTECT, related_name="matches")
    later = models.ForeignKey(Record, on_delete=models.PROTECT, related_name="matches")
    earlier = models.ForeignKey(Record, on_delete=models.PROTECT, related_name="later_matches")
    kind = models.CharField(max_length=10, choices=MatchKind.choices)
    jaccard = models.FloatField(default=0.0)
    containment = models.FloatField(default=0.0)
    # The calibrated probability that one is a copy of the other; and whether it is over the
    # threshold that opens a conflict and holds money. Below it the match is possible: a lead.
    score = models.FloatField(default=1.0)
    holds = models.BooleanField(default=True)
    evidence = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["overlap", "later", "earlier"], name="match_once_per_pair"
            ),
            models.CheckConstraint(
                condition=~Q(kind=MatchKind.SEMANTIC, holds=True), name="meaning_alone_never_holds"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.later} {self.kind} {self.earlier}"


class ConflictQuerySet(models.QuerySet["Conflict"]):
    """Conflicts as one viewer may see them."""

    def visible_to(self, viewer: Viewer) -> ConflictQuerySet:
        """Those the viewer is a side of; all for an operator."""
        if viewer.is_operator:
            return self
        return self.filter(Q(later__owner=viewer.party) | Q(earlier__owner=viewer.party))

    def with_claims_waiting(self) -> ConflictQuerySet:
        """With each one's `has_claim_waiting` from the same query."""
        claims = Claim.objects.waiting().filter(conflict=OuterRef("pk"), conflict__state="open")
        # By a name in quotes: to the types it is the property, which the value takes the place of.
        return self.annotate(**{"has_claim_waiting": Exists(claims)})  # noqa: PIE804


class Conflict(models.Model):
    """An overlap in question between two owners. Order says who answers, not who is right."""

    class State(models.TextChoices):
        OPEN = "open", _("Found; nobody has claimed yet")
        CLAIMED = "claimed", _("Claimed; the other side answers")
        ANSWERED = "answered", _("Answered; the claimant may reply")
        DECIDING = "deciding", _("Waiting for a decision")
        DECIDED = "decided", _("Decided; may be appealed")
        APPEALED = "appealed", _("Appealed; waiting for another operator")
        RELEASED = "released", _("Nobody claimed in time; nothing is held")
        CLOSED = "closed", _named("state", "Closed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    later = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="conflicts")
    earlier = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="later_conflicts")
    overlap = models.ForeignKey(
        Overlap, null=True, on_delete=models.PROTECT, related_name="conflicts"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    opened_at = models.DateTimeField()
    # Until when the side named by `awaits` may act; null when nothing runs.
    deadline_at = models.DateTimeField(null=True)
    awaits = models.ForeignKey(Party, null=True, on_delete=models.PROTECT, related_name="+")
    closed_at = models.DateTimeField(null=True)
    # Records found later reopen a settled conflict: claims and appeals count for their round.
    round = models.PositiveIntegerField(default=1)

    objects = ConflictQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["later", "earlier"], name="conflict_once_per_pair_of_datasets"
            )
        ]

    def __str__(self) -> str:
        return _("%(one)s and %(other)s") % {"one": self.later, "other": self.earlier}

    @cached_property
    def has_claim_waiting(self) -> bool:
        """Whether nothing runs yet because an operator has a claim to let in or not."""
        return self.state == self.State.OPEN and self.claims.waiting().exists()

    @cached_property
    def may_still_claim(self) -> Party | None:
        """Who may claim until the deadline while another's claim waits for an operator."""
        is_running = self.has_claim_waiting and self.deadline_at and self.awaits_id
        own = self.claims.filter(claimant=self.awaits_id, round=self.round)
        return self.awaits if is_running and not own.exists() else None

    @property
    def state_words(self) -> str:
        """Where it stands, in words that are true while a claim waits, too."""
        if self.has_claim_waiting:
            return str(_("Found; a claim waits for an operator"))
        return self.get_state_display()

    @property
    def asked(self) -> str:
        """What the side that it awaits is asked to do."""
        words = {
            self.State.OPEN: _("Claim, or let it be released: %(later)s and %(earlier)s"),
            self.State.CLAIMED: _("Answer the claim: %(later)s and %(earlier)s"),
            self.State.ANSWERED: _("Reply to the answer: %(later)s and %(earlier)s"),
        }
        titles = {"later": self.later.title, "earlier": self.earlier.title}
        return str(words[self.State(self.state)]) % titles


class ContestedRecord(models.Model):
    """A record whose revenue is in question in a conflict, on one of its two sides.

    The newcomer's records are held from the start (`held_since`); an earlier owner's only after
    an admitted claim. `resolution` is null while it is open.
    """

    conflict = models.ForeignKey(Conflict, on_delete=models.PROTECT, related_name="contested")
    record = models.ForeignKey(Record, on_delete=models.PROTECT, related_name="contested")
    counterpart = models.ForeignKey(Record, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=MatchKind.choices)
    held_since = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)
    resolution = models.ForeignKey(
        "Resolution", null=True, on_delete=models.PROTECT, related_name="records"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["conflict", "record"], name="record_contested_once_per_conflict"
            )
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["record"],
                name="record_held",
                condition=Q(held_since__isnull=False, released_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.record} in {self.conflict}"


class ClaimQuerySet(models.QuerySet["Claim"]):
    """Claims by how they stand."""

    def waiting(self) -> ClaimQuerySet:
        """Those that an operator has yet to let in or not."""
        return self.filter(
            needs_admission=True, admitted_at=None, rejected_at=None, withdrawn_at=None
        )

    def standing(self) -> ClaimQuerySet:
        """Those that hold something."""
        in_force = Q(needs_admission=False) | Q(admitted_at__isnull=False)
        return self.filter(in_force, rejected_at=None, withdrawn_at=None)


class Claim(models.Model):
    """An owner's word that the contested records are its own, with its evidence."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conflict = models.ForeignKey(Conflict, on_delete=models.PROTECT, related_name="claims")
    claimant = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="claims")
    round = models.PositiveIntegerField(default=1)
    statement = models.TextField()
    evidence = models.TextField(blank=True)
    made_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    # An operator lets a claim against an earlier registration in; only then is anything held.
    needs_admission = models.BooleanField(default=False)
    admitted_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    admitted_at = models.DateTimeField(null=True)
    rejected_at = models.DateTimeField(null=True)
    # The claimant's own word ends it, as its silence would.
    withdrawn_at = models.DateTimeField(null=True)

    objects = ClaimQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["conflict", "claimant", "round"], name="claim_once_per_side"
            )
        ]

    def __str__(self) -> str:
        return f"{self.claimant} on {self.conflict}"


class Submission(models.Model):
    """What a side said in a conflict: an answer, a reply, an appeal, or what it gave up."""

    class Kind(models.TextChoices):
        ANSWER = "answer"
        REPLY = "reply"
        APPEAL = "appeal"
        CONCESSION = "concession"

    conflict = models.ForeignKey(Conflict, on_delete=models.PROTECT, related_name="submissions")
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="submissions")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    round = models.PositiveIntegerField(default=1)
    text = models.TextField()
    agrees = models.BooleanField(default=False, help_text=_("The respondent accepts the claim."))
    made_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.kind} by {self.party}"


class Resolution(models.Model):
    """What was decided about a filtered set of contested records, and why."""

    class Outcome(models.TextChoices):
        TO_EARLIER = "to_earlier", _("The records are the earlier registrant's")
        TO_LATER = "to_later", _("The records are the later registrant's")
        SHARED = "shared", _("Both hold rights: the share is divided")
        COMMON = "common", _("Common material: each keeps its own")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conflict = models.ForeignKey(Conflict, on_delete=models.PROTECT, related_name="resolutions")
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    round = models.PositiveIntegerField(default=1)
    # For `shared`: the earlier side's part in hundredths of a percent (5000 = half).
    earlier_basis_points = models.PositiveIntegerField(default=5000)
    # Which contested records: {"kind": ["exact"], "record_ids": [...]} or {} for all that are open.
    filter = models.JSONField(default=dict)
    reasons = models.TextField()
    # From the start: past revenue of these records follows too. Otherwise from `decided_at`.
    from_the_start = models.BooleanField(default=True)
    is_on_appeal = models.BooleanField(default=False)
    # By an operator, or null where a side's silence, agreement or concession decided.
    decided_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()
    superseded_by = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="supersedes"
    )

    def __str__(self) -> str:
        return f"{self.get_outcome_display()} ({self.conflict})"


class StatementOfReasons(models.Model):
    """What one side was told of a hold or a decision: facts, rule, effect, what it may do."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conflict = models.ForeignKey(Conflict, on_delete=models.PROTECT, related_name="statements")
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="statements")
    kind = models.CharField(max_length=30)
    facts = models.JSONField()
    text = models.TextField()
    made_at = models.DateTimeField()

    class Meta:
        verbose_name = _noop("statement of reasons")
        verbose_name_plural = _noop("statements of reasons")

    def __str__(self) -> str:
        return _("%(what)s, to %(party)s") % {"what": self.kind_words, "party": self.party}

    @property
    def kind_words(self) -> str:
        """What it is about, as `Claim waits`."""
        return gettext(self.kind.replace("_", " ")).capitalize()


class Opening(models.Model):
    """A fingerprint-only claimant opened a contested record: its text hashes to the digest."""

    conflict = models.ForeignKey(Conflict, on_delete=models.PROTECT, related_name="openings")
    record = models.ForeignKey(Record, on_delete=models.PROTECT, related_name="openings")
    asked_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["conflict", "record"], name="record_opened_once")
        ]

    def __str__(self) -> str:
        return f"{self.record} for {self.conflict}"
