"""Answers that are files: named, and never taken for something else by a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse, StreamingHttpResponse
from django.utils.text import slugify

TYPES = {"pdf": "application/pdf", "xml": "application/xml", "csv": "text/csv; charset=utf-8"}


def file_of(content: bytes | str, name: str, ending: str) -> HttpResponse:
    """A download; `name` is made fit for a file name."""
    disposition = f'attachment; filename="{slugify(name) or "tallymark"}.{ending}"'
    headers = {"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"}
    return HttpResponse(content, content_type=TYPES[ending], headers=headers)


def lines_of(
    rows: Iterator[dict[str, Any]], name: str, headers: dict[str, str]
) -> StreamingHttpResponse:
    """Rows as JSON lines, streamed; what refuses to begin refuses before the answer does."""
    first = list(_first(rows))
    disposition = f'attachment; filename="{slugify(name) or "tallymark"}.jsonl"'
    return StreamingHttpResponse(
        (_line(row) for row in chain(first, rows)),
        content_type="application/x-ndjson",
        headers={"Content-Disposition": disposition, **headers},
    )


def zip_of(parts: Iterator[bytes], name: str) -> StreamingHttpResponse:
    """A zip that is sent while it is made; what refuses to begin refuses before the answer does."""
    first = list(islice(parts, 1))
    disposition = f'attachment; filename="{slugify(name) or "tallymark"}.zip"'
    return StreamingHttpResponse(
        # A chain could not be closed when the reader goes away, and would keep a cursor open.
        (part for part in chain(first, parts)),
        content_type="application/zip",
        headers={"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"},
    )


def _first(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield row
        return


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, cls=DjangoJSONEncoder).encode() + b"\n"
