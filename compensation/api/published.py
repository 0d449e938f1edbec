"""What anybody may read without a key: the leaves and totals behind every root that we propose."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from compensation import publication, totals
from compensation.models import PayoutEpoch, PayoutTotals

BYTES = "application/octet-stream"
# A proposed root never changes, and neither do its files.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "public, max-age=31536000, immutable",
}


class PublicView(APIView):
    """A door without a lock: payees are pseudonyms, and what they are owed is on the chain too."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class PublishedContracts(PublicView):
    """The contracts that pay owners."""

    @extend_schema(operation_id="payout_trees", auth=[], responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request) -> Response:
        """Which contracts pay owners, in what, and where the ledger is anchored."""
        return Response(totals.index())


class PublishedTree(PublicView):
    """One tree, with the proof of what the ledger committed to."""

    @extend_schema(operation_id="payout_tree", auth=[], responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, chain_id: int, contract: str, epoch: int) -> Response:
        """The root, and the event that commits to the journal's totals, once it is anchored."""
        return Response(totals.manifest(_epoch(chain_id, contract, epoch)))


class PublishedLeaves(PublicView):
    """The leaves of a payout tree, under salted pseudonyms."""

    @extend_schema(
        operation_id="payout_tree_leaves",
        auth=[],
        responses={(200, BYTES): OpenApiTypes.BINARY},
    )
    def get(
        self, request: Request, chain_id: int, contract: str, epoch: int
    ) -> StreamingHttpResponse:
        """The file from which anybody can compute the root."""
        found = _epoch(chain_id, contract, epoch)
        return StreamingHttpResponse(
            publication.leaves_file(found),
            content_type=BYTES,
            headers=_named("leaves", chain_id, contract, epoch),
        )


class PublishedTotals(PublicView):
    """What the journal sent and credited to each payee of a tree."""

    @extend_schema(
        operation_id="payout_tree_totals",
        auth=[],
        responses={(200, BYTES): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, chain_id: int, contract: str, epoch: int) -> HttpResponse:
        """The file whose SHA-256 the ledger holds."""
        found = PayoutTotals.objects.filter(epoch=_epoch(chain_id, contract, epoch)).first()
        if found is None:
            raise Http404
        headers = _named("totals", chain_id, contract, epoch)
        return HttpResponse(bytes(found.file), content_type=BYTES, headers=headers)


def _epoch(chain_id: int, contract: str, number: int) -> PayoutEpoch:
    return get_object_or_404(
        PayoutEpoch.objects.select_related("contract", "asset"),
        contract__chain_id=chain_id,
        contract__address__iexact=contract,
        number=number,
    )


def _named(what: str, chain_id: int, contract: str, epoch: int) -> dict[str, Any]:
    name = f"tallymark-{what}-{chain_id}-{contract.lower()}-{epoch}.bin"
    return {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
