"""The API as a party's key sees it: for tests of every door."""

from __future__ import annotations

from typing import Any

from rest_framework.test import APIClient

from provenance import parties
from provenance.models import Party, User
from tests.factories import NOON

ALL_SCOPES = ("rights", "finance", "develop")


class Door:
    """Requests below /api/v1 with one key; answers are parsed."""

    def __init__(self, secret: str = "") -> None:
        self.secret = secret
        self._client = APIClient(raise_request_exception=True)
        if secret:
            self._client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")

    def get(self, path: str, status: int = 200, **headers: str) -> Any:
        return self._checked(self._client.get(f"/api/v1/{path}", headers=headers), status)

    def post(self, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        answer = self._client.post(f"/api/v1/{path}", body, format="json", headers=headers)
        return self._checked(answer, status)

    def patch(self, path: str, body: Any = None, status: int = 200) -> Any:
        answer = self._client.patch(f"/api/v1/{path}", body, format="json")
        return self._checked(answer, status)

    def send(self, path: str, fields: dict[str, Any], status: int = 202) -> Any:
        """POST a form, files included."""
        answer = self._client.post(f"/api/v1/{path}", fields, format="multipart")
        return self._checked(answer, status)

    def raw(self, method: str, path: str, **options: Any) -> Any:
        """The answer as it came."""
        return self._client.generic(method, f"/api/v1/{path}", **options)

    def _checked(self, answer: Any, status: int) -> Any:
        shown = answer.content if not answer.streaming else ""
        assert answer.status_code == status, (answer.status_code, shown)
        is_json = answer.headers.get("Content-Type", "").endswith("json")
        return answer.json() if is_json and not answer.streaming else answer


def of(party: Party, *scopes: str, by: User | None = None) -> Door:
    """A door opened with a fresh key of `party`; with every scope unless some are named."""
    _, secret = parties.issue_key(
        party=party, name="test", scopes=scopes or ALL_SCOPES, created_by=by, at=NOON
    )
    return Door(secret)


def read_only(party: Party) -> Door:
    """A door that may only look."""
    _, secret = parties.issue_key(party=party, name="look", scopes=(), created_by=None, at=NOON)
    return Door(secret)
