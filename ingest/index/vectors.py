"""The vectors of records' chunks: rows of `halfvec`, which are the truth, and who is near them.

Single questions go through an inverted file in PostgreSQL. Bulk workers ask a copy in memory
(`vector_cache`) where there are many, and otherwise every row. Whatever a copy says is looked up
in the rows: a vector that is gone is not found, and every cosine given is that of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import sql

from ingest.fingerprint.embedding import Embedded, ModelName
from ingest.index import vector_cache
from ingest.index.vector_cache import Block, Hits, Rows, best_of, slices
from ingest.models import Embedding
from provenance.models import DatasetVersion

BLOCK = 20_000
EXACT_ROWS = 50_000
"""So many rows are compared one by one; where there are more, a copy in memory is asked."""
MOST_PER_PROBE = 32


class Chunk(NamedTuple):
    """A stored chunk: its row, its record, its number there and the characters that it spans."""

    id: int
    record_id: int
    number: int
    start: int
    end: int


class Near(NamedTuple):
    """A stored chunk that is near a probe, which is named by its place."""

    place: int
    chunk: Chunk
    cosine: float


CHUNK = "id, record_id, chunk, span_start, span_end"
# As bytes: the driver would make a Python number of each of the 384 values.
BLOCKS = """
SELECT id, halfvec_send(vector) FROM ingest_embedding
WHERE weights_digest = %s AND id > %s ORDER BY id LIMIT %s
"""
COUNT = """
SELECT count(*) FROM (
    SELECT FROM ingest_embedding WHERE weights_digest = %s LIMIT %s
) AS counted
"""
BY_ID = f"""
SELECT {CHUNK}, halfvec_send(vector) FROM ingest_embedding
WHERE id = ANY(%s) AND weights_digest = %s
"""  # noqa: S608 - names of columns
OF_VERSION = """
SELECT embedding.id, record.id, chunk, span_start, span_end, halfvec_send(vector)
FROM ingest_embedding AS embedding JOIN provenance_record AS record
  ON record.id = embedding.record_id
