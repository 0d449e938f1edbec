"""Webhooks: where the party's programs are posted its notices, and how that went."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from provenance import webhooks
from provenance.api.door import Browse
from provenance.api.filters import Filter
from provenance.models import Party, Webhook, WebhookAttempt, WebhookMessage


class WebhookOut(serializers.ModelSerializer[Webhook]):
    """An address that is posted to; its secret was shown once, when it was made."""

    class Meta:
        model = Webhook
        fields = ("id", "name", "url", "kinds", "made_at", "disabled_at", "disabled_words")


class WebhookMade(WebhookOut):
    """A webhook with its secret, which is never shown again."""

    secret = serializers.CharField(read_only=True)

    class Meta(WebhookOut.Meta):
        fields = (*WebhookOut.Meta.fields, "secret")  # type: ignore[assignment]


class WebhookIn(serializers.Serializer[Any]):
    """Where to post what: kinds as GET /notice-kinds names them, none for all."""

    url = serializers.CharField(max_length=500)
    name = serializers.CharField(max_length=100, default="", allow_blank=True)
    kinds = serializers.ListField(child=serializers.CharField(max_length=60), default=list)


class WebhookAttemptOut(serializers.ModelSerializer[WebhookAttempt]):
    """One time a message was posted; `status` is null where there was no answer."""

    class Meta:
        model = WebhookAttempt
        fields = ("at", "status", "answer", "milliseconds")


class WebhookMessageOut(serializers.ModelSerializer[WebhookMessage]):
    """A message, byte for byte as it is posted, with every attempt."""

    state = serializers.ChoiceField(choices=["waiting", "delivered", "failed"])
    attempts = WebhookAttemptOut(many=True)

    class Meta:
        model = WebhookMessage
        fields = (
            "id", "webhook", "kind", "notice", "body", "state", "made_at", "send_at",
            "delivered_at", "gave_up_at", "attempts",
        )  # fmt: skip


class ReplayedOut(serializers.Serializer[Any]):
    """How many messages are posted again."""

    replayed = serializers.IntegerField()


class Webhooks(Browse):
    """The party's addresses."""

    serializer_class = WebhookOut
    queryset = Webhook.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-made_at", "id")

    def get_queryset(self) -> QuerySet[Webhook]:
        """Those that were not removed."""
        rows = Webhook.objects.visible_to(self.viewer).filter(removed_at=None)
        return rows.select_related("party")

    def owners_of(self, row: Webhook) -> Iterable[Party]:
        """The party that is posted to."""
        return (row.party,)

    @extend_schema(request=WebhookIn, responses={201: WebhookMade})
    def create(self, request: Request) -> Response:
        """Post the party's notices to an address; the answer is the only one with its secret."""
        self.viewer.require("develop")
        made, secret = webhooks.create(
            party=self.viewer.party, by=self.person, at=timezone.now(), **self.read(WebhookIn)
        )
        answer = {**WebhookOut(made).data, "secret": secret}
        return Response(answer, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Post nothing there any more."""
        webhooks.remove(webhook=self._own(), at=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={201: WebhookMessageOut})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Post a message that tells of nothing."""
        made = webhooks.send_test(webhook=self._own(), at=timezone.now())
        return Response(WebhookMessageOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=WebhookOut)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: str) -> Response:
        """Post there again."""
        return Response(WebhookOut(webhooks.enable(webhook=self._own(), at=timezone.now())).data)

    @extend_schema(request=None, responses=ReplayedOut)
    @action(detail=True, methods=["post"], url_path="replay-missed")
    def replay_missed(self, request: Request, pk: str) -> Response:
        """Post again all that the address never took."""
        count = webhooks.replay_missed(webhook=self._own(), at=timezone.now())
        return Response({"replayed": count})

    def _own(self) -> Webhook:
        """The webhook, for whoever may change it."""
        webhook: Webhook = self.get_object()
        self.require_own(webhook.party, "develop")
        return webhook


class WebhookMessageFilter(Filter):
    """Find messages by their webhook and kind."""

    webhook = filters.UUIDFilter(field_name="webhook_id")
    kind = filters.CharFilter()


class WebhookMessages(Browse):
    """What was, or is being, posted."""

    serializer_class = WebhookMessageOut
    filterset_class = WebhookMessageFilter
    queryset = WebhookMessage.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-made_at", "id")

    def get_queryset(self) -> QuerySet[WebhookMessage]:
        """Messages to the party's addresses."""
        rows = WebhookMessage.objects.visible_to(self.viewer)
        return rows.select_related("webhook__party").prefetch_related("attempts")

    def owners_of(self, row: WebhookMessage) -> Iterable[Party]:
        """The party that is posted to."""
        return (row.webhook.party,)

    @extend_schema(request=None, responses=WebhookMessageOut)
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: str) -> Response:
        """Post it again, under its own id."""
        message: WebhookMessage = self.get_object()
        self.require_own(message.webhook.party, "develop")
        done = webhooks.replay(message=message, at=timezone.now())
        return Response(WebhookMessageOut(done).data)
