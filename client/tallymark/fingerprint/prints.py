"""The file of fingerprints that an owner sends instead of its texts: JSON lines.

The first line names the scheme. Each other line is one record: its key, the SHA-256 of its
canonical text, counts of tokens and UTF-8 bytes, and, in base64 of little-endian uint32, its
signature and its distinct shingle hashes, ascending; both are empty where there is no token. A
record of at most 96 tokens also has the sketch of short texts (`short.py`), by which it is found
where it was reworded. Fingerprints of short texts can leak them: who guesses the text can check
the guess.
"""

import base64
import struct
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from . import code, digest, minhash, short
from .scheme import HASH_VERSION, SCHEME, SEED
from .sources import Record
from .words import tokens

FORMAT = "prints/1"
BATCH_RECORDS = 512


def header() -> dict[str, Any]:
    """The first line."""
    return {"tallymark": FORMAT, "hash_version": HASH_VERSION, "scheme": SCHEME, "seed": SEED}


def packed(values: Sequence[int]) -> str:
    """Base64 of little-endian uint32."""
    return base64.b64encode(struct.pack(f"<{len(values)}I", *values)).decode()


def lines(records: Iterator[Record], *, are_code: bool = False) -> Iterator[dict[str, Any]]:
    """The line of each record: by the compiled kernel where it is installed.

    Sources, by what their keys end in or because all `are_code`, have the sketch of code too.
    """
    while batch := list(islice(records, BATCH_RECORDS)):
        for record, made in zip(
            batch, _compiled(batch) if is_compiled() else map(line, batch), strict=True
        ):
            sketch = code.sketch(record.text) if are_code or code.is_source(record.key) else []
            yield made | {code.CODE_SCHEME: packed(sketch)} if sketch else made


def is_compiled() -> bool:
    """Whether numpy and numba are installed."""
    try:
        import numba  # noqa: F401
        import numpy  # noqa: F401
    except ImportError:
        return False
    return True


def line(record: Record) -> dict[str, Any]:
    """The line of one record, in plain Python."""
    words = tokens(record.text)
    hashes = sorted(minhash.distinct(words))
    signature = packed(minhash.signature_of(hashes)) if words else ""
    sketch = packed(short.sketch(record.text, words))
    return _line(record, digest(record.text), len(words), signature, packed(hashes), sketch)


def _compiled(batch: list[Record]) -> Iterator[dict[str, Any]]:
    from . import batch as compiled
    from . import sketches

    texts = compiled.of_list([record.text for record in batch])
    made = compiled.prints(texts)
    digests, sets = compiled.digests(texts), made.shingle_sets()
    short_ones = sketches.of_texts(texts)
    for place, record in enumerate(batch):
        count = int(made.token_counts[place])
        signature = made.signatures[place].astype("<u4").tobytes() if count else b""
        yield _line(
            record, digests[place], count, base64.b64encode(signature).decode(),
            base64.b64encode(sets[place].astype("<u4").tobytes()).decode(),
            base64.b64encode(short_ones[place].astype("<u4").tobytes()).decode(),
        )  # fmt: skip


def _line(
    record: Record, digested: bytes, count: int, signature: str, shingles: str, sketch: str
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "key": record.key,
        "digest": digested.hex(),
        "tokens": count,
        "bytes": len(record.text.encode()),
        "signature": signature,
        "shingles": shingles,
    }
    return made | {short.SKETCH: sketch} if sketch else made
