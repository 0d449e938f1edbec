"""Nearest vectors, exactly: stored ones stream past in blocks and are multiplied with the probes.

A budgeted number of probes against all that is stored is one matrix product a block; an index for
single questions can stand beside it without changing what is found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector

from ingest.models import Embedding

BLOCK = 20_000
MOST_PER_PROBE = 8


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


def _blocks(weights_digest: str) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    rows = Embedding.objects.filter(weights_digest=weights_digest).order_by("pk")
    last = 0
    while some := list(rows.filter(pk__gt=last).values_list("pk", "record_id", "vector")[:BLOCK]):
        last = some[-1][0]
        ids = np.array([record_id for _, record_id, _ in some], np.int64)
        yield ids, np.stack([vector.to_numpy() for _, _, vector in some]).astype(np.float32)
