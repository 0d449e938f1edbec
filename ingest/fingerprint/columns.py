"""Columns of tables: which values they hold, in little space, and how much one has of another.

A column is known by its smallest value hashes (a bottom-k sketch; Beyer, Haas, Reinwald, Sismanis
and Gemulla, "On synopses for distinct-value estimation under multiset operations", 2007). They are
a fair draw of its distinct values, and the same draw from every column: what two sketches share
below the smaller of their bounds says how much of one is in the other. All is made from the
sketches of the rows (`rows`), so that it can be made again whenever rows come and go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import rows
from .bands import MULTIPLIER, SHIFT

SCHEME = "kmv64-1024/1"
SKETCH_SIZE = 1_024
KEY_COUNT = 128
"""Of its smallest hashes, so many are looked up."""
BLOCK = 2_000
WEIGHED_ROWS = 2_000
"""What a value tells on average is taken from so many rows."""

TELLING_DISTINCT, TELLING_BITS, TELLING_SHARE = 50, 12.0, 0.1
"""Yes and no, countries, dates and small numbers are in unrelated tables too. A column tells
something when it has so many distinct values, of so many bits, that are so much of its cells."""
LEADING_DISTINCT, LEADING_BITS = 200, 18.0
"""Titles, addresses, names in full: from here on a column alone is a lead. It is more than one
token can say, since unrelated tables number their rows alike."""


class Column(NamedTuple):
    """What is kept of a column."""

    hashes: NDArray[np.uint64]
    """Of its distinct values the smallest, ascending: [at most SKETCH_SIZE]."""
    cell_count: int
    """Cells that are not missing."""
    bits: float
    """What one of its values tells, on average."""

    @property
    def is_whole(self) -> bool:
        """Whether all of its distinct values are here, so that what is shared is counted."""
        return len(self.hashes) < SKETCH_SIZE

    @property
    def distinct(self) -> int:
        """How many distinct values there are: counted if few, else estimated to some 3 %."""
        if self.is_whole:
            return len(self.hashes)
        return round((SKETCH_SIZE - 1) / (float(self.hashes[-1]) / 2.0**64))

    @property
    def is_telling(self) -> bool:
        """Whether its values are in few other tables by chance."""
        return (
            self.distinct >= max(TELLING_DISTINCT, TELLING_SHARE * self.cell_count)
            and self.bits >= TELLING_BITS
        )

    @property
    def is_leading(self) -> bool:
        """Whether it may be a lead to another table without any row that matches."""
        return self.is_telling and self.distinct >= LEADING_DISTINCT and self.bits >= LEADING_BITS

    @property
    def keys(self) -> NDArray[np.int64]:
        """What the column is found by, as signed numbers; none where it does not tell much."""
        return self.hashes[:KEY_COUNT].view(np.int64) if self.is_telling else np.empty(0, np.int64)


def of_rows(parts: Iterable[bytes]) -> dict[int, Column]:
    """The columns of a table by the hash of their name, from the sketches of its rows."""
    smallest: dict[int, NDArray[np.uint64]] = {}
    counts: dict[int, int] = {}
    weights: dict[int, list[float]] = {}
    for number, block in enumerate(_blocks(parts)):
        if number * BLOCK < WEIGHED_ROWS:
            _weigh(block, weights)
        found = [rows.cells(part) for part in block]
        names, values = (np.concatenate(side) for side in zip(*found, strict=True))
        for name in np.unique(names).tolist():
            own = values[names == name]
            known = smallest.get(name, np.empty(0, np.uint64))
            smallest[name] = np.unique(np.concatenate([known, own]))[:SKETCH_SIZE]
            counts[name] = counts.get(name, 0) + len(own)
    return {
        name: Column(hashes, counts[name], float(np.mean(weights.get(name) or [0.0])))
        for name, hashes in smallest.items()
    }


def _blocks(parts: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = iter(parts)
    while block := list(islice(rest, BLOCK)):
        yield block


def _weigh(block: Sequence[bytes], weights: dict[int, list[float]]) -> None:
    """Add what each value of these rows tells."""
    for part in block:
        names, values = (found.tolist() for found in rows.cells(part))
        known = rows.read(part).values
        for name, value in zip(names, values, strict=True):
            weights.setdefault(name, []).append(known[value])


class Shared(NamedTuple):
    """Of the values of one column that were drawn, how many are in the other."""

    held: int
    drawn: int


def shared(one: Column, other: Column) -> Shared:
    """How many values of `one` are in `other`, of the draw that both sketches allow.

    The draw is all of `one` where both sketches hold all of their values.
    """
    bounds = [column.hashes[-1] for column in (one, other) if not column.is_whole]
    drawn = one.hashes if not bounds else one.hashes[one.hashes <= min(bounds)]
    return Shared(int(np.isin(drawn, other.hashes, assume_unique=True).sum()), len(drawn))


def projected(parts: Iterable[bytes], names: Sequence[int]) -> NDArray[np.uint64]:
    """One hash for each row, of its cells in the columns `names` alone, in their order: [n].

    Rows that have none of them are left out.
    """
    made = [_projected(block, names) for block in _blocks(parts)]
    return np.concatenate(made) if made else np.empty(0, np.uint64)


def _projected(block: Sequence[bytes], names: Sequence[int]) -> NDArray[np.uint64]:
    places = {name: place for place, name in enumerate(names)}
    table = np.zeros((len(block), len(names)), np.uint64)
    for number, part in enumerate(block):
        found, values = rows.cells(part)
        for name, value in zip(found.tolist(), values, strict=True):
            if name in places:
                table[number, places[name]] = value
    table = table[table.any(axis=1)]
    state = np.zeros(len(table), np.uint64)
    for column in table.T:
        state = (state ^ column) * MULTIPLIER
        state = state ^ state >> SHIFT
    return state
