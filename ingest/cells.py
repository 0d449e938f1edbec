"""What two table rows share, as both sides may see it: the matching cells, and nothing else.

Cells with the same value are shown whole; of cells that are only alike, the words that both hold.
All other cells are counted, and neither their values nor the names of their columns are kept
(DESIGN, decision 15).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ingest.fingerprint.rows import Field, fields_of

MOST_CELLS = 40
MOST_LETTERS = 300
LEAST_ALIKE = 0.5
"""Of the words of two cells, as Jaccard: below, they say something else."""
CUT = "…"


def shared(later: str, earlier: str) -> dict[str, Any]:
    """The evidence that two canonical rows share cells, for `Match.evidence`.

    Each of `cells` has the column and the value on either side, and whether the values are the
    same; `later_cells` and `earlier_cells` count the cells of each row. Empty where a text is no
    row.
    """
    mine, theirs = fields_of(later), fields_of(earlier)
    if not mine or not theirs:
        return {}
    pairs = [*_same(mine, theirs)]
    pairs += _alike(_left(mine, pairs, 0), _left(theirs, pairs, 1))
    order = {id(one): place for place, one in enumerate(mine)}
    pairs.sort(key=lambda pair: order[id(pair[0])])
    return {
        "cells": [_shown(one, other) for one, other in pairs[:MOST_CELLS]],
        "cell_count": len(pairs),
        "later_cells": len(mine),
        "earlier_cells": len(theirs),
        "passages": [],
    }


Pairs = list[tuple[Field, Field]]


def _same(mine: Sequence[Field], theirs: Sequence[Field]) -> Iterable[tuple[Field, Field]]:
    """Cells of one value, those of one column's name first; each cell once."""
    by_value: dict[str, list[Field]] = {}
    for other in theirs:
        by_value.setdefault(other.value, []).append(other)
    late: list[Field] = []
    for one in mine:
        held = by_value.get(one.value, [])
        named = next((other for other in held if other.name == one.name), None)
        if named is None:
            late.append(one)
            continue
        held.remove(named)
        yield one, named
    for one in late:
        held = by_value.get(one.value, [])
        if held:
            yield one, held.pop(0)


def _left(fields: Sequence[Field], pairs: Pairs, side: int) -> list[Field]:
    """The cells that are in no pair yet."""
    taken = {id(pair[side]) for pair in pairs}
    return [one for one in fields if id(one) not in taken]


def _alike(mine: Sequence[Field], theirs: Sequence[Field]) -> Pairs:
    """Cells that share most of their words, the most alike first; each cell once."""
    found = [
        (_likeness(one, other), one.name != other.name, a, b)
        for a, one in enumerate(mine[:MOST_CELLS])
        for b, other in enumerate(theirs[:MOST_CELLS])
    ]
    taken_mine: set[int] = set()
    taken_theirs: set[int] = set()
    pairs: Pairs = []
    for likeness, _, a, b in sorted(found, key=lambda row: (-row[0], row[1], row[2], row[3])):
        if likeness < LEAST_ALIKE:
            break
        if a in taken_mine or b in taken_theirs:
            continue
        taken_mine.add(a)
        taken_theirs.add(b)
        pairs.append((mine[a], theirs[b]))
    return pairs


def _likeness(one: Field, other: Field) -> float:
    mine, theirs = set(one.tokens), set(other.tokens)
    return len(mine & theirs) / len(mine | theirs) if mine and theirs else 0.0


def _shown(one: Field, other: Field) -> dict[str, Any]:
    is_same = one.value == other.value
    common = set(one.tokens) & set(other.tokens)
    return {
        "is_same": is_same,
        "later_column": one.name,
        "earlier_column": other.name,
        "later": _short(one.value) if is_same else _masked(one.tokens, common),
        "earlier": _short(other.value) if is_same else _masked(other.tokens, common),
    }


def _masked(tokens: Sequence[str], common: set[str]) -> str:
    """The words that both hold, in their order; a gap for those between."""
    words: list[str] = []
    for token in tokens:
        if token in common:
            words.append(token)
        elif not words or words[-1] != CUT:
            words.append(CUT)
    return _short(" ".join(words))


def _short(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]} {CUT}"
