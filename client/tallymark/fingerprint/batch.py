"""Fingerprints of many texts at once by the compiled kernel.

The texts are UTF-8 bytes with offsets, the layout of Arrow's large_string; `of_list` makes it
from Python strings. Needs numpy and numba.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import kernel_fold, kernel_sign, kernel_tables, minhash
from .normal import normalise
from .scheme import EMPTY, PERMUTATION_COUNT

# Folding, ordering, unspaced scripts and every length class of token.
SELF_TEST = (
    "Ab\u200bc ＤＥＦ e\u0327\u0301 वि क़"
    " 12345678 sixteen_letters_x раураl 中文字 ภาษาไทย \u1112\u1161\u11ab"
)
LEAST_BYTES = 2**21
"""Of texts for each thread: fewer are done before a thread has begun."""
PIECES_PER_THREAD = 4
JOINED = 64
SURROGATE = re.compile("[\ud800-\udfff]")


class Texts(NamedTuple):
    """Valid UTF-8: text r is source[offsets[r]:offsets[r + 1]]."""

    source: NDArray[np.uint8]
    offsets: NDArray[np.int64]


class Prints(NamedTuple):
    """Fingerprints of n texts."""

    signatures: NDArray[np.uint32]
    """[n, 128]; all ones for a text without tokens."""
    token_counts: NDArray[np.int32]
    """[n]"""
    shingles: NDArray[np.uint32]
    """The shingle hashes of each text, sorted and distinct, one text after the other."""
    shingle_offsets: NDArray[np.int64]
    """[n + 1]: those of text r are shingles[shingle_offsets[r]:shingle_offsets[r + 1]]."""

    def shingle_sets(self) -> list[NDArray[np.uint32]]:
        """The shingle hashes of each text as an array of its own."""
        return [self.shingles[a:z] for a, z in pairwise(self.shingle_offsets.tolist())]


def of_list(texts: Sequence[str]) -> Texts:
    """Encode `texts`; a lone surrogate becomes U+FFFD, as in `normalise`."""
    others = {at: _utf8(text) for at, text in enumerate(texts) if not text.isascii()}
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    sizes[list(others)] = [len(data) for data in others.values()]
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    source = np.empty(offsets[-1], np.uint8)
    # A few texts at a time: they are copied from memory that those before have just left.
    for first in range(0, len(texts), JOINED):
        some = texts[first : first + JOINED]
        data = b"".join([others.get(at) or text.encode() for at, text in enumerate(some, first)])
        source[offsets[first] : offsets[first] + len(data)] = np.frombuffer(data, np.uint8)
    return Texts(source, offsets)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return SURROGATE.sub("\ufffd", text).encode()


def prints(
    texts: Texts, *, signatures: bool = True, shingles: bool = True, threads: int | None = None
) -> Prints:
    """Fingerprint `texts`; what is not asked for stays all ones, or empty.

    A batch of several MB is shared out to `threads`, by default as many as there are processors
    for this process: the compiled code holds no lock.
    """
    _check()
    size = int(texts.offsets[-1] - texts.offsets[0])
    most = threads or min(processors(), size // LEAST_BYTES)
    if most <= 1:
        return _prints(texts, signatures=signatures, shingles=shingles)
    with ThreadPoolExecutor(most) as pool:
        made = pool.map(
            lambda piece: _prints(piece, signatures=signatures, shingles=shingles),
            pieces(texts, most * PIECES_PER_THREAD),
        )
        return joined(list(made))


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def pieces(texts: Texts, count: int) -> list[Texts]:
    """`texts` in up to `count` runs of about as many bytes each; at least one."""
    offsets = texts.offsets
    cuts = np.searchsorted(offsets, np.linspace(offsets[0], offsets[-1], count + 1)[1:-1])
    bounds = sorted({0, *cuts.tolist(), len(offsets) - 1})
    runs = [Texts(texts.source, offsets[a : z + 1]) for a, z in pairwise(bounds)]
    return runs or [texts]


def joined(made: Sequence[Prints]) -> Prints:
    """The prints of runs of texts as those of one batch."""
    starts = np.cumsum([0, *(len(part.shingles) for part in made)])
    ends = [part.shingle_offsets[1:] + at for part, at in zip(made, starts, strict=False)]
    return Prints(
        np.concatenate([part.signatures for part in made]),
        np.concatenate([part.token_counts for part in made]),
        np.concatenate([part.shingles for part in made]),
        np.concatenate([np.zeros(1, np.int64), *ends]),
    )


def _prints(texts: Texts, *, signatures: bool, shingles: bool) -> Prints:
    count = len(texts.offsets) - 1
    made = np.empty(count * PERMUTATION_COUNT, np.uint32)
    if not signatures:
        made.fill(EMPTY)
    token_counts, ends = np.zeros(count, np.int32), np.zeros(count + 1, np.int64)
    values = kernel_sign.sign_batch(
        texts.source, texts.offsets, kernel_tables.load(), kernel_tables.constants(),
        made, token_counts, ends[1:], signatures, shingles,
    )  # fmt: skip
    return Prints(made.reshape(count, PERMUTATION_COUNT), token_counts, values, ends)


def canonical(texts: Texts) -> Texts:
    """The canonical form of each text."""
    ends = np.zeros(len(texts.offsets), np.int64)
    known = kernel_tables.load()
    source = kernel_fold.canonical_batch(texts.source, texts.offsets, known, ends[1:])
    return Texts(source, ends)


def digests(texts: Texts) -> list[bytes]:
    """SHA-256 of the canonical form of each text."""
    folded = canonical(texts)
    whole, ends = folded.source.data, folded.offsets.tolist()
    return [hashlib.sha256(whole[start:end]).digest() for start, end in pairwise(ends)]


@cache
def _check() -> None:
    """Hold the compiled code against the reference once: a stale compile cache must not sign."""
    made = _prints(of_list([SELF_TEST]), signatures=True, shingles=True)
    assert made.signatures[0].tolist() == minhash.signature(SELF_TEST), "stale compiled kernel"
    folded = canonical(of_list([SELF_TEST])).source.tobytes().decode()
    assert folded == normalise(SELF_TEST), "stale compiled kernel: delete its __pycache__"