WHERE record.dataset_id = %s AND record.added_number = %s AND embedding.weights_digest = %s
ORDER BY record.id, chunk
"""
# The digest and the dimension are literals: only so is the index over these rows a match.
FEW = """
SELECT probe.place, near.* FROM unnest(%s::text[]) WITH ORDINALITY AS probe (vector, place)
CROSS JOIN LATERAL (
    SELECT {chunk}, -(vector::{halfvec} <#> probe.vector::{halfvec}) AS cosine
    FROM ingest_embedding WHERE weights_digest = {digest}
    ORDER BY vector::{halfvec} <#> probe.vector::{halfvec} LIMIT %s
) AS near
ORDER BY 1, cosine DESC
"""


def insert(record_ids: Sequence[int], made: Embedded, model: ModelName) -> None:
    """Store the chunks of the records that `made` numbers by place; safe to repeat."""
    Embedding.objects.bulk_create(
        (
            Embedding(
                record_id=record_ids[chunk.place],
                model=model.model,
                revision=model.revision,
                weights_digest=model.weights_sha256,
                dimension=model.dimension,
                chunk=chunk.number,
                span_start=chunk.start,
                span_end=chunk.end,
                vector=HalfVector(vector),
            )
            for chunk, vector in zip(made.chunks, made.vectors, strict=True)
        ),
        ignore_conflicts=True,
        batch_size=1_000,
    )


def of_version(
    version: DatasetVersion, weights_digest: str
) -> tuple[list[Chunk], NDArray[np.float16]]:
    """The chunks of the records that `version` added, and their vectors: [n, dimension]."""
    with connection.cursor() as cursor:
        cursor.execute(OF_VERSION, [version.dataset_id, version.number, weights_digest])
        rows = cursor.fetchall()
    return [Chunk(*row[:-1]) for row in rows], _vectors([row[-1] for row in rows])


def nearest(
    probes: NDArray[np.float16],
    *,
    weights_digest: str,
    least: float,
    apart_from: Sequence[int] = (),
) -> list[Near]:
    """Chunks with a cosine of at least `least`, at most MOST_PER_PROBE of each probe, best first.

    `probes` are unit vectors [n, dimension], compared with those of the same weights only; rows
    `apart_from` are passed over.
    """
    if not len(probes):
        return []
    own = np.array(sorted(apart_from), np.int64)
    if _count(weights_digest, EXACT_ROWS + 1) <= EXACT_ROWS:
        hits = exactly(probes, _blocks(weights_digest), most=MOST_PER_PROBE, apart_from=own)
    else:
        rows = Rows(partial(_blocks, weights_digest), partial(_count, weights_digest))
        cache = vector_cache.fresh(weights_digest, rows)
        hits = cache.search(probes, most=MOST_PER_PROBE, apart_from=own)
    near: list[Near] = []
    for some in slices(len(probes)):
        part = Hits(hits.ids[some], hits.cosines[some])
        near += _checked(some.start, probes[some], part, weights_digest, least)
    return near


def exactly(
    probes: NDArray[np.float16],
    blocks: Iterator[Block],
    *,
    most: int,
    apart_from: NDArray[np.int64],
) -> Hits:
    """The nearest `most` of each probe among all vectors of `blocks`, read one after the other."""
    parts = [probes[some].astype(np.float32) for some in slices(len(probes))]
    found = [Hits.none(len(part)) for part in parts]
    for ids, block in blocks:
        is_apart = np.isin(ids, apart_from)
        for number, part in enumerate(parts):
            cosines = part @ block.T
            cosines[:, is_apart] = -1
            hits = Hits(np.broadcast_to(ids, cosines.shape), cosines)
            found[number] = best_of(found[number], hits, most)
    return Hits.joined(found)


def nearest_few(
    probes: NDArray[np.float16], *, weights_digest: str, most: int, least: float
) -> list[Near]:
    """As `nearest`, for a few probes at once and in milliseconds: by the index in PostgreSQL.

    Where that has not been made yet there are few rows, and all are compared. It may miss some of
    what is near; `docs/gpu.md` says how many.
    """
    if not len(probes):
        return []
    dimension = probes.shape[1]
    query = sql.SQL(FEW).format(
        chunk=sql.SQL(CHUNK),
        halfvec=sql.SQL(f"halfvec({dimension})"),
        digest=sql.Literal(weights_digest),
    )
    written = [HalfVector(probe).to_text() for probe in probes]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ivfflat.probes = {_lists_probed(weights_digest)}")
        cursor.execute(query, [written, most])
        rows = cursor.fetchall()
    return [Near(row[0] - 1, Chunk(*row[1:6]), row[6]) for row in rows if row[6] >= least]


def keep_index(weights_digest: str) -> int:
    """Make or renew the index in PostgreSQL where that is due; how many lists it has, 0 for none.

    Takes a second for each 10,000 rows or so, in which no vector can be stored or deleted.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT ingest_keep_vector_index(%s)", [weights_digest])
        return int(cursor.fetchone()[0])


def _lists_probed(weights_digest: str) -> int:
    """How many of the index's lists a question reads: twice the root of their number."""
    with connection.cursor() as cursor:
        cursor.execute(LISTS, [f"ingest_vectors_{weights_digest[:16]}_"])
        lists = cursor.fetchone()[0] or 1
    return min(2 * isqrt(lists), lists)


LISTS = """
SELECT max(substring(indexname from '[0-9]+$')::integer) FROM pg_indexes
WHERE tablename = 'ingest_embedding' AND starts_with(indexname, %s)
"""


def _checked(
    first: int, probes: NDArray[np.float16], hits: Hits, weights_digest: str, least: float
) -> list[Near]:
    """The hits as their rows have them: what is gone is left out, each cosine is exact.

    `first` is the place of the first of `probes`.
    """
    ids = np.unique(hits.ids[hits.cosines >= least - vector_cache.TOLERANCE])
    with connection.cursor() as cursor:
        cursor.execute(BY_ID, [ids.tolist(), weights_digest])
        rows = {row[0]: (Chunk(*row[:-1]), _vector(row[-1])) for row in cursor.fetchall()}
    found = []
    for place, (probe, own) in enumerate(zip(probes, hits.ids.tolist(), strict=True), first):
        there = [rows[pk] for pk in own if pk in rows]
        if not there:
            continue
        cosines = np.stack([vector for _, vector in there]) @ probe.astype(np.float32)
        near = [Near(place, chunk, float(c)) for (chunk, _), c in zip(there, cosines, strict=True)]
        near.sort(key=lambda one: (-one.cosine, one.chunk.id))
        found += [one for one in near if one.cosine >= least]
    return found


def _count(weights_digest: str, most: int | None = None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [weights_digest, most])
        return int(cursor.fetchone()[0])


def _blocks(weights_digest: str, after: int = 0) -> Iterator[Block]:
    while True:
        with connection.cursor() as cursor:
            cursor.execute(BLOCKS, [weights_digest, after, BLOCK])
            rows = cursor.fetchall()
        if not rows:
            return
        after = rows[-1][0]
        yield (
            np.array([pk for pk, _ in rows], np.int64),
            _vectors([sent for _, sent in rows]).astype(np.float32),
        )


def _vectors(sent: list[Any]) -> NDArray[np.float16]:
    return np.stack([_half(one) for one in sent]) if sent else np.empty((0, 0), np.float16)


def _vector(sent: bytes) -> NDArray[np.float32]:
    return _half(sent).astype(np.float32)


def _half(sent: bytes) -> NDArray[np.float16]:
    """A halfvec as the database sends it: two int16, then big-endian halves."""
    return np.frombuffer(sent, ">f2", offset=4).astype(np.float16)
