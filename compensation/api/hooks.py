"""Where payment providers tell us what they took in; nobody else's word counts here."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from compensation import payments
from compensation.models import PaymentEvent

# An event is a few kilobytes; nobody else may make us read more.
BODY_LIMIT_BYTES = 1 * 2**20


class Kept(serializers.ModelSerializer[PaymentEvent]):
    """The event is kept, and worked in where it moves money."""

    class Meta:
        model = PaymentEvent
        fields = ("event_id", "kind", "received_at")


class PaymentHook(APIView):
    """Signed events of a payment provider, in Stripe's form."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()

    @extend_schema(
        operation_id="hooks_payments",
        auth=[],
        request=OpenApiTypes.OBJECT,
        responses=Kept,
        parameters=[
            OpenApiParameter(
                "Stripe-Signature",
                str,
                OpenApiParameter.HEADER,
                required=True,
                description="`t=` seconds since 1970, `v1=` HMAC-SHA256 of `t.body`.",
            )
        ],
    )
    def post(self, request: Request, provider: str) -> Response:
        """Keep one event; repeats and unknown kinds are acknowledged, and move nothing twice."""
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) > BODY_LIMIT_BYTES:
            raise payments.BadEvent("An event is smaller than that.")
        kept = payments.receive(
            provider=provider,
            body=request.body,
            signature=request.headers.get("Stripe-Signature", ""),
            at=timezone.now(),
        )
        return Response(Kept(kept).data)
