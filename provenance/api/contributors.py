"""Contributors and splits: who else a dataset's part belongs to, and each one's own share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.generics import ListAPIView, get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from provenance import contributors, letters, quality
from provenance.api.door import IDEMPOTENCY, Browse, Door, Facts
from provenance.api.fields import DatasetRef, PartyRef
from provenance.api.filters import Filter
from provenance.api.idempotency import idempotent
from provenance.api.parties import InvitationMade, InvitationOut, NeedsPerson
from provenance.models import (
    Contributor,
    Dataset,
    DatasetVersion,
    Party,
    Split,
    SplitShare,
)


class ContributorOut(serializers.ModelSerializer[Contributor]):
    """Somebody who worked on the viewer's data, and the party that earns for it."""

    name = serializers.CharField(source="label")
    party = PartyRef()

    class Meta:
        model = Contributor
        fields = ("id", "name", "party", "named_at")


class ContributorIn(serializers.Serializer[Any]):
    """A contributor by the name that your files use."""

    name = serializers.CharField(max_length=200)
    email = serializers.EmailField(default="", allow_blank=True)


class CroissantIn(serializers.Serializer[Any]):
    """A Croissant description, as JSON-LD."""

    document = serializers.DictField()


class InviteIn(serializers.Serializer[Any]):
    """Who takes the contributor's account over."""

    email = serializers.EmailField()


class Contributors(Browse):
    """Those whom the viewer named as contributors."""

    serializer_class = ContributorOut
    queryset = Contributor.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("named_at", "id")

    def get_queryset(self) -> QuerySet[Contributor]:
        """Those that the viewer named; a contributor does not see by what name."""
        seen = Contributor.objects.visible_to(self.viewer).select_related("party", "owner")
        return seen if self.viewer.is_operator else seen.filter(owner=self.viewer.party)

    def owners_of(self, row: Contributor) -> Iterable[Party]:
        """Whose data it worked on, and its own party."""
        return (row.owner, row.party)

    @extend_schema(request=ContributorIn, responses={201: ContributorOut})
    def create(self, request: Request) -> Response:
        """Name a contributor; the same label again is the same one."""
        self.viewer.require("rights")
        given = self.read(ContributorIn)
        made = contributors.name(
            owner=self.viewer.party, label=given["name"], email=given["email"], at=timezone.now()
        )
        return Response(ContributorOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=CroissantIn, responses={201: ContributorOut(many=True)})
    @action(detail=False, methods=["post"], url_path="from-croissant")
    def from_croissant(self, request: Request) -> Response:
        """Name the labellers and contributors of a Croissant description."""
        self.viewer.require("rights")
        made = contributors.name_from_croissant(
            owner=self.viewer.party,
            document=self.read(CroissantIn)["document"],
            at=timezone.now(),
        )
        return Response(ContributorOut(made, many=True).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=InviteIn, responses={201: InvitationMade})
    @action(detail=True, methods=["post"])
    def invite(self, request: Request, pk: str) -> Response:
        """Ask a person to take the account over, with what it has earned; they get a link."""
        contributor: Contributor = self.get_object()
        self.require_own(contributor.owner, "rights")
        if self.person is None:
            raise NeedsPerson
        with transaction.atomic():
            invitation, token = contributors.invite(
                contributor=contributor,
                email=self.read(InviteIn)["email"],
                by=self.person,
                at=timezone.now(),
            )
            link = letters.send_invitation(invitation, token)
        answer = {**InvitationOut(invitation).data, "token": token, "link": link}
        return Response(answer, status=status.HTTP_201_CREATED)


class ContributorShareOut(serializers.ModelSerializer[SplitShare]):
    """One party's weight in a split."""

    party = PartyRef()

    class Meta:
        model = SplitShare
        fields = ("party", "weight", "record_count", "points")


class SplitOut(serializers.ModelSerializer[Split]):
    """A split of one of the viewer's datasets: the last that applies holds."""

    dataset = DatasetRef()
    shares = ContributorShareOut(many=True)

    class Meta:
        model = Split
        fields = (
            "id", "dataset", "number", "origin", "rule", "version", "from_the_start",
            "applies_at", "made_at", "shares",
        )  # fmt: skip


class WeightIn(serializers.Serializer[Any]):
    """A contributor's weight."""

    contributor = serializers.UUIDField()
    weight = serializers.IntegerField(min_value=0)


class WhenIn(serializers.Serializer[Any]):
    """From which moment on a split divides."""

    from_the_start = serializers.BooleanField(
        default=False, help_text="Past revenue is divided anew, by compensating entries."
    )
    applies_at = serializers.DateTimeField(
        default=None, allow_null=True, help_text="Now, if left out; not in the past."
    )


class SplitIn(WhenIn):
    """Whole weights of the owner and of contributors."""

    dataset = serializers.UUIDField()
    owner_weight = serializers.IntegerField(min_value=0)
    weights = WeightIn(many=True, default=list)


