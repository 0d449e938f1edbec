"""Screening before training, answered at once: up to a hundred records in one request."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ingest import prints
from ingest.gateways import screenings
from ingest.gateways.answers import Answer
from ingest.gateways.screenings import MOST_RECORDS, Asked
from ingest.gateways.terms import Standing
from ingest.readers.images import IMAGE_BYTES
from provenance.api.door import Door
from provenance.models import MatchKind, Purpose, Rate
from provenance.refusals import Refused

MOST_CHARACTERS = 1_000_000
MOST_BYTES = 20 * 2**20
CONTENTS = ("text", "code", "row", "image")


class BodyTooLarge(Refused):
    """This request is larger than one that is answered at once may be."""

    code = "too_large"
    status = 413
    hint = "Send fewer records, or the whole as a candidate file to /screenings/files."


class ImageField(serializers.Field[bytes, str, str, Any]):
    """An image file in base64."""

    def to_internal_value(self, data: Any) -> bytes:
        """The bytes of the file."""
        try:
            content = b64decode(str(data), validate=True)
        except (binascii.Error, ValueError) as error:
            raise serializers.ValidationError("This is not base64.") from error
        if len(content) > IMAGE_BYTES:
            raise serializers.ValidationError("The image is too large.")
        return content


class RecordIn(serializers.Serializer[Any]):
    """One record: exactly one of `text`, `code`, `row` (cells by column) and `image` (base64)."""

    id = serializers.CharField(max_length=200, default="", allow_blank=True)
    text = serializers.CharField(
        max_length=MOST_CHARACTERS, required=False, allow_blank=True, trim_whitespace=False
    )
    code = serializers.CharField(
        max_length=MOST_CHARACTERS, required=False, allow_blank=True, trim_whitespace=False
    )
    language = serializers.CharField(
        max_length=40,
        default="",
        allow_blank=True,
        help_text="Of `code`: the ending of its file name, such as py.",
    )
    row = serializers.DictField(required=False)
    image = extend_schema_field(serializers.CharField())(ImageField)(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one kind of content."""
        if sum(name in attrs for name in CONTENTS) != 1:
            raise serializers.ValidationError(f"Send exactly one of: {', '.join(CONTENTS)}.")
        return attrs


class ScreeningIn(serializers.Serializer[Any]):
    """Records that somebody is about to train on, and for which purpose."""

    purpose = serializers.ChoiceField(choices=Purpose.choices)
    passages = serializers.BooleanField(
        default=False, help_text="Say where in the sent texts the matching passages stand."
    )
    records = serializers.ListField(child=RecordIn(), min_length=1, max_length=MOST_RECORDS)


class RateTermsOut(serializers.Serializer[Any]):
    """A price in whole units of the asset, as text."""

    basis = serializers.ChoiceField(choices=Rate.Basis.choices)
    counter = serializers.CharField()
    price_units = serializers.CharField()
    asset = serializers.CharField()


class TermsOut(serializers.Serializer[Any]):
    """On what terms a dataset may be used for the purpose asked."""

    standing = serializers.ChoiceField(choices=[(one.value, one.value) for one in Standing])
    grant = serializers.UUIDField(required=False)
    licence = serializers.UUIDField(required=False)
    licence_name = serializers.CharField(required=False)
    spdx = serializers.CharField(required=False)
    term_days = serializers.IntegerField(required=False)
    valid_to = serializers.DateTimeField(required=False, allow_null=True)
    rate = RateTermsOut(required=False, allow_null=True)


class FoundDatasetOut(serializers.Serializer[Any]):
    """A dataset by its names."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    title = serializers.CharField()


class FoundOwnerOut(serializers.Serializer[Any]):
    """An owner by its names."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    namespace = serializers.CharField()


class FoundVersionOut(serializers.Serializer[Any]):
    """A version by its number."""

    id = serializers.UUIDField()
    number = serializers.IntegerField()


class FoundOut(serializers.Serializer[Any]):
    """A match; `passages` are [start, end] in characters of the text that was sent."""

    kind = serializers.ChoiceField(choices=MatchKind.choices)
    holds = serializers.BooleanField(help_text="False: a possible match, for a person to look at.")
    score = serializers.FloatField(help_text="How probable it is that one is a copy of the other.")
    jaccard = serializers.FloatField()
    containment = serializers.FloatField()
    passages = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()), allow_null=True
    )
    version = FoundVersionOut(allow_null=True)
    dataset = FoundDatasetOut(allow_null=True)
    owner = FoundOwnerOut(allow_null=True)
    terms = TermsOut()
    words = serializers.CharField()
    price = serializers.CharField(help_text="In the asset's own scale, such as 25.00 EUR.")


class ResultOut(serializers.Serializer[Any]):
    """The answer to one record."""

    id = serializers.CharField()
    answer = serializers.ChoiceField(choices=[(one.value, one.value) for one in Answer])
    words = serializers.CharField()
    matches = FoundOut(many=True)


class CorpusOut(serializers.Serializer[Any]):
    """With what it was compared: everything registered up to this event of the ledger."""

    sequence = serializers.IntegerField()
    compared_at = serializers.DateTimeField()


class AnswersOut(serializers.Serializer[Any]):
    """The answers, in the order of the records."""

    purpose = serializers.ChoiceField(choices=Purpose.choices)
    corpus = CorpusOut()
    detector = serializers.CharField()
    false_accusation_rate = serializers.FloatField()
    not_checked = serializers.ListField(child=serializers.CharField())
    results = ResultOut(many=True)


class Screenings(Door):
    """May I use this? Answered at once, for up to a hundred records."""

    @extend_schema(request=ScreeningIn, responses=AnswersOut)
    def post(self, request: Request) -> Response:
        """Compare records with everything registered; nothing that is sent is kept."""
        if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_BYTES:
            raise BodyTooLarge(f"One request may have {MOST_BYTES:,} bytes.")
        given = self.read(ScreeningIn)
        self.viewer.require("develop")
        answer = screenings.screen(
            viewer=self.viewer,
            purpose=given["purpose"],
            records=[_asked(record) for record in given["records"]],
            with_passages=given["passages"],
            at=timezone.now(),
        )
        return Response(answer, headers={"Cache-Control": "no-store"})


def _asked(record: dict[str, Any]) -> Asked:
    """The record as the use case takes it."""
    if "row" in record:
        return Asked.of_row(record["id"], record["row"])
    if "image" in record:
        return Asked(record["id"], prints.IMAGE, image=record["image"])
    if "code" in record:
        name = f"{record['id']}.{record['language'].lower()}"
        return Asked(record["id"], prints.CODE, text=record["code"], name=name)
    return Asked(record["id"], prints.TEXT, text=record["text"])
