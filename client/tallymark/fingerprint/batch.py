"""Fingerprints of many texts at once by the compiled kernel.

The texts are UTF-8 bytes with offsets, the layout of Arrow's large_string; `of_list` makes it
from Python strings. Needs numpy and numba.
"""

import hashlib
from collections.abc import Sequence
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
    " 12345678 sixteen_letters_x 中文字 ภาษาไทย \u1112\u1161\u11ab"
)


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
    encoded = [_utf8(text) for text in texts]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    return Texts(np.frombuffer(b"".join(encoded), np.uint8), offsets)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def prints(texts: Texts, *, signatures: bool = True, shingles: bool = True) -> Prints:
    """Fingerprint `texts`; what is not asked for stays all ones, or empty."""
    _check()
    return _prints(texts, signatures=signatures, shingles=shingles)


def _prints(texts: Texts, *, signatures: bool, shingles: bool) -> Prints:
    count = len(texts.offsets) - 1
    made = np.full((count, PERMUTATION_COUNT), EMPTY, np.uint32)
    token_counts, ends = np.zeros(count, np.int32), np.zeros(count + 1, np.int64)
    values = kernel_sign.sign_batch(
        texts.source, texts.offsets, kernel_tables.load(), kernel_tables.constants(),
        made, token_counts, ends[1:], signatures, shingles,
    )  # fmt: skip
    return Prints(made, token_counts, values, ends)


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
