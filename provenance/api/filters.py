"""The base of every filter of a list: unknown values of a choice are refused, not ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_filters import rest_framework

if TYPE_CHECKING:
    from rest_framework.request import Request


class Filter(rest_framework.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    """Filters a list by its query; foreign ids are plain UUIDs, so that none can be probed."""

    request: Request
