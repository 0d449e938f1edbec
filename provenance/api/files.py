"""Answers that are files: named, and never taken for something else by a browser."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.text import slugify

TYPES = {"pdf": "application/pdf", "csv": "text/csv; charset=utf-8"}


def file_of(content: bytes | str, name: str, ending: str) -> HttpResponse:
    """A download; `name` is made fit for a file name."""
    disposition = f'attachment; filename="{slugify(name) or "tallymark"}.{ending}"'
    headers = {"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"}
    return HttpResponse(content, content_type=TYPES[ending], headers=headers)
