"""The digest of a record: SHA-256 of its canonical form, what `exact` means."""

from collections.abc import Sequence

import pyarrow as pa
from tallymark.fingerprint import batch, digest

from .minhash import as_texts

__all__ = ["digest", "digests"]


def digests(texts: Sequence[str] | pa.Array) -> list[bytes]:
    """SHA-256 of the canonical form of each text or canonical row: 32 bytes each."""
    return batch.digests(as_texts(texts))
