"""What the party was told, what kinds there are, and what a person wants by mail."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from provenance import inbox, notices
from provenance.api.door import Browse, Door
from provenance.api.filters import Filter
from provenance.api.parties import NeedsPerson
from provenance.models import Letter, Notice, Sending, User


class PartyNoticeOut(serializers.ModelSerializer[Notice]):
    """A notice in words, with where one acts. `facts` are what its words name."""

    title = serializers.SerializerMethodField()
    words = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField(help_text="The page where one acts.")
    is_unread = serializers.BooleanField(
        help_text="By the person who signed in, or who made the key."
    )

    class Meta:
        model = Notice
        fields = (
            "id", "kind", "title", "words", "url", "about", "facts", "made_at", "deadline_at",
            "is_unread",
        )  # fmt: skip

    def get_title(self, notice: Notice) -> str:
        """In a line."""
        return notices.say(notice).title

    def get_words(self, notice: Notice) -> str:
        """In full."""
        return notices.say(notice).words

    def get_url(self, notice: Notice) -> str:
        """Where one acts."""
        return notices.say(notice).url


class NoticeKindOut(serializers.Serializer[Any]):
    """A kind of notice, as webhooks and preferences name it."""

    code = serializers.CharField()
    topic = serializers.ChoiceField(choices=notices.Topic.choices)
    may_be_off = serializers.BooleanField()
    sending = serializers.ChoiceField(choices=Sending.choices, help_text="As usual.")


class ReadOut(serializers.Serializer[Any]):
    """How many notices were new to the person."""

    read = serializers.IntegerField()


class NoticePreferences(serializers.Serializer[Any]):
    """What a person wants by mail: by kind, where it is not the usual, and when the day begins."""

    zone = serializers.CharField(
        max_length=60, required=False, help_text="Such as Europe/Paris; UTC unless said."
    )
    hour = serializers.IntegerField(
        min_value=0, max_value=23, required=False, help_text="8 unless said."
    )
    choices = serializers.DictField(
        child=serializers.ChoiceField(choices=Sending.choices), required=False
    )


class NoticeFilter(Filter):
    """Find notices by kind, by time, or those not read."""

    kind = filters.CharFilter()
    since = filters.IsoDateTimeFilter(field_name="made_at", lookup_expr="gte")
    is_unread = filters.BooleanFilter()


class Notices(Browse):
    """What the viewer's party was told, the newest first."""

    serializer_class = PartyNoticeOut
    filterset_class = NoticeFilter
    queryset = Notice.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-made_at", "id")

    def get_queryset(self) -> QuerySet[Notice]:
        """The party's own, also for an operator."""
        person = self.person.pk if self.person else 0
        unread = Letter.objects.filter(notice=OuterRef("pk"), user_id=person, read_at=None)
        rows = Notice.objects.visible_to(self.viewer).annotate(is_unread=Exists(unread))
        return rows.select_related("party")

    @extend_schema(request=None, responses=ReadOut)
    @action(detail=True, methods=["post"])
    def read(self, request: Request, pk: str) -> Response:  # type: ignore[override]
        """The person has read it."""
        notice = self.get_object()
        count = inbox.mark_read(
            user=self._person(), party=self.viewer.party, notice=notice.pk, at=timezone.now()
        )
        return Response({"read": count})

    @extend_schema(operation_id="notices_read_all", request=None, responses=ReadOut)
    @action(detail=False, methods=["post"], url_path="read-all")
    def read_all(self, request: Request) -> Response:
        """The person has read all of them."""
        count = inbox.mark_read(user=self._person(), party=self.viewer.party, at=timezone.now())
        return Response({"read": count})

    def _person(self) -> User:
        if self.person is None:
            raise NeedsPerson
        return self.person


class NoticeKinds(Door):
    """Every kind of notice."""

    @extend_schema(operation_id="notice_kinds", responses=NoticeKindOut(many=True))
    def get(self, request: Request) -> Response:
        """The table of kinds."""
        return Response(NoticeKindOut(notices.kinds(), many=True).data)


class Preferences(Door):
    """What the person who signed in, or who made the key, wants by mail."""

    @extend_schema(operation_id="notice_preferences", responses=NoticePreferences)
    def get(self, request: Request) -> Response:
        """As it stands."""
        return Response(self._stand(self._person()))

    @extend_schema(
        operation_id="notice_preferences_set",
        request=NoticePreferences,
        responses=NoticePreferences,
    )
    def post(self, request: Request) -> Response:
        """Choose; what is left out stays as it is."""
        person = self._person()
        inbox.choose(user=person, **self.read(NoticePreferences))
        return Response(self._stand(person))

    def _person(self) -> User:
        if self.person is None:
            raise NeedsPerson
        return self.person

    @staticmethod
    def _stand(person: User) -> dict[str, Any]:
        day = inbox.day_of(person)
        facts = {"zone": day.zone, "hour": day.hour, "choices": inbox.choices_of(person)}
        return dict(NoticePreferences(facts).data)
