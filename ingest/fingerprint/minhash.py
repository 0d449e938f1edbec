"""MinHash signatures and shingle sets of texts, straight from Arrow's bytes and offsets.

The kernel is the client's own (`tallymark.fingerprint.batch`), so that an owner at home and the
service compute the same. It is compiled on first use: some 15 s once a machine, then cached.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ingest.fingerprint import device

if TYPE_CHECKING:
    from tallymark.fingerprint.batch import Prints, Texts


def as_texts(texts: Sequence[str] | pa.Array) -> Texts:
    """The bytes and offsets of `texts`, without a copy where Arrow has them; null is empty.

    Raises pyarrow.ArrowInvalid where an Arrow array holds bytes that are not UTF-8.
    """
    from tallymark.fingerprint.batch import Texts, of_list

    if isinstance(texts, pa.Array | pa.ChunkedArray):
        whole: Any = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
        if whole.null_count:
            whole = whole.fill_null("")
        whole = whole.cast(pa.large_string())
        whole.validate(full=True)  # the kernel trusts that its input is UTF-8
    else:
        try:
            whole = pa.array(texts, pa.large_string())
        except UnicodeEncodeError:  # a lone surrogate
            return of_list(texts)
    if not len(whole):
        return of_list([])
    _, places, data = whole.buffers()
    offsets = np.frombuffer(places, np.int64)[whole.offset : whole.offset + len(whole) + 1]
    source = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return Texts(source, offsets)


def prints(texts: Sequence[str] | pa.Array) -> Prints:
    """Signatures, token counts and shingle sets of `texts` in one pass."""
    return _prints(texts)


def signatures(texts: Sequence[str] | pa.Array) -> NDArray[np.uint32]:
    """The signatures alone: uint32 [n, 128]; all ones for a text without tokens."""
    return _prints(texts, shingles=False).signatures


def shingles(texts: Sequence[str] | pa.Array) -> list[NDArray[np.uint32]]:
    """The sorted distinct shingle hashes of each text."""
    return _prints(texts, signatures=False).shingle_sets()


def token_counts(texts: Sequence[str] | pa.Array) -> NDArray[np.int32]:
    """How many tokens each text has: [n]."""
    return _prints(texts, signatures=False, shingles=False).token_counts


def _prints(texts: Sequence[str] | pa.Array, **parts: bool) -> Prints:
    # Whoever only looks a file over, as the web does, need not wait for numba.
    from tallymark.fingerprint import batch

    whole = as_texts(texts)
    made = device.attempt(whole, **parts)
    return batch.prints(whole, **parts) if made is None else made
