"""The first page: what waits, and figures in words, put together from every app."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def compose(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fill the home page for this viewer."""
    return {**context, "cards": [], "todos": []}
