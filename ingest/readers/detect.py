"""What a file really is: by its bytes first, by its name second."""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import NamedTuple

from django.utils.translation import gettext_noop as _noop
from tallymark.fingerprint.columns import Dialect, dialect_of

from . import encodings, images, text
from .refusals import EmptySource, NotWhatItClaims, Unsupported
from .rows import Limits
from .streams import open_file

PACKED_ENDINGS = frozenset({".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz"})
BINARY_ENDINGS = {
    ".parquet": "parquet", ".arrow": "arrow", ".arrows": "arrow", ".feather": "arrow",
    ".ipc": "arrow", ".zip": "zip", ".tar": "tar", ".tgz": "tar",
}  # fmt: skip
TABLE_ENDINGS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".tsv": "csv",
    ".tab": "csv",
}  # fmt: skip
OFFICE_ENDINGS = frozenset(
    {".xlsx", ".xls", ".ods", ".docx", ".doc", ".odt", ".pptx", ".pdf", ".sqlite", ".db", ".rar"}
)
NAMES = {
    "jsonl": "JSONL", "csv": "CSV", "parquet": "Parquet", "arrow": "Arrow", "zip": "zip",
    "tar": "tar", "image": "an image",
}  # fmt: skip


class Detected(NamedTuple):
    """The format of one file, with what is needed to read it."""

    format: str
    """jsonl, csv, lines, paragraphs, parquet, arrow, zip, tar, image or folder."""
    encoding: str = ""
    dialect: Dialect | None = None


def endings(name: str) -> tuple[str, str]:
    """The ending that tells the format, and that of the compression around it, or ''."""
    path = PurePath(name.lower())
    packed = path.suffix if path.suffix in PACKED_ENDINGS else ""
    return PurePath(path.stem if packed else path.name).suffix, packed


def detect(path: Path, limits: Limits, name: str | None = None) -> Detected:
    """What the file or folder at `path` is; `name` is what its owner calls it.

    Raises EmptySource, NotWhatItClaims, Unsupported, and whatever unpacking raises.
    """
    if path.is_dir():
        return Detected("folder")
    name = name or path.name
    ending, packed = endings(name)
    if path.stat().st_size == 0:
        raise EmptySource(_noop("The file has no bytes."))
    source = open_file(path, limits)
    with source.stream:
        sample = source.stream.read(encodings.SAMPLE_BYTES)
    if packed and source.compression is None:
        raise NotWhatItClaims(
            _noop("%(name)s ends in %(packed)s, but it is not compressed.")
            % {"name": name, "packed": packed}
        )
    if not sample:
        raise EmptySource(_noop("The file unpacks to nothing."))
    binary = binary_format(sample, name)
    _check_claim(name, ending, binary, is_packed=source.compression is not None)
    if binary:
        return Detected(binary)
    return _text_format(sample, name, ending)


def binary_format(sample: bytes, name: str) -> str | None:
    """parquet, arrow, zip, tar or image, by the first bytes of a file; None for others."""
    if sample.startswith(b"PAR1"):
        return "parquet"
    if sample.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow"
    if sample.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if sample[257:262] == b"ustar":
        return "tar"
    return "image" if images.is_image(sample[:16], name) else None


def _check_claim(name: str, ending: str, binary: str | None, *, is_packed: bool) -> None:
    """Refuse what the bytes belie, and what is not read here at all."""
    if ending in OFFICE_ENDINGS:
        raise Unsupported(
            _noop("%(name)s: files that end in %(ending)s are not read here.")
            % {"name": name, "ending": ending}
        )
    claimed = BINARY_ENDINGS.get(ending) or TABLE_ENDINGS.get(ending)
    claimed = claimed or ("image" if images.claims_image(name) else None)
    if claimed and (binary or claimed in (*BINARY_ENDINGS.values(), "image")) and claimed != binary:
        really = NAMES[binary] if binary else "something else"
        raise NotWhatItClaims(
            _noop("%(name)s ends in %(ending)s, but its bytes are %(really)s.")
            % {"name": name, "ending": ending, "really": really}
        )
    if is_packed and binary and binary != "tar":
        raise Unsupported(
            _noop("%(name)s is %(value)s, compressed once more.")
            % {"name": name, "value": NAMES[binary]},
            _noop("Unpack the outer compression and upload what is inside."),
        )


def _text_format(sample: bytes, name: str, ending: str) -> Detected:
    """The format of a file that should be text."""
    encoding = encodings.encoding_of(sample)
    if b"\0" in sample[:8192] and encoding not in encodings.WIDE:
        if ending in TABLE_ENDINGS:
            raise NotWhatItClaims(
                _noop("%(name)s ends in %(ending)s, but it is not a text.")
                % {"name": name, "ending": ending}
            )
        raise Unsupported(_noop("%(name)s is in no format that is read here.") % {"name": name})
    written = sample.decode(encoding, "replace").removeprefix("\ufeff")
    if not written.strip():
        raise EmptySource(_noop("The file holds nothing but spaces."))
    is_whole = len(sample) < encodings.SAMPLE_BYTES
    claimed, objects = TABLE_ENDINGS.get(ending), _holds_objects(written)
    if claimed == "csv" and objects:
        raise NotWhatItClaims(
            _noop("%(name)s ends in %(ending)s, but it holds JSON objects.")
            % {"name": name, "ending": ending},
            _noop("Let its name end in .jsonl."),
        )
    if claimed == "jsonl" and written.lstrip().startswith("["):
        raise NotWhatItClaims(
            _noop("%(name)s is one JSON array, not JSONL.") % {"name": name},
            _noop("Write one JSON object on each line instead."),
        )
    if claimed == "jsonl" or objects:  # JSON is UTF-8 (RFC 8259), or says what it is
        return Detected("jsonl", encodings.marked_encoding(sample) or "utf-8")
    if claimed == "csv":
        return Detected("csv", encoding, dialect_of(written, is_whole=is_whole))
    by_paragraph = text.has_paragraphs(written)
    return Detected("paragraphs" if by_paragraph else "lines", encoding)


def _holds_objects(written: str) -> bool:
    """Whether the first line is a JSON object."""
    first = written.lstrip().split("\n", 1)[0].strip()
    if not first.startswith("{"):
        return False
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False
