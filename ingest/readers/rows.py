"""What readers yield, and the limits they keep."""

from collections.abc import Mapping
from typing import NamedTuple

MEGABYTE = 2**20
WITHDRAWN_COLUMN = "_withdrawn"
"""Rows in which it is true withdraw the record of their key (in a version by delta)."""


class RawRecord(NamedTuple):
    """One record as it came: a text, the canonical text of a table row, or an image's bytes."""

    ordinal: int
    """Its place among all rows of the source, bad ones included, from 0: where to resume."""
    key: str
    text: str | None
    image: bytes | None
    bytes_read: int
    """How many bytes of the source have been used up so far."""
    contributor: str = ""
    """Who made it, by the contributor column; empty where there is none."""


class BadRow(NamedTuple):
    """A row that cannot be registered; the rest goes on."""

    ordinal: int
    line: int
    """Its line in the file, or its number where the format has no lines; from 1."""
    reason: str
    bytes_read: int


class Withdrawal(NamedTuple):
    """A row of a delta that takes a record away: its key, and a true WITHDRAWN_COLUMN."""

    ordinal: int
    key: str
    bytes_read: int


class Row(NamedTuple):
    """A row of named cells, before text and key are chosen."""

    ordinal: int
    line: int
    cells: Mapping[str, object]
    bytes_read: int


class Limits(NamedTuple):
    """How much a source may ask of us."""

    line_bytes: int = 64 * MEGABYTE
    """A longer line is a bad row, passed over without being held."""
    unpacked_bytes: int = 256 * 2**30
    unpacked_ratio: int = 200
    """Unpacked over packed bytes; counted once more than `ratio_free_bytes` were unpacked."""
    ratio_free_bytes: int = 64 * MEGABYTE
    member_count: int = 5_000_000


class Choice(NamedTuple):
    """Which columns make a record; None is guessed. With kind `table` the whole row does."""

    kind: str | None = None
    text_column: str | None = None
    key_column: str | None = None
    contributor_column: str | None = None


class Inspection(NamedTuple):
    """What a source turned out to be, before any of it is registered."""

    kind: str
    """text, table or image."""
    format: str
    columns: list[str]
    text_column: str | None
    key_column: str | None
    sample_rows: list[dict[str, str]]
    encoding: str
