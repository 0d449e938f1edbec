"""Which form an answer takes: who takes problems as JSON is given facts as JSON."""

from __future__ import annotations

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

from provenance.api.problems import MEDIA_TYPE


class Negotiation(DefaultContentNegotiation):
    """`Accept: application/problem+json` names the errors that a client reads (RFC 9457)."""

    def get_accept_list(self, request: Request) -> list[str]:
        """The accepted types, `application/problem+json` as JSON."""
        accepted: list[str] = super().get_accept_list(request)
        return [
            "application/json" if one.partition(";")[0].strip() == MEDIA_TYPE else one
            for one in accepted
        ]
