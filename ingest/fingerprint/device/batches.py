"""Chunks of records through the device, and what it leaves to the CPU put in their place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tallymark.fingerprint import batch, minhash
from tallymark.fingerprint.batch import Prints, Texts
from tallymark.fingerprint.scheme import EMPTY, PERMUTATION_COUNT
from torch import Tensor

from . import hashing, minima
from .folding import fold
from .lookups import FLIP, Lookups, on
from .tokens import places

log = logging.getLogger(__name__)

GPU_CHUNK, CPU_CHUNK = 16 << 20, 1 << 20
"""Bytes of text on the device at once; it needs about a hundred times as much memory."""
Minima = Callable[[Tensor, Tensor, Lookups], Tensor]


class DeviceDiffers(Exception):
    """The device does not compute what the reference does: nothing it makes may be stored."""


class Asked(NamedTuple):
    """What is to be made besides the token counts."""

    signatures: bool
    shingles: bool


class Made(NamedTuple):
    """What the device made of a chunk, still there."""

    signatures: Tensor | None
    counts: Tensor
    keys: Tensor
    """int64: record << 32 | shingle hash, ascending, each once."""
    left: Tensor
    """bool [n]: records for the CPU; the rest says nothing of them."""


def prints(
    texts: Texts,
    *,
    device: str,
    signatures: bool = True,
    shingles: bool = True,
    chunk_bytes: int | None = None,
) -> Prints:
    """Exactly what `batch.prints` makes of `texts`, made on `device` ("cuda", "cpu").

    Raises DeviceDiffers where the device fails the self-test, RuntimeError where it gives up.
    """
    _check(device)
    return _prints(texts, device, Asked(signatures, shingles), chunk_bytes)[0]


def left_to_the_cpu(texts: Texts, *, device: str) -> NDArray[np.bool_]:
    """Which of `texts` the device leaves to the CPU: bool [n]."""
    return _prints(texts, device, Asked(signatures=False, shingles=False), None)[1]


def _prints(
    texts: Texts, device: str, asked: Asked, chunk_bytes: int | None
) -> tuple[Prints, NDArray[np.bool_]]:
    count = len(texts.offsets) - 1
    signed = np.full((count, PERMUTATION_COUNT), EMPTY, np.uint32)
    counts, left = np.zeros(count, np.int32), np.zeros(count, np.bool_)
    keys = [np.empty(0, np.int64)]
    most = chunk_bytes or (CPU_CHUNK if device == "cpu" else GPU_CHUNK)
    for first, last in _chunks(texts.offsets, most):
        here = slice(first, last)
        if texts.offsets[last] - texts.offsets[first] > most:
            left[here] = True
            continue
        made = _chunk(texts, first, last, on(device), asked)
        counts[here], left[here] = _host(made.counts), _host(made.left)
        if made.signatures is not None:
            signed[here] = _host(made.signatures).view(np.uint32)
        keys.append(_host(made.keys) + (first << 32))
    whole = Prints(signed, counts, *_sets(np.concatenate(keys), count))
    return _merged(whole, texts, left, asked), left


def _chunks(offsets: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Runs of records of at most `most` bytes in all; a longer record is a run of its own."""
    first, count = 0, len(offsets) - 1
    while first < count:
        last = int(np.searchsorted(offsets, offsets[first] + most, side="right")) - 1
        last = min(max(last, first + 1), count)
        yield first, last
        first = last


