"""What every view of the API shares: its viewer, the operator's log, and the rate headers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework.generics import GenericAPIView
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.serializers import Serializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from provenance import parties
from provenance.access import Viewer
from provenance.api.authentication import viewer_of
from provenance.api.throttling import Allowance
from provenance.models import Party, User
from provenance.refusals import Refused

REASON_HEADER = "Tallymark-Reason"
IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Send it again with the same key and the same answer comes back; nothing is "
    "done twice. Another body under the same key is refused with 409.",
)


class OperatorsOnly(Refused):
    """Only an operator of this service may do this."""

    code = "operators_only"
    status = 403
    hint = "Write to the operator."


class OwnersOnly(Refused):
    """Only the party that this belongs to may do this."""

    code = "owners_only"
    status = 403
    hint = "Use a key or a session of that party."


class NotInTestMode(Refused):
    """A key for tests opens nothing here."""

    code = "not_in_test_mode"
    status = 403
    hint = "Use a key without `tm_test_`; docs/api.md lists what keys for tests open."


class Door(APIView):
    """A view for one viewer; what an operator sees of others is logged with the reason given."""

    # Whether it answers keys for tests, and so shows and changes nothing but test data.
    serves_tests: ClassVar[bool] = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let in whoever may come in; a key for tests only where there are no facts."""
        super().initial(request, *args, **kwargs)
        viewer = request.auth
        if isinstance(viewer, Viewer) and viewer.is_test != self.serves_tests:
            raise NotInTestMode

    @property
    def viewer(self) -> Viewer:
        """For whom this request is made."""
        return viewer_of(self.request)

    @property
    def person(self) -> User | None:
        """Who acts: the signed-in person, or whoever made the key."""
        viewer = self.viewer
        return viewer.user or (viewer.key.created_by if viewer.key else None)

    def read(
        self, shape: type[Serializer[Any]], data: Any = None, **options: Any
    ) -> dict[str, Any]:
        """The request's body as `shape` reads it; raises ValidationError, which is a 400."""
        given = shape(data=self.request.data if data is None else data, **options)
        given.is_valid(raise_exception=True)
        values: dict[str, Any] = given.validated_data
        return values

    def context(self) -> dict[str, Any]:
        """What an output serializer may need: it shows each side only what it may see."""
        return {"request": self.request, "viewer": self.viewer}

    def require_operator(self, verb: str) -> None:
        """Refuse whoever is not an operator with the right `verb`."""
        if not self.viewer.is_operator:
            raise OperatorsOnly
        self.viewer.require(verb)

    def require_own(self, owner: Party, verb: str) -> None:
        """Refuse whoever may see the row but does not speak for its owner."""
        if self.viewer.party != owner:
            raise OwnersOnly
        self.viewer.require(verb)

    def log_looks(self, owners: Iterable[Party | None]) -> None:
        """Log an operator's look at each of these parties but its own."""
        if not self.viewer.is_operator:
            return
        what = f"{self.request.method} {self.request.path}"[:200]
        reason = self.request.headers.get(REASON_HEADER, "")[:300]
        seen = {owner.pk: owner for owner in owners if owner and owner != self.viewer.party}
        for party in seen.values():
            parties.log_view(
                viewer=self.viewer, party=party, what=what, reason=reason, at=timezone.now()
            )

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        """Add what is left of the key's allowance."""
        final = super().finalize_response(request, response, *args, **kwargs)
        allowance = getattr(getattr(request, "_request", request), "allowance", None)
        if isinstance(allowance, Allowance):
            final.headers["RateLimit-Limit"] = str(allowance.limit)
            final.headers["RateLimit-Remaining"] = str(allowance.remaining)
            final.headers["RateLimit-Reset"] = str(allowance.reset_seconds)
        return final


class Facts(Door, GenericAPIView[Any]):
    """A view over rows: `owners_of` names the parties that a row belongs to, for the log."""

    def owners_of(self, row: Any) -> Iterable[Party | None]:
        """The parties whose facts `row` shows."""
        return ()

    def get_serializer_context(self) -> Mapping[str, Any]:
        """The output serializers' context, viewer included."""
        if getattr(self, "swagger_fake_view", False):
            return super().get_serializer_context()
        return {**super().get_serializer_context(), "viewer": self.viewer}

    def get_object(self) -> Any:
        """The row that the address names, if the viewer may see it (404 otherwise)."""
        row = super().get_object()
        self.log_looks(self.owners_of(row))
        return row

    def paginate_queryset(self, queryset: Any) -> Any:
        """One page of rows."""
        page = super().paginate_queryset(queryset)
        if page is not None and self.viewer.is_operator:
            self.log_looks(owner for row in page for owner in self.owners_of(row))
        return page

    def page(self, rows: QuerySet[Any]) -> Response:
        """One page of what belongs to a row that the viewer was found to see."""
        assert self.paginator is not None
        page = self.paginator.paginate_queryset(rows, self.request, view=self)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class Browse(ListModelMixin, RetrieveModelMixin, Facts, GenericViewSet[Any]):
    """A noun's list and detail; the acts upon it are the view set's own methods."""


def router() -> SimpleRouter:
    """A router whose addresses end without a slash and name rows by UUID."""
    return SimpleRouter(trailing_slash=False, use_regex_path=False)
