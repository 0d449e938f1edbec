"""How conflicts are shown and what their acts take; each side sees its own records' keys only."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from provenance.api.fields import DatasetRef, PartyRef
from provenance.api.overlaps import RecordRef, record_for
from provenance.models import (
    Claim,
    Conflict,
    ContestedRecord,
    MatchKind,
    Opening,
    Resolution,
    StatementOfReasons,
    Submission,
)


class ClaimOut(serializers.ModelSerializer[Claim]):
    """An owner's word that the contested records are its own."""

    claimant = PartyRef()

    class Meta:
        model = Claim
        fields = (
            "id", "claimant", "statement", "evidence", "made_at", "needs_admission",
            "admitted_at", "rejected_at", "withdrawn_at",
        )  # fmt: skip


class SubmissionOut(serializers.ModelSerializer[Submission]):
    """What a side said."""

    party = PartyRef()

    class Meta:
        model = Submission
        fields = ("id", "party", "kind", "text", "agrees", "made_at")


class ResolutionOut(serializers.ModelSerializer[Resolution]):
    """What was decided, about which records, and why."""

    class Meta:
        model = Resolution
        fields = (
            "id", "outcome", "earlier_basis_points", "filter", "reasons", "from_the_start",
            "is_on_appeal", "decided_at", "superseded_by",
        )  # fmt: skip


class ConflictOut(serializers.ModelSerializer[Conflict]):
    """A conflict: its sides, whose turn it is and until when, and what was said and decided."""

    later = DatasetRef()
    earlier = DatasetRef()
    awaits = PartyRef(allow_null=True)
    claims = ClaimOut(many=True)
    submissions = SubmissionOut(many=True)
    resolutions = ResolutionOut(many=True)

    class Meta:
        model = Conflict
        fields = (
            "id", "later", "earlier", "overlap", "state", "opened_at", "deadline_at", "awaits",
            "closed_at", "claims", "submissions", "resolutions",
        )  # fmt: skip


class ContestedOut(serializers.ModelSerializer[ContestedRecord]):
    """A record in question, on one side, and its counterpart on the other."""

    record = serializers.SerializerMethodField()
    counterpart = serializers.SerializerMethodField()
    dataset = serializers.UUIDField(source="record.dataset_id")

    class Meta:
        model = ContestedRecord
        fields = (
            "id", "dataset", "record", "counterpart", "kind", "held_since", "released_at",
            "resolution",
        )  # fmt: skip

    @extend_schema_field(RecordRef)
    def get_record(self, contested: ContestedRecord) -> dict[str, Any]:
        """The record whose revenue is in question."""
        record = contested.record
        return record_for(self.context["viewer"], record, record.dataset.owner_id)

    @extend_schema_field(RecordRef)
    def get_counterpart(self, contested: ContestedRecord) -> dict[str, Any]:
        """The record that it matches."""
        record = contested.counterpart
        return record_for(self.context["viewer"], record, record.dataset.owner_id)


class StatementOut(serializers.ModelSerializer[StatementOfReasons]):
    """What a side was told: facts, rule, effect, and what it may do."""

    party = PartyRef()

    class Meta:
        model = StatementOfReasons
        fields = ("id", "party", "kind", "facts", "text", "made_at")


class OpeningOut(serializers.ModelSerializer[Opening]):
    """A contested record, with the key its owner gave it, that the claimant is asked to open."""

    key = serializers.CharField(source="record.key", read_only=True)

    class Meta:
        model = Opening
        fields = ("record", "key", "asked_at", "opened_at")


class ClaimIn(serializers.Serializer[Any]):
    """A claim: why the records are one's own, and the evidence for it."""

    statement = serializers.CharField(max_length=20_000)
    evidence = serializers.CharField(max_length=20_000, default="", allow_blank=True)


class AnswerIn(serializers.Serializer[Any]):
    """The respondent's answer; `agrees` accepts the claim."""

    text = serializers.CharField(max_length=20_000)
    agrees = serializers.BooleanField(default=False)


class TextIn(serializers.Serializer[Any]):
    """What a side says."""

    text = serializers.CharField(max_length=20_000)


class ClaimRef(serializers.Serializer[Any]):
    """Which claim of the conflict."""

    claim = serializers.UUIDField()


class ClaimRejection(ClaimRef):
    """Which claim is not let in, and why."""

    reason = serializers.CharField(max_length=2000)


class RecordsFilter(serializers.Serializer[Any]):
    """Which contested records: all that are open, unless kinds or records are named."""

    kind = serializers.ListField(
        child=serializers.ChoiceField(choices=MatchKind.choices), required=False
    )
    record_ids = serializers.ListField(child=serializers.IntegerField(), required=False)


class OwnFilter(RecordsFilter):
    """The same, and by how the keys of one's own records begin."""

    key_starts = serializers.CharField(max_length=200, required=False)


class ConcessionIn(serializers.Serializer[Any]):
    """What a side settles by its own word: `common`, or the other side's outcome."""

    outcome = serializers.ChoiceField(choices=Resolution.Outcome.choices)
    text = serializers.CharField(max_length=20_000, default="", allow_blank=True)
    filter = OwnFilter(default=dict)


class DecisionIn(serializers.Serializer[Any]):
    """An operator's decision; `earlier_basis_points` counts when the outcome is `shared`."""

    outcome = serializers.ChoiceField(choices=Resolution.Outcome.choices)
    reasons = serializers.CharField(max_length=20_000)
    filter = RecordsFilter(default=dict)
    earlier_basis_points = serializers.IntegerField(min_value=0, max_value=10_000, default=5000)
    from_the_start = serializers.BooleanField(default=True)


class OpeningIn(serializers.Serializer[Any]):
    """A record's text, revealed: it must hash to the registered digest."""

    record = serializers.IntegerField()
    text = serializers.CharField(trim_whitespace=False)
