"""Expensive reads that did not change are answered with 304 before they are made."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.db.models import Max
from django.http import HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import http_date, quote_etag
from rest_framework.request import Request

from provenance.access import Viewer
from provenance.models import Event, Usage


def etag_of(*parts: object) -> str:
    """A strong ETag over what the answer depends on."""
    text = "\0".join(str(part) for part in parts)
    return quote_etag(hashlib.sha256(text.encode()).hexdigest()[:32])


def facts_etag(viewer: Viewer, *parts: object) -> str:
    """An ETag that holds while no fact is added: every change of what is shown is an event.

    It is the number of committed events: numbers of sealed ones have no gaps. Only that owners
    see an ungranted use when its lab's time is over is none: so the last such moment is in it.
    """
    sealed = Event.objects.aggregate(last=Max("sequence"))["last"] or 0
    unsealed = Event.objects.filter(sequence=None).count()
    over = Usage.objects.filter(awaits_grant_until__lte=timezone.now())
    told = over.aggregate(last=Max("awaits_grant_until"))["last"]
    return etag_of(viewer.party.pk, sealed + unsealed, told, *parts)


def not_modified(
    request: Request, etag: str, changed_at: datetime | None = None
) -> HttpResponseBase | None:
    """A 304 where the client already has this; None where it must be made."""
    seconds = int(changed_at.timestamp()) if changed_at else None
    return get_conditional_response(request._request, etag=etag, last_modified=seconds)


def headers_of(etag: str, changed_at: datetime | None = None) -> dict[str, str]:
    """The headers that let a client ask again cheaply; never stored by shared caches."""
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if changed_at is not None:
        headers["Last-Modified"] = http_date(changed_at.timestamp())
    return headers
