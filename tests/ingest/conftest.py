"""How uploads are driven in tests: without a broker, by the use cases that the workers call."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from ingest import hints, pipeline
from ingest.models import Upload
from provenance import registry
from provenance.models import Dataset, DatasetVersion
from tests.cast import NOON

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def ticking(minutes: int = 1) -> Callable[[], datetime]:
    """A clock, some minutes past noon, on which a moment passes with every look."""
    ticks = count(minutes * 60_000)
    return lambda: NOON + timedelta(milliseconds=next(ticks))


def jsonl(rows: Sequence[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def begin(
    dataset: Dataset,
    content: bytes | Sequence[dict[str, Any]],
    name: str = "rows.jsonl",
    mode: str = "full",
    **given: Any,
) -> Upload:
    """Open a version and begin the upload of `content` to it."""
    data = content if isinstance(content, bytes) else jsonl(content)
    version = registry.open_version(dataset=dataset, mode=mode, at=NOON)
    return pipeline.begin_upload(
        version=version, file=BytesIO(data), file_name=name, at=NOON, **given
    )


def drive(upload: Upload, clock: Callable[[], datetime] | None = None) -> Upload:
    """Let the workers do what there is to do."""
    clock = clock or ticking()
    while pipeline.advance(upload.pk, clock=clock):
        pass
    upload.refresh_from_db()
    upload.version.refresh_from_db()
    return upload


def ingest(dataset: Dataset, content: Any, name: str = "rows.jsonl", **given: Any) -> Upload:
    """Upload `content` and see it through."""
    return drive(begin(dataset, content, name, **given))


def sealed(dataset: Dataset, content: Any, name: str = "rows.jsonl") -> DatasetVersion:
    upload = ingest(dataset, content, name)
    assert upload.state == Upload.State.SEALED, (upload.error_code, upload.error_detail)
    return upload.version


def sentence(number: int, words: int = 60) -> str:
    """A text of made-up words that shares no five words in a row with any other number's."""
    return " ".join(f"w{number}x{place}" for place in range(words))


def holding(needle: str) -> list[str]:
    """The tables of the database in which some row's text, or bytes in hexadecimal, has it."""
    named = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    found = []
    with connection.cursor() as cursor:
        cursor.execute(named)
        for (table,) in cursor.fetchall():
            sought = (
                f'SELECT count(*) FROM "{table}" AS t WHERE t::text ILIKE %s OR t::text ILIKE %s'
            )
            cursor.execute(sought, [f"%{needle}%", f"%{needle.encode().hex()}%"])
            if cursor.fetchone() != (0,):
                found.append(table)
    return found


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hints go nowhere: here the test itself is the worker."""
    monkeypatch.setattr(hints, "_send", lambda task, upload_id: None)


@pytest.fixture
def articles() -> Callable[[str], list[dict[str, Any]]]:
    """The labelled articles, where the folder of development data is there."""

    def read(name: str) -> list[dict[str, Any]]:
        path = DATA / "articles_plagiarised" / name
        if not path.exists():
            pytest.skip(f"needs {path}")
        return [json.loads(line) for line in path.read_text().splitlines()]

    return read
