"""Reviews of what looked wrong in reports of use: the lab answers, an operator closes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from provenance import signals
from provenance.access import Viewer
from provenance.api.door import IDEMPOTENCY, Browse
from provenance.api.fields import PartyRef, VersionRef
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.api.parties import NeedsPerson
from provenance.api.usages import RunRef, run_for
from provenance.models import Party, Review, ReviewNote


class ReviewNoteOut(serializers.ModelSerializer[ReviewNote]):
    """What the lab or an operator said."""

    party = PartyRef()

    class Meta:
        model = ReviewNote
        fields = ("party", "text", "made_at")


class ReviewOut(serializers.ModelSerializer[Review]):
    """A review. The owner of the data reads that there is one; the lab reads its figures."""

    run = serializers.SerializerMethodField()
    lab = PartyRef(source="run.lab")
    version = serializers.SerializerMethodField()
    words = serializers.SerializerMethodField(help_text="What was found, in a sentence.")
    advice = serializers.SerializerMethodField(help_text="For the lab: what it may do.")
    usage = serializers.SerializerMethodField()
    subject = serializers.SerializerMethodField()
    measure = serializers.SerializerMethodField()
    evidence = serializers.SerializerMethodField()
    reason = serializers.SerializerMethodField()
    notes = serializers.SerializerMethodField()

    class Meta:
        model = Review
        fields = (
            "id", "rule", "state", "run", "lab", "version", "purpose", "words", "advice", "usage",
            "subject", "measure", "evidence", "raised_at", "found_at", "gone_at", "outcome",
            "reason", "closed_at", "notes",
        )  # fmt: skip

    def _is_inside(self, review: Review) -> bool:
        """Whether the viewer is the lab or an operator."""
        viewer: Viewer = self.context["viewer"]
        return viewer.is_operator or viewer.party.pk == review.run.lab_id

    @extend_schema_field(RunRef)
    def get_run(self, review: Review) -> dict[str, Any]:
        """The run, as far as this viewer may know it."""
        return run_for(self.context["viewer"], review.run)

    @extend_schema_field(VersionRef(allow_null=True))
    def get_version(self, review: Review) -> dict[str, Any] | None:
        """The version, to its owner and to whoever reported it."""
        viewer: Viewer = self.context["viewer"]
        version = review.version
        if version is None:
            return None
        is_own = version.dataset.owner_id == viewer.party.pk
        return VersionRef(version).data if is_own or self._is_inside(review) else None

    def get_words(self, review: Review) -> str:
        """The figures to the lab; to an owner that a person looks."""
        if self._is_inside(review):
            return signals.say_evidence(review)
        return signals.for_owner(review)

    def get_advice(self, review: Review) -> str:
        """What the lab may do."""
        is_asked = self._is_inside(review) and review.state == Review.State.OPEN
        return signals.advice(review) if is_asked else ""

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_usage(self, review: Review) -> Any:
        """The usage, if anything was reported, to whoever may see it."""
        viewer: Viewer = self.context["viewer"]
        version = review.version
        is_own = version is not None and version.dataset.owner_id == viewer.party.pk
        return review.usage_id if is_own or self._is_inside(review) else None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_subject(self, review: Review) -> str | None:
        """The name that was reported, inside."""
        return review.subject if self._is_inside(review) else None

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_measure(self, review: Review) -> int | None:
        """How far off, in reports or records, inside."""
        return review.measure if self._is_inside(review) else None

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_evidence(self, review: Review) -> Any:
        """The figures, inside."""
        return review.evidence if self._is_inside(review) else None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_reason(self, review: Review) -> str | None:
        """Why it was closed, inside."""
        return review.reason if self._is_inside(review) else None

    @extend_schema_field(ReviewNoteOut(many=True))
    def get_notes(self, review: Review) -> Any:
        """What was said, inside."""
        return ReviewNoteOut(review.notes, many=True).data if self._is_inside(review) else []


class ReviewNoteIn(serializers.Serializer[Any]):
    """What the lab answers, or an operator asks."""

    text = serializers.CharField(max_length=10_000)


class ClosingIn(serializers.Serializer[Any]):
    """How a review ended, and why."""

    outcome = serializers.ChoiceField(choices=Review.Outcome.choices)
    reason = serializers.CharField(max_length=2_000)


class ReviewTakingIn(serializers.Serializer[Any]):
    """Whether the operator who asks takes it, or gives it back."""

    take = serializers.BooleanField(default=True)


class ReviewFilter(Filter):
    """Find reviews by state, rule, version, or whether an operator has taken it."""

    state = filters.ChoiceFilter(choices=Review.State.choices)
    rule = filters.ChoiceFilter(choices=Review.Rule.choices)
    version = filters.UUIDFilter(field_name="version_id")
    is_taken = filters.BooleanFilter(field_name="assignee", lookup_expr="isnull", exclude=True)


class Reviews(Browse):
    """Reviews of the viewer's runs, and of use of its data."""

    serializer_class = ReviewOut
    filterset_class = ReviewFilter
    queryset = Review.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-raised_at", "id")

    def get_queryset(self) -> QuerySet[Review]:
        """Those that the viewer may see."""
        seen = Review.objects.visible_to(self.viewer)
        rows = seen.select_related("run__lab", "version__dataset__owner")
        return rows.prefetch_related("notes__party")

    def owners_of(self, row: Review) -> Iterable[Party | None]:
        """The lab, and the owner of the data."""
        return (row.run.lab, row.version.dataset.owner if row.version else None)

    @extend_schema(request=ReviewNoteIn, responses={201: ReviewOut}, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"])
    @idempotent
    def notes(self, request: Request, pk: str) -> Response:
        """Answer it, as the lab whose run it is; or ask, as an operator."""
        review: Review = self.get_object()
        if self.viewer.is_operator:
            self.viewer.require("rights")
        else:
            self.require_own(review.run.lab, "develop")
        text = self.read(ReviewNoteIn)["text"]
        signals.say(
            review=review, party=self.viewer.party, text=text, by=self.person, at=timezone.now()
        )
        return self._now(status.HTTP_201_CREATED)

    @extend_schema(request=ReviewTakingIn, responses=ReviewOut)
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: str) -> Response:
        """Take it, or give it back to the queue (operators only)."""
        self.require_operator("rights")
        if self.person is None:
            raise NeedsPerson
        is_taken = self.read(ReviewTakingIn)["take"]
        signals.assign(review=self.get_object(), to=self.person if is_taken else None)
        return self._now()

    @extend_schema(request=ClosingIn, responses=ReviewOut)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: str) -> Response:
        """Close it with an outcome and a reason (operators only)."""
        self.require_operator("rights")
        if self.person is None:
            raise NeedsPerson
        given = self.read(ClosingIn)
        signals.close(review=self.get_object(), by=self.person, at=timezone.now(), **given)
        return self._now()

    def _now(self, answered: int = status.HTTP_200_OK) -> Response:
        """The review as it stands after the act."""
        row = self.get_queryset().get(pk=self.kwargs["pk"])
        return Response(ReviewOut(row, context=self.context()).data, status=answered)
