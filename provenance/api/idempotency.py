"""A request sent twice with one `Idempotency-Key` acts once and is answered alike.

The key, the act and the answer are committed together: a crash leaves none of them, and a
concurrent twin waits on the key's row. A refused request leaves its key unused.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.core.files.uploadedfile import UploadedFile
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from provenance.api.authentication import viewer_of
from provenance.models import IdempotencyKey
from provenance.refusals import Refused

View = TypeVar("View", bound=APIView)
Rest = ParamSpec("Rest")
KEY_LIMIT = 200


class IdempotencyKeyReused(Refused):
    """This Idempotency-Key was used before, with another body."""

    code = "idempotency_key_reused"
    hint = "Use a new key for a new request; repeat the same body to get the first answer."


class IdempotencyKeyTooLong(Refused):
    """An Idempotency-Key has at most 200 characters."""

    code = "idempotency_key_too_long"
    status = 400
    hint = "Use a UUID."


Method = Callable[Concatenate[View, Request, Rest], Response]


def idempotent(method: Method[View, Rest]) -> Method[View, Rest]:
    """Make a POST safe to repeat, within one party and one address."""

    @functools.wraps(method)
    def wrapped(
        view: View, request: Request, /, *args: Rest.args, **kwargs: Rest.kwargs
    ) -> Response:
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            return method(view, request, *args, **kwargs)
        if len(key) > KEY_LIMIT:
            raise IdempotencyKeyTooLong
        with transaction.atomic():
            row, is_new = _claim(request, key)
            if not is_new:
                return _replay(row, request)
            answer = method(view, request, *args, **kwargs)
            row.status, row.answer = answer.status_code, _plain(answer.data)
            row.save(update_fields=["status", "answer"])
        return answer

    return wrapped


def _claim(request: Request, key: str) -> tuple[IdempotencyKey, bool]:
    """The key's row, and whether this request made it; a twin in flight is waited for."""
    # What is done with a key for tests is another address, and no answer to the real one.
    world = "test " if viewer_of(request).is_test else ""
    endpoint = f"{world}{request.method} {request.path}"
    if len(endpoint) > 120:
        endpoint = hashlib.sha256(endpoint.encode()).hexdigest()
    return IdempotencyKey.objects.get_or_create(
        party=viewer_of(request).party,
        endpoint=endpoint,
        key=key,
        defaults={"body_digest": _digest(request), "created_at": timezone.now()},
    )


def _replay(row: IdempotencyKey, request: Request) -> Response:
    """The first answer again; refused where the body differs."""
    if row.body_digest != _digest(request):
        raise IdempotencyKeyReused
    return Response(row.answer, status=row.status, headers={"Idempotency-Replayed": "true"})


def _digest(request: Request) -> str:
    """SHA-256 of what was sent: parsed fields in one order, and the bytes of each file."""
    hasher = hashlib.sha256()
    data = request.data
    fields: Any = data
    if hasattr(data, "lists"):  # a form
        fields = {name: values for name, values in data.lists() if name not in request.FILES}
    hasher.update(json.dumps(fields, sort_keys=True, cls=DjangoJSONEncoder).encode())
    for name, file in sorted(request.FILES.items()):
        assert isinstance(file, UploadedFile)
        hasher.update(f"\0{name}\0{file.name}\0".encode())
        for chunk in file.chunks():
            hasher.update(chunk)
        file.seek(0)
    return hasher.hexdigest()


def _plain(data: Any) -> Any:
    """The answer as plain JSON values, as it will be stored."""
    return json.loads(json.dumps(data, cls=DjangoJSONEncoder))