class RecordSplitIn(WhenIn):
    """A split by the records that contributors are credited with."""

    version = serializers.UUIDField()
    contributors_basis_points = serializers.IntegerField(min_value=1, max_value=10_000)


class SplitFilter(Filter):
    """Find splits by dataset."""

    dataset = filters.UUIDFilter(field_name="dataset_id")


class Splits(Browse):
    """How the viewer's datasets are divided, the newest first."""

    serializer_class = SplitOut
    filterset_class = SplitFilter
    queryset = Split.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-made_at", "id")

    def get_queryset(self) -> QuerySet[Split]:
        """Those of the viewer's datasets."""
        seen = Split.objects.visible_to(self.viewer).select_related("dataset__owner")
        return seen.prefetch_related("shares__party")

    def owners_of(self, row: Split) -> Iterable[Party]:
        """The dataset's owner."""
        return (row.dataset.owner,)

    @extend_schema(request=SplitIn, responses={201: SplitOut}, parameters=[IDEMPOTENCY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Divide a dataset by whole weights."""
        given = self.read(SplitIn)
        seen = Dataset.objects.visible_to(self.viewer).select_related("owner")
        dataset = get_object_or_404(seen, pk=given.pop("dataset"))
        self.require_own(dataset.owner, "rights")
        weights = {each["contributor"]: each["weight"] for each in given.pop("weights")}
        named = Contributor.objects.filter(owner=dataset.owner).select_related("party")
        split = contributors.divide(
            dataset=dataset,
            weights={get_object_or_404(named, pk=key): weight for key, weight in weights.items()},
            by=self.person,
            at=timezone.now(),
            **given,
        )
        return Response(SplitOut(split).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=RecordSplitIn, responses={201: SplitOut}, parameters=[IDEMPOTENCY])
    @action(detail=False, methods=["post"], url_path="by-records", filterset_class=None)
    @idempotent
    def by_records(self, request: Request) -> Response:
        """Divide by the records that each contributor made, by the published rule."""
        given = self.read(RecordSplitIn)
        seen = DatasetVersion.objects.visible_to(self.viewer).select_related("dataset__owner")
        version = get_object_or_404(seen, pk=given.pop("version"))
        self.require_own(version.dataset.owner, "rights")
        split = contributors.divide_by_records(
            version=version, by=self.person, at=timezone.now(), **given
        )
        return Response(SplitOut(split).data, status=status.HTTP_201_CREATED)


class MyShareOut(serializers.ModelSerializer[SplitShare]):
    """The viewer's own share of a dataset: nobody else's is shown."""

    dataset = DatasetRef(source="split.dataset")
    number = serializers.IntegerField(source="split.number")
    from_the_start = serializers.BooleanField(source="split.from_the_start")
    applies_at = serializers.DateTimeField(source="split.applies_at")
    weight_sum = serializers.IntegerField(help_text="Of all shares together.")

    class Meta:
        model = SplitShare
        fields = (
            "dataset", "number", "from_the_start", "applies_at", "weight", "weight_sum",
            "record_count", "points",
        )  # fmt: skip


class MyShares(Facts, ListAPIView[SplitShare]):
    """What the viewer has of datasets that it worked on."""

    serializer_class = MyShareOut
    queryset = SplitShare.objects.none()
    ordering = ("-split__made_at", "id")

    def get_queryset(self) -> QuerySet[SplitShare]:
        """The viewer's own shares, in every split there was."""
        own = SplitShare.objects.filter(party=self.viewer.party)
        return own.select_related("split__dataset__owner").annotate(
            weight_sum=Sum("split__shares__weight")
        )


class CreditsIn(serializers.Serializer[Any]):
    """Who made which record: the contributor's label by the record's key."""

    labels = serializers.DictField(
        child=serializers.CharField(max_length=200), help_text='{"r17": "annotator 3"}'
    )


class CreditsOut(serializers.Serializer[Any]):
    """How many records were credited now."""

    credited = serializers.IntegerField()


class Credits(Door):
    """Credits of one version's records."""

    @extend_schema(request=CreditsIn, responses=CreditsOut)
    def post(self, request: Request, pk: UUID) -> Response:
        """Credit records to contributors; a record that is credited stays as it is."""
        seen = DatasetVersion.objects.visible_to(self.viewer).select_related("dataset__owner")
        version = get_object_or_404(seen, pk=pk)
        self.require_own(version.dataset.owner, "rights")
        made = contributors.credit(version=version, at=timezone.now(), **self.read(CreditsIn))
        return Response({"credited": made})


class QualityRules(Door):
    """The published rule by which records count between contributors."""

    @extend_schema(operation_id="quality_rules", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Its name, its points and its words."""
        return Response(
            {
                "rule": quality.RULE,
                "points": {
                    "full": quality.FULL_POINTS,
                    "short": quality.SHORT_POINTS,
                    "copy": quality.COPY_POINTS,
                },
                "words": list(quality.WORDS),
            }
        )
