"""Nearest vectors, exactly: stored ones stream past in blocks and are multiplied with the probes.

A budgeted number of probes against all that is stored is one matrix product a block; an index for
single questions can stand beside it without changing what is found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from django.db import connection
from numpy.typing import NDArray
from pgvector import HalfVector

from ingest.models import Embedding
from provenance.models import DatasetVersion

BLOCK = 20_000
MOST_PER_PROBE = 8

# As bytes: the driver would make a Python number of each of the 384 values.
BLOCKS = """
SELECT id, record_id, halfvec_send(vector) FROM ingest_embedding
WHERE weights_digest = %s AND id > %s ORDER BY id LIMIT %s
"""
OF_VERSION = """
SELECT record.id, halfvec_send(embedding.vector)
FROM ingest_embedding AS embedding JOIN provenance_record AS record
  ON record.id = embedding.record_id
WHERE record.dataset_id = %s AND record.added_number = %s AND embedding.weights_digest = %s
ORDER BY record.id
"""


def insert(
    record_ids: Sequence[int], vectors: NDArray[np.float16], *, model: str, weights_digest: str
) -> None:
    """Store one vector for each record; safe to repeat. A vector of zeros says nothing."""
    Embedding.objects.bulk_create(
        (
            Embedding(
                record_id=pk,
                model=model,
                weights_digest=weights_digest,
                chunk=0,
                vector=HalfVector(vector),
            )
            for pk, vector in zip(record_ids, vectors, strict=True)
            if vector.any()
        ),
        ignore_conflicts=True,
        batch_size=1_000,
    )


def nearest(
    probes: NDArray[np.float16], *, weights_digest: str, least: float
) -> list[tuple[int, int, float]]:
    """(probe, record id, cosine) of at least `least`, the best few of each probe and block.

    `probes` are unit vectors [n, dimension], compared with those of the same weights only.
    """
    wide = probes.astype(np.float32)
    found: list[tuple[int, int, float]] = []
    for ids, block in _blocks(weights_digest):
        cosines = wide @ block.T
        for probe, row in enumerate(cosines):
            hits = np.flatnonzero(row >= least)
            top = hits[np.argsort(-row[hits])][:MOST_PER_PROBE]
            found += [(probe, int(ids[hit]), float(row[hit])) for hit in top]
    return found


def of_version(
    version: DatasetVersion, weights_digest: str
) -> tuple[list[int], NDArray[np.float16]]:
    """The ids and vectors of the records that `version` added: [n] and [n, dimension]."""
    with connection.cursor() as cursor:
        cursor.execute(OF_VERSION, [version.dataset_id, version.number, weights_digest])
        rows = cursor.fetchall()
    ids = [pk for pk, _ in rows]
    return ids, np.stack([_vector(sent) for _, sent in rows]) if rows else np.empty((0, 0), "f2")


def _blocks(weights_digest: str) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    last = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(BLOCKS, [weights_digest, last, BLOCK])
            rows = cursor.fetchall()
        if not rows:
            return
        last = rows[-1][0]
        ids = np.array([record_id for _, record_id, _ in rows], np.int64)
        yield ids, np.stack([_vector(sent) for _, _, sent in rows]).astype(np.float32)


def _vector(sent: bytes) -> NDArray[np.float16]:
    """A halfvec as the database sends it: two int16, then big-endian halves."""
    return np.frombuffer(sent, ">f2", offset=4).astype(np.float16)
