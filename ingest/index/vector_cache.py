"""A worker's copy of the vectors of one model, for questions by the thousand.

An inverted file of faiss on a CPU; on a GPU all vectors, multiplied. It is built from the rows and
follows them by a watermark. It never has the last word: `vectors` looks every hit up in the rows,
and a copy is thrown away after a day, used or not, with all that was erased since it was made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock, Timer
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ingest.fingerprint import device

Block = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Row ids [n], ascending, and their vectors [n, dimension]."""

KEPT_SECONDS = 86_400.0
TAIL = 50_000
"""Ids are given before they are committed: so far behind the watermark is looked again."""
GROWTH = 4
"""An inverted file is trained anew when it holds so many times what it was trained for."""
SAMPLE_PER_LIST = 40
PROBES_AT_ONCE = 1_024
TOLERANCE = 0.005
"""By how much a copy's cosine, summed in halves on a GPU, may be too low."""


class Hits(NamedTuple):
    """Near rows of n probes, the best first: both [n, m]; id -1 stands for none."""

    ids: NDArray[np.int64]
    cosines: NDArray[np.float32]

    @classmethod
    def none(cls, count: int) -> Hits:
        """Of `count` probes, nothing."""
        return cls(np.empty((count, 0), np.int64), np.empty((count, 0), np.float32))

    @classmethod
    def joined(cls, parts: Sequence[Hits]) -> Hits:
        """Those of some probes, then those of the next."""
        ids, cosines = zip(*parts, strict=True)
        return cls(np.concatenate(ids), np.concatenate(cosines))


def slices(count: int) -> Iterator[slice]:
    """`count` probes in parts whose products with a block fit in memory."""
    for start in range(0, count, PROBES_AT_ONCE):
        yield slice(start, start + PROBES_AT_ONCE)


def best_of(one: Hits, other: Hits, most: int) -> Hits:
    """The best `most` of two findings for the same probes."""
    ids = np.concatenate([one.ids, other.ids], axis=1)
    cosines = np.concatenate([one.cosines, other.cosines], axis=1)
    if cosines.shape[1] > most:
        kept = np.argpartition(-cosines, most - 1, axis=1)[:, :most]
        ids, cosines = (np.take_along_axis(a, kept, axis=1) for a in (ids, cosines))
    order = np.argsort(-cosines, axis=1, kind="stable")
    return Hits(np.take_along_axis(ids, order, axis=1), np.take_along_axis(cosines, order, axis=1))


class Engine(Protocol):
    """Vectors in memory."""

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Take in a block."""

    def search(
        self, probes: NDArray[np.float16], *, most: int, apart_from: NDArray[np.int64]
    ) -> Hits:
        """The nearest `most` of each probe, without the rows `apart_from`."""


class InvertedFile:
    """faiss on a CPU: lists of halves, as the rows are; a question reads the nearest lists only.

    Bytes would take half the memory, but they clip what is unlike the vectors of the training.
    """

    def __init__(self, sample: NDArray[np.float32], lists: int) -> None:
        import faiss

        self._faiss: Any = faiss  # what its type stubs leave out is used here
        self._index = self._faiss.index_factory(
            sample.shape[1], f"IVF{lists},SQfp16", faiss.METRIC_INNER_PRODUCT
        )
        self._index.cp.seed = 1
        self._index.train(sample)
        self._probed = max(lists // 16, 8)

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Take in a block."""
        self._index.add_with_ids(np.ascontiguousarray(vectors), ids)

    def search(
        self, probes: NDArray[np.float16], *, most: int, apart_from: NDArray[np.int64]
    ) -> Hits:
        """The nearest `most` of each probe in the lists that are probed."""
        batch = self._faiss.IDSelectorBatch(apart_from)
        chosen = self._faiss.SearchParametersIVF(
            nprobe=self._probed, sel=self._faiss.IDSelectorNot(batch)
        )
        cosines, ids = self._index.search(probes.astype(np.float32), most, params=chosen)
        return Hits(ids, cosines)


