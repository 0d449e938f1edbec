"""The digest of a record: SHA-256 of its canonical form, what `exact` means."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from tallymark.fingerprint import digest

from .minhash import as_texts

__all__ = ["digest", "digests"]


def digests(texts: Sequence[str] | pa.Array) -> list[bytes]:
    """SHA-256 of the canonical form of each text or canonical row: 32 bytes each."""
    # Whoever only looks a file over, as the web does, need not wait for numba.
    from tallymark.fingerprint import batch

    return batch.digests(as_texts(texts))
