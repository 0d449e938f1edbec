"""How many requests a key may make: a leaky bucket, one number per key in the cache."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from provenance.access import Viewer

if TYPE_CHECKING:
    # REST framework imports this module while it builds its own views.
    from rest_framework.views import APIView

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Allowance:
    """What is left to a key: shown in the RateLimit headers of every answer."""

    limit: int
    remaining: int
    reset_seconds: int


class PerKeyThrottle(BaseThrottle):
    """Each key, or each signed-in user for a party, has its own bucket.

    The generic cell rate algorithm (ITU-T I.371): the cache holds the moment at which the bucket
    would be empty. With the default in-memory cache each web process counts for itself.
    """

    def __init__(self) -> None:
        self.wait_seconds = 0.0

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count this request; False when the bucket is full."""
        rates: Any = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
        count, _, period = str(rates["key"]).partition("/")
        limit, window = int(count), SECONDS[period[0]]
        name, now = f"rate:{_bucket(request)}", time.time()
        empty_at = max(float(cache.get(name, now)), now) + window / limit
        if empty_at - now > window:
            self.wait_seconds = empty_at - now - window
            request._request.allowance = Allowance(  # type: ignore[attr-defined]
                limit, 0, max(1, round(self.wait_seconds))
            )
            return False
        cache.set(name, empty_at, window)
        request._request.allowance = Allowance(  # type: ignore[attr-defined]
            limit, int(limit - (empty_at - now) * limit / window), round(empty_at - now)
        )
        return True

    def wait(self) -> float:
        """Seconds until the next request is let in."""
        return self.wait_seconds


def _bucket(request: Request) -> str:
    """Whose bucket this request fills."""
    viewer = request.auth
    if not isinstance(viewer, Viewer):
        return f"address:{request.META.get('REMOTE_ADDR', '')}"
    if viewer.key is not None:
        return f"key:{viewer.key.pk}"
    return f"user:{viewer.user.pk if viewer.user else ''}:{viewer.party.pk}"