class Matrix:
    """torch on a GPU: every vector is multiplied, so nothing is missed."""

    def __init__(self, place: str = "cuda", block: int = 1 << 18) -> None:
        import torch

        self._torch, self._place, self._block = torch, place, block
        self._parts: list[tuple[Any, Any]] = []

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Take in a block; small ones are put together."""
        torch = self._torch
        made = (
            torch.from_numpy(ids).to(self._place),
            torch.from_numpy(vectors).to(self._place, torch.float16),
        )
        if self._parts and len(self._parts[-1][0]) + len(ids) <= self._block:
            made = tuple(torch.cat(pair) for pair in zip(self._parts.pop(), made, strict=True))
        self._parts.append(made)

    def search(
        self, probes: NDArray[np.float16], *, most: int, apart_from: NDArray[np.int64]
    ) -> Hits:
        """The nearest `most` of each probe."""
        own = self._torch.from_numpy(apart_from).to(self._place)
        masks = [self._torch.isin(ids, own) for ids, _ in self._parts]
        return Hits.joined([self._part(probes[some], most, masks) for some in slices(len(probes))])

    def _part(self, probes: NDArray[np.float16], most: int, masks: Sequence[Any]) -> Hits:
        wide = self._torch.from_numpy(probes).to(self._place)
        found = Hits.none(len(probes))
        for (ids, vectors), is_apart in zip(self._parts, masks, strict=True):
            cosines = (wide @ vectors.T).float()
            cosines[:, is_apart] = -1
            best = cosines.topk(min(most, len(ids)), dim=1)
            hits = Hits(ids[best.indices].cpu().numpy(), best.values.cpu().numpy())
            found = best_of(found, hits, most)
        return found


class Rows(NamedTuple):
    """How the rows of one model's vectors are read."""

    blocks: Callable[[int], Iterator[Block]]
    """All rows after an id."""
    total: Callable[[], int]


class Cache:
    """The vectors of one model in memory, as far as they have been read."""

    def __init__(self, rows: Rows, make: Callable[[Rows, int], Engine]) -> None:
        self._rows, self._make = rows, make
        self._lock = Lock()
        self._engine: Engine | None = None
        self._trained_for = self._count = self._watermark = 0
        self._recent: set[int] = set()

    def refresh(self) -> None:
        """Take in what has come since; build anew what has outgrown its training."""
        with self._lock:
            if self._engine is None or self._count > GROWTH * max(self._trained_for, 1):
                self._count = self._watermark = 0
                self._recent = set()
                self._trained_for = self._rows.total()
                self._engine = self._make(self._rows, self._trained_for)
            self._follow(self._engine)

    def _follow(self, engine: Engine) -> None:
        for ids, vectors in self._rows.blocks(max(self._watermark - TAIL, 0)):
            new = np.array([pk not in self._recent for pk in ids.tolist()])
            if new.any():
                engine.add(ids[new], vectors[new])
                self._count += int(new.sum())
            self._recent.update(ids.tolist())
            self._watermark = max(self._watermark, int(ids[-1]))
        self._recent = {pk for pk in self._recent if pk > self._watermark - TAIL}

    def search(
        self, probes: NDArray[np.float16], *, most: int, apart_from: NDArray[np.int64]
    ) -> Hits:
        """The nearest `most` of each probe, as of the last refresh."""
        with self._lock:
            assert self._engine is not None, "a cache is refreshed before it is asked"
            return self._engine.search(probes, most=most, apart_from=apart_from)


def inverted_file(rows: Rows, count: int) -> Engine:
    """An inverted file, trained on an even sample of all `count` rows."""
    lists = max(int(2 * count**0.5), 1)
    step = max(count // (lists * SAMPLE_PER_LIST), 1)
    sample = np.concatenate([vectors[::step] for _, vectors in rows.blocks(0)])
    return InvertedFile(sample, min(lists, len(sample)))


def fastest(rows: Rows, count: int) -> Engine:
    """All vectors on the GPU where there is one with room for them; else an inverted file."""
    if device.available():
        import torch

        _, first = next(iter(rows.blocks(0)))
        free, _ = torch.cuda.mem_get_info()
        if 2 * count * first.shape[1] * GROWTH < free:
            return Matrix()
    return inverted_file(rows, count)


_caches: dict[str, Cache] = {}


def fresh(weights_digest: str, rows: Rows) -> Cache:
    """This process's copy of the vectors of these weights, up to date."""
    cache = _caches.get(weights_digest)
    if cache is None:
        cache = Cache(rows, fastest)
        _caches[weights_digest] = cache
        # What was erased must not stay for as long as a worker lives that is asked no more.
        timer = Timer(KEPT_SECONDS, _caches.pop, [weights_digest, None])
        timer.daemon = True
        timer.start()
    cache.refresh()
    return cache
