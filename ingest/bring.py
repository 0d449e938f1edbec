"""Reads fingerprints made at home: the JSONL file of an owner whose content stays with it.

The first line says how the prints were made; each other line is one record:

    {"tallymark": "prints/1", "hash_version": "...", "scheme": "affine32", "seed": 1}
    {"key": "a", "digest": "<hex>", "tokens": 120, "bytes": 700,
     "signature": "<base64>", "shingles": "<base64>"}

`signature` holds 128 and `shingles` any number of little-endian uint32, the shingles distinct and
ascending; both are empty where the text has no token. A short text may have its sketch too, under
the name of the sketch's scheme. In a delta, {"key": "a", "withdrawn": true}
takes a record away. An owner who has datasketch signatures already, updated with our shingles by
our hash, gives `"lean_minhash": "<base64>"`, the bytes of LeanMinHash.serialize, in place of
`signature`, and may leave `shingles` out: such a record is found by its signature alone, and what
is found so is a lead that holds nothing. The file may be compressed with gzip or zstd.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from django.utils.translation import gettext_noop as _noop
from numpy.typing import NDArray

from ingest.entries import LONGEST_KEY, Entry
from ingest.fingerprint import code, exchange, grams, scheme
from ingest.prints import MINHASH, UINT32, WORDS, Prints
from ingest.readers import BadRow, Limits, ReaderError
from ingest.readers.rows import Withdrawal
from ingest.readers.streams import Line, lines, open_file

FORMAT = "prints/1"
LEAN = "lean_minhash"
LIMITS = Limits()
LARGEST_COUNT = 2**31 - 1


class NotPrints(ReaderError):
    """The file holds no fingerprints that this service can compare."""

    code = "not_prints"
    hint = "Make the file with `tallymark fingerprint` of the current client."


def check_header(path: Path) -> None:
    """Raise NotPrints unless the file begins with a header of our own scheme."""
    opened = open_file(path, LIMITS)
    with opened.stream:
        _check(next(lines(opened.stream, LIMITS), None))


def entries(path: Path, skip: int = 0) -> Iterator[Entry | BadRow | Withdrawal]:
    """The records of a prints file from ordinal `skip` on. Raises ReaderError."""
    opened = open_file(path, LIMITS)
    with opened.stream:
        found = lines(opened.stream, LIMITS)
        _check(next(found, None))
        for ordinal, line in enumerate(line for line in found if line.data != b""):
            if ordinal >= skip:
                yield _entry(line, ordinal, opened.bytes_read)


def _check(line: Line | None) -> None:
    try:
        header = json.loads((line.data if line else None) or b"")
        made = header["tallymark"], header["hash_version"], header["scheme"], header["seed"]
    except (ValueError, KeyError, TypeError) as error:
        raise NotPrints(_noop("The first line is no header of a prints file.")) from error
    ours = FORMAT, scheme.HASH_VERSION, scheme.SCHEME, scheme.SEED
    if made != ours:
        raise NotPrints(
            _noop("These prints were made as %(made)s; this service compares %(ours)s.")
            % {"made": made, "ours": ours}
        )


def _entry(line: Line, ordinal: int, bytes_read: int) -> Entry | BadRow | Withdrawal:
    try:
        if line.data is None:
            raise ValueError(_noop("the line is too long"))
        row = json.loads(line.data)
        if not isinstance(row, dict) or not isinstance(row.get("key"), str) or not row["key"]:
            raise ValueError(_noop("the line is no object with a key"))
        if row.get("withdrawn") is True:
            return Withdrawal(ordinal, row["key"], bytes_read)
        return _made(row, ordinal, bytes_read)
    except (ValueError, binascii.Error) as error:
        return BadRow(ordinal, line.number, str(error)[:300], bytes_read)


def _made(row: dict[str, Any], ordinal: int, bytes_read: int) -> Entry:
    """An entry whose parts fit each other; raises ValueError with a reason for people."""
    if len(row["key"]) > LONGEST_KEY:
        raise ValueError(
            _noop("the key is longer than %(LONGEST_KEY)s characters")
            % {"LONGEST_KEY": LONGEST_KEY}
        )
    digest = bytes.fromhex(_text(row, "digest"))
    signature, shingles = _signature(row), _shingles(row)
    if len(digest) != 32:
        raise ValueError(_noop("the digest is not 32 bytes"))
    if len(shingles) > 1 and not bool((shingles[1:] > shingles[:-1]).all()):
        raise ValueError(_noop("the shingles are not ascending"))
    is_alone = LEAN in row and not len(shingles)
    expected = scheme.PERMUTATION_COUNT if len(shingles) or (is_alone and len(signature)) else 0
    if len(signature) != expected:
        raise ValueError(_noop("the signature does not have 128 values"))
    parts = {MINHASH: signature.tobytes()} if len(signature) else {}
    if len(shingles):
        parts[WORDS] = shingles.tobytes()
    if code.SCHEME in row:
        parts[code.SCHEME] = _numbers(row, code.SCHEME).tobytes()
        code.check(parts[code.SCHEME])
    if grams.SKETCH in row:
        parts[grams.SKETCH] = base64.b64decode(_text(row, grams.SKETCH), validate=True)
        grams.check(parts[grams.SKETCH])
    return Entry(
        ordinal=ordinal,
        key=row["key"],
        prints=Prints(digest, _count(row, "tokens"), parts),
        byte_count=_count(row, "bytes"),
        bytes_read=bytes_read,
    )


def _signature(row: dict[str, Any]) -> NDArray[np.uint32]:
    """The 128 minima, or none where the text has no token."""
    if LEAN not in row:
        return _numbers(row, "signature")
    made = exchange.from_bytes(base64.b64decode(_text(row, LEAN), validate=True))
    if (made == scheme.EMPTY).all():
        return made[:0]
    return made.astype(UINT32)


def _shingles(row: dict[str, Any]) -> NDArray[np.uint32]:
    """The shingle hashes; beside a lean MinHash they may be left out."""
    if LEAN in row and "shingles" not in row:
        return np.empty(0, UINT32)
    return _numbers(row, "shingles")


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise ValueError(_noop("%(name)s is missing") % {"name": name})
    return value


def _numbers(row: dict[str, Any], name: str) -> NDArray[np.uint32]:
    data = base64.b64decode(_text(row, name), validate=True)
    if len(data) % UINT32.itemsize:
        raise ValueError(_noop("%(name)s is cut short") % {"name": name})
    return np.frombuffer(data, UINT32)


def _count(row: dict[str, Any], name: str) -> int:
    value = row.get(name)
    if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
        raise ValueError(_noop("%(name)s is no count") % {"name": name})
    return value