def _chunk(texts: Texts, first: int, last: int, known: Lookups, asked: Asked) -> Made:
    device = known.kind.device
    offsets = texts.offsets[first : last + 1]
    source = torch.from_numpy(texts.source[offsets[0] : offsets[-1]].copy()).to(device)
    folded = fold(source, torch.from_numpy(offsets - offsets[0]).to(device), known)
    found = places(folded, known)
    counts, left = found.bounds.diff(), folded.left
    lengths = found.ends - found.starts
    owner = torch.repeat_interleave(counts)
    left[owner[lengths > hashing.MOST_TOKEN_BYTES]] = True
    bounds = hashing.shingle_bounds(found.bounds)
    if not any(asked):
        return Made(None, counts, bounds[:0], left)
    hashes = hashing.token_hashes(folded.text, found)
    record = torch.repeat_interleave(bounds.diff())
    values = hashing.shingle_hashes(hashes, found.bounds, bounds, record, known)
    signed = _signatures(hashing.mixed(values), bounds, known) ^ FLIP if asked.signatures else None
    keys = bounds[:0]
    if asked.shingles:
        kept = ~left[record]
        keys = torch.unique(record[kept] << 32 | (values[kept].long() & hashing.LOW))
    return Made(signed, counts, keys, left)


def _host(values: Tensor) -> NDArray[Any]:
    made: NDArray[Any] = values.cpu().numpy()
    return made


def _sets(keys: NDArray[np.int64], count: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The shingle hashes and where each record's begin."""
    begins = np.searchsorted(keys, np.arange(count + 1, dtype=np.int64) << 32)
    return (keys & 0xFFFFFFFF).astype(np.uint32), begins


def _merged(made: Prints, texts: Texts, left: NDArray[np.bool_], asked: Asked) -> Prints:
    """`made`, with the records that are `left` signed by the CPU."""
    if not left.any():
        return made
    places = np.flatnonzero(left)
    offsets = np.zeros(len(places) + 1, np.int64)
    np.cumsum(np.diff(texts.offsets)[places], out=offsets[1:])
    source = np.concatenate(
        [texts.source[texts.offsets[place] : texts.offsets[place + 1]] for place in places]
    )
    other = batch.prints(Texts(source, offsets), **asked._asdict())
    made.signatures[places], made.token_counts[places] = other.signatures, other.token_counts
    sizes = np.diff(made.shingle_offsets)
    sizes[places] = np.diff(other.shingle_offsets)
    ends = np.zeros_like(made.shingle_offsets)
    np.cumsum(sizes, out=ends[1:])
    shingles, is_other = np.empty(ends[-1], np.uint32), np.repeat(left, sizes)
    shingles[is_other], shingles[~is_other] = other.shingles, made.shingles
    return Prints(made.signatures, made.token_counts, shingles, ends)


def _signatures(mixed: Tensor, bounds: Tensor, known: Lookups) -> Tensor:
    made = _fastest() if mixed.is_cuda else minima.signatures
    return made(mixed, bounds, known)


@cache
def _fastest() -> Minima:
    """Triton's kernel, where Triton is there and compiles something right for this GPU."""
    known = on("cuda")
    mixed = torch.arange(3 * minima.TILE, dtype=torch.int32, device="cuda")
    bounds = torch.tensor([0, 1, len(mixed)], device="cuda")
    expected = minima.signatures(mixed, bounds, known)
    try:
        from . import minima_triton

        if torch.equal(minima_triton.signatures(mixed, bounds, known), expected):
            return minima_triton.signatures
        reason = "its results differ"
    except Exception as error:
        # No Triton, no C compiler, an architecture it cannot compile for: each raises its own.
        reason = str(error)
    log.warning("the minima are taken by torch, not by Triton: %s", reason)
    return minima.signatures


@cache
def _check(device: str) -> None:
    """Hold the device against the reference once."""
    whole = Asked(signatures=True, shingles=True)
    made, left = _prints(batch.of_list([SELF_TEST, batch.SELF_TEST]), device, whole, None)
    same = made.signatures[0].tolist() == minhash.signature(SELF_TEST)
    sets = made.shingle_sets()[0].tolist() == minhash.shingle_hashes(SELF_TEST)
    if left[0] or not (same and sets):
        raise DeviceDiffers(f"the device {device} does not compute what the reference does")


# As `batch.SELF_TEST`, without what would be left to the CPU.
SELF_TEST = (
    "Ab\u200bc ＤＥＦ straße élan वि 12345678 sixteen_letters_x and_more_than_sixteen_letters "
    "中文字 한국어 ภาษาไทย カナ ﷺ 🙂 end"
)
