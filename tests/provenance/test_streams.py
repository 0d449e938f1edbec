"""Whoever goes away in the middle of a download leaves nothing open behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.http import StreamingHttpResponse

from provenance import registry
from provenance.api import files
from provenance.models import Party
from tests import factories, streams


def begun(done: list[str]) -> Iterator[Any]:
    try:
        yield b"one"
        yield b"two"
    finally:
        done.append("closed")


@pytest.mark.parametrize(
    "answer", [lambda rows: files.lines_of(({"row": 1} for _ in rows), "rows", {}),
               lambda rows: files.zip_of(rows, "rows")],
)  # fmt: skip
def test_what_is_sent_is_closed_with_the_answer(
    answer: Callable[[Iterator[Any]], StreamingHttpResponse],
):
    done: list[str] = []
    response = answer(begun(done))
    assert done == []
    streams.close(response)
    assert done == ["closed"]


def test_a_download_that_nobody_reads_to_its_end_leaves_no_cursor_open(ada: Party):
    version = factories.version(factories.dataset(ada), ["one text", "another text"])
    response = files.lines_of(registry.export_version(version), "rows", {})
    assert cursors() == 1
    streams.close(response)
    assert cursors() == 0


def cursors() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_cursors")
        return int(cursor.fetchone()[0])
